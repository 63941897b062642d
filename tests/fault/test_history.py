"""The checker itself: it takes what can have happened, and nothing else."""

from __future__ import annotations

import random

import pytest

from .history import Record, Rotation, Violation, check_history, explain, measure_propagation

BOUND = 1.0


def build(*rows: tuple[str, float, float, str] | tuple[str, float, float, str, int]) -> list[Record]:
    return [Record(*row) for row in rows]


POSSIBLE: dict[str, tuple[Rotation, list[Record]]] = {
    "a life from the code to the revocation": ("strict", build(
        ("redeem", 0, 1, "done"), ("refresh", 2, 3, "done", 0), ("refresh", 4, 5, "done", 1),
        ("introspect", 5, 5.1, "active"), ("revoke", 6, 7, "done"), ("introspect", 8.1, 8.2, "inactive"),
    )),
    "of two redemptions at once one is refused": ("strict", build(
        ("redeem", 0, 2, "done"), ("redeem", 1, 3, "refused"), ("refresh", 4, 5, "refused", 0),
    )),
    "both of two redemptions refused: the third one was cut off": ("strict", build(
        ("redeem", 0, 1, "unknown"), ("redeem", 2, 3, "refused"), ("redeem", 4, 5, "refused"),
    )),
    "a refresh that was cut off has happened": ("strict", build(
        ("redeem", 0, 1, "done"), ("refresh", 2, 3, "unknown", 0), ("refresh", 4, 5, "refused", 0),
    )),
    "a refresh that was cut off has not happened": ("strict", build(
        ("redeem", 0, 1, "done"), ("refresh", 2, 3, "unknown", 0), ("refresh", 4, 5, "done", 0),
    )),
    "a revocation that was cut off takes place much later": ("strict", build(
        ("redeem", 0, 1, "done"), ("revoke", 2, 3, "unknown"), ("refresh", 4, 5, "done", 0),
        ("refresh", 6, 7, "refused", 1),
    )),
    "within the grace window the predecessor gives the same successor": ("grace", build(
        ("redeem", 0, 1, "done"), ("refresh", 2, 5, "done", 0), ("refresh", 3, 4, "done", 0),
        ("refresh", 6, 7, "done", 1), ("refresh", 8, 9, "done", 1), ("refresh", 10, 11, "refused", 0),
    )),
    "a refresh beside the revocation wins": ("strict", build(
        ("redeem", 0, 1, "done"), ("refresh", 2, 5, "done", 0), ("revoke", 3, 4, "done"),
    )),
    "without rotation one token does for ever": ("off", build(
        ("redeem", 0, 1, "done"), ("refresh", 2, 3, "done", 0), ("refresh", 4, 5, "done", 0),
    )),
    "a memory may be a little old": ("strict", build(
        ("redeem", 0, 1, "done"), ("revoke", 2, 3, "done"), ("introspect", 3.2, 3.3, "inactive"),
        ("introspect", 3.4, 3.5, "active"), ("introspect", 4.5, 4.6, "inactive"),
    )),
}  # fmt: skip

IMPOSSIBLE: dict[str, tuple[Rotation, list[Record]]] = {
    "a code redeemed twice": ("strict", build(("redeem", 0, 2, "done"), ("redeem", 1, 3, "done"))),
    "a code redeemed after a restart": ("strict", build(("redeem", 0, 1, "done"), ("redeem", 5, 6, "done"))),
    "a code redeemed twice around one that was cut off": ("strict", build(
        ("redeem", 0, 1, "done"), ("redeem", 2, 3, "unknown"), ("redeem", 4, 5, "done"),
    )),
    "a strict token used twice": ("strict", build(
        ("redeem", 0, 1, "done"), ("refresh", 2, 4, "done", 0), ("refresh", 3, 5, "done", 0),
    )),
    "refused although nothing had happened": ("strict", build(
        ("redeem", 0, 1, "done"), ("refresh", 2, 3, "refused", 0),
    )),
    "refreshed after the revocation": ("grace", build(
        ("redeem", 0, 1, "done"), ("revoke", 2, 3, "done"), ("refresh", 4, 5, "done", 0),
    )),
    "refreshed after the replay": ("grace", build(
        ("redeem", 0, 1, "done"), ("redeem", 2, 3, "refused"), ("refresh", 4, 5, "done", 0),
    )),
    "a token two generations old": ("grace", build(
        ("redeem", 0, 1, "done"), ("refresh", 2, 3, "done", 0), ("refresh", 4, 5, "done", 1),
        ("refresh", 6, 7, "done", 0),
    )),
    "an acknowledged refresh was forgotten": ("strict", build(
        ("redeem", 0, 1, "done"), ("refresh", 2, 3, "done", 0), ("refresh", 4, 5, "refused", 1),
    )),
    "active long after the revocation": ("strict", build(
        ("redeem", 0, 1, "done"), ("revoke", 2, 3, "done"), ("introspect", 4.1, 4.2, "active"),
    )),
    "inactive before anybody revoked it": ("strict", build(
        ("redeem", 0, 1, "done"), ("introspect", 1.5, 1.6, "inactive"), ("revoke", 2, 3, "done"),
    )),
    "dead and alive again, though nobody knows of the revocation": ("strict", build(
        ("redeem", 0, 1, "done"), ("revoke", 2, 3, "unknown"), ("introspect", 3, 3.1, "inactive"),
        ("introspect", 4.2, 4.3, "active"),
    )),
}  # fmt: skip


@pytest.mark.parametrize("case", POSSIBLE)
def test_what_can_have_happened_is_taken(case: str) -> None:
    rotation, records = POSSIBLE[case]
    check_history(records, rotation, BOUND)


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_cannot_have_happened_is_found(case: str) -> None:
    rotation, records = IMPOSSIBLE[case]
    with pytest.raises(Violation):
        check_history(records, rotation, BOUND)


def test_an_order_that_is_found_keeps_to_real_time() -> None:
    records = build(
        ("redeem", 0, 1, "done"),
        ("refresh", 2, 9, "done", 1),
        ("refresh", 3, 4, "done", 0),
        ("revoke", 5, 6, "unknown"),
    )
    order = explain(records, "strict")
    assert order is not None
    assert order[:3] == [0, 2, 1]


@pytest.mark.parametrize("rotation", ["strict", "grace"])
def test_a_history_that_did_happen_is_taken_and_one_answer_changed_is_found(
    rotation: Rotation, dice: random.Random
) -> None:
    found = 0
    for _ in range(200):
        records = simulate(rotation, dice)
        check_history(records, rotation, BOUND)
        number = dice.randrange(len(records))
        changed = {"done": "refused", "refused": "done"}.get(records[number].outcome, "unknown")
        twisted = Record(*(getattr(records[number], each) for each in ("operation", "began", "ended")), changed,
                         records[number].generation)  # fmt: skip
        try:
            check_history([*records[:number], twisted, *records[number + 1 :]], rotation, BOUND)
        except Violation:
            found += 1
    assert found > 50


def simulate(rotation: Rotation, dice: random.Random) -> list[Record]:
    """Requests that overlap, answered by a register that does one at a time."""
    redeemed, generation, revoked, now = False, 0, False, 0.0
    records = []
    for _ in range(dice.randint(4, 14)):
        now += 1
        began, ended = now - dice.uniform(0, 2.5), now + dice.uniform(0, 2.5)
        operation = dice.choices(["redeem", "refresh", "revoke"], [2, 8, 1])[0]
        presented = max(0, generation - dice.choice([0, 0, 0, 1, 2]))
        if operation == "revoke":
            is_done, revoked = True, True
        elif operation == "redeem":
            is_done = not redeemed and not revoked
            redeemed, revoked = redeemed or is_done, revoked or not is_done
        else:
            is_again = rotation == "grace" and presented == generation - 1
            is_done = not revoked and (presented == generation or is_again)
            generation += is_done and not is_again
            revoked = revoked or not is_done
        outcome = "unknown" if dice.random() < 0.15 else "done" if is_done else "refused"
        records.append(Record(operation, began, ended, outcome, presented))
    return records


def test_the_propagation_is_the_latest_active_answer_after_the_kill() -> None:
    records = build(("revoke", 2, 3, "done"), ("introspect", 2, 2.5, "active"), ("introspect", 3.25, 3.4, "active"))
    assert measure_propagation(records, "strict") == 0.25
