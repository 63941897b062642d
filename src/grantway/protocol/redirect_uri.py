"""Redirect URIs: which may be registered, which may be used, and how an answer is put on one.

A requested URI is compared with the registered ones byte for byte, *before* anything looks inside it (RFC 9700 §2.1).
The one freedom is the port of a literal loopback address (RFC 8252 §7.3). URIs are taken apart by string surgery here:
``urllib.parse.urlsplit`` deletes line ends, tabs and leading controls, so it would compare something that was not sent.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from grantway.errors import InvalidRedirectUri, InvalidRequest
from grantway.model import Client

MAX_LENGTH: Final = 2048

_LOOPBACK_PREFIXES: Final = ("http://127.0.0.1", "http://[::1]")
# RFC 3986 §2: unreserved, gen-delims and sub-delims, without "#" (no fragment) and "*" (read as a wildcard elsewhere).
_URI: Final = re.compile(r"(?:[A-Za-z0-9._~:/?\[\]@!$&'()+,;=-]|%[0-9A-Fa-f]{2})+")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


class Authority(tuple[str, str]):
    """``(host, port)`` of a URI; the port is empty when it was left out. An IPv6 host keeps its brackets."""

    __slots__ = ()

    @property
    def host(self) -> str:
        return self[0]

    @property
    def port(self) -> str:
        return self[1]


def choose_redirect_uri(requested: str | None, client: Client, *, is_openid: bool) -> str:
    """The URI the answer goes to.

    ``requested`` is the parameter as sent, None when it was left out, which plain OAuth allows a client with exactly
    one registered URI (RFC 6749 §3.1.2.3) and OpenID Connect never does (Core §3.1.2.1).

    Raises:
        InvalidRequest: it is missing or not registered. Answer with a page, never with a redirect (RFC 6749 §3.1.2.4,
            §4.1.2.1, §4.2.2.1).
    """
    if requested is None:
        if is_openid or len(client.redirect_uris) != 1:
            raise InvalidRequest("The redirect_uri parameter is missing.")
        return client.redirect_uris[0]
    if not is_registered(requested, client.redirect_uris):
        raise InvalidRequest("The redirect_uri is not one that was registered for this client.")
    return requested


def is_registered(requested: str, registered: Sequence[str]) -> bool:
    """Whether ``requested`` equals a registered URI, or differs from a loopback one in its port alone."""
    if requested in registered:  # RFC 9700 §2.1, RFC 3986 §6.2.1: simple string comparison
        return True
    wanted = _split_loopback(requested)
    # RFC 8252 §7.3: any port, but only where the registered value is itself an http loopback literal.
    return wanted is not None and any(_split_loopback(uri) == wanted for uri in registered)


def check_registrable(uri: str, application_type: str) -> None:
    """Checks a redirect URI before it is stored: https, http on loopback, or a native client's private-use scheme.

    ``http://localhost`` is accepted for development, without the freedom of the port (RFC 8252 §8.3).

    Raises:
        InvalidRedirectUri: says which rule it breaks.
    """
    _check_uri(uri, allows_private_use=application_type == "native")


def check_post_logout_registrable(uri: str) -> None:
    """Checks a ``post_logout_redirect_uri`` before it is stored (OpenID Connect RP-Initiated Logout §3.1).

    Raises:
        InvalidRedirectUri: says which rule it breaks.
    """
    _check_uri(uri, allows_private_use=True)


def build_redirect(redirect_uri: str, parameters: Mapping[str, str], response_mode: str) -> str:
    """Puts ``parameters`` into the fragment (``response_mode`` = ``fragment``), or adds them to the query.

    Every value is percent-encoded throughout, so none can add a parameter of its own (RFC 6749 §4.1.2, §4.2.2).
    """
    encoded = urlencode(parameters, quote_via=quote, safe="")
    if response_mode == "fragment":
        return f"{redirect_uri}#{encoded}"
    if "?" not in redirect_uri:
        return f"{redirect_uri}?{encoded}"
    return f"{redirect_uri}{encoded}" if redirect_uri.endswith(("?", "&")) else f"{redirect_uri}&{encoded}"


def build_form_action(redirect_uri: str) -> str:
    """The CSP ``form-action`` source that lets a form's answer lead on to ``redirect_uri`` (CSP Level 3 §2.3.1).

    It is the origin; where CSP cannot write one (private-use schemes, IPv6 literals), the scheme.
    """
    scheme, rest = split_scheme(redirect_uri)
    authority = parse_authority(rest) if scheme in ("https", "http") else None
    if authority is None or authority.host.startswith("["):
        return f"{scheme}:"
    return f"{scheme}://{authority.host}" + (f":{authority.port}" if authority.port else "")


def split_scheme(uri: str) -> tuple[str, str]:
    """The scheme in lower case and what follows its colon; ``("", uri)`` when there is none (RFC 3986 §3.1)."""
    scheme, colon, rest = uri.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme):
        return "", uri
    return scheme.lower(), rest


def parse_authority(rest: str) -> Authority | None:
    """Reads ``//host[:port]`` at the start of what follows a scheme (RFC 3986 §3.2); None when it is not that."""
    if not rest.startswith("//"):
        return None
    authority = re.split(r"[/?#]", rest[2:], maxsplit=1)[0]
    if authority.startswith("["):
        literal, bracket, after = authority.partition("]")
        host, colon, port = literal + bracket, after[:1], after[1:]
        if colon not in ("", ":") or not _is_ipv6_literal(host):
            return None
    else:
        host, colon, port = authority.partition(":")
        if not _HOST_NAME.fullmatch(host):  # also refuses userinfo: "@" is no host character
            return None
    if colon and not _is_port(port):
        return None
    return Authority((host, port))


def is_web_url(uri: str) -> bool:
    """Whether ``uri`` may be linked to or fetched: https, or http on this machine."""
    scheme, rest = split_scheme(uri)
    authority = parse_authority(rest) if _URI.fullmatch(uri) else None
    if authority is None:
        return False
    return scheme == "https" or (scheme == "http" and authority.host in ("127.0.0.1", "[::1]", "localhost"))


def _split_loopback(uri: str) -> tuple[str, str] | None:
    """Address and everything after the port of a literal http loopback URI; None for any other URI."""
    for prefix in _LOOPBACK_PREFIXES:
        if not uri.startswith(prefix):
            continue
        rest = uri[len(prefix) :]
        if rest.startswith(":"):
            port = re.split(r"[/?]", rest[1:], maxsplit=1)[0]
            if not _is_port(port):
                return None
            rest = rest[1 + len(port) :]
        return (prefix, rest) if rest == "" or rest[0] in "/?" else None
    return None


def _check_uri(uri: str, *, allows_private_use: bool) -> None:
    if len(uri) > MAX_LENGTH:
        raise InvalidRedirectUri(f"A redirect URI is longer than {MAX_LENGTH} characters.")
    if "#" in uri:
        raise InvalidRedirectUri("A redirect URI must not have a fragment.")  # RFC 6749 §3.1.2
    if "*" in uri:
        raise InvalidRedirectUri("A redirect URI is one exact address: wildcards are not supported.")  # RFC 9700 §2.1
    if not _URI.fullmatch(uri):
        raise InvalidRedirectUri("A redirect URI contains a character or escape that URIs do not allow.")
    scheme, rest = split_scheme(uri)
    if not scheme:
        raise InvalidRedirectUri("A redirect URI must be absolute.")  # RFC 6749 §3.1.2
    if scheme in ("https", "http"):
        if parse_authority(rest) is None:
            raise InvalidRedirectUri("A redirect URI needs a valid host, and must not carry user information.")
        if not is_web_url(uri):
            raise InvalidRedirectUri("A redirect URI with http must be on the loopback address.")  # RFC 8252 §8.3
        return
    # Not a list of dangerous schemes: whatever has no period (javascript, data, file, …) is out, in any case.
    if "." not in scheme:
        raise InvalidRedirectUri("A redirect URI needs https, or a reverse domain name as scheme.")  # RFC 8252 §8.4
    if not allows_private_use:
        raise InvalidRedirectUri("Only native clients may use a private-use URI scheme.")  # OIDC Registration §2
    if not rest.startswith("/") or "@" in rest.split("?", 1)[0]:
        raise InvalidRedirectUri("After a private-use URI scheme a path without user information must follow.")


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text) <= 65535


def _is_ipv6_literal(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return host.endswith("]") and "%" not in host
