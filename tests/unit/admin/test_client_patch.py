import pytest

from grantway.admin.client_patch import MOST_BYTES, PROTECTED, apply_patch
from grantway.errors import Conflict, Unprocessable

DOCUMENT = {"client_id": "c", "client_name": "Shop", "redirect_uris": ["https://a.example/"], "metadata": {"x": [1]}}


@pytest.mark.spec("RFC 6902 §4")
def test_operations_are_applied_in_order():
    patched = apply_patch(
        DOCUMENT,
        [
            {"op": "test", "path": "/client_id", "value": "c"},
            {"op": "add", "path": "/redirect_uris/-", "value": "https://b.example/"},
            {"op": "replace", "path": "/client_name", "value": "Store"},
            {"op": "move", "from": "/metadata/x", "path": "/metadata/y"},
            {"op": "remove", "path": "/redirect_uris/0"},
        ],
    )
    assert patched == {
        "client_id": "c", "client_name": "Store", "redirect_uris": ["https://b.example/"], "metadata": {"y": [1]}
    }  # fmt: skip


def test_the_document_that_was_given_is_left_alone():
    apply_patch(DOCUMENT, [{"op": "add", "path": "/metadata/x/-", "value": 2}])
    assert DOCUMENT["metadata"] == {"x": [1]}


@pytest.mark.spec("RFC 6902 §4.6")
def test_a_failed_test_is_a_conflict():
    with pytest.raises(Conflict):
        apply_patch(DOCUMENT, [{"op": "test", "path": "/client_name", "value": "Other"}])


@pytest.mark.threat("T125")
@pytest.mark.parametrize("name", sorted(PROTECTED))
@pytest.mark.parametrize("verb", ["add", "remove", "replace", "move", "copy"])
def test_protected_members_are_not_touched(name, verb):
    operation = {"op": verb, "path": f"/{name}", "value": "x", "from": "/client_name"}
    with pytest.raises(Unprocessable):
        apply_patch(DOCUMENT, [operation])
    with pytest.raises(Unprocessable):
        apply_patch(DOCUMENT, [{**operation, "path": f"/{name}/0"}])


def test_a_protected_member_cannot_be_moved_away():
    with pytest.raises(Unprocessable):
        apply_patch(DOCUMENT, [{"op": "move", "from": "/client_id", "path": "/client_name"}])


@pytest.mark.threat("T144")
@pytest.mark.parametrize(
    "operation",
    [
        "remove",
        [],
        None,
        {},
        {"op": "remove"},
        {"op": "destroy", "path": "/client_name"},
        {"op": ["remove"], "path": "/client_name"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "", "value": {}},
        {"op": "remove", "path": "client_name"},
        {"op": "remove", "path": 7},
        {"op": "remove", "path": "/~2"},
        {"op": "remove", "path": "/nothing"},
        {"op": "remove", "path": "/redirect_uris/9"},
        {"op": "remove", "path": "/redirect_uris/-1"},
        {"op": "remove", "path": "/redirect_uris/" + "9" * 900},
        {"op": "remove", "path": "/client_name/0"},
        {"op": "add", "path": "/client_name/x", "value": 1},
        {"op": "add", "path": "/redirect_uris/x", "value": 1},
        {"op": "add", "path": "/metadata"},
        {"op": "move", "path": "/metadata/a"},
        {"op": "move", "from": "/metadata", "path": "/metadata/a"},
        {"op": "copy", "from": "/nothing", "path": "/metadata/a"},
        {"op": "remove", "path": "/" * 2000},
    ],
)
def test_what_is_no_operation_is_refused(operation):
    with pytest.raises(Unprocessable):
        apply_patch(DOCUMENT, [operation])


@pytest.mark.threat("T144")
def test_copies_that_double_the_document_are_stopped():
    bomb = [{"op": "add", "path": "/metadata", "value": {"a": "x" * 1000}}]
    bomb += [{"op": "copy", "from": "/metadata", "path": f"/metadata/{number}"} for number in range(99)]
    with pytest.raises(Unprocessable, match=str(MOST_BYTES)):
        apply_patch(DOCUMENT, bomb)


def test_more_than_a_hundred_operations_are_refused():
    with pytest.raises(Unprocessable):
        apply_patch(DOCUMENT, [{"op": "test", "path": "/client_id", "value": "c"}] * 101)
