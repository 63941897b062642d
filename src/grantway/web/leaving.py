"""How a server that stops leaves nobody without an answer.

A proxy in front knows of the end only by what connections do. So new ones are no longer let in, those that were let in
are served, and one that is kept open says ``Connection: close`` with its next answer before it is closed.
"""

from __future__ import annotations

import contextlib
import ctypes
import select
import socket
import struct
import sys
from asyncio import BaseTransport
from collections.abc import Iterable

LINGER = 0.5
"""Seconds an idle connection is kept while stopping: its client may be sending a request at this moment."""
QUEUE_EMPTIES = 0.2
"""Seconds in which workers take the connections that were let in before the end."""

_ATTACH_FILTER = 26
"""SO_ATTACH_FILTER of Linux."""
_DROP_SYN = (  # a socket filter sees a segment from its TCP header on
    (0x30, 0, 0, 13),  # load the flags
    (0x45, 0, 1, 0x02),  # is it a request for a connection?
    (0x06, 0, 0, 0),  # then drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # or else take it
)


def let_nobody_in(listeners: Iterable[socket.socket]) -> None:
    """Requests for a connection get no answer from now on, whichever process listens too: their clients ask again in a
    second, and are refused by then. Closing at once would cut off those who are in the queue already."""
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN)
    held = ctypes.create_string_buffer(program)
    for listener in listeners:
        with contextlib.suppress(PermissionError):  # some kernels want a capability for it, which containers lack
            listener.setsockopt(
                socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HL", len(_DROP_SYN), ctypes.addressof(held))
            )


def refuse_all(listeners: Iterable[socket.socket]) -> None:
    """Whoever wants a connection from now on is told at once that there is none, whichever process listens too."""
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)


def has_input(transport: BaseTransport) -> bool:
    """Whether something has arrived that the event loop has not read yet."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
