import pytest

from grantway.admin.rights import ADMIN, ADMIN_SCOPES, ALL_RIGHTS, Rights, build_rights
from grantway.errors import InsufficientScope


def test_writing_an_area_includes_reading_it_and_nothing_else():
    rights = build_rights(["grantway.users.write"])
    assert [scope for scope in ADMIN_SCOPES if rights.has(scope)] == ["grantway.users.read", "grantway.users.write"]


def test_reading_does_not_include_writing():
    assert not build_rights(["grantway.users.read"]).has("grantway.users.write")


def test_the_admin_scope_is_everything():
    assert all(build_rights([ADMIN]).has(scope) for scope in ADMIN_SCOPES)


def test_scopes_that_only_look_like_administration_give_nothing():
    rights = build_rights(["grantway", "grantway.", "grantway.users", "grantway.users.write.x", "Grantway.admin", ""])
    assert rights == Rights(frozenset())


@pytest.mark.threat("T135")
@pytest.mark.parametrize(
    ("scope", "roles", "held"),
    [
        ([ADMIN], [], []),
        ([ADMIN], ["grantway.keys.read"], ["grantway.keys.read"]),
        (["grantway.keys.write"], [ADMIN], ["grantway.keys.read", "grantway.keys.write"]),
        (["grantway.keys.read"], ["grantway.keys.write"], ["grantway.keys.read"]),
        (["grantway.keys.write"], ["grantway.users.write"], []),
        ([ADMIN], [ADMIN], list(ADMIN_SCOPES)),
    ],
)
def test_a_person_holds_what_the_token_and_their_roles_both_name(scope, roles, held):
    rights = build_rights(scope, roles)
    assert [name for name in ADMIN_SCOPES if rights.has(name)] == held


@pytest.mark.threat("T135")
def test_nobody_hands_out_power_they_do_not_hold():
    rights = build_rights(["grantway.clients.write"])
    rights.check_may_hand_out(["openid", "grantway.clients.read", "grantway.clients.write"])
    for name in (ADMIN, "grantway.users.read", "grantway.something.new"):
        with pytest.raises(InsufficientScope):
            rights.check_may_hand_out(["openid", name])
    ALL_RIGHTS.check_may_hand_out([*ADMIN_SCOPES, "grantway.something.new"])
