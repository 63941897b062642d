"""Redis as it is met with: shared by workers, emptied, killed, hung, failed over, and back. Nobody waits for it long,
nobody is let through without a limit, and a change is known without it, only later."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from grantway.config import load_settings
from grantway.errors import TooManyRequests
from grantway.limits import Rate
from grantway.model import Client
from grantway.storage import open_redis, open_store
from grantway.storage.grid import NearCaches
from grantway.storage.redis import Redis
from grantway.storage.sql.schema import upgrade
from grantway.testing.in_process import InProcessServer
from grantway.testing.running_server import TOKEN, stock_client
from grantway.testing.store_samples import TENANT, build_client, build_tenant
from grantway.throttle import Throttle

from .redis_servers import RedisProcess, find_port, start_cluster, start_watched, wait_until

HOUR = 3600
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def processes() -> Iterator[list[RedisProcess]]:
    started: list[RedisProcess] = []
    yield started
    for process in started:
        process.kill()


@pytest.fixture
def single(tmp_path: Path, processes: list[RedisProcess]) -> RedisProcess:
    process = RedisProcess(tmp_path / "redis")
    processes.append(process)
    process.start()
    return process


def build_settings(url: str, **more: Any) -> Any:
    """Patient ones: what is proved must not depend on how fast this machine is."""
    given = {"redis.url": url, "redis.timeout_ms": 5000, "limits.shared": "redis", "limits.window": HOUR}
    return load_settings(overrides={**given, **more})


class SystemClock:
    """Redis has its own clock, so these tests run on the machine's."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


class Worker:
    """One worker's throttle and its connection to Redis."""

    def __init__(self, settings: Any) -> None:
        self.redis: Redis = open_redis(settings)
        self.throttle = Throttle(settings, None, SystemClock(), self.redis)

    async def take(self, key: str = "machine") -> bool:
        try:
            verdict = self.throttle.limit_client(Client(tenant="default", client_id=key), "192.0.2.1", [])
            if verdict is not None:
                await verdict
        except TooManyRequests:
            return False
        return True

    @property
    def is_up(self) -> bool:
        return bool(self.redis.status()["is_up"])


@contextlib.asynccontextmanager
async def running(settings: Any, count: int = 4) -> AsyncIterator[list[Worker]]:
    workers = [Worker(settings) for _ in range(count)]
    await asyncio.gather(*(worker.redis.start() for worker in workers))
    try:
        yield workers
    finally:
        await asyncio.gather(*(worker.redis.stop() for worker in workers))


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what it waits for happens in another process
            await asyncio.sleep(0.01)


async def flood(workers: list[Worker], times: int, key: str = "machine") -> int:
    """How many of them are granted: ``times`` for each worker, all at once."""
    return sum(await asyncio.gather(*(worker.take(key) for worker in workers for _ in range(times))))


# -- one Redis ----------------------------------------------------------------------------------------------------


@pytest.mark.threat("R8")
def test_workers_draw_from_one_bucket(single):
    async def main():
        settings = build_settings(f"redis://{single.address}/0", **{"limits.client_rate": 20, "serve.workers": 4})
        async with running(settings) as workers:
            assert await flood(workers, 25) == 20
            assert await flood(workers, 25, "other") == 20
            assert await flood(workers, 25) == 0

    asyncio.run(main())


def test_it_is_the_bucket_of_the_algorithm_in_memory(single):
    """The same takes at the same pauses, of both: what they say differs by the time between two calls."""

    async def main():
        settings = build_settings(f"redis://{single.address}/0")
        rate = Rate(name="r", rate=200, burst=5, window=10)
        from grantway.limits import Buckets

        buckets = Buckets(rate, time.monotonic)
        async with running(settings, 1) as (worker,):
            for pause in (0, 0, 0, 0.12, 0, 0, 0, 0.06, 0, 0.3, 0):
                await asyncio.sleep(pause)
                before = time.monotonic()
                mine = buckets.take("k")
                shared = await worker.redis.take("k", rate)
                drift = time.monotonic() - before
                assert shared == pytest.approx(mine, abs=drift * 12 + 0.005)

    asyncio.run(main())


def test_a_request_costs_one_round_trip_whatever_is_limited(single):
    server = InProcessServer(
        {
            "redis.url": f"redis://{single.address}/0",
            "redis.timeout_ms": 5000,
            "limits.shared": "redis",
            "limits.window": HOUR,
            "limits.client_rate": 1000,
            "limits.address_rate": 6,
        },
        clock=SystemClock(),
    )
    try:
        machine = server.register_client(grant_types=["client_credentials"], scope="read")

        def count() -> tuple[int, int]:
            status = server.server._redis.status()
            return status["round_trips"], status["buckets"]

        assert server.token(machine, **GRANT).status_code == 200  # what it does not know yet it has to load
        before = count()
        for number in range(1, 3):
            answer = server.token(machine, **GRANT)
            assert answer.status_code == 200, answer.text
            assert answer.headers["ratelimit-policy"] == '"address";q=6;w=3600, "client";q=1000;w=3600'
            assert count() == (before[0] + number, before[1] + 2 * number)
        assert server.get("/userinfo").status_code == 401
        assert count() == (before[0] + 3, before[1] + 5)
        for _ in range(2):  # counted, though nobody waits for the answer
            assert server.post("/oauth2/token", data=GRANT, auth=(machine.client_id, "wrong")).status_code == 401
        assert server.token(machine, **GRANT).status_code == 429
        asked = count()
        for _ in range(5):
            assert server.token(machine, **GRANT).status_code == 429
        assert count() == asked, "what was empty a moment ago is not asked for again"
        assert single.ask("DBSIZE") == 2, "one key for the client and one for the address"
    finally:
        server.stop()


@pytest.mark.threat("T149")
@pytest.mark.threat("T38")
def test_redis_sees_no_names_and_keeps_nothing_for_long(single):
    async def main():
        settings = build_settings(f"redis://{single.address}/0", **{"limits.client_rate": 3600})
        async with running(settings, 1) as (worker,):
            assert await worker.take("a-client-of-this-name")
        keys = [key.decode() for key in single.ask("KEYS", "*")]
        names = [key for key in keys if "probe" not in key]
        assert len(names) == 1
        assert "client" not in names[0]
        assert 0 < single.ask("PTTL", names[0]) <= 1000, "until the bucket is full again"

    asyncio.run(main())


@pytest.mark.threat("R8")
def test_an_emptied_redis_goes_on_and_grants_twice_at_most(single):
    async def main():
        settings = build_settings(f"redis://{single.address}/0", **{"limits.client_rate": 20, "serve.workers": 4})
        async with running(settings) as workers:
            granted = await flood(workers, 20)
            single.ask("FLUSHALL")
            single.ask("SCRIPT", "FLUSH")
            for worker in workers:
                worker.throttle._clients._empty_until.clear()
            granted += await flood(workers, 20)
            assert granted == 40
            assert all(worker.is_up for worker in workers)
            assert all(worker.redis.status()["failures"] == 0 for worker in workers)

    asyncio.run(main())


@pytest.mark.threat("R8")
def test_a_killed_redis_costs_nobody_time_and_frees_nobody(single):
    async def main():
        settings = build_settings(f"redis://{single.address}/0", **{"limits.client_rate": 40, "serve.workers": 4})
        async with running(settings) as workers:
            assert await flood(workers, 5) == 20
            single.kill()
            granted = 20 + await flood(workers, 25)
            assert not any(worker.is_up for worker in workers)
            assert 20 < granted <= 80, "what each worker may grant alone, and no more"
            began = time.perf_counter()
            for _ in range(1000):
                assert not await workers[0].take()
            assert time.perf_counter() - began < 5, "nobody waits for what is known to be away"
            assert workers[0].throttle.status()["client"]["alone"] >= 1000
            single.start()
            await until(lambda: all(worker.is_up for worker in workers))
            assert await flood(workers, 25) == 40, "it came back empty, as it may"
            assert granted + 40 <= 3 * 40  # two faults: it died, and it forgot

    asyncio.run(main())


@pytest.mark.threat("R8")
def test_a_redis_that_hangs_is_waited_for_once(single):
    async def main():
        settings = build_settings(
            f"redis://{single.address}/0", **{"limits.client_rate": 1000, "redis.timeout_ms": 100}
        )
        async with running(settings, 1) as (worker,):
            await until(lambda: worker.is_up)
            single.hold()
            try:
                began = time.perf_counter()
                assert await worker.take()
                assert 0.08 <= time.perf_counter() - began < 5
                began = time.perf_counter()
                for number in range(200):
                    assert await worker.take(f"client{number}")
                assert time.perf_counter() - began < 5, "not a tenth of a second each"
            finally:
                single.release()
            await until(lambda: worker.is_up)
            assert await worker.take()

    asyncio.run(main())


@pytest.mark.threat("R8")
def test_whatever_befalls_redis_each_request_is_decided_in_time_and_within_bounds(single, dice, is_soak):
    """A fault in the middle of a flood, again and again. Each fault can fill a bucket once, a restart twice."""

    async def die() -> None:
        single.kill()
        await asyncio.sleep(dice.random() * 0.1)
        await asyncio.to_thread(single.start)

    async def hang() -> None:
        single.hold()
        await asyncio.sleep(dice.random() * 0.6)
        single.release()

    async def forget() -> None:
        await asyncio.to_thread(single.ask, "FLUSHALL")

    async def unlearn() -> None:
        await asyncio.to_thread(single.ask, "SCRIPT", "FLUSH")

    async def drop() -> None:
        await asyncio.to_thread(single.ask, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def main() -> None:
        settings = build_settings(
            f"redis://{single.address}/0",
            **{"limits.client_rate": 20, "serve.workers": 4, "redis.timeout_ms": 200},
        )
        async with running(settings) as workers:
            for number in range(200 if is_soak else 6):
                await until(lambda: all(worker.is_up for worker in workers))
                fault = dice.choice([die, hang, forget, unlearn, drop])

                async def visit(worker: Worker, key: str) -> int:
                    granted = 0
                    for _ in range(10):
                        await asyncio.sleep(dice.random() * 0.01)
                        async with asyncio.timeout(5):
                            granted += await worker.take(key)
                    return granted

                key = f"client{number}"
                *granted, _ = await asyncio.gather(
                    *(visit(worker, key) for worker in workers for _ in range(3)), fault()
                )
                assert 10 <= sum(granted) <= (60 if fault is die else 40), (fault.__name__, granted)
            assert await flood(workers, 0) == 0
            await until(lambda: all(worker.is_up for worker in workers))

    asyncio.run(main())


def test_a_redis_that_takes_no_writes_counts_as_away(single):
    async def main():
        settings = build_settings(f"redis://{single.address}/0", **{"limits.client_rate": 1000})
        async with running(settings, 1) as (worker,):
            single.ask("CONFIG", "SET", "maxmemory", "1")
            assert await worker.take()
            assert not worker.is_up
            single.ask("CONFIG", "SET", "maxmemory", "0")
            await until(lambda: worker.is_up)

    asyncio.run(main())


@pytest.mark.threat("R8")
def test_a_server_starts_and_answers_without_the_redis_it_should_use(tmp_path):
    gone = RedisProcess(tmp_path / "never-started")
    server = InProcessServer(
        {
            "redis.url": f"redis://{gone.address}/0",
            "limits.shared": "redis",
            "limits.client_rate": 8,
            "limits.nodes": 4,
        },
        clock=SystemClock(),
    )
    machine = server.register_client(grant_types=["client_credentials"], scope="read")
    statuses = [server.token(machine, **GRANT).status_code for _ in range(4)]
    server.stop()
    assert statuses == [200, 200, 429, 429], "a quarter of the rate, as one of four nodes"


@pytest.mark.threat("T154")
def test_requests_that_are_given_up_leave_nothing_mixed_up(single, dice):
    """Each key has a rate of its own, so an answer that went to another would show."""

    async def main():
        settings = build_settings(f"redis://{single.address}/0")
        async with running(settings, 1) as (worker,):
            rates = [Rate(name="r", rate=rate, burst=1000, window=HOUR) for rate in range(1, 101)]
            taken = [0] * len(rates)

            async def take(number: int) -> None:
                answer = worker.redis.take(f"key{number}", rates[number])
                taken[number] += 1
                nth = taken[number]
                used = await asyncio.shield(answer) if dice.random() < 0.5 else await answer
                assert used == pytest.approx(nth * rates[number].interval, abs=20)

            for _ in range(30):
                tasks = [asyncio.create_task(take(dice.randrange(100))) for _ in range(50)]
                await asyncio.sleep(dice.random() * 0.001)
                for task in dice.sample(tasks, 25):
                    task.cancel()
                for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                    assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
            assert worker.redis.status()["failures"] == 0
            assert len(single.ask("CLIENT", "LIST").splitlines()) <= 2, "one connection, and this question's"

    asyncio.run(main())


@pytest.mark.threat("T149")
def test_a_wrong_password_is_no_reason_to_stop_and_is_not_logged(single, caplog):
    async def main():
        single.ask("CONFIG", "SET", "requirepass", "right-password")
        for password, is_up in (("right-password", True), ("wrong-password", False)):
            settings = build_settings(f"redis://:{password}@{single.address}/0", **{"limits.client_rate": 10})
            async with running(settings, 1) as (worker,):
                assert worker.is_up is is_up
                assert await worker.take(password)
        assert "cannot reach Redis" in caplog.text
        assert "password@" not in caplog.text
        assert "wrong-password" not in caplog.text + repr(settings)

    asyncio.run(main())


def read_user_of_the_page() -> list[str]:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "redis.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("ACL SETUSER ")]
    return line.split()


def test_the_user_of_the_how_to_page_may_do_what_is_needed_and_no_more(single):
    single.ask(*read_user_of_the_page())

    async def main():
        settings = build_settings(f"redis://grantway:password@{single.address}/0", **{"limits.client_rate": 10})
        async with running(settings, 2) as workers:
            assert await flood(workers, 10) == 10
            hints = []
            listener = open_redis(settings)
            await listener.start(lambda: hints.append(1))
            await until(lambda: hints)
            workers[0].redis.tell(build_changes(5))
            await until(lambda: len(hints) == 2)
            await listener.stop()
            assert all(worker.redis.status()["failures"] == 0 for worker in workers)
            with pytest.raises(Exception, match=r"(?i)no permissions"):
                await workers[0].redis._client.set("other", "x")
            with pytest.raises(Exception, match=r"(?i)no permissions"):
                await workers[0].redis._client.execute_command("KEYS", "*")

    asyncio.run(main())


def test_tls_is_spoken_to_whom_the_authority_vouches_for_and_to_nobody_else(tmp_path, processes):
    certificate, key = write_certificate(tmp_path)
    process = RedisProcess(tmp_path / "redis")
    process.command += ["--tls-port", str(find_port()), "--tls-auth-clients", "no", "--tls-ca-cert-file", certificate]
    process.command += ["--tls-cert-file", certificate, "--tls-key-file", key]
    tls_port = process.command[process.command.index("--tls-port") + 1]
    processes.append(process)
    process.start()

    async def main():
        for query, is_up in ((f"?ssl_ca={certificate}", True), ("", False)):
            settings = build_settings(f"rediss://127.0.0.1:{tls_port}/0{query}", **{"limits.client_rate": 10})
            async with running(settings, 1) as (worker,):
                assert worker.is_up is is_up
                assert await worker.take("a" + query)

    asyncio.run(main())


def write_certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis of the tests")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "certificate.pem"), str(folder / "key.pem")


# -- sentinels and a cluster --------------------------------------------------------------------------------------


@pytest.mark.threat("R8")
def test_sentinels_name_the_next_primary(tmp_path, processes):
    nodes, sentinel = start_watched(tmp_path)
    processes += [*nodes, sentinel]

    async def main():
        url = f"redis+sentinel://127.0.0.1:{RedisProcess(tmp_path / 'no').port},{sentinel.address}/limits/0"
        settings = build_settings(url, **{"limits.client_rate": 20, "serve.workers": 2})
        async with running(settings, 2) as workers:
            assert await flood(workers, 20) == 20
            nodes[0].kill()
            assert await flood(workers, 20, "other") <= 40
            await until(lambda: all(worker.is_up for worker in workers))
            assert nodes[1].ask("ROLE")[0] == b"master"
            assert await flood(workers, 20, "another") == 20
            assert {worker.redis.status()["form"] for worker in workers} == {"sentinel"}

    asyncio.run(main())


@pytest.mark.threat("R8")
def test_a_cluster_shares_buckets_and_survives_a_primary(tmp_path, processes):
    nodes = start_cluster(tmp_path)
    processes += nodes
    for node in nodes:
        node.ask(*read_user_of_the_page())

    async def main():
        url = "redis+cluster://grantway:password@" + ",".join(node.address for node in nodes[:2])
        settings = build_settings(url, **{"limits.client_rate": 10, "serve.workers": 2})
        async with running(settings, 2) as workers:
            for number in range(20):
                assert await flood(workers, 10, f"client{number}") == 10
            assert all(node.ask("DBSIZE") > 0 for node in nodes[:3]), "all nodes carry a part"
            hints = [0]
            listener = open_redis(settings)
            try:
                await listener.start(lambda: hints.append(1))
                await until(lambda: len(hints) == 2)  # subscribed
                workers[0].redis.tell(build_changes(7))
                await until(lambda: len(hints) == 3)
            finally:
                await listener.stop()
            nodes[0].kill()
            granted = [await flood(workers, 10, f"client{number}") for number in range(20, 40)]
            assert max(granted) <= 20
            await until(lambda: all(worker.is_up for worker in workers))
            assert [await flood(workers, 10, f"client{number}") for number in range(40, 60)] == [10] * 20

    asyncio.run(main())


# -- a whole server -----------------------------------------------------------------------------------------------


@pytest.mark.threat("R8")
def test_a_server_of_two_workers_holds_its_limit_whatever_becomes_of_redis(run_server, single):
    settings = {
        "redis.url": f"redis://{single.address}/0",
        "redis.timeout_ms": 300,
        "limits.shared": "redis",
        "limits.window": HOUR,
        "limits.client_rate": 30,
        "serve.access_log": True,
        "admin.insecure_open": True,
    }
    server = run_server(workers=2, settings=settings)

    async def stock(runtime: Any) -> list[Any]:
        return [await stock_client(runtime, f"client{number}") for number in range(3)]

    first, second, third = server.administer(stock)
    connections = [each for mine in server.connect_to_each(2).values() for each in mine]
    admin = server.connect(to_admin=True)

    def count(machine: Any) -> int:
        """How many of a hundred requests, over all workers, are granted; every one is answered, and soon."""
        granted = 0
        for number in range(100):
            began = time.monotonic()
            answer = connections[number % len(connections)].ask("POST", TOKEN, **machine.ask_token())
            assert answer.status in (200, 429), answer
            assert time.monotonic() - began < 5
            granted += answer.status == 200
        return granted

    def are_up() -> list[bool]:
        workers = admin.ask("GET", "/admin/status").document["workers"]
        return [worker["redis"]["is_up"] for worker in workers]

    wait_until(lambda: are_up() == [True, True])
    assert count(first) == 30
    single.kill()
    assert 15 <= count(second) <= 60
    wait_until(lambda: are_up() == [False, False])
    single.start()
    wait_until(lambda: are_up() == [True, True])
    assert count(third) == 30
    assert server.stop() == 0
    log = server.read_log()
    assert log.count('"path": "/oauth2/token", "status": 429') >= 140
    assert "Redis does not answer" in log


# -- word of changes ----------------------------------------------------------------------------------------------


def build_changes(sequence: int) -> list[Any]:
    from grantway.model import Change

    return [Change(sequence=sequence, tenant=TENANT, kind="client", key="shop")]


@pytest.mark.threat("R8")
@pytest.mark.threat("T130")
def test_word_of_a_change_wakes_the_others_and_its_loss_only_delays_it(single, tmp_path):
    async def main():
        database = f"sqlite:///{tmp_path}/grantway.db"
        await asyncio.to_thread(upgrade, database)
        settings = build_settings(f"redis://{single.address}/0", **{"database.url": database})
        stores = [open_store(settings, SystemClock()) for _ in range(2)]
        links = [open_redis(settings) for _ in range(2)]
        grids = [NearCaches(store, settings, SystemClock()) for store in stores]
        for store, link, grid in zip(stores, links, grids, strict=True):
            await store.start()
            grid._interval, grid._bound = 600, 600  # so that it is the word that is heard, not the poll
            await grid.start()
            await link.start(grid.wake)
            store.on_change(link.tell)
        await until(lambda: all(grid.status()["wake_ups"] for grid in grids))  # subscribed
        await stores[0].insert_tenant(build_tenant())
        await stores[0].insert_client(build_client())

        async def rename(name: str) -> None:
            client = await stores[0].load_client(TENANT, "shop")
            await stores[0].update_client(replace(client, client_name=name))

        async def is_known(name: str) -> None:
            async with asyncio.timeout(10):
                while (await grids[1].client(TENANT, "shop")).client_name != name:  # noqa: ASYNC110
                    await asyncio.sleep(0.002)

        assert (await grids[1].client(TENANT, "shop")).client_name != "first"
        await rename("first")
        await is_known("first")
        assert links[0].status()["told"] >= 1
        assert links[1].status()["heard"] >= 1
        single.kill()
        for grid in grids:
            grid._interval = 0.05
            grid.wake()
        await rename("second")
        await is_known("second")
        heard = grids[1].status()["wake_ups"]
        single.start()
        for grid in grids:
            grid._interval = 600
        await until(lambda: all(link.status()["is_up"] for link in links))
        await until(
            lambda: grids[1].status()["wake_ups"] > heard or single.ask("PUBSUB", "NUMSUB", "grantway:change")[1] == 2
        )
        await rename("third")
        await is_known("third")
        for store, link, grid in zip(stores, links, grids, strict=True):
            await link.stop()
            await grid.stop()
            await store.stop()

    from msgspec.structs import replace

    asyncio.run(main())


def test_junk_in_the_channel_is_no_more_than_a_reason_to_look(single):
    async def main():
        heard: list[int] = []
        link = open_redis(build_settings(f"redis://{single.address}/0"))
        await link.start(lambda: heard.append(1))
        await until(lambda: heard)
        for junk in (b"", b"x", b"x -1", b"x 9" + b"9" * 5000, b"\xff\xfe 1", b"x 1 2"):
            single.ask("PUBLISH", "grantway:change", junk)
        single.ask("PUBLISH", "grantway:change", b"somebody 5")
        await until(lambda: link.status()["heard"] == 3)
        link.tell([])  # nothing to tell of
        link.tell(build_changes(5))  # somebody did
        assert link.status()["told"] == 0
        assert link.status()["is_up"]
        await link.stop()

    asyncio.run(main())
