"""Every URL that the server fetches and a client can name, against every place that it must not reach.

``PLACES`` has a row for each purpose that an extension of the registry says it fetches, ``OPERATORS`` (see
``test_operators_urls.py``) for each that the settings name: a new one in neither fails here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace
from tests.assertions import GRANT, register_signer
from tests.bearers import JWT_BEARER, JwtIssuer
from tests.certificates import Authority
from tests.client_certificates import build_certificate
from tests.forged_jwts import build_jwk
from tests.local_server import LocalServer, respond
from tests.operators import OPERATORS

from grantway.admin.initial_access_tokens import create_initial_access_token
from grantway.errors import InvalidClientMetadata
from grantway.events import LogoutNoticeFailed, LogoutNotified
from grantway.protocol.client_metadata import read_https_url
from grantway.registry import BUILTINS
from grantway.testing.in_process import InProcessServer, RegisteredClient

PUBLIC = "https://public.example/keys"
HEADER, REDIRECTS = "client-cert", ["https://app.example/cb"]
SETTINGS = {
    "registration.enabled": True,
    "registration.per_address": 1_000_000,
    "serve.trusted_proxies": ["192.0.2.0/24"],
    "serve.client_certificate_header": HEADER,
    "throttle.client_attempts": 1_000_000,
    "egress.breaker_failures": 1_000_000,  # a host that is left alone would prove nothing
    "logout.max_attempts": 1,
}
_numbers = itertools.count(1)


class Names:
    """A resolver: the addresses of each name, one list for each time it is asked. Other hosts are as the machine finds
    them."""

    def __init__(self, server: InProcessServer, hosts: dict[str, Sequence[Sequence[str]]]) -> None:
        self._others = server.runtime.egress.resolve
        self.hosts = {name: list(answers) for name, answers in hosts.items()}
        self.asked: list[str] = []
        server.runtime.egress.resolve = self

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.hosts:
            return await self._others(host, port)
        answers = self.hosts[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


LITERALS = (
    "127.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.1", "0.0.0.0", "0", "[::]", "169.254.169.254",
    "100.64.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "192.0.0.8", "198.18.0.1", "[fd00::1]", "[fe80::1]",
    "[fec0::1]", "[ff02::1]", "224.0.0.1", "255.255.255.255", "[2001:db8::1]",
)  # fmt: skip
NAMED = {
    "private.example": ["10.0.0.1"],
    "loopback.example": ["127.0.0.1", "::1"],
    "first.example": ["10.0.0.1", "8.8.8.8"],
    "last.example": ["8.8.8.8", "10.0.0.1"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "nat64.example": ["64:ff9b::a00:1"],
    "6to4.example": ["2002:a00:1::"],
    "link-local.example": ["fe80::1%eth0"],
    "cloud.example": ["169.254.169.254"],
    "carrier.example": ["100.64.0.1"],
    "machine.example": ["8.8.4.4"],  # one of this machine's own, see the fixture
    "as.example": ["8.8.8.8"],  # the issuer
    "nothing.example": [],
}
SPELLINGS = (
    "http://public.example", "https://public.example:8443", "https://public.example:22", "https://user@public.example",
    "https://user:password@public.example", "https://AS.example", "https://as.example.", "ftp://public.example",
    "http://127.0.0.1:80", "http://localhost", "//public.example", "https://public.example\\@10.0.0.1",
)  # fmt: skip
FORBIDDEN = (*(f"https://{host}" for host in (*LITERALS, *NAMED)), *SPELLINGS)


class Aim(Struct):
    """A place made ready. ``use`` has the server fetch a URL and returns what whoever asked for it is told;
    ``document``: what is good there."""

    use: Callable[[str], Any]
    document: Any
    is_told: bool = True
    """Whether the answer shows that it was."""
    is_metadata: bool = False
    """The URL comes with the very request: what is no https URL is refused as such."""


def see(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.text


def set_metadata(house: InProcessServer, client: RegisteredClient, **metadata: Any) -> None:
    """Past every check of metadata: what counts here is the fetch."""
    store = house.runtime.store
    stored = house.run(store.load_client("default", client.client_id))
    house.run(store.update_client(replace(stored, extra={**stored.extra, **metadata})))


def client_assertion(house: InProcessServer) -> Aim:
    signer = register_signer(house, jwks_uri=PUBLIC)

    def use(url: str) -> Any:
        set_metadata(house, signer.client, jwks_uri=url)
        answer = signer.send()
        return 200 if answer.status_code == 200 else see(answer)

    return Aim(use, {"keys": [build_jwk(signer.key, kid="k1")]})


def self_signed_certificate(house: InProcessServer) -> Aim:
    certificate = build_certificate(now=house.clock.now() / 1000)
    method = {"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks_uri": PUBLIC}
    client = house.register_client(grant_types=["client_credentials"], scope="read", **method)
    headers = {HEADER: certificate.rfc_9440}

    def use(url: str) -> Any:
        set_metadata(house, client, jwks_uri=url)
        answer = house.post("/oauth2/token", data={**GRANT, "client_id": client.client_id}, headers=headers)
        return 200 if answer.status_code == 200 else see(answer)

    return Aim(use, {"keys": [build_jwk(certificate.key, kid="k1")]})


def trusted_issuer(house: InProcessServer) -> Aim:
    issuer = JwtIssuer(house)
    issuer.keys = lambda: {"jwks_uri": PUBLIC}  # type: ignore[method-assign]
    key, store = issuer.trust(), house.runtime.store

    def use(url: str) -> Any:
        entry = house.run(store.load_entry("default", "trusted_issuer", key))
        house.run(store.update_entry(replace(entry, document={**entry.document, "jwks_uri": url})))
        answer = issuer.send()
        return 200 if answer.status_code == 200 else see(answer)

    return Aim(use, {"keys": [build_jwk(issuer.key, kid="k1")]})


def self_issued_assertion(house: InProcessServer) -> Aim:
    issuer = JwtIssuer(house, self_issued_assertions=True, jwks_uri=PUBLIC)
    name = issuer.client.client_id

    def use(url: str) -> Any:
        set_metadata(house, issuer.client, jwks_uri=url)
        answer = issuer.send(issuer.sign(iss=name, sub=name))
        return 200 if answer.status_code == 200 else see(answer)

    return Aim(use, {"keys": [build_jwk(issuer.key, kid="k1")]})


def sector(house: InProcessServer) -> Aim:
    def use(url: str) -> Any:
        answer = register(house, sector_identifier_uri=url)
        return 201 if answer.status_code == 201 else see(answer)

    return Aim(use, REDIRECTS, is_metadata=True)


def changed_sector(house: InProcessServer) -> Aim:
    registered = register(house).json()

    def use(url: str) -> Any:
        headers = {"authorization": f"Bearer {registered['registration_access_token']}"}
        document = {"client_id": registered["client_id"], "redirect_uris": REDIRECTS, "sector_identifier_uri": url}
        answer = house.request("PUT", registered["registration_client_uri"], json=document, headers=headers)
        if answer.status_code == 200:
            registered.update(answer.json())
            return 200
        return see(answer)

    return Aim(use, REDIRECTS, is_metadata=True)


def register(house: InProcessServer, **metadata: Any) -> Any:
    made = house.run(create_initial_access_token(house.runtime, "default", actor="test"))
    headers = {"authorization": f"Bearer {made.token}"}
    return house.post("/oauth2/register", json={"redirect_uris": REDIRECTS, **metadata}, headers=headers)


def backchannel_logout(house: InProcessServer) -> Aim:
    client = house.register_client(backchannel_logout_uri=PUBLIC)
    person = house.register_user(house.runtime.tokens.generate_id())

    def use(url: str) -> Any:
        set_metadata(house, client, backchannel_logout_uri=url)
        browser = house.browser()
        code = browser.authorize(client, username=person.username)["code"]
        tokens = house.redeem(client, code).json()
        told = see(browser.open(f"/oauth2/sessions/logout?id_token_hint={tokens['id_token']}"))
        before = count_notices(house)
        house.run(_deliver(house))
        assert count_notices(house) == before + 1, "it was tried, to its end"
        return told

    return Aim(use, {}, is_told=False)


def count_notices(house: InProcessServer) -> int:
    return sum(len(house.events.of(kind)) for kind in (LogoutNotified, LogoutNoticeFailed))


async def _deliver(house: InProcessServer) -> None:
    await house.server.notices.deliver()
    await house.server.notices.settle()


PLACES: dict[tuple[str, str, str], Callable[[InProcessServer], Aim]] = {
    ("client_assertion", "jwks_uri", "a client's"): client_assertion,
    ("self_signed_tls_client_auth", "jwks_uri", "a client's"): self_signed_certificate,
    (JWT_BEARER, "jwks_uri", "a trusted issuer's"): trusted_issuer,
    (JWT_BEARER, "jwks_uri", "a client's"): self_issued_assertion,
    ("registration", "sector_identifier_uri", "a client's"): sector,
    ("client_configuration", "sector_identifier_uri", "a client's"): changed_sector,
    ("end_session", "backchannel_logout_uri", "a client's"): backchannel_logout,
}
every_place = pytest.mark.parametrize(
    "place", PLACES, ids=lambda place: f"{place[0].rpartition(':')[2]}, {place[2]} {place[1]}"
)


@pytest.fixture(scope="module")
def guarded():
    """A server as it is by default, which has to keep to public addresses."""
    running = InProcessServer(SETTINGS)
    running.runtime.egress.is_own_address = lambda address: address == "8.8.4.4"
    yield running
    running.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def neighbour(authority):
    """A server for which the addresses of this machine are as good as public ones, so that tests can answer it."""
    running = InProcessServer(
        {**SETTINGS, "egress.insecure_private_networks": ["127.0.0.0/8"], "egress.ca_file": str(authority.file)}
    )
    Names(running, {"web.example": [["127.0.0.1"]]})
    yield running
    running.stop()


@pytest.fixture
def names(guarded):
    before = guarded.runtime.egress.resolve
    yield Names(guarded, {"public.example": [["8.8.8.8"]], **{name: [found] for name, found in NAMED.items()}})
    guarded.runtime.egress.resolve = before


def number(url: str) -> str:
    """The same place under another path: what was fetched, or not, is remembered by URL."""
    return f"{url}/{next(_numbers)}"


def test_every_place_of_the_registry_has_its_row():
    """Of what is off by default, too."""
    declared = {(extension.name, purpose) for extension in BUILTINS for purpose in extension.fetches}
    assert declared == {place[:2] for place in PLACES} | set(OPERATORS)


# -- what is never reached --------------------------------------------------------------------------------------------
@pytest.mark.threat("T70")
@pytest.mark.threat("T71")
@pytest.mark.threat("T131")
@every_place
def test_no_forbidden_url_is_connected_to_and_nobody_learns_why(guarded, names, connects, place):
    aim, answers = PLACES[place](guarded), {}
    for url in FORBIDDEN:
        answer = aim.use(number(url))
        assert connects == [], url
        if aim.is_metadata and not is_https_url(url):
            assert answer[0] == 400
        else:
            answers[url] = answer
    answers["a public one that does not answer"] = aim.use(number("https://public.example"))
    assert [address[:2] for address in connects] == [("8.8.8.8", 443)], "the seam sees what is allowed"
    assert len(set(answers.values())) == 1, answers


def is_https_url(url: str) -> bool:
    try:
        return bool(read_https_url("url", url))
    except InvalidClientMetadata:
        return False


@pytest.mark.threat("T72")
@every_place
def test_a_name_that_is_bound_anew_leads_nowhere_else(guarded, names, connects, place):
    aim = PLACES[place](guarded)
    names.hosts["rebound.example"] = [["8.8.8.8"], ["10.0.0.1"]]
    first, second = (aim.use(number("https://rebound.example")) for _ in range(2))
    assert names.asked.count("rebound.example") == 2, "once for each fetch"
    assert [address[:2] for address in connects] == [("8.8.8.8", 443)]
    assert first == second


# -- what is reached --------------------------------------------------------------------------------------------------
def find_refusal(aim: Aim) -> Any:
    return aim.use(number("https://10.0.0.1"))


@every_place
def test_what_is_at_a_permitted_url_is_used(neighbour, authority, place):
    aim = PLACES[place](neighbour)
    body = json.dumps(aim.document).encode()
    with LocalServer(lambda _: respond(body=body), context=authority.build_context("web.example")) as web:
        good = aim.use(number(f"https://web.example:{web.port}"))
    assert len(web.received) == 1
    assert not {"cookie", "authorization"} & set(web.received[0].headers)
    assert (good != find_refusal(aim)) is aim.is_told


@pytest.mark.threat("T73")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@every_place
def test_no_redirect_is_followed(neighbour, authority, connects, place, status):
    aim = PLACES[place](neighbour)
    refusal = find_refusal(aim)
    with LocalServer(lambda _: respond(body=json.dumps(aim.document).encode())) as inner:
        for target in (inner.url, "http://169.254.169.254/latest/meta-data/"):
            redirect = respond(status, json.dumps(aim.document).encode(), {"Location": target})
            context = authority.build_context("web.example")
            with LocalServer(lambda _, redirect=redirect: redirect, context=context) as web:
                assert aim.use(number(f"https://web.example:{web.port}")) == refusal
            assert {address[1] for address in connects} == {web.port}
            connects.clear()
    assert inner.connections == 0


def hang_up(answer: bytes) -> Iterator[bytes]:
    """Says it, and leaves."""
    yield answer
    raise ConnectionResetError


@pytest.mark.threat("T74")
@every_place
def test_whatever_is_wrong_there_is_told_in_the_same_words(neighbour, authority, place):
    aim = PLACES[place](neighbour)
    good = json.dumps(aim.document).encode()
    wrong = {
        "not found": respond(404, good),
        "broken": respond(500, b"Traceback: the password is hunter2"),
        "no JSON": respond(body=b"<html>hunter2</html>"),
        "huge": respond(body=good + b" " * 70_000),
        "endless headers": b"HTTP/1.1 200 OK\r\n" + b"x: hunter2\r\n" * 20_000,
        "no HTTP": b"220 hunter2 ESMTP\r\n",
        "another encoding": respond(body=good, headers={"Content-Encoding": "br"}),
        "cut off": respond(body=good + b" " * 1000)[:-900],
        "nothing": b"",
    }
    answers = {"refused": find_refusal(aim)}
    for name, answer in wrong.items():
        context = authority.build_context("web.example")
        with LocalServer(lambda _, answer=answer: hang_up(answer), context=context) as web:
            answers[name] = aim.use(number(f"https://web.example:{web.port}"))
    assert set(answers.values()) == {answers["refused"]}, answers
    assert "hunter2" not in str(answers)


@pytest.mark.threat("T75")
def test_what_is_only_shown_is_never_fetched(guarded, names, connects):
    shown = ("logo_uri", "policy_uri", "tos_uri", "client_uri", "frontchannel_logout_uri")
    document = {name: f"https://public.example/{name}" for name in shown}
    document |= {"redirect_uris": ["https://public.example/cb"]}
    client = guarded.register_client(**document)
    assert register(guarded, **document).status_code == 201
    person = guarded.register_user(guarded.runtime.tokens.generate_id())
    browser = guarded.browser()
    browser.open(browser.build_authorization_url(client))
    browser.submit(username=person.username, password="correct horse battery staple", action="login")
    assert 'id="allow"' in browser.page.text
    assert "https://public.example/logo_uri" not in browser.page.text
    browser.authorize(client)
    browser.open("/oauth2/sessions/logout")
    browser.submit(action="logout")
    guarded.run(_deliver(guarded))
    assert (connects, names.asked) == ([], [])
