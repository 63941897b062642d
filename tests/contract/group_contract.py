"""What holds on every database server of writes that are committed together."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any, ClassVar

import pytest

from grantway.errors import Conflict, Unprocessable
from grantway.model import Entry
from grantway.storage.sql.link import Link
from grantway.storage.sql.store import SqlStore
from grantway.testing.store_samples import (
    HOUR,
    NOW,
    TENANT,
    build_authorization,
    build_client,
    build_device_request,
    build_entry,
    build_revocation,
    build_session,
    build_task,
)

from .server_store import ServerStore


class GroupContract(ServerStore):
    """Each has its own outcome, whoever else is in the group."""

    def test_of_writes_committed_together_each_has_its_own_outcome(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            (store,) = stores
            await store.insert_client(build_client("taken"))
            for number in range(8):
                await store.insert_authorization(build_authorization(f"a{number}"))
            await store.revoke_authorization(TENANT, "a6", now=NOW, keep_until=NOW + HOUR)
            live = {"rotation": "grace", "grace_ms": 1000, "now": NOW}
            calls: list[tuple[Any, Any]] = []  # and what is expected
            for number in range(8):
                is_live = number != 6
                calls += [
                    (store.redeem_code(TENANT, f"a{number}", NOW), is_live),
                    (store.redeem_code(TENANT, f"a{number}", NOW), False),  # in the order they came in
                    (store.rotate_refresh(TENANT, f"a{number}", 0, **live), "rotated" if is_live else "refused"),
                    (store.rotate_refresh(TENANT, f"a{number}", 0, **live), "graced" if is_live else "refused"),
                    (store.use_once(TENANT, "jti", "shop", b"%d" % (number % 3), expires_at=NOW + 1), number < 3),
                    (store.count_attempt(TENANT, "address", f"{number % 2}", now=NOW, window_ms=9), number // 2 + 1),
                    (store.insert_client(build_client("taken" if number == 3 else f"c{number}")), None),
                    (store.insert_revocation(build_revocation(f"t{number}")), None),
                    (store.redeem_code(TENANT, "a\x00", NOW), Unprocessable),
                ]
            results = await asyncio.gather(*(call for call, _ in calls), return_exceptions=True)
            for result, (_, expected) in zip(results, calls, strict=True):
                if isinstance(result, Conflict):
                    continue  # counted below
                found = type(result) if isinstance(result, Exception) else getattr(result, "kind", result)
                assert found == expected
            assert sum(isinstance(result, Conflict) for result in results) == 1
            assert len(await store.load_revocations(NOW)) == 9
            assert len((await store.list_clients(TENANT)).items) == 8

        self.run_nodes(body, nodes=1)

    def test_reads_that_wait_are_answered_short_and_long_even_if_the_store_stops(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            (store,) = stores
            for number in range(5):
                await store.insert_client(build_client(f"c{number}"))
            calls, pages = [], []
            for number in range(120):
                calls.append(asyncio.ensure_future(store.load_client(TENANT, f"c{number % 6}")))
                if number % 3 == 0:
                    pages.append(asyncio.ensure_future(store.list_clients(TENANT, limit=len(pages) % 5 + 1)))
            await asyncio.sleep(0)  # they stand in the queue
            await store.stop()
            for number, client in enumerate(await asyncio.gather(*calls)):
                assert (client is None) == (number % 6 == 5)
                assert client is None or client.client_id == f"c{number % 6}"
            for number, page in enumerate(await asyncio.gather(*pages)):
                assert len(page.items) == number % 5 + 1

        self.run_nodes(body, nodes=1)

    @pytest.mark.threat("T28")
    def test_batches_of_two_nodes_that_meet_on_many_rows_in_any_order_all_succeed(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            names = [f"a{number}" for number in range(30)]
            await asyncio.gather(*(stores[0].insert_authorization(build_authorization(name)) for name in names))
            dice = random.Random(7)
            for generation in range(self.rounds * 2):
                calls = []
                for store in stores:
                    for name in dice.sample(names, len(names)):
                        live = {"rotation": "grace", "grace_ms": 1000, "now": NOW}
                        calls.append(store.rotate_refresh(TENANT, name, generation, **live))
                outcomes = Counter(outcome.kind for outcome in await asyncio.gather(*calls))
                assert outcomes == {"rotated": 30, "graced": 30}

        self.run_nodes(body)

    @pytest.mark.threat("T122")
    def test_of_two_nodes_that_want_one_thing_one_gets_it(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            for number in range(self.rounds * 4):
                names = [f"{number} {rival}" for rival in range(16)]
                devices = [build_device_request(name, f"CODE{number}") for name in names]
                nodes = [stores[rival % 2] for rival in range(16)]
                stored = await asyncio.gather(
                    *(node.insert_device_request(device) for node, device in zip(nodes, devices, strict=True))
                )
                assert Counter(stored) == {True: 1, False: 15}
                device = devices[stored.index(True)]
                polled = await asyncio.gather(*(node.update_device_request(device) for node in nodes))
                assert Counter(polled) == {True: 1, False: 15}
                task = build_task(f"t{number}")
                await stores[0].insert_task(task)
                taken = await asyncio.gather(*(node.update_task(task) for node in nodes))
                assert Counter(taken) == {True: 1, False: 15}
                entry = build_entry(f"e{number}")
                await stores[0].insert_entry(entry)
                updated = await asyncio.gather(*(node.update_entry(entry) for node in nodes), return_exceptions=True)
                assert Counter(map(type, updated)) == {Entry: 1, Conflict: 15}

        self.run_nodes(body)

    def test_devices_of_two_nodes_that_want_many_user_codes_in_any_order_each_get_an_answer(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            dice = random.Random(7)
            codes = [f"CODE{number}" for number in range(20)]
            for round_ in range(self.rounds):
                calls = []
                for node, store in enumerate(stores):
                    for code in dice.sample(codes, len(codes)):
                        # Those of the round before have expired, by the clock of the store: their codes are free.
                        name, end = f"{round_} {node} {code}", NOW + 1 if round_ == self.rounds - 1 else NOW
                        calls.append(store.insert_device_request(build_device_request(name, code, expires_at=end)))
                stored = Counter(await asyncio.gather(*calls))
                assert stored[True] >= len(codes)
            assert stored == {True: 20, False: 20}

        self.run_nodes(body)

    def test_two_nodes_end_sessions_in_any_order_and_each_leaves_one_task(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            dice = random.Random(7)
            for round_ in range(self.rounds):
                names = [f"s{round_}.{number}" for number in range(12)]
                for name in names:
                    await stores[0].insert_session(build_session(name))
                    await stores[0].insert_authorization(build_authorization(name, session_id=name))
                calls: list[Any] = []
                for store in stores:
                    calls += [
                        store.end_session(TENANT, name, now=NOW, keep_until=NOW + HOUR)
                        for name in dice.sample(names, len(names))
                    ]
                    calls.append(store.end_sessions(TENANT, "alice-id", now=NOW, keep_until=NOW + HOUR))
                ended = await asyncio.gather(*calls)
                assert sum(ended) == len(names)
                tasks = await stores[0].list_due_tasks("logout", now=NOW)
                assert sorted(task.task_id for task in tasks) == sorted(names)
                await asyncio.gather(*(stores[1].delete_task(TENANT, name) for name in names))

        self.run_nodes(body)


class SideBySide(ServerStore):
    """What holds where many of one statement go to the server at once. Name the connection's class."""

    link: ClassVar[type[Link]]

    def test_equal_statements_of_many_writes_are_one_round_trip(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def body(stores: list[SqlStore]) -> None:
            (store,) = stores
            names = [f"a{number}" for number in range(60)]
            await asyncio.gather(*(store.insert_authorization(build_authorization(name)) for name in names))
            trips = Counter[str]()
            for method in ("run_many", "_fetch", "_execute"):
                real = getattr(self.link, method)

                async def count(*arguments: Any, real: Any = real, method: str = method) -> Any:
                    trips[method] += 1
                    return await real(*arguments)

                monkeypatch.setattr(self.link, method, count)
            live = {"rotation": "grace", "grace_ms": 1000, "now": NOW}
            rotated = await asyncio.gather(*(store.rotate_refresh(TENANT, name, 0, **live) for name in names))
            assert {outcome.kind for outcome in rotated} == {"rotated"}
            assert [outcome.authorization.authorization_id for outcome in rotated if outcome.authorization] == names
            loaded = await asyncio.gather(*(store.load_authorization(TENANT, name) for name in names))
            assert [found.authorization_id for found in loaded if found is not None] == names
            # Several connections write and read; each sends every statement once for all the calls it took.
            assert trips["run_many"] + trips["_fetch"] + trips["_execute"] <= 20

        self.run_nodes(body, nodes=1)
