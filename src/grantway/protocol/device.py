"""Devices without a browser (RFC 8628): what they may ask for, and the codes that people type for them.

A user code is written in groups, for the eye. What counts is its one spelling: letters in capitals, no separators.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from grantway.model import AuthorizationRequest, Client, DeviceRequest
from grantway.protocol.authorization import parse_audience, parse_requested_scope
from grantway.protocol.message import Parameters
from grantway.protocol.scope import BY_NAME, ScopePolicy

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
"""The grant type (RFC 8628 §3.4)."""

SLOW_DOWN_SECONDS: Final = 5
"""By how much the interval grows when a device polls too soon (RFC 8628 §3.5)."""

MAX_TYPED_LENGTH: Final = 64

_CONSONANTS: Final = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 §6.1: no vowels, so no words; nothing looks like a digit
_DIGITS: Final = "0123456789"


class UserCodePreset(Struct, frozen=True):
    """A kind of user code: groups of as many characters of ``alphabet`` as ``groups`` says."""

    alphabet: str
    groups: tuple[int, ...]

    @property
    def space(self) -> int:
        """How many such codes there are."""
        space: int = len(self.alphabet) ** sum(self.groups)
        return space


USER_CODE_PRESETS: Final[Mapping[str, UserCodePreset]] = MappingProxyType(
    {
        "letters": UserCodePreset(_CONSONANTS, (4, 4)),
        "letters-12": UserCodePreset(_CONSONANTS, (4, 4, 4)),
        "digits": UserCodePreset(_DIGITS, (3, 3, 3)),
        "digits-12": UserCodePreset(_DIGITS, (4, 4, 4)),
    }
)
"""The kinds there are, by name."""


def check_device_request(
    parameters: Parameters,
    client: Client,
    device_digest: bytes,
    policy: ScopePolicy = BY_NAME,
    default_scope: tuple[str, ...] = (),
) -> AuthorizationRequest:
    """A device authorization request (RFC 8628 §3.1), under the rules for scope and resources that hold everywhere.

    Raises:
        InvalidScope, InvalidTarget: it asks for what the client may not have.
    """
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri="",
        redirect_uri_given=False,
        response_type="device_code",
        scope=parse_requested_scope(parameters, client, policy, default_scope),
        audience=parse_audience(parameters, client),
        device_digest=device_digest,
    )


def build_person_request(device: DeviceRequest, user_code: bytes) -> AuthorizationRequest:
    """What the person is asked who typed the device's code: their log-in and consent are those of any request."""
    return AuthorizationRequest(
        client_id=device.client_id,
        redirect_uri="",
        redirect_uri_given=False,
        response_type="device_code",
        scope=device.scope,
        audience=device.audience,
        device_digest=device.device_digest,
        user_code=user_code,
    )


def build_user_code(preset: UserCodePreset, random: bytes) -> str:
    """The user code that ``random`` stands for, in groups: 16 random bytes make all of them equally likely (the
    difference is below 2^-76)."""
    rest = int.from_bytes(random, "big") % preset.space
    groups = []
    for size in preset.groups:
        characters = []
        for _ in range(size):
            rest, index = divmod(rest, len(preset.alphabet))
            characters.append(preset.alphabet[index])
        groups.append("".join(characters))
    return "-".join(groups)


def normalize_user_code(typed: str) -> str:
    """The one spelling of what a person typed: case, separators and the width of characters do not count (RFC 8628
    §6.1). Empty where it can be no code."""
    if len(typed) > MAX_TYPED_LENGTH:
        return ""
    folded = unicodedata.normalize("NFKC", typed).upper()
    return "".join(character for character in folded if character.isascii() and character.isalnum())


def format_user_code(spelling: str) -> str:
    """The one spelling in groups again, as the device shows it."""
    size = next((size for size in (4, 3) if len(spelling) % size == 0), len(spelling)) or 1
    return "-".join(spelling[start : start + size] for start in range(0, len(spelling), size))


def digest_user_code(code: str) -> bytes:
    """SHA-256 of the one spelling: what is stored, and looked for."""
    return hashlib.sha256(normalize_user_code(code).encode("ascii")).digest()


def is_poll_too_soon(now: int, polled_at: int | None, interval: int) -> bool:
    """Whether less than ``interval`` seconds lie between two polls. Instants in milliseconds."""
    return polled_at is not None and now - polled_at < interval * 1000
