"""Debian's mod_auth_openidc, the relying party and resource server inside Apache, against the running server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from joserfc.jwk import RSAKey
from msgspec import Struct
from tests.apache import run_apache
from tests.docs.markdown import DOCS, read_blocks
from tests.nginx import find_free_port

from .browsing import Visitor
from .dev_server import DevServer

pytestmark = [pytest.mark.apache, pytest.mark.browser]

PAGE = DOCS / "how-to" / "apache.md"
SITE = "https://www.example.com"
_MORE = """
OIDCProviderTokenEndpointAuth {token_endpoint_auth_method}
OIDCCookie apache_{port}
OIDCInfoHook id_token userinfo access_token refresh_token
<Location /protected/ada/>
AuthType openid-connect
Require claim preferred_username:ada
</Location>
"""
CODE_WAYS = ("code", "code by form_post", "code by fragment", "client_secret_jwt", "private_key_jwt")
HYBRID_WAYS = {
    "id_token": "form_post",
    "id_token token": "fragment",
    "code id_token": "form_post",
    "code token": "fragment",
    "code id_token token": "form_post",
}
"""Response types with a token in the front channel, and the response mode they are tried with."""


class Site(Struct, frozen=True):
    """One virtual host, and the client that it is."""

    dev: DevServer
    client: dict[str, Any]
    origin: str


def read_page(language: str) -> list[str]:
    return [block.text for block in read_blocks(PAGE) if block.language == language]


def configure(text: str, dev: DevServer, origin: str, client: dict[str, Any]) -> str:
    """Directives of the page for this server, this site and ``client``."""
    text = text.replace("https://id.example.com", dev.issuer).replace(SITE, origin)
    text = re.sub(r"ClientID .*", f"ClientID {client['client_id']}", text)
    return re.sub(r"ClientSecret .*", f"ClientSecret {client.get('client_secret') or 'none'}", text)


def add_client(dev: DevServer, origin: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The client of the page for this site. ``changes``: of its metadata; None takes something away."""
    [command] = read_page("bash")
    document = {**json.loads(command[command.index("{") : command.rindex("}") + 1]), **changes}
    metadata = json.loads(json.dumps(document).replace(SITE, origin))
    return dev.add_client(**{name: value for name, value in metadata.items() if value is not None})


def write_key(folder: Path) -> tuple[dict[str, Any], str]:
    """A new key of Apache's: the client metadata, and the directives that name its files."""
    key = RSAKey.generate_key(2048, {"kid": "apache", "alg": "RS256", "use": "sig"})
    for name, is_private in (("private.pem", True), ("public.pem", False)):
        (folder / name).write_bytes(key.as_pem(private=is_private))
    files = f"OIDCPrivateKeyFiles apache#{folder}/private.pem\nOIDCPublicKeyFiles apache#{folder}/public.pem"
    return {"jwks": {"keys": [key.as_dict(private=False)]}}, files


@pytest.fixture(scope="module")
def sites(dev: DevServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """Every way to use the module, by name."""
    folder = tmp_path_factory.mktemp("apache")
    keys, files = write_key(folder)
    # the module writes the token endpoint into the audience of its assertions
    assertion = {"lax_assertion_audience": True}
    ways: dict[str, tuple[dict[str, Any], str]] = {
        "code": ({}, ""),
        "code by form_post": ({"token_endpoint_auth_method": "client_secret_post"}, "OIDCResponseMode form_post"),
        "code by fragment": ({"id_token_signed_response_alg": "ES256"}, "OIDCResponseMode fragment"),
        "client_secret_jwt": ({"token_endpoint_auth_method": "client_secret_jwt", **assertion}, ""),
        "private_key_jwt": ({"token_endpoint_auth_method": "private_key_jwt", **assertion, **keys}, files),
        "no logout": ({"backchannel_logout_uri": None}, ""),
        "front-channel logout": (
            {"backchannel_logout_uri": None, "frontchannel_logout_uri": f"{SITE}/protected/callback?logout=get"},
            "",
        ),
    }
    for response_type, mode in HYBRID_WAYS.items():
        grant_types = ["implicit", "authorization_code"] if "code" in response_type else ["implicit"]
        # without https it is a native client (OpenID Connect Dynamic Client Registration §2)
        metadata = {"grant_types": grant_types, "response_types": [response_type], "application_type": "native"}
        ways[response_type] = (metadata, f'OIDCResponseType "{response_type}"\nOIDCResponseMode {mode}')
    sites, hosts = {}, {}
    for name, (metadata, more) in ways.items():
        port = find_free_port()
        origin = f"http://127.0.0.1:{port}"
        client = add_client(dev, origin, metadata)
        sites[name] = Site(dev, client, origin)
        relying_party = configure(read_page("apache")[0], dev, origin, client)
        hosts[port] = f"{more}\n{relying_party}{_MORE.format(port=port, **client)}"
    port, machine = find_free_port(), dev.client("demo-machine")
    sites["resource server"] = Site(dev, machine, f"http://127.0.0.1:{port}")
    hosts[port] = configure(read_page("apache")[1], dev, "", machine)
    with run_apache(folder, hosts):
        yield sites


def sign_in(visitor: Visitor, site: Site) -> dict[str, str]:
    """Opens the protected page and does what is asked for. What the application behind Apache gets to know."""
    visitor.allowed.add(site.origin)
    visitor.go(f"{site.origin}/protected/page")
    visitor.expect("login")
    visitor.sign_in()
    return allow(visitor, site)


def join(visitor: Visitor, site: Site) -> None:
    """Opens the protected page of one more site: nobody is asked for a password."""
    visitor.allowed.add(site.origin)
    visitor.go(f"{site.origin}/protected/page")
    allow(visitor, site)


def allow(visitor: Visitor, site: Site) -> dict[str, str]:
    visitor.expect("consent")
    visitor.press("allow")
    visitor.page.wait_for_url(f"{site.origin}/protected/page")
    shown: dict[str, str] = json.loads(visitor.page.inner_text("#headers"))
    return shown


def is_signed_in(visitor: Visitor, site: Site) -> bool:
    visitor.go(f"{site.origin}/protected/page")
    return not visitor.is_asked


def look(visitor: Visitor, site: Site) -> dict[str, Any]:
    """What mod_auth_openidc holds in the session."""
    visitor.go(f"{site.origin}/protected/callback?info=json")
    held: dict[str, Any] = json.loads(visitor.page.inner_text("body"))
    return held


@pytest.mark.spec("OpenID Connect Core §3.1")
@pytest.mark.spec("OpenID Connect Core §3.2.2.11")
@pytest.mark.spec("OpenID Connect Core §3.3.2.12")
@pytest.mark.parametrize("way", [*CODE_WAYS, *HYBRID_WAYS])
def test_apache_signs_a_person_in_and_hands_on_the_claims(visitor: Visitor, sites: dict[str, Site], way: str) -> None:
    site = sites[way]
    visitor.context.set_extra_http_headers({"OIDC_CLAIM_role": "admin"})
    shown, claims = sign_in(visitor, site), visitor.user["claims"]
    assert "OIDC_CLAIM_role" not in shown, "what a browser says about itself is no claim"
    assert shown["OIDC_CLAIM_iss"] == site.dev.issuer
    assert shown["OIDC_CLAIM_aud"] == site.client["client_id"]
    assert shown["OIDC_CLAIM_sub"] == visitor.user["sub"]
    assert shown["OIDC_CLAIM_name"] == claims["name"]
    assert shown["OIDC_CLAIM_email"] == claims["email"]
    assert shown["OIDC_CLAIM_preferred_username"] == visitor.user["username"]
    assert shown["OIDC_CLAIM_amr"] == "pwd"
    visitor.go(f"{site.origin}/protected/ada/page")
    assert visitor.page.inner_text("h1") == "Unauthorized", "the claim is checked: this is not the right ada"


@pytest.mark.spec("OpenID Connect Core §3.1.2.3")
def test_a_person_who_is_signed_in_at_one_site_of_apache_is_known_at_the_next(
    visitor: Visitor, sites: dict[str, Site]
) -> None:
    sign_in(visitor, sites["code"])
    join(visitor, sites["code by form_post"])


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
@pytest.mark.spec("RFC 7009 §2")
def test_apache_signs_a_person_out_everywhere(visitor: Visitor, sites: dict[str, Site]) -> None:
    site = sites["code"]
    token = sign_in(visitor, site)["OIDC_access_token"]
    visitor.go(f"{site.origin}/protected/callback?logout={quote(site.origin)}%2Fbye")
    assert visitor.page.url == f"{site.origin}/bye"
    headers = {"authorization": f"Bearer {token}"}
    assert requests.get(f"{site.dev.issuer}/userinfo", headers=headers, timeout=10).status_code == 401
    visitor.go(f"{site.origin}/protected/page")
    visitor.expect("login")


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5")
@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.7")
def test_apache_hears_in_the_back_channel_that_a_session_has_ended(visitor: Visitor, sites: dict[str, Site]) -> None:
    deaf, told = sites["no logout"], sites["code"]
    sign_in(visitor, deaf)
    join(visitor, told)
    told.dev.administer("DELETE", f"/admin/users/{visitor.user['sub']}/sessions")
    deadline = time.monotonic() + 10
    while is_signed_in(visitor, told):
        assert time.monotonic() < deadline
    visitor.expect("login")
    assert is_signed_in(visitor, deaf), "whoever does not want to know keeps its own session"


@pytest.mark.spec("OpenID Connect Front-Channel Logout §2")
def test_apache_hears_in_the_front_channel_that_a_session_has_ended(visitor: Visitor, sites: dict[str, Site]) -> None:
    site, told = sites["code"], sites["front-channel logout"]
    sign_in(visitor, site)
    join(visitor, told)
    visitor.go(f"{site.origin}/protected/callback?logout={quote(site.origin)}%2Fbye")
    visitor.page.wait_for_url(f"{site.origin}/bye")
    assert not is_signed_in(visitor, told)
    visitor.forgive("X-Frame-Options")  # the module says that its answer is not to be shown, which nobody does


@pytest.mark.spec("RFC 6749 §6")
def test_apache_refreshes_the_access_token(visitor: Visitor, sites: dict[str, Site]) -> None:
    site = sites["code by form_post"]
    sign_in(visitor, site)
    before = look(visitor, site)
    back = quote(f"{site.origin}/protected/page")
    visitor.go(f"{site.origin}/protected/callback?refresh={back}&access_token={before['access_token']}")
    assert visitor.page.url == f"{site.origin}/protected/page"
    after = look(visitor, site)
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert after["userinfo"]["sub"] == before["id_token"]["sub"]


def call(site: Site, token: str) -> int:
    """The status of a call of the API behind Apache."""
    headers = {"authorization": f"Bearer {token}"}
    return requests.get(f"{site.origin}/api/page", headers=headers, timeout=10).status_code


@pytest.mark.spec("RFC 7662 §2")
@pytest.mark.spec("RFC 6750 §2.1")
def test_apache_lets_those_through_whose_token_is_active_and_has_the_scope(sites: dict[str, Site]) -> None:
    site = sites["resource server"]
    credentials = (site.client["client_id"], site.client["client_secret"])

    def ask(path: str, **form: str) -> requests.Response:
        return requests.post(f"{site.dev.issuer}/oauth2/{path}", form, auth=credentials, timeout=10)

    reader, writer = (
        ask("token", grant_type="client_credentials", scope=scope).json()["access_token"] for scope in ("read", "write")
    )
    assert call(site, reader) == 200
    assert call(site, writer) in (401, 403)
    assert call(site, reader + "A") == 401
    ask("revoke", token=reader)
    assert call(site, reader) == 401
