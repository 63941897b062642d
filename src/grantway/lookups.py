"""What addresses a host has, asked so that a resolver that hangs holds up nobody else.

A look-up cannot be called off: whoever waits for it leaves at its deadline, the thread stays until the resolver gives
up. So what is counted is threads: all of them, and those that ask for the names of one owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from weakref import WeakValueDictionary

_THREADS: Final = 32
_OWNERS_THREADS: Final = 4
# Below these of a country's, each name has an owner of its own.
_SECOND_LEVELS: Final = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})


class Lookups:
    """Asks the machine's resolver, in threads of its own. One per worker."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._owners: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def find(self, host: str, port: int) -> Sequence[str]:
        """The addresses of ``host``. Who is cancelled leaves; the thread counts for the owner until it ends.

        Raises:
            OSError: it has none.
        """
        slots = self._owners.setdefault(find_owner(host), asyncio.Semaphore(_OWNERS_THREADS))
        await slots.acquire()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="lookup")
        loop, work = asyncio.get_running_loop(), self._threads.submit(_look_up, host, port)

        def release(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(slots.release)

        work.add_done_callback(release)
        return await asyncio.wrap_future(work)

    def stop(self) -> None:
        """Waits for nothing. Idempotent."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)


def find_owner(host: str) -> str:
    """What counts together, as one owner can have as many of it as he likes: the names that end in the same two labels
    (three, below ``co.uk`` and its like); the IPv6 addresses of one /48."""
    if ":" in host:
        with contextlib.suppress(ValueError):
            return str(ipaddress.IPv6Network((host, 48), strict=False))
    labels = host.rstrip(".").split(".")
    if labels[-1].isdigit():
        return host
    is_countrys = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS
    return ".".join(labels[-3 if is_countrys else -2 :])


def is_own_address(address: str) -> bool:
    """Whether packets to it stay on this machine: the kernel would send them from the address they go to."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))  # of a datagram socket: nothing is sent
        except OSError:
            return False  # no way leads there
        return bool(probe.getsockname()[0] == address)


def _look_up(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
