"""Outgoing requests: what is reached, how, and what never is."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Authority
from tests.local_server import LocalServer, respond

from grantway.config import load_settings
from grantway.egress import Egress, EgressAnswer, parse_url, show_url
from grantway.errors import ConfigurationError, FetchFailed
from grantway.lookups import find_owner, is_own_address
from grantway.testing.clock import FakeClock
from grantway.web.stepping import resume

LOOPBACK = {"insecure_private_networks": ["127.0.0.0/8"]}
ISSUER = "https://as.example"


class Names:
    """A resolver: the addresses of each host, one list for each time it is asked."""

    def __init__(self, **hosts: Sequence[Sequence[str]]) -> None:
        self.hosts = {name.replace("_", "."): list(answers) for name, answers in hosts.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.hosts[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def run(body: Callable[[Egress], Coroutine[Any, Any, Any]], *, resolve: Any = None, **settings: Any) -> Any:
    """Runs ``body`` with an ``Egress`` of these settings."""
    overrides = {f"egress.{name}": value for name, value in settings.items()}

    async def start() -> Any:
        egress = Egress(load_settings(overrides=overrides).egress, ISSUER, FakeClock(), resolve)
        try:
            return await body(egress)
        finally:
            await egress.stop()

    return asyncio.run(start())


def fetch_json(url: str, *, resolve: Any = None, **settings: Any) -> Any:
    return run(lambda egress: egress.fetch_json(url, purpose="jwks_uri"), resolve=resolve, **settings)


def find_refusal(url: str, *, resolve: Any = None, **settings: Any) -> FetchFailed:
    with pytest.raises(FetchFailed) as failed:
        fetch_json(url, resolve=resolve, **settings)
    return failed.value


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


# -- what is fetched --------------------------------------------------------------------------------------------------
def test_a_document_is_fetched_without_cookies_credentials_or_a_word_about_us() -> None:
    with LocalServer(lambda _: respond(body=b'{"keys":[]}', headers={"Set-Cookie": "a=b"})) as server:

        async def body(egress: Egress) -> Any:
            await egress.fetch_json(server.url + "a/b?c=d", purpose="jwks_uri")
            return await egress.fetch_json(server.url, purpose="jwks_uri")

        assert run(body, **LOOPBACK) == {"keys": []}
    assert [received.path for received in server.received] == ["/a/b?c=d", "/"]
    assert server.received[1].headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "user-agent": "grantway",
    }
    assert server.connections == 2  # none is kept


@pytest.mark.threat("T70")
def test_the_connection_goes_to_the_checked_address_and_host_and_certificate_stay_the_hosts(
    authority: Authority,
) -> None:
    names = Names(rp_example=[["127.0.0.1"]])
    with LocalServer(lambda _: respond(body=b"[1]"), context=authority.build_context("rp.example")) as server:
        url = f"https://rp.example:{server.port}/keys"
        assert fetch_json(url, resolve=names, ca_file=str(authority.file), **LOOPBACK) == [1]
    assert server.received[0].headers["host"] == f"rp.example:{server.port}"
    assert names.asked == ["rp.example"]


def test_of_several_addresses_the_next_is_tried_where_one_does_not_answer() -> None:
    names = Names(rp_example=[["127.0.0.2", "127.0.0.3", "127.0.0.1"]])
    with LocalServer(lambda _: respond(body=b"1")) as server:
        assert fetch_json(f"http://rp.example:{server.port}/", resolve=names, **LOOPBACK) == 1
        assert find_refusal(f"http://rp.example:{server.port}/", resolve=Names(rp_example=[["127.0.0.2"]]), **LOOPBACK)


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    with LocalServer(lambda _: respond(body=b"1")) as server, LocalServer(lambda _: respond(body=b"2")) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        assert fetch_json(server.url, **LOOPBACK) == 1
        assert run(lambda egress: egress.fetch_json(server.url, purpose="hook", is_operators=True)) == 1
    assert proxy.connections == 0
    assert not any("authorization" in received.headers for received in server.received)


# -- what is never reached --------------------------------------------------------------------------------------------
PRIVATE = (
    "127.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0.0.0.0", "0", "[::]", "169.254.169.254", "100.64.0.1", "10.0.0.1",
    "192.168.1.1", "172.16.0.1", "192.0.0.8", "[fd00::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "224.0.0.1",
    "255.255.255.255",
)  # fmt: skip


@pytest.mark.threat("T70")
@pytest.mark.threat("T71")
def test_no_url_of_a_client_leads_into_a_private_network(connects: list[Any]) -> None:
    with LocalServer(lambda _: respond(body=b"1")) as server:
        refusals = {}
        for host in PRIVATE:
            for scheme in ("https", "http"):
                refusal = find_refusal(f"{scheme}://{host}:{server.port}/", ports=[server.port])
                refusals[scheme, host] = refusal
    assert server.connections == 0
    assert connects == []
    assert {(type(refusal), refusal.description, refusal.status) for refusal in refusals.values()} == {
        (FetchFailed, "A document that this request needs could not be fetched.", 400)
    }


@pytest.mark.threat("T70")
@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fe80::1%eth0", "198.51.100.7"])
def test_no_name_leads_there_either_and_one_bad_address_is_enough(connects: list[Any], address: str) -> None:
    for addresses in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):
        refusal = find_refusal("https://rp.example/", resolve=Names(rp_example=[addresses]))
        assert "is not public" in str(refusal.detail)
    assert connects == []


@pytest.mark.threat("T70")
def test_a_url_of_a_client_is_https_on_a_listed_port(connects: list[Any]) -> None:
    names = Names(rp_example=[["8.8.8.8"]])
    assert "not https" in str(find_refusal("http://rp.example/", resolve=names).detail)
    assert "port 8443" in str(find_refusal("https://rp.example:8443/", resolve=names).detail)
    assert connects == []


@pytest.mark.threat("T70")
def test_a_url_of_a_client_does_not_lead_back_to_this_server(connects: list[Any]) -> None:
    names = Names(as_example=[["8.8.8.8"]], rp_example=[["8.8.8.8"]])
    names.hosts["as.example."] = [["8.8.8.8"]]
    for host in ("as.example", "AS.example", "as.example."):
        assert "own host" in str(find_refusal(f"https://{host}/", resolve=names).detail)
    assert "denied_networks" in str(
        find_refusal("https://rp.example/", resolve=names, denied_networks=["8.8.8.8"]).detail
    )

    async def body(egress: Egress) -> None:
        egress.is_own_address = lambda address: address == "8.8.8.8"
        await egress.fetch("https://rp.example/", purpose="jwks_uri")

    with pytest.raises(FetchFailed) as failed:
        run(body, resolve=names)
    assert "this machine's own" in str(failed.value.detail)
    assert connects == []


@pytest.mark.threat("T70")
def test_a_denied_network_is_denied_though_it_lies_in_one_that_is_allowed(connects: list[Any]) -> None:
    with LocalServer(lambda _: respond(body=b"1")) as server:
        refusal = find_refusal(server.url, denied_networks=["127.0.0.1/32"], **LOOPBACK)
        names = Names(rp_example=[["127.0.0.2", "127.0.0.1"]])
        named = find_refusal(
            f"http://rp.example:{server.port}/", resolve=names, denied_networks=["127.0.0.1/32"], **LOOPBACK
        )
    assert {"127.0.0.1 is in egress.denied_networks"} == {
        str(each.detail).rpartition("': ")[2] for each in (refusal, named)
    }
    assert connects == []


@pytest.mark.parametrize(
    ("host", "owner"),
    [("example", "example"), ("rp.example", "rp.example"), ("a.b.rp.example.", "rp.example"),
     ("a.rp.co.uk", "rp.co.uk"), ("co.uk", "co.uk"), ("a.rp.io", "rp.io"), ("192.0.2.1", "192.0.2.1"),
     ("2001:db8:1:2::3", "2001:db8:1::/48"), ("::ffff", "::/48"), ("1:2", "1:2")],
)  # fmt: skip
def test_names_and_addresses_of_one_owner_count_together(host: str, owner: str) -> None:
    assert find_owner(host) == owner


def test_a_machine_knows_its_own_addresses() -> None:
    assert is_own_address("127.0.0.1")
    assert not is_own_address("192.0.2.1")
    assert not is_own_address("2001:db8::1")


@pytest.mark.threat("T72")
def test_a_name_that_points_elsewhere_the_second_time_is_asked_once(connects: list[Any]) -> None:
    names = Names(rp_example=[["127.0.0.1"], ["10.0.0.1"]])
    with LocalServer(lambda _: respond(body=b"1")) as server:
        assert fetch_json(f"http://rp.example:{server.port}/", resolve=names, **LOOPBACK) == 1
    assert names.asked == ["rp.example"]
    assert [address[0] for address in connects] == ["127.0.0.1"]
    rebound = Names(rp_example=[["8.8.8.8", "10.0.0.1"]])
    assert "10.0.0.1 is not public" in str(find_refusal("https://rp.example/", resolve=rebound).detail)


@pytest.mark.threat("T70")
@pytest.mark.parametrize(
    "url",
    ["", "x", "//rp.example/", "ftp://rp.example/", "file:///etc/passwd", "gopher://127.0.0.1/", "https:///", "https://",
     "https://user@rp.example/", "https://user:password@rp.example/", "https://@rp.example/", "https://rp.example/#x",
     "https://rp.example\\@evil.example/", "https://rp.example /", "https://rp.example/\n", "https://rp.example/\0",
     "https://rp.example:port/", "https://rp.example:99999/", "https://[::1/", "https://[fe80::1%25eth0]/",
     "https://ex%61mple/", "https://bücher.example/", "https://rp.example/" + "x" * 2048, "https://rp_é.example/"],
)  # fmt: skip
def test_what_is_no_plain_http_url_is_not_fetched(url: str, connects: list[Any]) -> None:
    with pytest.raises(FetchFailed):
        parse_url(url)
    find_refusal(url)
    assert connects == []


def test_a_url_is_taken_apart() -> None:
    target = parse_url("HTTPS://RP.Example:443/a/@b?c=d")
    assert (target.scheme, target.host, target.port, target.path) == ("https", "rp.example", 443, "/a/@b?c=d")
    assert target.authority == "rp.example"
    assert target.locate("2606:4700::1") == "https://[2606:4700::1]:443/a/@b?c=d"
    assert parse_url("https://[2606:4700::1]:8443").authority == "[2606:4700::1]:8443"


@pytest.mark.threat("T73")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with LocalServer(lambda _: respond(body=b"1")) as inner:
        headers = {"Location": inner.url}
        with LocalServer(lambda _: respond(status, headers=headers)) as server:
            assert f"status {status}" in str(find_refusal(server.url, **LOOPBACK).detail)

            async def body(egress: Egress) -> list[EgressAnswer]:
                send = {"purpose": "hook", "body": b"{}", "headers": {}}
                return [
                    await egress.post(server.url, **send),
                    await egress.post(server.url, is_operators=True, **send),
                ]

            assert [answer.status for answer in run(body, **LOOPBACK)] == [status, status]
    assert inner.connections == 0


# -- URLs of the operator ---------------------------------------------------------------------------------------------
def test_a_url_of_the_operators_settings_may_be_private_and_its_connection_is_kept() -> None:
    with LocalServer(lambda received: respond(403, received.body, {"Set-Cookie": "a=b", "X-Y": "z"})) as server:

        async def body(egress: Egress) -> EgressAnswer:
            for _ in range(4):
                headers = {"content-type": "application/json", "authorization": "Bearer x"}
                answer = await egress.post(
                    server.url, purpose="hook", body=b'{"a":1}', headers=headers, is_operators=True
                )
            return answer

        answer = run(body)
    assert (answer.status, answer.headers["x-y"], answer.body) == (403, "z", b'{"a":1}')
    assert server.connections == 1
    assert [received.headers["authorization"] for received in server.received] == ["Bearer x"] * 4
    assert not any("cookie" in received.headers for received in server.received)


@pytest.mark.threat("T95")
@pytest.mark.parametrize("is_operators", [True, False])
@pytest.mark.parametrize(
    ("url", "shown"),
    [("http://svc:hunter2@127.0.0.1:1/hook?key=hunter2", "http://127.0.0.1:1/hook"),
     ("http://hunter2@[::1]:1/?hunter2", "http://[::1]:1/"), ("http://127.0.0.1:1/a#hunter2", "http://127.0.0.1:1/a"),
     ("http://svc:hunter2/@127.0.0.1/", "no URL"), ("http://svc:hunter2#@127.0.0.1/", "no URL"),
     ("http://127.0.0.1:hunter2/", "no URL"), ("svc:hunter2@host", "no URL"), ("https://[hunter2/", "no URL")],
)  # fmt: skip
def test_no_credential_in_a_url_gets_into_the_log(url: str, shown: str, is_operators: bool) -> None:
    async def body(egress: Egress) -> str:
        with pytest.raises(FetchFailed) as failed:
            await egress.fetch(url, purpose="hooks.token_url", is_operators=is_operators)
        return str(failed.value.detail)

    detail = run(body, **LOOPBACK)
    assert detail.startswith(f"hooks.token_url {shown!r}: ")
    assert "hunter2" not in detail
    assert "svc" not in detail
    assert show_url(url) == shown


def test_no_credential_in_a_header_gets_into_the_log() -> None:
    with LocalServer(lambda _: respond()) as server:

        async def body(egress: Egress) -> str:
            headers = {"authorization": "hunter2\n"}
            with pytest.raises(FetchFailed) as failed:
                await egress.post(server.url, purpose="hook", body=b"", headers=headers, is_operators=True)
            return str(failed.value.detail)

        assert run(body) == f"hook {server.url!r}: LocalProtocolError"


def test_a_request_may_begin_before_there_is_a_task() -> None:
    with LocalServer(lambda _: respond(body=b"1")) as server:

        async def body(egress: Egress) -> Any:
            loop = asyncio.get_running_loop()
            outcome: asyncio.Future[Any] = loop.create_future()

            def step() -> None:
                assert asyncio.current_task() is None
                coroutine = egress.fetch_json(server.url, purpose="jwks_uri")
                outcome.set_result((coroutine, coroutine.send(None)))

            loop.call_soon(step)
            coroutine, waits_for = await outcome
            return await resume(coroutine, waits_for)

        assert run(body, **LOOPBACK) == 1


@pytest.mark.parametrize("name", ["denied_networks", "insecure_private_networks"])
def test_a_network_that_is_none_stops_the_start(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load_settings(overrides={f"egress.{name}": ["10.0.0.1/8"]})


def test_a_compressed_answer_is_read() -> None:
    body = gzip.compress(b'{"keys":[]}')
    with LocalServer(lambda _: respond(body=body, headers={"Content-Encoding": "gzip"})) as server:
        assert fetch_json(server.url, **LOOPBACK) == {"keys": []}
