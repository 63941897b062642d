"""TLS certificates through Debian's Apache, which writes them into a header in a way of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest
from tests import apache
from tests.flow.test_mtls_proxy import Front
from tests.nginx import find_free_port, wait_for

CONFIGURATION = """ServerRoot {folder}
ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
{account}
{modules}
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
SSLEngine on
SSLCertificateFile {folder}/server.pem
SSLCACertificateFile {folder}/authority.pem
SSLVerifyClient optional_no_ca
SSLOptions +ExportCertData
RequestHeader set X-Client-Cert "%{{SSL_CLIENT_CERT}}s"
RequestHeader set X-Client-Verify "%{{SSL_CLIENT_VERIFY}}s"
ProxyPass / http://127.0.0.1:{upstream}/
</VirtualHost>
"""
MODULES = ("mpm_event", "authz_core", "ssl", "headers", "proxy", "proxy_http")


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    if missing := apache.find_missing():
        pytest.fail(missing, pytrace=False)
    front = Front(tmp_path_factory.mktemp("apache"))
    front.mtls = find_free_port()
    with run_apache(front):
        yield front
    front.stop()


@contextlib.contextmanager
def run_apache(front):
    text = CONFIGURATION.format(
        folder=front.folder, port=front.mtls, upstream=front.lanes.ports["direct"],
        account="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
        modules="\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES),
    )  # fmt: skip
    file = front.folder / "apache.conf"
    file.write_text(text, encoding="utf-8")
    with subprocess.Popen(
        [apache.APACHE, "-f", file, "-D", "FOREGROUND"], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_for(front.mtls, process)
            yield
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.spec("RFC 8705 §2")
def test_a_certificate_gets_a_token_through_apache(front):
    assert front.ask("tls", front.good).status_code == 200
    assert front.ask("own", front.unknown).status_code == 200
    for client_id, certificate in (("tls", front.unknown), ("tls", None), ("own", front.good), ("own", None)):
        assert front.ask(client_id, certificate).status_code == 401


@pytest.mark.threat("T134")
def test_what_a_client_writes_into_the_header_is_overwritten(front):
    forged = [("X-Client-Cert", front.good.escaped), ("X-Client-Verify", "SUCCESS")]
    assert front.ask("tls", headers=forged).status_code == 401
    assert front.ask("tls", front.unknown, headers=forged).status_code == 401


def test_a_token_is_bound_to_the_certificate_of_its_connection(front):
    answer = front.ask(None, front.unknown, auth=front.bound.auth)
    told = front.server.introspect(front.bound, answer.json()["access_token"])
    assert told["cnf"] == {"x5t#S256": front.unknown.thumbprint}
