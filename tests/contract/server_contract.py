"""What holds on every database server, beyond the store's contract: the schema, faults, several nodes, the tools."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import op

from grantway.cli.root import run
from grantway.config import DatabaseSettings, Settings
from grantway.errors import ConfigurationError, SchemaError, StoreUnavailable
from grantway.storage import open_store
from grantway.storage.grid import NearCaches
from grantway.storage.sql import schema, schema_server
from grantway.storage.sql import store as store_module
from grantway.storage.sql.store import SqlStore
from grantway.testing.store_samples import (
    HOUR,
    NOW,
    TENANT,
    build_authorization,
    build_client,
    build_revocation,
    build_tenant,
)

from .group_contract import GroupContract
from .server_store import WallClock, open_at

SECRET = "0123456789abcdef0123456789abcdef"


class ServerContract(GroupContract):
    """All that holds on a server."""

    # -- the schema ---------------------------------------------------------------------------------------------------

    def test_a_fresh_schema_is_the_migrated_schema(self, new_url: str) -> None:
        schema_server.run(new_url, lambda connection: schema_server.migrate(connection, "upgrade", "head"))
        fresh, migrated = self.server.describe(self.url), self.server.describe(new_url)
        assert fresh == migrated
        assert sum(map(len, fresh)) > 100

    def test_a_schema_goes_up_and_down_and_up_again(self, new_url: str) -> None:
        assert schema.status(new_url) == schema.SchemaStatus(None, schema.HEAD, schema.REVISIONS)
        with pytest.raises(SchemaError, match="grantway migrate up"):
            schema.check(new_url)
        assert schema.upgrade(new_url) == schema.SchemaStatus(schema.HEAD, schema.HEAD, ())
        first = self.server.describe(new_url)
        assert schema.upgrade(new_url).pending == ()
        with pytest.raises(SchemaError, match="Cannot undo"):
            schema.downgrade(new_url, len(schema.REVISIONS) + 1)
        assert schema.downgrade(new_url, len(schema.REVISIONS)).pending == schema.REVISIONS
        assert schema.upgrade(new_url).pending == ()
        assert self.server.describe(new_url) == first
        schema.check(new_url)

    def test_three_upgrades_at_once_make_one_schema(self, new_url: str) -> None:
        with ThreadPoolExecutor(3) as executor:
            reached = [future.result() for future in [executor.submit(schema.upgrade, new_url) for _ in range(3)]]
        assert {status.current for status in reached} == {schema.HEAD}

    def test_an_upgrade_that_breaks_off_can_be_repeated(self, new_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        create_index = op.create_index

        def break_off(name: str, *args: object, **options: object) -> None:
            if name == "ix_change_created":
                raise KeyboardInterrupt
            create_index(name, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(op, "create_index", break_off)
            with pytest.raises(KeyboardInterrupt):
                schema_server.run(new_url, lambda connection: schema_server.migrate(connection, "upgrade", "head"))
        assert schema.status(new_url).current is None
        assert schema.upgrade(new_url).pending == ()
        assert self.server.describe(new_url) == self.server.describe(self.url)

    def test_a_store_does_not_start_on_a_missing_schema(self, new_url: str) -> None:
        async def start() -> None:
            store = open_at(new_url)
            with pytest.raises(SchemaError, match="grantway migrate up"):
                await store.start()
            await store.stop()

        asyncio.run(start())

    def test_a_newer_schema_is_left_alone(self, new_url: str) -> None:
        schema.upgrade(new_url)
        self.server.run("UPDATE alembic_version SET version_num = 'future'", new_url)
        for use in (schema.check, schema.upgrade, schema.downgrade):
            with pytest.raises(SchemaError, match="newer than this version"):
                use(new_url)

    # -- settings and tools -------------------------------------------------------------------------------------------

    def test_an_unknown_database_is_a_configuration_error(self) -> None:
        url = self.server.url.set(database="grantway_none").render_as_string(hide_password=False)

        async def start() -> None:
            with pytest.raises(ConfigurationError, match=r"database\.url"):
                await open_at(url).start()

        asyncio.run(start())
        with pytest.raises(ConfigurationError, match=r"database\.url"):
            schema.status(url)

    def test_a_server_that_is_not_there_is_unavailable(self) -> None:
        url = self.server.url.set(host="127.0.0.1", port=1).render_as_string(hide_password=False)

        async def start() -> None:
            with pytest.raises(StoreUnavailable):
                await open_at(url).start()

        asyncio.run(start())
        with pytest.raises(StoreUnavailable):
            schema.status(url)

    def test_the_tools_work_with_it(self, new_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        environment = {
            "GRANTWAY_DATABASE__URL": new_url,
            "GRANTWAY_ISSUER": "https://login.example",
            "GRANTWAY_SECRETS__SEALING": SECRET,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)

        def grantway(*words: str) -> tuple[int, str]:
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                code = run(list(words))
            return code, out.getvalue()

        assert grantway("migrate", "status")[0] == 4
        assert grantway("migrate", "up")[0] == 0
        assert grantway("migrate", "status")[0] == 0
        code, out = grantway("clients", "create", "--grant-type", "client_credentials", "--name", "Batch")
        assert code == 0, out
        assert "Batch" in grantway("clients", "list")[1]
        assert "It is the one this version works with." in grantway("doctor")[1]
        assert grantway("migrate", "down", "--yes")[0] == 0
        assert grantway("migrate", "status")[0] == 4

    # -- faults -------------------------------------------------------------------------------------------------------

    def test_killed_connections_lose_nothing_that_was_acknowledged(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            written: list[str] = []
            failures: list[BaseException] = []

            async def write(number: int) -> None:
                for step in range(40):
                    name = f"c{number}-{step}"
                    try:
                        await stores[number % 2].insert_client(build_client(name))
                    except StoreUnavailable as error:
                        failures.append(error)
                    else:
                        written.append(name)
                    await asyncio.sleep(0.005)

            async def kill() -> None:
                for _ in range(5):
                    await asyncio.sleep(0.05)
                    await asyncio.to_thread(self.server.kill_connections, self.url)

            await asyncio.gather(*(write(number) for number in range(16)), kill())
            assert len(written) + len(failures) == 16 * 40
            assert len(written) > 16 * 20
            for store in stores:  # both have recovered by themselves
                await store.ping()
                await store.insert_revocation(build_revocation("after"))
            for name in written:
                assert await stores[0].load_client(TENANT, name) is not None

        self.run_nodes(body)

    def test_a_locked_table_is_answered_in_time_and_recovered_from(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            (store,) = stores
            await store.insert_authorization(build_authorization())
            with self.server.holding(self.server.lock_table, self.url):
                began = time.monotonic()
                results = await asyncio.gather(
                    *(store.redeem_code(TENANT, "a1", NOW) for _ in range(20)), return_exceptions=True
                )
                assert all(isinstance(result, StoreUnavailable) for result in results)
                assert time.monotonic() - began < 1.9
            while True:  # connections whose server is still busy are given up, too
                try:
                    await store.insert_client(build_client())
                    break
                except StoreUnavailable:
                    assert time.monotonic() - began < 10
            await store.redeem_code(TENANT, "a1", NOW)
            # One that was given up may still have been carried out: then the code is spent, and nobody has it.
            authorization = await store.load_authorization(TENANT, "a1")
            assert authorization is not None
            assert authorization.code_redeemed_at == NOW

        self.run_nodes(body, nodes=1, timeout=1)

    @pytest.mark.threat("T108")
    def test_thousands_of_authorizations_are_revoked_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("grantway.storage.sql.store.REVOKED_AT_ONCE", 20)

        async def body(stores: list[SqlStore]) -> None:
            (store,) = stores
            given = [build_authorization(f"a{number}", created_at=NOW + number // 3) for number in range(100)]
            await asyncio.gather(*(store.insert_authorization(authorization) for authorization in given))
            await store.insert_authorization(build_authorization("other", client_id="other"))
            with monkeypatch.context() as patch:  # it ends half-way
                patch.setattr(store_module.authorizations, "revoke_authorizations", fail)
                with pytest.raises(StoreUnavailable):
                    await store.revoke_authorizations(TENANT, now=NOW, keep_until=NOW + HOUR, client_id="shop")
            left = await store.revoke_authorizations(TENANT, now=NOW, keep_until=NOW + HOUR, client_id="shop")
            assert 0 < left <= 20
            (found,) = await store.load_revocations(NOW)
            assert (found.key, found.not_before) == (":shop", NOW + 33)
            assert [item.authorization_id for item in (await store.list_authorizations(TENANT)).items] == ["other"]
            again = [build_authorization(f"b{number}", created_at=NOW + 34 + number) for number in range(100)]
            await asyncio.gather(*(store.insert_authorization(authorization) for authorization in again))
            before = store.statement_counts()
            assert await store.revoke_authorizations(TENANT, now=NOW, keep_until=NOW + HOUR, client_id="shop") == 100
            parts = "revoke_part_of_authorizations_by_client_id"
            assert store.statement_counts()[parts] - before[parts] == 4

        async def fail(*_: object, **__: object) -> None:
            raise StoreUnavailable(detail="test")

        self.run_nodes(body, nodes=1)

    @pytest.mark.threat("R5")
    def test_who_waits_for_a_connection_is_told_early(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            (store,) = stores
            await store.insert_authorization(build_authorization())
            with self.server.holding(self.server.lock_table, self.url):
                running = []
                for _ in range(4):  # more than there are connections that write
                    running.append(asyncio.ensure_future(store.redeem_code(TENANT, "a1", NOW)))
                    await asyncio.sleep(0.05)
                began = time.monotonic()
                waiting = [store.insert_client(build_client(f"c{number}")) for number in range(50)]
                results = await asyncio.gather(*waiting, return_exceptions=True)
                assert all(isinstance(result, StoreUnavailable) for result in results)
                assert 1.1 < time.monotonic() - began < 2  # of the 3 s that a running one has
                assert await store.load_client(TENANT, "none") is None  # reads have connections of their own
                results = await asyncio.gather(*running, return_exceptions=True)
                assert all(isinstance(result, StoreUnavailable) for result in results)
                assert time.monotonic() - began < 3.5
            assert (await store.list_clients(TENANT)).items == ()  # who was told so did nothing

        self.run_nodes(body, nodes=1, timeout=3)

    @pytest.mark.threat("R9")
    def test_a_node_whose_clock_is_ahead_cleans_nothing_that_lives(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            real = time.time_ns() // 1_000_000
            for name, end in (("live", real + HOUR), ("ended", real - HOUR)):
                await stores[0].insert_authorization(build_authorization(name, expires_at=end))
            await stores[0].insert_revocation(build_revocation("t", keep_until=real + HOUR))
            while await stores[0].clean(now=real + 10 * 365 * 24 * HOUR):
                pass
            assert await stores[1].load_authorization(TENANT, "live") is not None
            assert await stores[1].load_authorization(TENANT, "ended") is None
            assert len(await stores[1].load_revocations(0)) == 1

        self.run_nodes(body)

    # -- several nodes ------------------------------------------------------------------------------------------------

    @pytest.mark.threat("T21")
    def test_of_64_redemptions_on_two_nodes_one_succeeds(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            for number in range(self.rounds * 5):
                name = f"a{number}"
                await stores[0].insert_authorization(build_authorization(name))
                calls = (stores[rival % 2].redeem_code(TENANT, name, NOW) for rival in range(64))
                assert Counter(await asyncio.gather(*calls)) == {True: 1, False: 63}
                uses = (
                    stores[rival % 2].use_once(TENANT, "jti", name, b"1", expires_at=NOW + HOUR) for rival in range(64)
                )
                assert Counter(await asyncio.gather(*uses)) == {True: 1, False: 63}

        self.run_nodes(body)

    def test_a_revocation_reaches_another_node_s_memory_within_a_second(self) -> None:
        async def run() -> None:
            self.server.empty(self.url)
            clock, settings = WallClock(), Settings(database=DatabaseSettings(url=self.url, timeout=30))
            stores = [open_store(settings, clock) for _ in range(2)]
            grids = [NearCaches(store, settings, clock) for store in stores]
            for store in stores:
                await store.start()
            await stores[0].insert_tenant(build_tenant())
            for grid in grids:
                await grid.start()
            for number in range(20):
                pair = ("token", f"t{number}")
                assert not await grids[1].is_revoked(TENANT, [pair], NOW)
                await stores[0].insert_revocation(build_revocation(pair[1], keep_until=clock.now() + HOUR))
                began = time.monotonic()
                assert await grids[0].is_revoked(TENANT, [pair], NOW)  # at once where it was written
                while not await grids[1].is_revoked(TENANT, [pair], NOW):  # noqa: ASYNC110  another node decides when
                    await asyncio.sleep(0.001)
                assert time.monotonic() - began < 1
            assert grids[1].status()["is_fresh"]
            for part in (*grids, *stores):
                await part.stop()

        asyncio.run(run())

    @pytest.mark.threat("T99")
    def test_attempts_on_two_nodes_in_every_order_are_all_counted(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            names = [f"address {number}" for number in range(8)]
            orders = [names[turn:] + names[:turn] for turn in range(8)] * 2
            calls = [
                stores[number % 2].count_attempt(TENANT, "address", name, now=NOW, window_ms=HOUR)
                for number, order in enumerate(orders)
                for name in order
            ]
            await asyncio.gather(*calls)
            for name in names:
                assert await stores[0].count_attempt(TENANT, "address", name, now=NOW, window_ms=HOUR) == 17

        self.run_nodes(body)

    def test_the_feed_s_numbers_become_visible_in_order(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            seen: list[int] = []
            writers = asyncio.gather(*(stores[n % 2].insert_revocation(build_revocation(f"t{n}")) for n in range(400)))
            after = 0
            while not writers.done() or await stores[0].load_changes(after):
                for change in await stores[0].load_changes(after):
                    seen.append(change.sequence)
                    after = change.sequence
                await asyncio.sleep(0)
            await writers
            keys = [change.key for change in await stores[1].load_changes(0) if change.kind == "revocation"]
            assert sorted(keys) == sorted(f"t{n}" for n in range(400))
            assert len(seen) == len(await stores[1].load_changes(0))

        self.run_nodes(body)

    def test_a_write_that_waits_for_another_node_s_row_does_not_hold_up_the_rest(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            (store,) = stores
            await store.insert_authorization(build_authorization())
            with self.server.holding(self.server.lock_row, self.url):
                blocked = [asyncio.ensure_future(store.redeem_code(TENANT, "a1", NOW)) for _ in range(3)]
                others = [store.insert_client(build_client(f"c{number}")) for number in range(20)]
                if self.server.has_group_deadline:
                    await asyncio.wait_for(asyncio.gather(*others), 5)
                    assert not any(task.done() for task in blocked)
            if not self.server.has_group_deadline:
                await asyncio.gather(*others)
            assert Counter(await asyncio.gather(*blocked)) == {True: 1, False: 2}

        self.run_nodes(body, nodes=1)
