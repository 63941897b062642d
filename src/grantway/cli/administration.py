"""Runs a use case of ``grantway.admin`` on the database itself. Running servers see it through the change feed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from grantway.cli.invocation import Invocation
from grantway.errors import ConfigurationError, Conflict

if TYPE_CHECKING:
    from grantway.config import Settings
    from grantway.events import Event
    from grantway.extension import Runtime
    from grantway.server import AuthorizationServer

T = TypeVar("T")

SECRETS_MISSING = (
    "secrets.sealing is not set: nothing can be sealed or opened without it. Make a secret with "
    "`grantway keys generate-secret > sealing.secret` and set GRANTWAY_SECRETS__SEALING_FILE=sealing.secret."
)


class SilentEvents:
    """For what leaves no record: the filling of a development server."""

    def emit(self, event: Event) -> None:
        return None


def check_secrets(settings: Settings) -> None:
    """Refuses to go on without a sealing secret.

    Raises:
        ConfigurationError: says how to make one.
    """
    if not settings.secrets.sealing:
        raise ConfigurationError(SECRETS_MISSING)


def administer(invocation: Invocation, work: Callable[[Runtime], Awaitable[T]]) -> T:
    """Opens the database, awaits ``work(runtime)`` and closes it again.

    Raises:
        ConfigurationError, SchemaError, StoreUnavailable: it cannot be opened. And whatever ``work`` raises.
    """
    import asyncio

    settings = invocation.load_settings()
    check_secrets(settings)
    return asyncio.run(_administer(settings, work))


async def _administer(settings: Settings, work: Callable[[Runtime], Awaitable[T]]) -> T:
    async with open_runtime(settings) as runtime:
        return await work(runtime)


@contextlib.asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """A runtime on the database, without what only a server does: no key is made or rotated, and the stored issuer
    stays what it is, whatever these settings say.

    Raises:
        SchemaError, StoreUnavailable: the database cannot be used.
    """
    from grantway.web import create_server
    from grantway.web.telemetry import record_changes

    with record_changes(settings.log) as events:
        async with _open(create_server(settings, events=events)) as runtime:
            yield runtime


@contextlib.asynccontextmanager
async def _open(server: AuthorizationServer) -> AsyncIterator[Runtime]:
    from grantway.model import DEFAULT_TENANT, Tenant

    runtime, settings = server.runtime, server.runtime.settings
    try:
        await runtime.store.start()
        await runtime.grid.start()
        if await runtime.store.load_tenant(DEFAULT_TENANT) is None:  # no server has run here yet
            now = runtime.clock.now()
            tenant = Tenant(tenant=DEFAULT_TENANT, issuer=settings.issuer, created_at=now, updated_at=now)
            with contextlib.suppress(Conflict):  # one is starting at this very moment
                await runtime.store.insert_tenant(tenant)
        yield runtime
    finally:
        await server.stop()


def find_actor() -> str:
    """Who administers, for the record: ``cli:<login name>``."""
    import getpass

    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # no entry for this user id, as in some containers
        return "cli"
