"""Initial access tokens (RFC 7591 §3): who may register clients, how many, and until when. Only a digest is kept."""

from __future__ import annotations

from msgspec.structs import replace

from grantway.endpoints.bearer import read_bearer
from grantway.errors import Conflict, InvalidToken, NotFound, TemporarilyUnavailable
from grantway.extension import Call
from grantway.model import Entry, EntryKind
from grantway.protocol.registration import parse_initial_access_token

KIND: EntryKind = "initial_access_token"
_MOST_TRIES = 16


async def check_initial_access(call: Call) -> Entry | None:
    """The initial access token that the request carries; None: it carries none, and needs none.

    Raises:
        InvalidToken: it is unknown, expired or used up; or it is missing, and registering is not open to everybody.
    """
    is_open = call.runtime.settings.registration.insecure_open
    if is_open and not call.request.has_header(b"authorization"):
        return None
    token = read_bearer(call)
    token_id = parse_initial_access_token(token)
    entry = await _load(call, token_id) if token_id is not None else None
    if entry is None or not call.runtime.keys.is_secret_correct(token, entry.document["digest"]):
        raise InvalidToken(detail="no initial access token of this server")
    return entry


async def spend_initial_access(call: Call, access: Entry) -> None:
    """Takes one use. Of many at once as many succeed as there are uses left.

    Raises:
        InvalidToken: there was none left.
    """
    store = call.runtime.store
    for _ in range(_MOST_TRIES):
        left = access.document["uses_left"]
        if left is None:
            return
        fewer = replace(access, document={**access.document, "uses_left": left - 1}, updated_at=call.now)
        try:
            await store.update_entry(fewer)
        except (Conflict, NotFound):  # somebody else took one
            access = await _load(call, access.key)
        else:
            return
    raise TemporarilyUnavailable(detail="an initial access token is used by too many at once")


async def _load(call: Call, token_id: str) -> Entry:
    entry = await call.runtime.store.load_entry(call.tenant.tenant, KIND, token_id)
    if entry is None or entry.created_at <= call.tenant.not_before:
        raise InvalidToken(detail="unknown initial access token")
    if entry.expires_at is not None and entry.expires_at <= call.now:
        raise InvalidToken(detail="initial access token has expired")
    if entry.document["uses_left"] == 0:
        raise InvalidToken(detail="initial access token is used up")
    return entry
