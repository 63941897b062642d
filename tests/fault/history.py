"""Whether what clients were told of one authorization can have happened at all.

An authorization is a register: its code is spent or not, its refresh token is of some generation, it is revoked or not.
Every request took place at one instant between being sent and being answered; one that was cut off, or answered 503,
may take place at any later instant, or never. ``explain`` looks for an order that agrees with all answers (the search
of Wing and Gong). Introspection is answered from memories that are at most ``bound`` old, so it has rules of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

Rotation = Literal["strict", "grace", "off"]
NEVER = float("inf")


class Record(Struct, frozen=True):
    """One request about an authorization.

    ``operation``: redeem | refresh | revoke | introspect. ``outcome``: done | refused, of an introspection active |
    inactive, and unknown. ``generation``: that of the refresh token that was presented. Instants are monotonic seconds.
    """

    operation: str
    began: float
    ended: float
    outcome: str
    generation: int = 0


class State(NamedTuple):
    """The register."""

    is_redeemed: bool = False
    generation: int = 0
    is_revoked: bool = False


class Violation(AssertionError):
    """No order of these requests agrees with their answers."""


def check_history(records: Sequence[Record], rotation: Rotation, bound: float) -> None:
    """Raises ``Violation``."""
    writes = [each for each in records if each.operation != "introspect"]
    if explain(writes, rotation) is None:
        raise Violation(_describe("no order explains these answers", writes))
    check_introspection(records, rotation, bound)


# -- introspection ------------------------------------------------------------------------------------------------


def check_introspection(records: Sequence[Record], rotation: Rotation, bound: float) -> None:
    """No active answer later than ``bound`` after it was surely dead; no inactive one before anything can have killed
    it; and once somebody has seen it dead, it is alive for nobody after ``bound``."""
    seen = [each for each in records if each.operation == "introspect"]
    dead_at = min((each.ended for each in records if _is_kill(each, rotation)), default=NEVER)
    may_be_dead_at = min((each.began for each in records if _may_kill(each)), default=NEVER)
    seen_dead_at = min((each.ended for each in seen if each.outcome == "inactive"), default=NEVER)
    for each in seen:
        if each.outcome == "active" and each.began > min(dead_at, seen_dead_at) + bound:
            raise Violation(_describe("it is active, and has been dead for too long", records))
        if each.outcome == "inactive" and each.ended < may_be_dead_at:
            raise Violation(_describe("it is inactive, and nobody had revoked it", records))


def measure_propagation(records: Sequence[Record], rotation: Rotation) -> float:
    """Seconds from the first acknowledged kill to the last question that was answered with active; 0 where none was."""
    dead_at = min((each.ended for each in records if _is_kill(each, rotation)), default=NEVER)
    late = [each.began - dead_at for each in records if each.outcome == "active" and each.began > dead_at]
    return max(late, default=0.0)


def _is_kill(record: Record, rotation: Rotation) -> bool:
    """After this answer it is dead. Without rotation a refused refresh only says that it was dead before."""
    return (record.operation == "revoke" and record.outcome == "done") or record.outcome == "refused"


def _may_kill(record: Record) -> bool:
    return record.operation != "introspect" and (
        record.operation == "revoke" or record.outcome in ("refused", "unknown")
    )


# -- the search ---------------------------------------------------------------------------------------------------


def explain(records: Sequence[Record], rotation: Rotation) -> list[int] | None:
    """An order of the requests (their places in ``records``) that agrees with all answers. None: there is none.

    Requests whose outcome is unknown need not be in it.
    """
    ended = [NEVER if each.outcome == "unknown" else each.ended for each in records]
    must = sum(1 << number for number, each in enumerate(records) if each.outcome != "unknown")
    tried: set[tuple[int, State]] = set()
    # Depth first: (what was placed, the state after it, candidates for the next place).
    stack = [(0, State(), iter(_list_candidates(0, records, ended)))]
    order: list[int] = []
    while stack:
        placed, state, candidates = stack[-1]
        if placed & must == must:
            return order
        following = _find_next(placed, state, candidates, records, rotation, tried)
        if following is None:
            stack.pop()
            if order:
                order.pop()
            continue
        number, after = following
        order.append(number)
        placed |= 1 << number
        stack.append((placed, after, iter(_list_candidates(placed, records, ended))))
    return None


def _find_next(
    placed: int,
    state: State,
    candidates: Iterator[int],
    records: Sequence[Record],
    rotation: Rotation,
    tried: set[tuple[int, State]],
) -> tuple[int, State] | None:
    for number in candidates:
        for after in apply(state, records[number], rotation):
            mark = (placed | 1 << number, after)
            if mark not in tried:
                tried.add(mark)
                return number, after
    return None


def _list_candidates(placed: int, records: Sequence[Record], ended: Sequence[float]) -> list[int]:
    """Requests that may be next: sent before any other of those that are left was answered."""
    left = [number for number in range(len(records)) if not placed >> number & 1]
    horizon = min((ended[number] for number in left), default=NEVER)
    found = [number for number in left if records[number].began <= horizon]
    found.sort(key=lambda number: (ended[number], records[number].began))
    return found


def apply(state: State, record: Record, rotation: Rotation) -> list[State]:
    """States after the request, if its answer was possible in ``state``; none otherwise.

    An unknown one may have been carried out or refused; that it did nothing is the same as leaving it out.
    """
    if record.operation == "revoke":
        return [state._replace(is_revoked=True)]
    done = _redeem(state) if record.operation == "redeem" else _refresh(state, record.generation, rotation)
    if record.outcome == "unknown":
        return [done if done is not None else state._replace(is_revoked=True)]
    if record.outcome == "done":
        return [] if done is None else [done]
    return [state._replace(is_revoked=True)] if done is None else []


def _redeem(state: State) -> State | None:
    if state.is_redeemed or state.is_revoked:
        return None
    return state._replace(is_redeemed=True)


def _refresh(state: State, presented: int, rotation: Rotation) -> State | None:
    if state.is_revoked:
        return None
    if rotation == "off":
        return state
    if presented == state.generation:
        return state._replace(generation=presented + 1)
    if rotation == "grace" and presented == state.generation - 1:
        return state  # the same successor again
    return None


def _describe(what: str, records: Sequence[Record]) -> str:
    start = min((each.began for each in records), default=0.0)
    lines = [
        f"  {each.began - start:9.4f} {each.ended - start:9.4f}  {each.operation} {each.generation} {each.outcome}"
        for each in sorted(records, key=lambda each: each.began)
    ]
    return "\n".join([what, *lines])
