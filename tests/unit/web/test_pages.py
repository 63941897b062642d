"""Pages: nothing from outside becomes markup, every header is there, and the forms are as agreed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jinja2
import pytest

from grantway.errors import ConfigurationError
from grantway.protocol.message import Response
from grantway.web.pages import PAGES, JinjaPages
from grantway.web.static_files import build_static

from .markup import Markup
from .samples import ACCOUNT, CLIENT, FORM, FULL, IDS, LEAST, build_scope, build_session

PAYLOADS = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus=alert(1) x='",
    "</title></textarea></style></script><svg/onload=alert(1)>",
    "<!--<script>-->",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;script&gt;&#x3c;b&#x3e;",
    "\u202egnp.exe \u2066<b>\u0000\x1b[31m",
    "<x\ty=\"\ny>" * 40,
)  # fmt: skip
KEPT = {"redirect_uri", "client_uri", "policy_uri", "tos_uri", "return_url"}
"""URLs a page drops when they are no URLs: tested for themselves."""


@dataclasses.dataclass
class CountingEntropy:
    """Counts what is taken from it; every value is another one."""

    taken: int = 0

    def token_bytes(self, size: int) -> bytes:
        self.taken += 1
        return self.taken.to_bytes(size, "big")


@pytest.fixture
def pages() -> JinjaPages:
    return JinjaPages(CountingEntropy())


def read_policy(response: Response) -> dict[str, str]:
    directives = dict(response.headers)[b"content-security-policy"].decode().split("; ")
    return {name: sources for name, _, sources in (directive.partition(" ") for directive in directives)}


def put_everywhere(value: Any, text: str) -> Any:
    """``value`` with ``text`` in place of every string an outsider might have chosen."""
    if isinstance(value, str):
        return text
    if isinstance(value, dict):
        return {key: item if key in KEPT else put_everywhere(item, text) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [put_everywhere(item, text) for item in value]
    return value


def test_there_is_a_sample_of_every_page() -> None:
    assert list(PAGES) == sorted(FULL) == sorted(LEAST) == sorted(IDS)


# -- nothing from outside becomes markup --------------------------------------------------------------------------
@pytest.mark.threat("T95")
@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("page", PAGES)
def test_text_from_outside_never_becomes_markup(pages: JinjaPages, page: str, payload: str) -> None:
    harmless = Markup(pages.render(page, {"issuer_name": "x", **put_everywhere(FULL[page], "text")}))
    hostile = pages.render(page, {"issuer_name": payload, **put_everywhere(FULL[page], payload)})
    assert Markup(hostile).shape == harmless.shape
    if "<" in payload or '"' in payload:
        assert payload.encode() not in hostile.body
    assert b"49" not in hostile.body or "7 * 7" not in payload


@pytest.mark.threat("T95")
@pytest.mark.parametrize("page", PAGES)
def test_no_page_has_inline_styles_handlers_or_script_without_a_nonce(pages: JinjaPages, page: str) -> None:
    response = pages.render(page, FULL[page])
    markup = Markup(response)
    for tag, attributes in markup.elements:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    for script in markup.find("script"):
        assert read_policy(response)["script-src"] == f"'nonce-{script['nonce']}'"


@pytest.mark.threat("T95")
@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "\x01javascript:alert(1)", "//x.example",
            "https://", "https:///x", "https://[", "https://x.example/ onclick=x", "java\nscript:x", 7, None]
)  # fmt: skip
def test_only_web_addresses_of_a_client_become_links(pages: JinjaPages, uri: Any) -> None:
    client = {**CLIENT, "client_uri": uri, "policy_uri": uri, "tos_uri": uri}
    for page in ("login", "consent", "error", "register", "select_account"):
        for link in Markup(pages.render(page, {**FULL[page], "client": client})).find("a"):
            assert link["href"] in ("#main", "/register", "/login")


@pytest.mark.threat("T11")
def test_links_to_other_sites_tell_them_nothing_and_lend_them_nothing(pages: JinjaPages) -> None:
    links = [link for page in PAGES for link in Markup(pages.render(page, FULL[page])).find("a")]
    foreign = [link for link in links if link["href"].startswith("http")]
    assert len(foreign) >= 10
    for link in foreign:
        assert "noreferrer" in link["rel"]
        assert "target" not in link or "noopener" in link["rel"]


@pytest.mark.threat("T75")
@pytest.mark.threat("T11")
@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_nothing_but_our_own_files(pages: JinjaPages, page: str) -> None:
    response = pages.render(page, {**FULL[page], "base": "/t/acme"})
    assert b"logo.png" not in response.body
    loaded = [link["href"] for link in Markup(response).find("link")]
    loaded += [attributes["src"] for _, attributes in Markup(response).elements if "src" in attributes]
    assert len(loaded) == 2
    for address in loaded:
        name, _, version = address.removeprefix("/t/acme/static/").partition("?v=")
        assert version
        assert build_static(name) is not None
    assert read_policy(response)["img-src"] == "'self'"


@pytest.mark.threat("T95")
@pytest.mark.parametrize("uri", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "/relative", "a b:c", ""])
def test_a_code_is_not_posted_to_an_address_that_runs(pages: JinjaPages, uri: str) -> None:
    with pytest.raises(ValueError, match="scheme"):
        pages.render("form_post", {"redirect_uri": uri, "fields": [("code", "1")]})


@pytest.mark.threat("T95")
def test_the_way_back_after_signing_out_is_no_script(pages: JinjaPages) -> None:
    assert "return" in Markup(pages.render("logged_out", {"return_url": "com.example.app:/bye"})).ids
    assert "return" not in Markup(pages.render("logged_out", {"return_url": "javascript:alert(1)"})).ids


# -- headers ------------------------------------------------------------------------------------------------------
@pytest.mark.threat("T94")
@pytest.mark.threat("T97")
@pytest.mark.parametrize("contexts", [FULL, LEAST], ids=["full", "least"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_every_security_header(
    pages: JinjaPages, page: str, contexts: dict[str, dict[str, Any]]
) -> None:
    response = pages.render(page, contexts[page], status=418)
    assert response.status == 418
    headers = dict(response.headers)
    assert len(headers) == len(response.headers)
    assert headers[b"content-type"] == b"text/html; charset=utf-8"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"x-frame-options"] == b"DENY"
    assert headers[b"cross-origin-opener-policy"] == b"same-origin"
    assert headers[b"referrer-policy"] == (b"no-referrer" if page == "form_post" else b"same-origin")
    assert b"camera=()" in headers[b"permissions-policy"]
    policy = read_policy(response)
    assert policy.pop("script-src", "'nonce-").startswith("'nonce-")
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.threat("T95")
def test_only_form_post_may_run_a_script_and_its_nonce_is_never_the_same() -> None:
    entropy = CountingEntropy()
    pages = JinjaPages(entropy)
    for page in PAGES:
        assert ("script-src" in read_policy(pages.render(page, FULL[page]))) is (page == "form_post")
    first, second = (read_policy(pages.render("form_post", FULL["form_post"]))["script-src"] for _ in range(2))
    assert first != second
    assert entropy.taken == 3


@pytest.mark.threat("T96")
@pytest.mark.parametrize(
    "source", ["https://photos.example", "http://127.0.0.1:7000", "com.example.photos:", "http:", "https://*.x.example"]
)
def test_a_form_may_lead_to_the_clients_address(pages: JinjaPages, source: str) -> None:
    response = pages.render("login", FULL["login"], form_action=source)
    assert read_policy(response)["form-action"] == f"'self' {source}"


@pytest.mark.threat("T98")
@pytest.mark.parametrize(
    "source",
    ["https://x.example; script-src *", "*", "https://x.example\r\nx: y", "'unsafe-inline'", "https://x y", ""],
)
def test_a_policy_cannot_be_extended_through_the_form_action(pages: JinjaPages, source: str) -> None:
    response = pages.render("login", FULL["login"], form_action=source)
    assert read_policy(response)["form-action"] == "'self'"
    assert b"\r" not in dict(response.headers)[b"content-security-policy"]


# -- forms --------------------------------------------------------------------------------------------------------
@pytest.mark.threat("T90")
@pytest.mark.parametrize("page", PAGES)
def test_every_form_posts_and_carries_the_csrf_token(pages: JinjaPages, page: str) -> None:
    markup = Markup(pages.render(page, {**FULL[page], "csrf_token": "the-token"}))
    assert bool(markup.forms) is (page not in ("device_done", "error", "logged_out"))
    for form, controls in markup.forms:
        assert form["method"] == "post"
        tokens = [control["value"] for control in controls if control.get("name") == "csrf_token"]
        assert tokens == ([] if page == "form_post" else ["the-token"])


@pytest.mark.parametrize("page", PAGES)
def test_forms_have_the_ids_that_scripts_and_tests_rely_on(pages: JinjaPages, page: str) -> None:
    ids = Markup(pages.render(page, FULL[page])).ids
    assert IDS[page] <= set(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("page", ["login", "select_account", "consent", "device", "register", "logout", "account"])
def test_a_form_without_its_token_is_an_error_not_an_empty_field(pages: JinjaPages, page: str) -> None:
    context = {name: value for name, value in FULL[page].items() if name != "csrf_token"}
    with pytest.raises(jinja2.UndefinedError, match="csrf_token"):
        pages.render(page, context)


@pytest.mark.parametrize(
    ("page", "buttons"),
    [
        ("login", ["login", "cancel"]),
        ("select_account", ["continue", "other"]),
        ("consent", ["deny", "allow"]),
        ("register", ["register"]),
        ("logout", ["stay", "logout"]),
        ("device", ["continue"]),
    ],
)
def test_buttons_say_what_was_chosen(pages: JinjaPages, page: str, buttons: list[str]) -> None:
    [(form, controls)] = Markup(pages.render(page, FULL[page])).forms
    assert form["action"] == FORM["action"]
    assert [control["value"] for control in controls if control.get("name") == "action"] == buttons


def test_cancel_needs_no_filled_fields_and_is_there_only_when_it_leads_somewhere(pages: JinjaPages) -> None:
    assert "formnovalidate" in Markup(pages.render("login", FULL["login"])).by_id("cancel")
    assert "cancel" not in Markup(pages.render("login", FORM)).ids


def test_password_managers_know_every_field(pages: JinjaPages) -> None:
    expected = {
        "login": {"username": "username", "password": "current-password"},
        "register": {"username": "username", "email": "email", "name": "name", "password": "new-password"},
        "account": {"current_password": "current-password", "new_password": "new-password"},
    }
    for page, fields in expected.items():
        markup = Markup(pages.render(page, FULL[page]))
        assert {name: markup.by_id(name)["autocomplete"] for name in fields} == fields


def test_a_password_is_never_written_back(pages: JinjaPages) -> None:
    values = {"username": "ada", "password": "correct horse"}
    response = pages.render("register", {**FORM, "values": values, "errors": {"username": "Taken."}})
    assert b"correct horse" not in response.body


def test_forms_of_the_account_page_stay_below_the_issuer(pages: JinjaPages) -> None:
    markup = Markup(pages.render("account", {**FULL["account"], "base": "/t/acme"}))
    assert {form["action"] for form, _ in markup.forms} == {
        f"/t/acme/account/{name}" for name in ("logout", "clients", "sessions", "password")
    }


def test_the_session_in_use_has_no_button_of_its_own(pages: JinjaPages) -> None:
    alone = {**FULL["account"], "sessions": [build_session("s1", is_current=True)]}
    ids = Markup(pages.render("account", alone)).ids
    assert not {"end-s1", "end-others"} & set(ids)


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode §2")
def test_form_post_carries_the_answer_unchanged(pages: JinjaPages) -> None:
    [(form, controls)] = Markup(pages.render("form_post", FULL["form_post"])).forms
    assert form["action"] == "https://photos.example/callback?a=1"
    assert [(c["name"], c["value"]) for c in controls if "name" in c] == FULL["form_post"]["fields"]


# -- consent ------------------------------------------------------------------------------------------------------
def test_consent_names_who_asks_where_it_leads_and_for_whom(pages: JinjaPages) -> None:
    text = Markup(pages.render("consent", FULL["consent"], form_action="https://login.photos.example:8443")).text
    assert "Harbour Photos asks for access to your account" in text
    assert "You are signed in as ada" in text
    assert "photos.example" in text
    assert "Next you go back to login.photos.example:8443." in text
    assert "https://api.example" in text


@pytest.mark.parametrize("source", ["http://127.0.0.1:7000", "http://[::1]:7000", "http://localhost"])
def test_consent_says_when_a_program_on_this_device_asks(pages: JinjaPages, source: str) -> None:
    assert "a program on this device" in Markup(pages.render("consent", FULL["consent"], form_action=source)).text


@pytest.mark.threat("T121")
def test_consent_says_that_a_device_asks_and_which_code_it_has_to_show(pages: JinjaPages) -> None:
    markup = Markup(pages.render("consent", {**FULL["consent"], "device": {"user_code": "BCDF-GHJK"}}))
    assert "Another device asks for this. It has to show this code: BCDF-GHJK" in markup.text
    assert "Next you go on at your device." in markup.text
    assert "Another device" not in Markup(pages.render("consent", FULL["consent"])).text


def test_the_field_for_a_code_suits_a_telephone(pages: JinjaPages) -> None:
    field = Markup(pages.render("device", FORM)).by_id("user_code")
    assert field["autocapitalize"] == "characters"
    assert field["autocomplete"] == "off"
    assert field["spellcheck"] == "false"
    assert field["enterkeyhint"] == "go"


def test_a_required_scope_cannot_be_switched_off(pages: JinjaPages) -> None:
    [(_, controls)] = Markup(pages.render("consent", FULL["consent"])).forms
    scopes = {control["value"]: control for control in controls if control.get("name") == "scope"}
    assert scopes["openid"]["type"] == "hidden"
    assert scopes["email"]["type"] == "checkbox"
    assert "checked" in scopes["photos:write"]


def test_new_scopes_are_marked_where_others_were_allowed_before(pages: JinjaPages) -> None:
    def count(*scopes: dict[str, Any]) -> int:
        markup = Markup(pages.render("consent", {**FULL["consent"], "scopes": list(scopes)}))
        return [element.get("class") for element in markup.find("span")].count("tag new")

    assert count(build_scope("openid", is_new=False), build_scope("email")) == 1
    assert count(build_scope("openid"), build_scope("email")) == 0


def test_a_client_without_a_name_goes_by_its_identifier(pages: JinjaPages) -> None:
    assert "photos asks for access" in Markup(pages.render("consent", LEAST["consent"])).text


# -- people who cannot see the page, or not well --------------------------------------------------------------------
@pytest.mark.parametrize("contexts", [FULL, LEAST], ids=["full", "least"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_can_be_read_aloud(pages: JinjaPages, page: str, contexts: dict[str, dict[str, Any]]) -> None:
    markup = Markup(pages.render(page, contexts[page]))
    [html] = markup.find("html")
    assert html["lang"] == "en"
    assert len(markup.find("h1")) == len(markup.find("main")) == len(markup.find("title")) == 1
    assert markup.find("a")[0]["href"] == "#main"
    labelled = {label["for"] for label in markup.find("label")}
    for field in markup.find("input"):
        assert field.get("type") == "hidden" or "hidden" in field or field["id"] in labelled
        assert set(field.get("aria-describedby", "").split()) <= set(markup.ids)


def test_an_error_is_announced_and_tied_to_its_field(pages: JinjaPages) -> None:
    markup = Markup(pages.render("register", FULL["register"]))
    assert markup.by_id("form-error")["role"] == "alert"
    for name in ("username", "email", "name", "password"):
        field = markup.by_id(name)
        assert field["aria-invalid"] == "true"
        assert f"{name}-error" in field["aria-describedby"].split()
    assert "No." in markup.text
    assert markup.text.startswith("Error: ")
    username = Markup(pages.render("login", FULL["login"])).by_id("username")
    assert (username["aria-invalid"], username["aria-describedby"]) == ("true", "form-error")


def test_a_message_is_announced_politely(pages: JinjaPages) -> None:
    notices = [element for element in Markup(pages.render("account", FULL["account"])).find("div") if "role" in element]
    assert [(notice["role"], notice.get("aria-live")) for notice in notices] == [("status", "polite"), ("alert", None)]


def test_a_name_cannot_turn_the_sentence_around_it(pages: JinjaPages) -> None:
    body = pages.render("login", {**FORM, "client": {**CLIENT, "name": "\u202eevil"}}).body.decode()
    assert "to continue to <strong><bdi>\u202eevil</bdi></strong>" in body


def test_text_that_is_no_unicode_does_not_break_a_page(pages: JinjaPages) -> None:
    response = pages.render("logout", {**FORM, "account": {**ACCOUNT, "name": "a\ud800b"}})
    assert b"a?b" in response.body


# -- templates and languages of the operator ------------------------------------------------------------------------
def test_a_template_of_the_operator_replaces_ours_and_may_build_on_it(tmp_path: Path) -> None:
    (tmp_path / "error.html").write_text(
        '{% extends "grantway/error.html" %}{% block under %}<p>Call <b>{{ description }}</b></p>{% endblock %}'
    )
    pages = JinjaPages(CountingEntropy(), tmp_path)
    body = pages.render("error", {"description": "<i>"}).body
    assert b"<p>Call <b>&lt;i&gt;</b></p>" in body
    assert b"Something went wrong" in body
    assert Markup(pages.render("login", FORM)).by_id("login")


def test_a_script_of_the_operator_runs_only_under_a_nonce(tmp_path: Path) -> None:
    (tmp_path / "error.html").write_text('<script nonce="{{ nonce() }}">{{ nonce() }}</script>')
    response = JinjaPages(CountingEntropy(), tmp_path).render("error", {})
    [script] = Markup(response).find("script")
    assert read_policy(response)["script-src"] == f"'nonce-{script['nonce']}'"
    assert response.body.count(script["nonce"].encode()) == 2


@pytest.mark.spec("RFC 9110 §12.5.4")
def test_people_get_the_first_of_their_languages_there_are_templates_in(tmp_path: Path) -> None:
    for folder, text in (("de", "Hallo"), ("ar", "مرحبا"), ("pt-BR", "Oi")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "error.html").write_text(
            '{% extends "grantway/error.html" %}{% block card %}<h1>' + text + "</h1>{% endblock %}"
        )
    (tmp_path / "not a language").mkdir()
    pages = JinjaPages(CountingEntropy(), tmp_path)

    def read(*locales: str) -> tuple[str, str]:
        [html] = Markup(pages.render("error", {}, locales=locales)).find("html")
        return html["lang"], html["dir"]

    assert read() == read("xx", "../../etc", "not a language") == read("en-GB", "de") == ("en", "ltr")
    assert read("fr", "de-AT", "en") == ("de", "ltr")
    assert read("PT_br") == ("pt-br", "ltr")
    assert read("ar-EG") == ("ar", "rtl")
    assert "Hallo" in Markup(pages.render("error", {}, locales=["de"])).text


def test_a_directory_of_templates_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="templates"):
        JinjaPages(CountingEntropy(), tmp_path / "missing")
