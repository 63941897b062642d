"""A registered scope: what an administrator may say of it, and which text a person reads."""

from __future__ import annotations

from typing import Any

import pytest

from grantway.errors import Unprocessable
from grantway.model import Entry
from grantway.protocol.registered_scope import (
    MAX_NAME_LENGTH,
    MAX_TRANSLATIONS,
    RegisteredScope,
    describe_scope,
    parse_registered_scope,
    read_registered_scope,
)

PHOTOS = RegisteredScope(
    name="photos", description="See your photos", translations={"de": "Ihre Fotos sehen", "pt-br": "Ver suas fotos"}
)


def test_a_scope_is_read_with_everything_said_about_it() -> None:
    document = {
        "description": "See your photos",
        "translations": {"de": "Ihre Fotos sehen", "pt-BR": "Ver suas fotos"},
        "is_default": True,
        "is_advertised": False,
    }
    scope = parse_registered_scope("https://api.example/photos", document)
    assert scope.name == "https://api.example/photos"
    assert scope.translations == {"de": "Ihre Fotos sehen", "pt-br": "Ver suas fotos"}
    assert (scope.is_default, scope.is_advertised) == (True, False)


def test_a_text_is_enough() -> None:
    scope = parse_registered_scope("photos", {"description": "See your photos"})
    assert (scope.translations, scope.is_default, scope.is_advertised) == ({}, False, True)


@pytest.mark.parametrize("name", ["", "two words", 'quo"ted', "é", "a" * (MAX_NAME_LENGTH + 1), None, 7, "a\x00"])
def test_a_name_is_one_scope(name: Any) -> None:
    with pytest.raises(Unprocessable) as refused:
        parse_registered_scope(name, {"description": "x"})
    assert refused.value.field == "name"


def test_a_right_to_administer_is_not_described_by_anybody() -> None:
    with pytest.raises(Unprocessable, match=r"grantway\."):
        parse_registered_scope("grantway.admin", {"description": "Be nice to you"})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("description", None),
        ("description", "  "),
        ("description", "a" * 257),
        ("description", "a\nb"),
        ("description", "See \u202eyour photos"),
        ("description", 7),
        ("translations", ["de"]),
        ("translations", {"german!": "x"}),
        ("translations", {"": "x"}),
        ("translations", {"de": ""}),
        ("translations", {"de": None}),
        ("translations", {"de": "x", "DE": "y"}),
        ("translations", {f"x{chr(97 + i // 26)}{chr(97 + i % 26)}": "x" for i in range(MAX_TRANSLATIONS + 1)}),
        ("is_default", "yes"),
        ("is_advertised", 1),
    ],
)
def test_a_member_that_is_not_acceptable_is_named(member: str, value: Any) -> None:
    with pytest.raises(Unprocessable) as refused:
        parse_registered_scope("photos", {"description": "See your photos", member: value})
    assert refused.value.field == member


def test_what_is_stored_is_read_and_what_a_later_version_adds_is_passed_over() -> None:
    entry = Entry(tenant="t", kind="scope", key="photos", document={"description": "See", "colour": "red"})
    assert read_registered_scope(entry) == RegisteredScope(name="photos", description="See")


@pytest.mark.parametrize(
    ("languages", "text"),
    [
        ([], "See your photos"),
        (["de"], "Ihre Fotos sehen"),
        (["de-AT", "en"], "Ihre Fotos sehen"),
        (["pt_BR"], "Ver suas fotos"),
        (["pt"], "See your photos"),
        (["fr", "de"], "Ihre Fotos sehen"),
        (["en-GB", "de"], "See your photos"),
        (["fr", "", "*"], "See your photos"),
    ],
)
def test_a_person_reads_the_text_in_the_language_they_prefer(languages: list[str], text: str) -> None:
    assert describe_scope("photos", PHOTOS, languages) == text


def test_a_scope_nobody_described_goes_by_its_standard_text_or_its_name() -> None:
    assert describe_scope("email", None, ["de"]) == "See your email address"
    assert describe_scope("files", None, ["de"]) == "files"
