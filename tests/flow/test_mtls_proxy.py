"""TLS certificates through a real nginx, configured as the documentation says; forged ones past it, in both lanes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from urllib.parse import urlencode

import httpx2
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from tests.client_certificates import SUBJECT, build_certificate
from tests.docs.markdown import DOCS, read_blocks
from tests.flow.test_lanes import Lanes
from tests.forged_jwts import build_jwk
from tests.nginx import find_free_port, run_nginx

from grantway.testing.clock import FakeClock
from grantway.testing.in_process import InProcessServer

CERT, VERIFY = "x-client-cert", "x-client-verify"
GRANT = {"grant_type": "client_credentials", "scope": "read"}
FLAG = "tls_client_certificate_bound_access_tokens"
STRANGER = "127.0.0.2"
DN = "CN=shop,O=Sample\\, Ltd.,C=DE"


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    front = Front(tmp_path_factory.mktemp("mtls"))
    with run_nginx(front.folder / "nginx", front.configuration, front.mtls, front.plain):
        yield front
    front.stop()


class Front:
    """A server that believes 127.0.0.1, both its lanes, and nginx: a host for certificates and one for everybody."""

    def __init__(self, folder):
        import time

        settings = {
            "serve.trusted_proxies": ["127.0.0.1"], "serve.client_certificate_header": CERT,
            "serve.client_certificate_verify_header": VERIFY, "throttle.client_attempts": 100_000,
        }  # fmt: skip
        # certificates are about real time, and nginx knows no other
        self.folder, self.server = folder, InProcessServer(settings, clock=FakeClock(int(time.time() * 1000)))
        options = {"grant_types": ["client_credentials"], "scope": "read"}
        self.authority = build_certificate(_name("Authority"), is_authority=True)
        self.good = build_certificate(issuer=self.authority)
        self.unknown = build_certificate()  # the right name, vouched for by nobody
        self.tls = self.server.register_client(
            "tls", **options, token_endpoint_auth_method="tls_client_auth", tls_client_auth_subject_dn=DN
        )
        jwks = {"keys": [build_jwk(self.unknown.key)]}
        method = "self_signed_tls_client_auth"
        self.own = self.server.register_client("own", **options, token_endpoint_auth_method=method, jwks=jwks)
        self.bound = self.server.register_client("bound", **options, **{FLAG: True})
        self.lanes = Lanes(self.server, self.bound)
        self.mtls, self.plain = find_free_port(), find_free_port()
        self.configuration = self._configure()

    def stop(self):
        self.lanes.stop()
        self.server.stop()

    def _configure(self):
        for_certificates, cleared = (block.text for block in _read_page() if block.language == "nginx")
        server = build_certificate(_name("localhost"), (x509.DNSName("localhost"),), issuer=self.authority)
        pem = server.write(self.folder, "server")
        (self.folder / "authority.pem").write_bytes(self.authority.pem)
        changes = {
            "listen 443 ssl;": f"listen 127.0.0.1:{self.mtls} ssl;",
            "/etc/ssl/id.example.com/fullchain.pem": pem,
            "/etc/ssl/id.example.com/privkey.pem": pem,
            "/etc/ssl/clients-ca.pem": str(self.folder / "authority.pem"),
            "http://127.0.0.1:4444": f"http://127.0.0.1:{self.lanes.ports['direct']}",
        }
        for old, new in changes.items():
            assert for_certificates.count(old) == 1, old
            for_certificates = for_certificates.replace(old, new)
        upstream = f"proxy_pass http://127.0.0.1:{self.lanes.ports['asgi']};"
        everybody = f"server {{ listen 127.0.0.1:{self.plain}; location / {{ {upstream}\n{cleared} }} }}"
        return for_certificates + everybody

    def ask(self, client_id, certificate=None, *, port=None, headers=(), auth=None, **data):
        """A token request over TLS through nginx, with this certificate; with ``port``, plain HTTP there."""
        context = ssl.create_default_context(cafile=str(self.folder / "authority.pem"))
        if certificate is not None:
            context.load_cert_chain(certificate.write(self.folder, certificate.thumbprint))
        url = f"http://127.0.0.1:{port}" if port else f"https://localhost:{self.mtls}"
        form = {**GRANT, **({"client_id": client_id} if client_id else {}), **data}

        async def go():
            async with httpx2.AsyncClient(verify=context, trust_env=False) as http:
                return await http.post(f"{url}/oauth2/token", data=form, headers=list(headers), auth=auth)

        return self.server.run(go())

    def send_raw(self, lane, client_id, headers, source="127.0.0.1"):
        """The status of a token request straight to a lane, twice on one connection, from this address."""
        body = urlencode({**GRANT, "client_id": client_id}).encode()
        lines = ["POST /oauth2/token HTTP/1.1", "Host: as.example", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/x-www-form-urlencoded", *headers]
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

        async def go():
            port = self.lanes.ports[lane]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            statuses = []
            for _ in range(2):
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                statuses.append(int(head.split(b" ")[1]))
            writer.close()
            return statuses

        first, second = self.server.run(go())
        assert first == second
        return first


def _read_page():
    return read_blocks(DOCS / "how-to" / "client-authentication.md")


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@pytest.mark.spec("RFC 8705 §2.1")
def test_a_certificate_of_the_authority_gets_a_token_through_nginx(front):
    assert front.ask("tls", front.good).status_code == 200
    assert front.ask("tls").status_code == 401
    assert front.ask("tls", front.unknown).status_code == 401
    other = build_certificate(_name("other"), issuer=front.authority)
    assert front.ask("tls", other).status_code == 401
    impostor = build_certificate(issuer=build_certificate(_name("Authority"), is_authority=True))
    assert front.ask("tls", impostor).status_code in (400, 401)  # nginx itself refuses a wrong signature


@pytest.mark.spec("RFC 8705 §2.2")
def test_a_self_signed_certificate_gets_a_token_through_nginx(front):
    assert front.ask("own", front.unknown).status_code == 200
    assert front.ask("own", build_certificate(SUBJECT)).status_code == 401
    assert front.ask("own").status_code == 401


@pytest.mark.spec("RFC 8705 §3")
def test_a_token_is_bound_to_the_certificate_of_its_connection(front):
    for certificate in (front.good, front.unknown):
        answer = front.ask(None, certificate, auth=front.bound.auth)
        assert answer.status_code == 200
        told = front.server.introspect(front.bound, answer.json()["access_token"])
        assert told["cnf"] == {"x5t#S256": certificate.thumbprint}
    assert front.ask(None, auth=front.bound.auth).status_code == 400


@pytest.mark.threat("T134")
def test_what_a_client_writes_into_the_header_is_overwritten(front):
    names = [CERT, "X-Client-Cert", "X_Client_Cert", "X-Client_Cert", "Client-Cert", "X-SSL-Client-Cert"]
    forged = [(name, front.good.escaped) for name in names]
    verified = [(VERIFY, "SUCCESS"), ("X_Client_Verify", "SUCCESS")]
    for headers in ([*forged, *verified], [*forged[:1], *verified[:1]], [*forged[:2], *verified], verified):
        assert front.ask("tls", headers=headers).status_code == 401
        assert front.ask("tls", front.unknown, headers=headers).status_code == 401
        assert front.ask("tls", port=front.plain, headers=headers).status_code == 401
    assert front.ask("tls", front.good, headers=[(CERT, front.unknown.escaped), (VERIFY, "NONE")]).status_code == 200


@pytest.mark.threat("T134")
@pytest.mark.parametrize("lane", ["direct", "asgi"])
def test_a_forged_header_that_comes_past_the_proxy_is_ignored(front, lane):
    forged = [f"X-Client-Cert: {front.good.escaped}", f"X-Client-Verify: {'SUCCESS'}"]
    for _ in range(3):  # the same bytes, remembered from the proxy
        assert front.send_raw(lane, "tls", forged) == 200
        assert front.send_raw(lane, "tls", forged, source=STRANGER) == 401
        assert front.send_raw(lane, "tls", [*forged, "X-Forwarded-For: 127.0.0.1"], source=STRANGER) == 401
        assert front.send_raw(lane, "own", [f"X-Client-Cert: {front.unknown.escaped}"]) == 200
        assert front.send_raw(lane, "own", [f"X-Client-Cert: {front.unknown.escaped}"], source=STRANGER) == 401


@pytest.mark.threat("T134")
@pytest.mark.parametrize("lane", ["direct", "asgi"])
def test_duplicates_and_other_spellings_are_no_certificate(front, lane):
    good, verified = f"X-Client-Cert: {front.good.escaped}", "X-Client-Verify: SUCCESS"
    assert front.send_raw(lane, "tls", [good, good, verified]) == 400
    assert front.send_raw(lane, "tls", [good, f"x-client-cert: {front.unknown.escaped}", verified]) == 400
    assert front.send_raw(lane, "tls", [good, verified, verified]) == 400
    for name in ("X_Client_Cert", "X-Client_Cert", "Client-Cert", "X-SSL-Client-Cert", "X-Forwarded-Client-Cert"):
        assert front.send_raw(lane, "tls", [f"{name}: {front.good.escaped}", verified]) == 401, name
    assert front.send_raw(lane, "tls", [good, "X_Client_Verify: SUCCESS"]) == 401
