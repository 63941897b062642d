"""Token buckets: what they grant in a burst and in the long run, and what forgetting may not change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grantway.limits import Buckets, Quota, Rate
from grantway.testing.clock import FakeClock

RATE = Rate(name="client", rate=60, burst=10, window=60)


def is_granted(buckets: Buckets, key: str) -> bool:
    return buckets.take(key) <= buckets.depth


def test_a_burst_is_granted_and_then_one_for_each_interval():
    clock = FakeClock()
    buckets = Buckets(RATE, clock.monotonic)
    assert [is_granted(buckets, "a") for _ in range(12)] == [True] * 10 + [False] * 2
    assert is_granted(buckets, "b"), "a bucket of its own"
    clock.advance(1)
    assert [is_granted(buckets, "a") for _ in range(2)] == [True, False]
    clock.advance(3600)
    assert [is_granted(buckets, "a") for _ in range(11)] == [True] * 10 + [False], "it is never fuller than full"


def test_a_step_of_the_wall_clock_changes_nothing():
    clock = FakeClock()
    buckets = Buckets(RATE, clock.monotonic)
    for _ in range(10):
        buckets.take("a")
    clock.step(86_400)
    assert not is_granted(buckets, "a")
    clock.step(-2 * 86_400)
    clock.advance(1)
    assert is_granted(buckets, "a")


def test_what_is_refused_costs_nothing():
    clock = FakeClock()
    buckets = Buckets(RATE, clock.monotonic)
    for _ in range(1000):
        buckets.take("a")
    clock.advance(1)
    assert is_granted(buckets, "a")


@given(
    st.integers(1, 500),
    st.integers(1, 200),
    st.integers(1, 3600),
    st.integers(1, 16),
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 30)), max_size=40),
)
def test_no_window_grants_more_than_burst_and_rate(rate, burst, window, share, visits):
    """From any moment on: the burst, and what the rate brings since. So too for the parts of several processes."""
    clock = FakeClock()
    whole = Rate(name="r", rate=rate, burst=burst, window=window)
    parts = [Buckets(whole.split(share), clock.monotonic) for _ in range(share)]
    began, granted = clock.monotonic(), 0
    for pause, times in visits:
        clock.advance(pause)
        granted += sum(is_granted(part, "k") for part in parts for _ in range(times))
        allowed = burst + (clock.monotonic() - began) / window * rate
        assert granted <= allowed + 0.01 * share + 1e-6


def test_a_part_below_one_token_has_to_wait_for_the_rest():
    clock = FakeClock()
    part = Buckets(Rate(name="r", rate=60, burst=1, window=60).split(4), clock.monotonic)
    assert [is_granted(part, "a") for _ in range(5)] == [False] * 5
    clock.advance(3)
    assert is_granted(part, "a"), "asking too early does not put it off"
    assert not is_granted(part, "a")
    clock.advance(4)
    assert is_granted(part, "a")


@pytest.mark.threat("T146")
def test_memory_is_bounded_whatever_asks():
    clock = FakeClock()
    buckets = Buckets(RATE, clock.monotonic, bound=100)
    for number in range(10_000):
        buckets.take(number)
        if not number % 10:
            clock.advance(0.5)
        assert len(buckets) <= 200


@pytest.mark.threat("T101")
def test_a_flood_of_keys_does_not_fill_an_empty_bucket():
    clock = FakeClock()
    buckets = Buckets(RATE, clock.monotonic, bound=100)
    for _ in range(10):
        buckets.take("limited")
    for number in range(5_000):
        buckets.take(number)
    assert not is_granted(buckets, "limited")


@pytest.mark.threat("T101")
def test_nor_does_a_flood_of_emptied_buckets():
    """More of them than are remembered: then a newcomer gets less, and nobody more."""
    clock = FakeClock()
    buckets = Buckets(RATE, clock.monotonic, bound=100)
    for number in range(1_000):
        for _ in range(10):
            buckets.take(number)
    assert sum(is_granted(buckets, number) for number in range(1_000)) == 0
    clock.advance(10)
    assert is_granted(buckets, "newcomer")


def test_one_emptied_bucket_does_not_empty_those_of_newcomers():
    clock = FakeClock()
    buckets = Buckets(RATE, clock.monotonic, bound=100)
    for _ in range(10):
        buckets.take("greedy")
    for number in range(5_000):
        clock.advance(0.011)  # fewer newcomers in an interval than are remembered
        if not number % 80:
            buckets.take("greedy")
        assert is_granted(buckets, number)


@pytest.mark.spec("draft-ietf-httpapi-ratelimit-headers-10 §4")
def test_the_fields_say_what_is_left_and_when_all_of_it_is_there_again():
    clock = FakeClock()
    buckets, quota = Buckets(RATE, clock.monotonic), Quota(RATE)
    told: list[tuple[bytes, bytes]] = []
    assert [quota.tell(buckets.take("a"), told) for _ in range(11)] == [0] * 10 + [1]
    assert set(told[::2]) == {(b"ratelimit-policy", b'"client";q=60;w=60')}
    assert told[1] == (b"ratelimit", b'"client";r=9;t=2')
    assert told[-3:] == [
        (b"ratelimit", b'"client";r=0;t=11'),
        (b"ratelimit-policy", b'"client";q=60;w=60'),
        (b"ratelimit", b'"client";r=0;t=1'),
    ]
