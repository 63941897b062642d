"""Sealed tokens and sealed records: AES-256-GCM under keys derived from a ring of secrets.

A token is ``key id (4) ‖ salt (16) ‖ counter (8) ‖ ciphertext ‖ tag (16)``. Each worker draws one random salt when it
starts and derives a key of its own from it (HKDF-SHA256), so it may count its nonces instead of drawing them: random
96-bit nonces would reach their bound of 2^32 messages in days. The arithmetic is in
``docs/decisions/0001-nonce-budget.md``.

A record (a private key at rest) is rare, so it takes a random nonce under a key of its purpose:
``key id (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16)``, with the identity of its row as associated data.
"""
# hot path: bench/ "client credentials (opaque)" seals once, "introspection (opaque)" opens once a request

from __future__ import annotations

import binascii
import hashlib
import itertools
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SALT_SIZE = 16
NONCE_SIZE = 12
_KEY_ID_SIZE = 4
_COUNTER_SIZE = 8
_TOKEN_HEADER = _KEY_ID_SIZE + SALT_SIZE + _COUNTER_SIZE
_TAG_SIZE = 16
_NONCE_PREFIX = bytes(NONCE_SIZE - _COUNTER_SIZE)
_TOKEN_INFO = b"grantway/sealed-token/v1"
_MOST_SUBKEYS = 4096  # workers and restarts within a token's life; beyond it the cache starts anew


class Ring:
    """The sealing secrets, newest first: the first seals, all of them open."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets:
            raise ValueError("a ring needs at least one secret")
        self._secrets = {
            hashlib.sha256(b"grantway/key-id/" + secret).digest()[:_KEY_ID_SIZE]: secret for secret in secrets
        }
        self.newest = next(iter(self._secrets))

    def derive(self, purpose: bytes, *, salt: bytes = b"", key_id: bytes | None = None) -> bytes | None:
        """A 32-byte key for ``purpose``; None when the ring does not hold ``key_id`` (any more)."""
        secret = self._secrets.get(key_id or self.newest)
        if secret is None:
            return None
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=purpose).derive(secret)

    def derive_all(self, purpose: bytes) -> tuple[bytes, ...]:
        """A key for ``purpose`` from every secret, newest first: what was made under an older one still checks."""
        return tuple(key for key_id in self._secrets if (key := self.derive(purpose, key_id=key_id)) is not None)

    def seal_record(self, plaintext: bytes, *, purpose: bytes, identity: bytes, nonce: bytes) -> bytes:
        """Seals a record at rest. ``identity`` ties it to its row; ``nonce``: 12 random bytes."""
        key = self.derive(purpose)
        assert key is not None  # noqa: S101 - the newest secret is always there
        return self.newest + nonce + AESGCM(key).encrypt(nonce, plaintext, identity)

    def open_record(self, sealed: bytes, *, purpose: bytes, identity: bytes) -> bytes | None:
        """The plaintext, or None: another row's, another ring's, or altered."""
        key = self.derive(purpose, key_id=sealed[:_KEY_ID_SIZE])
        body = sealed[_KEY_ID_SIZE:]
        if key is None or len(body) < NONCE_SIZE + _TAG_SIZE:
            return None
        try:
            return AESGCM(key).decrypt(body[:NONCE_SIZE], body[NONCE_SIZE:], identity)
        except InvalidTag:
            return None

    def is_current(self, sealed: bytes) -> bool:
        """Whether a record is sealed under the newest secret."""
        return sealed[:_KEY_ID_SIZE] == self.newest


class TokenSealer:
    """Seals and opens tokens. One per worker: ``salt`` must be 16 fresh random bytes, never shared or reused."""

    def __init__(self, ring: Ring, salt: bytes) -> None:
        if len(salt) != SALT_SIZE:
            raise ValueError(f"a salt has {SALT_SIZE} bytes")
        self._ring = ring
        self._header = ring.newest + salt
        self._counter = itertools.count()
        self._openers: dict[bytes, AESGCM] = {}
        own = self._derive(self._header)
        assert own is not None  # noqa: S101 - the newest secret is always there
        self._own = own
        self._openers[self._header] = own

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        """A fresh sealed token; its first 28 bytes are unique and serve as its id."""
        counter = next(self._counter).to_bytes(_COUNTER_SIZE, "big")  # next() on a count is atomic among threads
        return self._header + counter + self._own.encrypt(_NONCE_PREFIX + counter, plaintext, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes | None:
        """The plaintext, or None when it was not sealed by this ring for this purpose, or was altered."""
        if len(sealed) < _TOKEN_HEADER + _TAG_SIZE:
            return None
        header = sealed[: _TOKEN_HEADER - _COUNTER_SIZE]
        opener = self._openers.get(header)
        is_known = opener is not None
        if opener is None:
            opener = self._derive(header)
            if opener is None:
                return None
        try:
            plaintext = opener.decrypt(_NONCE_PREFIX + sealed[20:28], sealed[28:], associated)
        except InvalidTag:
            return None
        if not is_known:  # only a genuine token may fill the cache
            if len(self._openers) >= _MOST_SUBKEYS:
                self._openers = {self._header: self._own}
            self._openers[header] = opener
        return plaintext

    def _derive(self, header: bytes) -> AESGCM | None:
        key = self._ring.derive(_TOKEN_INFO, salt=header[_KEY_ID_SIZE:], key_id=header[:_KEY_ID_SIZE])
        return AESGCM(key) if key is not None else None


def read_token_id(sealed: bytes) -> str:
    """What is unique in a sealed token: the part a revocation of this one token is found by."""
    return sealed[_KEY_ID_SIZE:_TOKEN_HEADER].hex()


_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/***")  # what the other alphabet has, and padding, becomes foreign
_LAST: tuple[frozenset[int], ...] = (frozenset(), frozenset(), frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))
"""By length modulo 4: the last characters whose spare bits are zero. No length leaves one character over."""
_PADDING = (b"", b"", b"==", b"=")


def encode_base64url(data: bytes) -> str:
    """base64url without padding (RFC 7515 §2)."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes | None:
    """Strict and canonical: None unless ``encode_base64url`` of the result is ``text`` again, byte for byte.

    The standard decoder ignores spare bits, so several strings would be one token.
    """
    try:
        raw = text.encode("ascii").translate(_FROM_URL)
        over = len(raw) % 4
        if over:
            if raw[-1] not in _LAST[over]:
                return None
            raw += _PADDING[over]
        return binascii.a2b_base64(raw, strict_mode=True)
    except ValueError:  # a foreign character: binascii.Error, UnicodeEncodeError
        return None
