"""A worker process: ``python -m grantway.web.worker``, started by the supervisor, never by hand.

Reads one line with its settings from standard input. Standard input then stays open for as long as the supervisor
lives: when it ends, the worker finishes what it has and leaves too, so nobody can leave orphans behind.
"""

from __future__ import annotations

import os
import signal
import sys

from grantway.errors import GrantwayError
from grantway.web.listeners import Listeners, decode_handover
from grantway.web.serve import run
from grantway.web.worker_status import StatusBoard


def main() -> int:
    # Ctrl-C reaches the whole process group: the supervisor alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    line = sys.stdin.buffer.readline()
    if not line:
        return 1
    handover = decode_handover(line)

    def tell(*words: str) -> None:
        os.write(handover.channel, (" ".join(words).replace("\n", " ") + "\n").encode())

    def ready(_: Listeners) -> None:
        tell("ready")

    def left() -> None:
        tell("left")

    board = StatusBoard(handover.status_directory, handover.slot)
    try:
        listeners, lifeline = handover.open_listeners(), sys.stdin.fileno()
        run(handover.settings, listeners, ready=ready, lifeline=lifeline, left=left, board=board)
    except GrantwayError as error:
        tell("failed", type(error).__name__, str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
