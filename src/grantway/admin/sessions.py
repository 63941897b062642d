"""Browser sessions: who is logged in where, and ending it."""

from __future__ import annotations

from grantway.admin.effects import emit
from grantway.errors import NotFound
from grantway.extension import Runtime
from grantway.model import Session


async def list_sessions(runtime: Runtime, tenant: str, subject: str) -> tuple[Session, ...]:
    """The subject's live sessions, newest first; empty for an unknown subject."""
    return await runtime.store.list_sessions(tenant, subject, now=runtime.clock.now())


async def load_session(runtime: Runtime, tenant: str, session_id: str) -> Session:
    """The session, live or ended. Raises ``NotFound``."""
    session = await runtime.store.load_session(tenant, session_id)
    if session is None:
        raise NotFound("session", session_id)
    return session


async def end_session(runtime: Runtime, tenant: str, session_id: str, *, actor: str) -> None:
    """Logs the browser out and revokes what lives only as long as the session. Raises ``NotFound``: none is live."""
    revocation = runtime.build_revocation(tenant, "session", session_id)
    ended = await runtime.store.end_session(
        tenant, session_id, now=revocation.not_before, keep_until=revocation.keep_until
    )
    if not ended:
        raise NotFound("session", session_id)
    emit(runtime, tenant, "session.end", session_id, actor)


async def end_sessions(runtime: Runtime, tenant: str, subject: str, *, actor: str) -> int:
    """Logs the subject out everywhere. Returns how many sessions that ended."""
    revocation = runtime.build_revocation(tenant, "subject", subject)
    count = await runtime.store.end_sessions(
        tenant, subject, now=revocation.not_before, keep_until=revocation.keep_until
    )
    emit(runtime, tenant, "session.end_all", subject, actor)
    return count
