"""``grantway scopes``."""

from __future__ import annotations


def test_a_scope_lives_from_creation_to_deletion(cli):
    made = cli(
        "scopes", "create", "photos.read", "--description", "See your photos", "--translate", "de=Ihre Fotos sehen",
        "--default", "--json",
    ).json()  # fmt: skip
    assert made | {"translations": {"de": "Ihre Fotos sehen"}, "is_default": True, "is_advertised": True} == made
    cli("scopes", "create", "https://api.example/files", "--description", "See your files", "--unadvertised")
    listed = cli("scopes", "list", "--json").json()
    assert [scope["name"] for scope in listed["items"]] == ["https://api.example/files", "photos.read"]
    assert "See your photos" in cli("scopes", "list").out

    changed = cli(
        "scopes", "update", "photos.read", "--no-default", "--translate", "de=", "--translate", "fr=Voir vos photos",
        "--json",
    ).json()  # fmt: skip
    assert (changed["is_default"], changed["translations"]) == (False, {"fr": "Voir vos photos"})
    assert cli("scopes", "update", "photos.read", "--description", "Look", "--json").json()["is_advertised"] is True
    assert cli("scopes", "get", "photos.read", "--json").json()["description"] == "Look"
    assert cli("scopes", "delete", "photos.read").out == "Deleted photos.read.\n"
    assert cli("scopes", "get", "photos.read").code == 5


def test_what_goes_wrong_has_its_exit_code(cli):
    cli("scopes", "create", "once", "--description", "x")
    assert cli("scopes", "create", "once", "--description", "x").code == 7
    assert cli("scopes", "create", "two words", "--description", "x").code == 2
    assert cli("scopes", "create", "grantway.admin", "--description", "x").code == 2
    assert cli("scopes", "create", "without").code == 2
    assert cli("scopes", "update", "once").code == 2
    assert cli("scopes", "update", "once", "--translate", "de").code == 2
    assert cli("scopes", "update", "never", "--default").code == 5
    assert cli("scopes", "delete", "never").code == 5
