"""The flows besides the code flow, by openid-client and by oauth4webapi, against the running server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey

from .dev_server import DevServer
from .node_script import run_script
from .person import Person
from .relying_party import CALLBACK, add_trusted_issuer, post, sign_in

pytestmark = pytest.mark.node

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BOTH = pytest.mark.parametrize("library", ["openid_client", "oauth4webapi"])


def run_flow(
    library: str,
    flow: str,
    dev: DevServer,
    client: dict[str, Any],
    visit: Callable[[str], str] = pytest.fail,
    **more: Any,
) -> dict[str, Any]:
    """What the library has at the end of ``flow``. ``visit``: takes a person where it sends one."""
    names = ("client_id", "client_secret", "token_endpoint_auth_method")
    task = {
        "flow": flow,
        "issuer": dev.issuer,
        "alg": client["id_token_signed_response_alg"],
        **{name: client.get(name) for name in names},
        **more,
    }
    return run_script(f"{library}_flows", task, visit)


def add_service(dev: DevServer, grant_type: str, **metadata: Any) -> dict[str, Any]:
    """A confidential client that has one grant and nobody in front of it."""
    return dev.add_client(
        client_name="Service",
        grant_types=[grant_type],
        response_types=[],
        redirect_uris=[],
        scope="email",
        **metadata,
    )


@pytest.mark.spec("RFC 6749 §4.4")
@pytest.mark.spec("RFC 7523 §2.2")
@pytest.mark.spec("OpenID Connect Core §9")
@pytest.mark.parametrize(
    "method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]
)
@BOTH
def test_a_machine_gets_a_token(dev: DevServer, library: str, method: str) -> None:
    key, keys = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"}), {}
    if method == "private_key_jwt":
        keys = {"jwks": {"keys": [key.as_dict(private=False)]}}
    client = add_service(dev, "client_credentials", token_endpoint_auth_method=method, **keys)
    token = run_flow(library, "client_credentials", dev, client, scope="email", private_key=key.as_dict(private=True))
    assert token["token_type"] == "bearer"
    assert token["scope"] == "email"
    assert "refresh_token" not in token


@pytest.mark.spec("RFC 8628 §3.1")
@pytest.mark.spec("RFC 8628 §3.4")
@pytest.mark.spec("RFC 8628 §3.5")
@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
@BOTH
def test_a_device_gets_a_token_when_a_person_lets_it(dev: DevServer, person: Person, library: str, method: str) -> None:
    client = dev.add_client(
        client_name="Television",
        grant_types=[DEVICE_CODE, "refresh_token"],
        response_types=[],
        redirect_uris=[],
        token_endpoint_auth_method=method,
    )

    def visit(url: str) -> str:
        person.visit(url)
        return url

    claims = run_flow(library, "device", dev, client, visit, scope="openid email")
    assert claims["sub"] == dev.user["sub"]
    assert person.seen == ["continue", "login", "allow"]


@pytest.mark.spec("OpenID Connect Core §3.3.2.11")
@pytest.mark.spec("OpenID Connect Core §3.3.2.12")
@BOTH
def test_a_code_comes_with_an_id_token_that_vouches_for_it(dev: DevServer, person: Person, library: str) -> None:
    client = dev.add_client(
        client_name="Hybrid",
        application_type="native",
        grant_types=["authorization_code", "implicit"],
        response_types=["code id_token"],
        redirect_uris=[CALLBACK],
        id_token_signed_response_alg="ES256",
    )
    claims = run_flow(library, "hybrid", dev, client, person.authorize, redirect_uri=CALLBACK, scope="openid email")
    assert claims["sub"] == dev.user["sub"]
    assert claims["aud"] == client["client_id"]


@pytest.mark.spec("OpenID Connect Core §3.2.2.11")
def test_an_id_token_alone_says_who_the_person_is(dev: DevServer, person: Person) -> None:
    client = dev.add_client(
        client_name="Implicit",
        application_type="native",
        grant_types=["implicit"],
        response_types=["id_token"],
        redirect_uris=[CALLBACK],
        token_endpoint_auth_method="none",
    )
    claims = run_flow(
        "openid_client", "implicit", dev, client, person.authorize, redirect_uri=CALLBACK, scope="openid email"
    )
    assert claims["sub"] == dev.user["sub"]
    assert claims["email"] == dev.user["claims"]["email"], "no access token comes, so the claims do (Core §5.4)"


@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.spec("RFC 8693 §2.2.1")
@BOTH
def test_a_service_exchanges_a_persons_token(dev: DevServer, person: Person, library: str) -> None:
    shop = dev.client("demo-web")
    service = add_service(dev, TOKEN_EXCHANGE, token_exchange_subject_clients=[shop["client_id"]])
    subject = sign_in(dev, person, shop)["access_token"]
    parameters = {"subject_token": subject, "subject_token_type": ACCESS_TOKEN}
    token = run_flow(library, "generic", dev, service, grant_type=TOKEN_EXCHANGE, parameters=parameters)
    assert token["issued_token_type"] == ACCESS_TOKEN
    seen = post(dev, "introspect", service, token=token["access_token"])
    assert (seen["sub"], seen["scope"]) == (dev.user["sub"], "email")
    assert seen["act"]["sub"] == service["client_id"]
    post(dev, "revoke", shop, token=subject)
    assert post(dev, "introspect", service, token=token["access_token"]) == {"active": False}


@pytest.mark.spec("RFC 7523 §2.1")
@BOTH
def test_a_jwt_of_a_trusted_issuer_is_traded_for_a_token(dev: DevServer, library: str) -> None:
    client = add_service(dev, JWT_BEARER)
    issuer, key = add_trusted_issuer(dev, client)
    now = int(time.time())
    claims = {"iss": issuer, "sub": dev.user["sub"], "aud": dev.issuer, "iat": now, "exp": now + 60, "jti": "once"}
    parameters = {"assertion": jwt.encode({"alg": "ES256", "kid": "k1"}, claims, key), "scope": "email"}
    token = run_flow(library, "generic", dev, client, grant_type=JWT_BEARER, parameters=parameters)
    seen = post(dev, "introspect", client, token=token["access_token"])
    assert (seen["sub"], seen["scope"]) == (dev.user["sub"], "email")


@pytest.mark.spec("RFC 6749 §4.3")
@BOTH
def test_a_trusted_client_signs_a_person_in_by_password(dev: DevServer, library: str) -> None:
    client = add_service(dev, "password")
    parameters = {"username": dev.user["username"], "password": dev.user["password"], "scope": "email"}
    token = run_flow(library, "generic", dev, client, grant_type="password", parameters=parameters)
    assert post(dev, "introspect", client, token=token["access_token"])["sub"] == dev.user["sub"]


@pytest.mark.spec("RFC 7591 §3.1")
@pytest.mark.spec("RFC 7591 §3.2.1")
@pytest.mark.spec("RFC 7592 §2")
@BOTH
def test_a_client_registers_itself_signs_a_person_in_and_goes(dev: DevServer, person: Person, library: str) -> None:
    initial = dev.administer("POST", "/admin/initial-access-tokens", {"note": library})["token"]
    done = run_flow(
        library,
        "registration",
        dev,
        dev.client("demo-spa"),
        person.authorize,
        initial_access_token=initial,
        metadata={"client_name": "Self-made", "redirect_uris": [CALLBACK], "scope": "openid email"},
        redirect_uri=CALLBACK,
        scope="openid email",
    )
    registered = done["registered"]
    assert done["claims"]["sub"] == dev.user["sub"]
    assert done["claims"]["aud"] == registered["client_id"]
    own = registered["registration_client_uri"]
    headers = {"authorization": f"Bearer {registered['registration_access_token']}"}
    assert requests.get(own, headers=headers, timeout=10).json()["client_name"] == "Self-made"
    assert requests.delete(own, headers=headers, timeout=10).status_code == 204
    assert requests.get(own, headers=headers, timeout=10).status_code == 401
