"""Debian's Apache with mod_auth_openidc in front of an application: one process, one virtual host a way to use it."""

from __future__ import annotations

import contextlib
import html
import json
import os
import pwd
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.nginx import wait_for

APACHE = Path(os.environ.get("GRANTWAY_TEST_APACHE", "/usr/sbin/apache2"))
_FOLDER = Path("/usr/lib/apache2/modules")
_MODULES = ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "proxy", "proxy_http")
_FRAME = """ServerRoot {folder}
ServerName 127.0.0.1
DefaultRuntimeDir {folder}
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
LogLevel info
{account}
{modules}
{hosts}
"""
_HOST = """Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
{directives}
ProxyPass /protected/callback !
ProxyPass / http://127.0.0.1:{upstream}/
</VirtualHost>
"""


def find_missing() -> str | None:
    """What to install; .ci/run does."""
    if os.access(APACHE, os.X_OK) and (_FOLDER / "mod_auth_openidc.so").is_file():
        return None
    return "Apache with mod_auth_openidc is not there. Get it by `apt-get install libapache2-mod-auth-openidc`."


@contextlib.contextmanager
def run_application() -> Iterator[int]:
    """An application that knows nothing of OpenID Connect: it shows the headers that Apache sets. Yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            claims = {name: value for name, value in self.headers.items() if name.startswith("OIDC_")}
            shown = html.escape(json.dumps(claims))
            page = f'<!doctype html><link rel="icon" href="data:,"><title>Page</title><pre id="headers">{shown}</pre>'
            content = page.encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Stays quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def run_apache(folder: Path, hosts: Mapping[int, str]) -> Iterator[None]:
    """Runs Apache until the end of the block; it answers on the ports by then.

    ``hosts``: by port of 127.0.0.1, the directives of its virtual host. What they let through goes to one application.
    """
    folder.mkdir(parents=True, exist_ok=True)
    account = pwd.getpwnam("www-data").pw_name if os.geteuid() == 0 else None
    with run_application() as upstream:
        configuration = folder / "apache.conf"
        parts = {
            "folder": folder,
            "account": f"User {account}\nGroup {account}" if account else "",
            "modules": "\n".join(f"LoadModule {name}_module {_FOLDER}/mod_{name}.so" for name in _MODULES),
            "hosts": "".join(
                _HOST.format(port=port, directives=directives, upstream=upstream) for port, directives in hosts.items()
            ),
        }
        configuration.write_text(_FRAME.format(**parts), encoding="utf-8")
        command = [APACHE, "-f", configuration, "-D", "FOREGROUND"]
        environment = {**os.environ, "TMPDIR": str(folder)}  # where mod_auth_openidc puts the files of its locks
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            try:
                for port in hosts:
                    wait_for(port, process)
                yield
            finally:
                process.terminate()
                process.wait(20)
