"""Running a coroutine by hand for as long as it does not wait.

Most requests need no I/O: their coroutine runs through in one step, and neither a task nor a timer is needed for it.
Whoever starts one this way must know that there is no current task before its first wait.
"""
# hot path: bench/ every row

from __future__ import annotations

import functools
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def resume(coroutine: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Goes on, inside a task, with a coroutine that was started by hand and waits for ``waits_for``."""
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:
            step = functools.partial(coroutine.throw, error)
        else:
            step = functools.partial(coroutine.send, sent)
        try:
            waits_for = step()
        except StopIteration as finished:
            value: T = finished.value
            return value
