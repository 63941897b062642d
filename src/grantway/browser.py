"""The browser on the other side: its cookies, its session, and the proof that a form is its own.

Two cookies, both ``__Host-``, Secure, HttpOnly, SameSite=Lax. One names the *browser* before anybody logs in: an
interaction belongs to it, and forms are tied to it. One names the *session*; it is a new secret at every log-in. Of
either only a SHA-256 is stored.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct
from msgspec.structs import replace

from grantway.config import Settings
from grantway.errors import InvalidRequest, RequestForbidden
from grantway.events import LoginSucceeded
from grantway.extension import Call, Login
from grantway.model import Session
from grantway.protocol.message import Parameters
from grantway.protocol.sealing import decode_base64url, encode_base64url

_SECRET_SIZE = 32
_CSRF_PURPOSE = b"grantway/csrf/v1"
_DEVICE_PURPOSE = b"grantway/known-device/v1"
_DEVICE_SIZE = 16
_DEVICE_TTL = 180 * 86400
_TOUCH_INTERVAL_MS = 60_000


class Browser(Struct, frozen=True):
    """A browser, known by its cookie."""

    secret: bytes
    digest: bytes
    is_new: bool


def find_browser(call: Call, *, create: bool = True) -> Browser:
    """The browser that sent the request. An unknown one is given a cookie, unless ``create`` is False.

    Raises:
        RequestForbidden: it has no cookie and none may be made.
    """
    secret = _read_secret(call, "browser")
    if secret is not None:
        return Browser(secret, hashlib.sha256(secret).digest(), False)
    if not create:
        raise RequestForbidden("Your browser sent no cookie. Allow cookies for this site, or start again.")
    secret = call.runtime.entropy.token_bytes(_SECRET_SIZE)
    _set_cookie(call, "browser", encode_base64url(secret), max_age=None)
    return Browser(secret, hashlib.sha256(secret).digest(), True)


def build_csrf_token(call: Call, browser: Browser) -> str:
    """The hidden field of every form: only this server can make it, only this browser can use it."""
    tag = call.runtime.keys.build_tag(_CSRF_PURPOSE, [call.tenant.tenant.encode(), browser.secret])
    return encode_base64url(tag)


def check_form(call: Call, form: Parameters) -> Browser:
    """Whether a form was sent by the page we showed to this browser (OWASP ASVS 5.0 3.5.1, RFC 6749 §10.12).

    Raises:
        RequestForbidden: another site sent it, or the token is missing or another browser's.
    """
    origin = call.request.header(b"origin")
    if origin is not None and origin.decode("latin-1") != find_origin(call.tenant.issuer):
        raise RequestForbidden(detail=f"Origin {origin!r}")
    if call.request.header(b"sec-fetch-site") not in (None, b"same-origin", b"none"):
        raise RequestForbidden(detail="Sec-Fetch-Site")
    browser = find_browser(call, create=False)
    tag = decode_base64url(form.get("csrf_token") or "")
    parts = [call.tenant.tenant.encode(), browser.secret]
    if tag is None or not call.runtime.keys.is_tag_correct(_CSRF_PURPOSE, parts, tag):
        raise RequestForbidden()
    return browser


def find_origin(url: str) -> str:
    """scheme://authority of an issuer."""
    return "/".join(url.split("/", 3)[:3])


# -- sessions -----------------------------------------------------------------------------------------------------
async def load_session(call: Call) -> Session | None:
    """The live session of this browser, or None. Seen sessions are touched at most once a minute."""
    secret = _read_secret(call, "session")
    if secret is None:
        return None
    store, tenant = call.runtime.store, call.tenant.tenant
    session = await store.load_session_by_digest(tenant, hashlib.sha256(secret).digest())
    if session is None or not is_session_live(call.runtime.settings, session, call.now):
        return None
    if session.auth_time * 1000 <= call.tenant.not_before:
        return None
    subject = await call.runtime.grid.subject(tenant, session.subject)
    if subject is None or not subject.enabled:
        return None
    if call.now - session.last_seen_at >= _TOUCH_INTERVAL_MS:
        await store.touch_session(tenant, session.session_id, last_seen_at=call.now)
    return session


def is_session_live(settings: Settings, session: Session, now: int) -> bool:
    """Not ended, not past its end, and, unless it is remembered, not idle for too long."""
    if session.ended_at is not None or session.expires_at <= now:
        return False
    return session.remembered or now - session.last_seen_at < settings.interaction.session_idle_ttl * 1000


async def begin_session(call: Call, login: Login, *, remember: bool) -> Session:
    """Logs the person in: a fresh cookie secret every time (OWASP ASVS 5.0 7.2.4).

    The same person logging in again keeps the session and its ``sid``; another person's session in this browser ends.
    """
    settings, store, tenant = call.runtime.settings.interaction, call.runtime.store, call.tenant.tenant
    secret = call.runtime.entropy.token_bytes(_SECRET_SIZE)
    ttl = settings.remembered_session_ttl if remember else settings.session_ttl
    agent = call.request.header(b"user-agent") or b""
    fresh = Session(
        tenant=tenant,
        session_id=call.runtime.tokens.generate_id(),
        digest=hashlib.sha256(secret).digest(),
        subject=login.subject.subject,
        auth_time=call.now // 1000,
        acr=login.acr,
        amr=login.amr,
        remembered=remember,
        user_agent=agent.decode("utf-8", "replace")[:255],
        address=call.request.address[:64],
        created_at=call.now,
        last_seen_at=call.now,
        expires_at=call.now + ttl * 1000,
    )
    current = await load_session(call)
    is_renewed = False
    if current is not None and current.subject == fresh.subject:
        fresh = replace(fresh, session_id=current.session_id, created_at=current.created_at)
        is_renewed = await store.renew_session(fresh)
    elif current is not None:
        await end_session(call, current)
    if not is_renewed:
        await store.insert_session(fresh)
    _set_cookie(call, "session", encode_base64url(secret), max_age=ttl if remember else None)
    remember_device(call, login.subject.username_key)
    call.runtime.events.emit(
        LoginSucceeded(
            tenant=tenant,
            at=call.now,
            subject=fresh.subject,
            session_id=fresh.session_id,
            address=call.request.address,
        )
    )
    return fresh


async def end_session(call: Call, session: Session) -> None:
    """Ends a session and everything bound to it, and takes the cookie away if it is this browser's."""
    await call.runtime.store.end_session(session.tenant, session.session_id, now=call.now, keep_until=call.keep_until)
    _set_cookie(call, "session", "", max_age=0)


def read_device(call: Call, username_key: str) -> str | None:
    """Which of the browsers that logged in to this account before this is; None: none of them."""
    secret = decode_base64url(call.request.cookies().get(_cookie_name(call, "device"), "")) or b""
    device, tag = secret[:_DEVICE_SIZE], secret[_DEVICE_SIZE:]
    parts = [call.tenant.tenant.encode(), username_key.encode(), device]
    return device.hex() if call.runtime.keys.is_tag_correct(_DEVICE_PURPOSE, parts, tag) else None


def remember_device(call: Call, username_key: str) -> None:
    """Lets this browser be recognised at the next log-in to the same account. It logs nobody in."""
    device = call.runtime.entropy.token_bytes(_DEVICE_SIZE)
    tag = call.runtime.keys.build_tag(_DEVICE_PURPOSE, [call.tenant.tenant.encode(), username_key.encode(), device])
    _set_cookie(call, "device", encode_base64url(device + tag), max_age=_DEVICE_TTL)


# -- cookies ------------------------------------------------------------------------------------------------------
def _cookie_name(call: Call, name: str) -> str:
    suffix = "" if call.base == "" else "_" + call.tenant.tenant  # __Host- cookies have no path: one each tenant
    if call.runtime.settings.interaction.insecure_cookies:
        return f"grantway_{name}{suffix}"
    return f"__Host-grantway_{name}{suffix}"


def _read_secret(call: Call, name: str) -> bytes | None:
    """The cookie's secret; None when it is absent, malformed, or there are two of it (a sibling domain's toss)."""
    try:
        value = call.request.cookies().get(_cookie_name(call, name), "")
    except InvalidRequest:
        return None
    secret = decode_base64url(value)
    return secret if secret is not None and len(secret) == _SECRET_SIZE else None


def _set_cookie(call: Call, name: str, value: str, *, max_age: int | None) -> None:
    parts = [f"{_cookie_name(call, name)}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if not call.runtime.settings.interaction.insecure_cookies:
        parts.append("Secure")
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    header = (b"set-cookie", "; ".join(parts).encode("ascii"))
    prefix = parts[0].partition("=")[0].encode("ascii") + b"="
    # the last word counts, and it is the only one (RFC 6265 §4.1.1)
    earlier = [item for item in call.response_headers if item[0] == b"set-cookie" and item[1].startswith(prefix)]
    for item in earlier:
        call.response_headers.remove(item)
    call.response_headers.append(header)
