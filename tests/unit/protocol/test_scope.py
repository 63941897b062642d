"""Scope is read strictly, written back unchanged, and only ever narrowed."""

from __future__ import annotations

import pytest

from grantway.errors import InvalidScope
from grantway.protocol.scope import (
    BY_NAME,
    MAX_LENGTH,
    MAX_VALUES,
    STANDARD_SCOPES,
    ScopePolicy,
    choose_scope_policy,
    format_scope,
    intersect_scope,
    narrow_scope,
    parse_scope,
)

HIERARCHIC, WILDCARD, ANY = ScopePolicy("hierarchic"), ScopePolicy("wildcard"), ScopePolicy(matching="any")


@pytest.mark.spec("RFC 6749 §3.3")
@pytest.mark.parametrize("text", [None, "", " ", "   "])
def test_nothing_is_no_scope(text: str | None) -> None:
    assert parse_scope(text) == ()


@pytest.mark.spec("RFC 6749 §3.3")
def test_values_keep_their_order_and_lose_their_repeats() -> None:
    assert parse_scope("openid  profile openid Email email") == ("openid", "profile", "Email", "email")


@pytest.mark.spec("RFC 6749 §3.3")
def test_every_character_the_grammar_allows_is_allowed() -> None:
    allowed = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"\\')
    assert parse_scope(allowed) == (allowed,)


@pytest.mark.spec("RFC 6749 §3.3")
@pytest.mark.threat("T146")
@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\tb", "a\nb", "a\x00", "a\x7f", "é", "openid\u00a0email", "\u212a"])
def test_any_other_character_is_refused(text: str) -> None:
    with pytest.raises(InvalidScope):
        parse_scope(text)


@pytest.mark.threat("T145")
def test_a_scope_has_bounds() -> None:
    assert len(parse_scope(" ".join(map(str, range(MAX_VALUES))))) == MAX_VALUES
    assert parse_scope("a" * MAX_LENGTH)
    with pytest.raises(InvalidScope):
        parse_scope(" ".join(map(str, range(MAX_VALUES + 1))))
    with pytest.raises(InvalidScope):
        parse_scope("a" * (MAX_LENGTH + 1))


def test_the_wire_form_is_separated_by_single_spaces() -> None:
    assert format_scope(("openid", "email")) == "openid email"
    assert format_scope(()) == ""


@pytest.mark.spec("RFC 6749 §6")
@pytest.mark.threat("T32")
def test_narrowing_never_gives_more_than_was_allowed() -> None:
    allowed = ("openid", "email", "read")
    assert narrow_scope((), allowed) == allowed
    assert narrow_scope(("read", "openid"), allowed) == ("read", "openid")
    with pytest.raises(InvalidScope, match="write"):
        narrow_scope(("read", "write"), allowed)
    with pytest.raises(InvalidScope):
        narrow_scope(("READ",), allowed)


def test_intersecting_keeps_the_order_of_the_first() -> None:
    assert intersect_scope(("c", "a", "b"), ("b", "c")) == ("c", "b")
    assert intersect_scope(("a",), ()) == ()


@pytest.mark.spec("OpenID Connect Core §5.4")
def test_every_standard_scope_has_a_text_for_people() -> None:
    assert list(STANDARD_SCOPES) == ["openid", "profile", "email", "address", "phone", "offline_access"]
    assert all(STANDARD_SCOPES.values())


# -- what a registered scope stands for -------------------------------------------------------------------------------


@pytest.mark.spec("RFC 6749 §3.3")
@pytest.mark.parametrize("value", ["photos.read", "photo", "Photos", "photos.", "photos.*"])
def test_by_name_a_scope_allows_itself_and_nothing_else(value: str) -> None:
    assert BY_NAME.is_allowed("photos", ["mail", "photos"])
    assert not BY_NAME.is_allowed(value, ["mail", "photos"])
    assert BY_NAME.is_allowed("photos.*", ["photos.*"]), "a name like any other"


@pytest.mark.parametrize(
    ("value", "is_allowed"),
    [
        ("photos", True),
        ("photos.read", True),
        ("photos.read.thumbnails", True),
        ("mail.send", True),
        ("photo", False),
        ("photosynthesis", False),
        ("photosynthesis.read", False),
        ("mail", False),
        ("mail.read", False),
        ("Photos.read", False),
        ("photos.", False),
        ("photos..read", False),
        (".photos", False),
    ],
)
def test_in_a_hierarchy_a_scope_allows_what_is_below_it(value: str, is_allowed: bool) -> None:
    assert HIERARCHIC.is_allowed(value, ["photos", "mail.send"]) is is_allowed


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        ("photos.*", ["photos.read", "photos.read.thumbnails"], ["photos", "photo.read", "photos.", "photos..read"]),
        ("*", ["photos", "photos.read", "a.b.c"], ["", ".", "a."]),
        ("photos.*.read", ["photos.a.read"], ["photos.read", "photos.a.b.read", "photos.a.write", "photos..read"]),
        ("photos.*.*", ["photos.a.b", "photos.a.b.c"], ["photos.a", "photos"]),
        ("*.read", ["photos.read", "mail.read"], ["read", "photos.a.read", "photos.readers"]),
        ("photos.read*", ["photos.read*"], ["photos.reads", "photos.read"]),
        ("photos", ["photos"], ["photos.read"]),
        ("https://api.example/*", [], ["https://api.example/a"]),
    ],
)
def test_a_star_between_dots_allows_one_segment_and_one_at_the_end_one_or_more(
    pattern: str, allowed: list[str], refused: list[str]
) -> None:
    assert [value for value in allowed if not WILDCARD.is_allowed(value, [pattern])] == []
    assert [value for value in refused if WILDCARD.is_allowed(value, [pattern])] == []


@pytest.mark.threat("T32")
def test_a_pattern_is_never_granted() -> None:
    assert WILDCARD.is_pattern("photos.*")
    assert not WILDCARD.is_allowed("photos.*", ["photos.*"])
    with pytest.raises(InvalidScope):
        narrow_scope(("photos.*",), ("photos.*",), WILDCARD)
    assert WILDCARD.name_scope(("photos.*", "mail", "*")) == ("mail",)
    assert HIERARCHIC.name_scope(("photos.*", "mail")) == ("photos.*", "mail")


@pytest.mark.threat("T32")
@pytest.mark.parametrize("value", [*STANDARD_SCOPES, "grantway.admin", "grantway.clients.write"])
def test_no_pattern_stands_for_a_scope_that_means_something_to_the_server_itself(value: str) -> None:
    assert not WILDCARD.covers(["*", "grantway.*", "*.*", "*.*.*"], value)
    assert not HIERARCHIC.covers(["grantway", "grantway.clients"], value)
    assert WILDCARD.is_allowed(value, [value])
    assert HIERARCHIC.is_allowed(value, [value])


def test_what_is_narrowed_under_a_strategy_is_what_was_asked_for() -> None:
    assert narrow_scope(("photos.read", "mail"), ("photos.*", "mail"), WILDCARD) == ("photos.read", "mail")
    assert narrow_scope(("photos.read",), ("photos",), HIERARCHIC) == ("photos.read",)
    with pytest.raises(InvalidScope, match="files"):
        narrow_scope(("photos.read", "files"), ("photos",), HIERARCHIC)


@pytest.mark.spec("RFC 6749 §3.3")
def test_any_grants_what_is_allowed_and_refuses_a_request_of_which_nothing_is() -> None:
    assert narrow_scope(("write", "read", "admin"), ("read", "write"), ANY) == ("write", "read")
    with pytest.raises(InvalidScope, match="admin"):
        narrow_scope(("admin", "root"), ("read", "write"), ANY)


@pytest.mark.threat("T32")
def test_what_is_still_allowed_is_selected_in_its_order() -> None:
    assert WILDCARD.select(("b.y", "photos.read", "mail"), ("photos.*", "*.y")) == ("b.y", "photos.read")
    assert BY_NAME.select(("b", "a", "c"), ("a", "b")) == ("b", "a")


def test_commas_and_pluses_separate_where_a_client_is_said_to_send_them() -> None:
    lax = ScopePolicy(separators="comma_and_plus")
    assert lax.parse("read,write+admin mail, ,files") == ("read", "write", "admin", "mail", "files")
    assert lax.parse(None) == ()
    assert BY_NAME.parse("read,write+admin") == ("read,write+admin",)


def test_a_client_has_its_own_policy_or_the_servers() -> None:
    assert choose_scope_policy({}, "exact") is choose_scope_policy({}, "exact")
    assert choose_scope_policy({}, "wildcard") == WILDCARD
    assert choose_scope_policy({"contact": "x"}, "hierarchic") == HIERARCHIC
    own = {"scope_strategy": "exact", "scope_matching": "any", "scope_separators": "comma_and_plus"}
    assert choose_scope_policy(own, "wildcard") == ScopePolicy("exact", "any", "comma_and_plus")
