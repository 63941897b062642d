"""What every way of logging out in a browser does: end the session, tell the applications, and go on.

Applications that listen for it are told by their servers (``notices``), whichever way the session ended; those that
registered a ``frontchannel_logout_uri`` only here, by frames of the page that is shown (OpenID Connect Front-Channel
Logout §2).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from grantway.browser import end_session
from grantway.endpoints.dispatcher import redirect
from grantway.endpoints.presentation import describe_client, render
from grantway.events import LoggedOut
from grantway.extension import Call
from grantway.model import Client, Session
from grantway.protocol.logout import build_frame, choose_frames
from grantway.protocol.message import Response

log = logging.getLogger("grantway.logout")


async def log_out(call: Call, session: Session) -> list[str]:
    """Ends the browser's session. Returns the addresses that tell its applications so in the browser."""
    runtime, tenant = call.runtime, call.tenant
    await end_session(call, session)
    runtime.events.emit(
        LoggedOut(tenant=tenant.tenant, at=call.now, subject=session.subject, session_id=session.session_id)
    )
    frames = []
    for client_id in await runtime.store.list_session_clients(tenant.tenant, session.session_id):
        client = await runtime.grid.client(tenant.tenant, client_id)
        if client is not None and client.enabled:
            frames.append(build_frame(client, issuer=tenant.issuer, session_id=session.session_id))
    return [frame for frame in frames if frame is not None]


def show_logged_out(
    call: Call,
    frames: Sequence[str] = (),
    *,
    client: Client | None = None,
    return_url: str | None = None,
    locales: Sequence[str] = (),
) -> Response:
    """Sends the person on to ``return_url``, or says that they are signed out; with ``frames`` on a page in between."""
    if return_url is not None and not frames:
        return redirect(return_url)
    chosen, sources = choose_frames(frames)
    if len(chosen) < len(frames):
        log.warning("%d clients could not be told of a logout in the browser", len(frames) - len(chosen))
    context = {
        "client": describe_client(client) if client is not None else None,
        "return_url": return_url,
        "frames": chosen,
        "wait": call.runtime.settings.logout.frontchannel_timeout,
    }
    return render(call, "logged_out", context, frame_sources=sources, locales=locales)
