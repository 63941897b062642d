"""The revocations a worker remembers, against the plainest way to remember them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grantway.model import FOREVER, Revocation
from grantway.storage.revocations import Revocations

MINUTE = 60_000
KEYS = st.sampled_from(["a", "b", "c"])
KINDS = st.sampled_from(["token", "client"])
TENANTS = st.sampled_from(["default", "other"])
INSTANTS = st.one_of(st.integers(0, 10 * MINUTE), st.just(FOREVER))
STEPS = st.lists(
    st.one_of(st.tuples(TENANTS, KINDS, KEYS, INSTANTS, INSTANTS), st.integers(0, 12 * MINUTE)), max_size=30
)


def build_revocation(tenant: str, kind: str, key: str, not_before: int, keep_until: int) -> Revocation:
    return Revocation(tenant=tenant, kind=kind, key=key, not_before=not_before, keep_until=keep_until)  # type: ignore[arg-type]


@given(STEPS)
def test_what_must_be_kept_is_kept_and_the_rest_is_forgotten_a_minute_later(steps):
    remembered, made, now = Revocations(), {}, 0
    for step in steps:
        if isinstance(step, int):
            now = max(now, step)
            remembered.forget_ended(now)
        else:
            remembered.remember(build_revocation(*step))
            made.setdefault(step[:3], []).append(step[3:])
    for (tenant, kind, key), instants in made.items():
        for not_before, keep_until in instants:
            if keep_until > now:
                assert remembered.is_refused(tenant, [(kind, key)], not_before)
                assert remembered.has_kind(tenant, kind)
        latest = max(not_before for not_before, _ in instants)
        assert not remembered.is_refused(tenant, [(kind, key)], latest + 1)
    remembered.forget_ended(now)
    assert len(remembered) <= sum(max(until for _, until in instants) > now - MINUTE for instants in made.values())


def test_nothing_is_left_of_what_was_forgotten():
    remembered = Revocations()
    for number in range(1000):
        remembered.remember(build_revocation("default", "token", str(number), 1, number * 100))
        remembered.remember(build_revocation("default", "token", str(number), 2, number * 200))
    assert len(remembered) == 1000
    remembered.forget_ended(1000 * 200 + MINUTE)
    assert len(remembered) == 0
    assert [remembered._kinds, remembered._ending, remembered._spans] == [{}, {}, []]


def test_the_same_one_again_takes_no_more_room():
    remembered = Revocations()
    for _ in range(100):
        remembered.remember(build_revocation("default", "token", "a", 1, MINUTE))
    assert [len(keys) for keys in remembered._ending.values()] == [1]


def test_other_tenants_kinds_and_keys_are_not_concerned():
    remembered = Revocations()
    remembered.remember(build_revocation("default", "token", "a", FOREVER, FOREVER))
    assert remembered.is_refused("default", [("client", "x"), ("token", "a")], 5)
    for tenant, kind, key in (("other", "token", "a"), ("default", "client", "a"), ("default", "token", "b")):
        assert not remembered.is_refused(tenant, [(kind, key)], 5)
