"""The listening sockets: bound once, before anything heavy is imported, and inherited by every worker."""

from __future__ import annotations

import os
import socket
from typing import Literal

import msgspec
from msgspec import Struct

from grantway.config import Secret, Settings
from grantway.errors import GrantwayError

Which = Literal["public", "admin", "all"]
BACKLOG = 2048


class ListenError(GrantwayError):
    """An address cannot be listened on: it is taken, unknown, or not ours to take."""


class Listeners(Struct, frozen=True):
    """The sockets of one server. None: that listener is not wanted in this process."""

    public: socket.socket | None
    admin: socket.socket | None

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return tuple(each for each in (self.public, self.admin) if each is not None)

    @property
    def public_url(self) -> str | None:
        return build_url(self.public) if self.public else None

    @property
    def admin_url(self) -> str | None:
        return build_url(self.admin) if self.admin else None

    def close(self) -> None:
        for each in self.sockets:
            each.close()


class Handover(Struct, frozen=True):
    """What the supervisor gives a fresh worker on its standard input: never its arguments, never its environment."""

    settings: Settings
    public: int | None
    """File descriptor of the public listener."""
    admin: int | None
    channel: int
    """File descriptor of the pipe on which the worker says that it is ready, or why it is not."""
    slot: int = 0
    """Its place among the workers."""
    status_directory: str | None = None
    """Where the workers tell each other how they are doing (``worker_status``)."""

    def encode(self) -> bytes:
        return msgspec.json.encode(self, enc_hook=_reveal)

    def open_listeners(self) -> Listeners:
        """The inherited sockets, out of reach for processes the worker might start."""
        os.set_inheritable(self.channel, False)
        opened = [None if fd is None else socket.socket(fileno=fd) for fd in (self.public, self.admin)]
        for each in opened:
            if each is not None:
                each.set_inheritable(False)
        return Listeners(*opened)


def decode_handover(line: bytes) -> Handover:
    return msgspec.json.decode(line, type=Handover, dec_hook=lambda type_, value: type_(value))


def bind_listeners(settings: Settings, which: Which = "all") -> Listeners:
    """Binds and listens. A port of 0 becomes a free one here, so that all workers share it.

    Raises:
        ListenError: names the address and the reason.
    """
    serve = settings.serve
    public = _bind(serve.bind, serve.port) if which in ("public", "all") else None
    try:
        admin = _bind(serve.admin_bind, serve.admin_port) if which in ("admin", "all") else None
    except ListenError:
        if public is not None:
            public.close()
        raise
    return Listeners(public, admin)


def build_url(listener: socket.socket) -> str:
    """``http://host:port`` of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
    return listener


def _reveal(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} cannot be handed over")
