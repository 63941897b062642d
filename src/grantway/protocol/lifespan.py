"""Lifespans: how long the tokens of one client live that one grant gives, under the names and in the notation of Hydra.

A lifespan of a grant wins over the client's own ``access_token_ttl`` and its siblings, which win over the server's;
the ceiling ``tokens.max_token_ttl`` and the end of the authorization hold for all of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

from grantway.errors import InvalidClientMetadata
from grantway.model import Client
from grantway.protocol.client_metadata import Metadatum

Kind = Literal["access", "id", "refresh"]
SUFFIX = "_token_lifespan"
LONGEST = 100 * 365 * 86400
NO_LIFESPANS: Mapping[str, int] = MappingProxyType({})

_URN = "urn:ietf:params:oauth:grant-type:"
_NAMES = {"device_code": "device_authorization"}  # as Hydra has it
_TEXTS = {"access": "access tokens", "id": "ID tokens", "refresh": "an unused refresh token"}
_NOTATION = re.compile(r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?(?:h|ms|m|s))+")
_PART = re.compile(r"([0-9.]+)(h|ms|m|s)")
_SECONDS = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}


def describe_lifespans(grant_type: str, *kinds: Kind) -> Mapping[str, Metadatum]:
    """The client metadata that a grant declares."""
    name = name_grant(grant_type)
    return {
        f"{name}_grant_{kind}{SUFFIX}": Metadatum(
            f"Lifespan of {_TEXTS[kind]} from {name}, like 1h30m or 90s.", read_lifespan
        )
        for kind in kinds
    }


def name_grant(grant_type: str) -> str:
    """The grant type as names of fields have it: ``jwt_bearer`` for ``urn:ietf:params:oauth:grant-type:jwt-bearer``."""
    if not grant_type.startswith(_URN):
        return grant_type
    name = grant_type[len(_URN) :].replace("-", "_")
    return _NAMES.get(name, name)


def read_lifespan(name: str, value: Any) -> str:
    """The reader of such a field: the duration in the one form it is stored and shown in."""
    return format_lifespan(parse_lifespan(name, value))


def is_lifespan(name: str) -> bool:
    """Whether client metadata of that name is the lifespan of a grant."""
    return name.endswith(SUFFIX)


def parse_lifespan(name: str, value: Any) -> int:
    """Seconds of a duration like ``1h30m`` or ``90s``.

    Raises:
        InvalidClientMetadata: it is none, shorter than a second or longer than a hundred years.
    """
    if not isinstance(value, str) or len(value) > 64 or not _NOTATION.fullmatch(value):
        raise InvalidClientMetadata(f"{name} must be a duration like 1h30m or 90s.")
    seconds = int(sum(Decimal(number) * _SECONDS[unit] for number, unit in _PART.findall(value)))
    if not 1 <= seconds <= LONGEST:
        raise InvalidClientMetadata(f"{name} must be at least a second and at most a hundred years.")
    return seconds


def format_lifespan(seconds: int) -> str:
    """The same in the one form that answers have: ``1h30m0s``, ``1m30s``, ``45s``."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def find_lifespans(client: Client, grant_type: str) -> Mapping[str, int]:
    """Seconds by kind (``access``, ``id``, ``refresh``), where the client has one for the grant."""
    if not client.extra:  # of nearly every client, for every token
        return NO_LIFESPANS
    prefix = f"{name_grant(grant_type)}_grant_"
    return {
        name[len(prefix) : -len(SUFFIX)]: _read(name, value)
        for name, value in client.extra.items()
        if name.startswith(prefix) and is_lifespan(name)
    }


@functools.lru_cache(maxsize=1024)
def _read(name: str, stored: str) -> int:
    return parse_lifespan(name, stored)
