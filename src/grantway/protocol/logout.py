"""Logging out: what clients register for it, and what they are told when a session has ended.

A client that registered a ``frontchannel_logout_uri`` is told in the browser of whoever logs out, by a hidden frame;
one that registered a ``backchannel_logout_uri`` is sent a logout token. Does not own: when, how often and to whom it is
sent (``notices``), nor who may ask for a logout (``endpoints/logout``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

from grantway.model import Client
from grantway.protocol.client_metadata import Metadatum, read_boolean, read_web_url, require
from grantway.protocol.redirect_uri import build_form_action, build_redirect, parse_authority, split_scheme

FRONTCHANNEL_URI: Final = "frontchannel_logout_uri"
BACKCHANNEL_URI: Final = "backchannel_logout_uri"
SKIP_CONSENT: Final = "skip_logout_consent"

TOKEN_TYPE: Final = "logout+jwt"
TOKEN_TTL: Final = 120
"""Seconds. OpenID Connect Back-Channel Logout §4 asks for two minutes at most."""
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"

LONGEST_SOURCES: Final = 3000
"""Characters of all origins that a page may frame: a proxy in front refuses headers that are much longer."""
MOST_FRAMES: Final = 100
"""Of one page: a browser opens them all at once."""
_DEFAULT_PORTS: Final = {"https": "443", "http": "80"}

Verdict = Literal["told", "refused", "again"]


def _read_frontchannel_uri(name: str, value: Any) -> str:
    url = read_web_url(name, value)
    host = split_scheme(url)[1][2:]
    require(not host.startswith("["), name, "must have a host that a Content-Security-Policy can name")
    return url


CLIENT_METADATA: Final[Mapping[str, Metadatum]] = MappingProxyType(
    {
        FRONTCHANNEL_URI: Metadatum(
            "Opened in a hidden frame of the person's browser after a logout, with `iss` and `sid` added.",
            _read_frontchannel_uri,
            is_self_service=True,
        ),
        "frontchannel_logout_session_required": Metadatum(
            "Whether the client needs `iss` and `sid` there. They are always added.",
            read_boolean,
            is_self_service=True,
        ),
        # A fragment would never be sent: read_web_url knows no "#" (OpenID Connect Back-Channel Logout §2.2).
        BACKCHANNEL_URI: Metadatum(
            "Where a logout token is sent when a session has ended.", read_web_url, is_self_service=True
        ),
        "backchannel_logout_session_required": Metadatum(
            "Whether the client needs a `sid` in its logout tokens. It is always in them.",
            read_boolean,
            is_self_service=True,
        ),
        SKIP_CONSENT: Metadatum(
            "An ID token of the client about whoever is signed in logs them out without a question, even one from an "
            "earlier session of theirs.",
            read_boolean,
        ),
    }
)


def check_logout_metadata(client: Client) -> None:
    """A client must not have any site framed and called but its own (OpenID Connect Front-Channel Logout §2).

    Raises:
        InvalidClientMetadata: its ``frontchannel_logout_uri`` is not where its redirect URIs are.
    """
    uri = client.extra.get(FRONTCHANNEL_URI)
    is_own = uri is None or _find_origin(uri) in {_find_origin(each) for each in client.redirect_uris}
    require(is_own, FRONTCHANNEL_URI, "must have the scheme, host and port of one of the redirect_uris")


def build_frame(client: Client, *, issuer: str, session_id: str) -> str | None:
    """The address that tells the client in the browser; None: it has none (OpenID Connect Front-Channel Logout §2)."""
    uri: str | None = client.extra.get(FRONTCHANNEL_URI)
    return build_redirect(uri, {"iss": issuer, "sid": session_id}, "query") if uri is not None else None


def choose_frames(frames: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(addresses, their origins for the CSP's ``frame-src``), as many as one policy can name and one page can open."""
    chosen: list[str] = []
    sources: dict[str, None] = {}
    for frame in frames:
        if len(chosen) == MOST_FRAMES:
            break
        source = build_form_action(frame)
        if sum(map(len, sources)) + len(source) > LONGEST_SOURCES and source not in sources:
            continue
        sources[source] = None
        chosen.append(frame)
    return tuple(chosen), tuple(sources)


def build_logout_claims(
    *, issuer: str, client: Client, subject_identifier: str, session_id: str, now: int, token_id: str
) -> dict[str, Any]:
    """The claims of a logout token (OpenID Connect Back-Channel Logout §2.4). ``now``: seconds.

    There is no ``nonce``, so that none can pass for an ID token; ``subject_identifier`` is whom the client knows.
    """
    return {
        "iss": issuer,
        "sub": subject_identifier,
        "aud": client.client_id,
        "iat": now,
        "exp": now + TOKEN_TTL,
        "jti": token_id,
        "sid": session_id,
        "events": {EVENT: {}},
    }


def judge_answer(status: int) -> Verdict:
    """What a client's answer to a logout token means (OpenID Connect Back-Channel Logout §2.8)."""
    if 200 <= status < 300:
        return "told"
    return "refused" if status == 400 else "again"


def find_retry_delay(attempts: int, *, first: int, longest: int, fraction: float) -> int:
    """Milliseconds until it is tried again after ``attempts`` (from 1) failed: twice as long each time, from ``first``
    to ``longest`` seconds, and by chance (``fraction``, 0 to 1) up to a quarter less, so that not all come at once."""
    delay = min(first * 2 ** min(attempts - 1, 32), longest) * 1000
    return int(delay * (1 - fraction / 4))


def _find_origin(uri: str) -> tuple[str, str, str] | None:
    """(scheme, host, port) of an http or https URI, the default port written out; None of any other."""
    scheme, rest = split_scheme(uri)
    authority = parse_authority(rest) if scheme in _DEFAULT_PORTS else None
    if authority is None:
        return None
    return scheme, authority.host.lower(), authority.port or _DEFAULT_PORTS[scheme]
