"""nginx in front of servers under test: one configuration, in the foreground, on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
_FRAME = """daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{body}
}}
"""


def find_free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_missing() -> str | None:
    """What to install; .ci/run does."""
    return None if Path(NGINX).exists() else "nginx is not there. Get it by `apt-get install nginx-light`."


@contextlib.contextmanager
def run_nginx(folder: Path, body: str, *ports: int) -> Iterator[None]:
    """Runs nginx with ``body`` inside ``http {}`` until the end of the block; it answers on ``ports`` by then."""
    if missing := find_missing():
        pytest.fail(missing, pytrace=False)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    configuration = folder / "nginx.conf"
    user = "user nobody nogroup;" if os.geteuid() == 0 else ""
    configuration.write_text(_FRAME.format(folder=folder, body=body, user=user), encoding="utf-8")
    command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for port in ports:
                wait_for(port, process)
            yield
        finally:
            process.terminate()
            process.wait(20)


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Returns when ``process`` answers on ``port``; fails with what it says when it ends or takes 10 s."""
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            has_ended = process.stderr is not None and process.poll() is not None
            raise AssertionError(process.stderr.read() if has_ended else f"{process.args} does not answer")
        time.sleep(0.01)
