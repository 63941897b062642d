"""openid-client and oauth4webapi, certified clients of the JavaScript world, against the running server."""

from __future__ import annotations

from typing import Any

import pytest

from .dev_server import DevServer
from .node_script import run_script
from .person import Person
from .relying_party import CALLBACK, STANDARD_SCOPE, check_userinfo

pytestmark = pytest.mark.node

AUDIENCE = "https://api.example/orders"


def build_task(dev: DevServer, client: dict[str, Any], **more: Any) -> dict[str, Any]:
    names = ("client_id", "client_secret", "token_endpoint_auth_method")
    return {
        "issuer": dev.issuer,
        "redirect_uri": CALLBACK,
        "scope": STANDARD_SCOPE,
        "alg": client["id_token_signed_response_alg"],
        **{name: client.get(name) for name in names},
        **more,
    }


@pytest.mark.spec("OpenID Connect Core §3.1")
@pytest.mark.spec("RFC 9207 §2.4")
@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
@pytest.mark.parametrize(("alg", "discovery"), [("RS256", "oidc"), ("ES256", "oauth2")])
def test_openid_client_does_all_it_can_do_as_a_confidential_client(
    dev: DevServer, person: Person, web_clients: dict[str, dict[str, Any]], alg: str, discovery: str
) -> None:
    task = build_task(dev, web_clients[alg], discovery=discovery, post_logout_redirect_uri="http://127.0.0.1:4446/")
    done = run_script("openid_client", task, person.authorize)
    assert done["scope"] == STANDARD_SCOPE
    check_userinfo(done["userinfo"], dev.user)
    assert done["introspection"]["sub"] == dev.user["sub"]
    assert done["left"] == "http://127.0.0.1:4446/?state=bye"
    assert {"auth_time", "sid", "acr", "amr", "at_hash"} <= done["claims"].keys()


@pytest.mark.spec("RFC 8252 §7.3")
def test_openid_client_does_all_it_can_do_as_a_public_client(dev: DevServer, person: Person) -> None:
    task = build_task(
        dev,
        dev.client("demo-spa"),
        redirect_uri="http://127.0.0.1:51234/callback",
        post_logout_redirect_uri="http://127.0.0.1:4446/",
    )
    done = run_script("openid_client", task, person.authorize)
    check_userinfo(done["userinfo"], dev.user)


@pytest.mark.spec("OpenID Connect Discovery §4")
@pytest.mark.spec("RFC 8414 §3")
@pytest.mark.spec("RFC 6749 §4.1.2")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_oauth4webapi_accepts_every_answer(
    dev: DevServer, person: Person, web_clients: dict[str, dict[str, Any]], alg: str
) -> None:
    done = run_script("oauth4webapi", build_task(dev, web_clients[alg]), person.authorize)
    assert done["scope"] == STANDARD_SCOPE
    check_userinfo(done["userinfo"], dev.user)


@pytest.mark.spec("RFC 9068 §4")
def test_oauth4webapi_validates_a_jwt_access_token(dev: DevServer, person: Person) -> None:
    client = dev.add_client(
        client_name="Orders",
        access_token_format="jwt",
        audience=[AUDIENCE],
        token_endpoint_auth_method="client_secret_post",
        id_token_signed_response_alg="ES256",
    )
    task = build_task(dev, client, access_token_format="jwt", audience=AUDIENCE)
    done = run_script("oauth4webapi", task, lambda url: person.authorize(f"{url}&resource={AUDIENCE}"))
    assert done["jwt"]["client_id"] == client["client_id"]
    assert done["jwt"]["sub"] == dev.user["sub"]


@pytest.mark.spec("RFC 8628 §3.4")
def test_openid_client_is_a_device(dev: DevServer, person: Person) -> None:
    def visit(url: str) -> str:
        person.visit(url)
        return url

    done = run_script("openid_client_device", build_task(dev, dev.client("demo-tv")), visit)
    assert done["scope"] == STANDARD_SCOPE
    check_userinfo(done["userinfo"], dev.user)


def test_oauth4webapi_serves_a_public_client(dev: DevServer, person: Person) -> None:
    done = run_script("oauth4webapi", build_task(dev, dev.client("demo-spa")), person.authorize)
    check_userinfo(done["userinfo"], dev.user)
