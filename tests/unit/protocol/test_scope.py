"""Scope is read strictly, written back unchanged, and only ever narrowed."""

from __future__ import annotations

import pytest

from grantway.errors import InvalidScope
from grantway.protocol.scope import (
    MAX_LENGTH,
    MAX_VALUES,
    STANDARD_SCOPES,
    format_scope,
    intersect_scope,
    narrow_scope,
    parse_scope,
)


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
