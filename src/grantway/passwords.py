"""Passwords: the policy, and argon2id in a bounded pool.

A hash costs about 20 ms and 19 MiB, so only a few run at once, a bounded number waits, and the rest is told to come
back: a flood of log-ins slows log-ins down, not the token endpoint (NIST SP 800-63B §5.1.1.2).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from grantway.config import PasswordSettings
from grantway.errors import TemporarilyUnavailable, Unprocessable
from grantway.ports import Entropy

T = TypeVar("T")

# The most guessed passwords that the shortest allowed length lets through (NIST SP 800-63B §5.1.1.2).
_COMMON = frozenset(
    """12345678 123456789 1234567890 11111111 00000000 87654321 password password1 password12 password123 passw0rd
    p@ssw0rd qwertyuiop qwerty123 qwertyui 1q2w3e4r 1qaz2wsx asdfghjkl iloveyou sunshine princess football baseball
    superman trustno1 letmein1 welcome1 welcome123 admin123 administrator changeme abc12345 abcd1234 monkey123
    dragon123 starwars computer internet whatever""".split()  # noqa: SIM905 - a list this long reads best as text
)


_MOST_REMEMBERED = 10_000
_REMEMBERED_TTL = 300.0


class Passwords:
    """Hashes and verifies. One per worker."""

    def __init__(self, settings: PasswordSettings, entropy: Entropy) -> None:
        self._settings, self._entropy = settings, entropy
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0
        self._nobodys = _build_nobodys_hash(settings, entropy)
        self._key = entropy.token_bytes(32)
        self._remembered: dict[bytes, float] = {}

    async def hash(self, password: str) -> str:
        """The argon2id PHC string of a password.

        Raises:
            TemporarilyUnavailable: too many hashes are waiting already.
        """
        return await self._run(self._hash, normalise_password(password))

    async def verify(self, password: str, phc: str | None) -> bool:
        """Whether it is the password. None, an account without one, takes the same time and is False."""
        normalised = normalise_password(password)
        if len(password) > self._settings.max_length:  # still one hash: length must not tell whether the account exists
            normalised, phc = b"", None
        if phc is None:
            await self._run(_verify, normalised, self._nobodys)
            return False
        return await self._run(_verify, normalised, phc)

    async def verify_remembered(self, secret: str, phc: str) -> bool:
        """As ``verify``, for client secrets a person chose: one that was right is remembered for a while.

        Only a digest is kept, under a key of this process. The PHC string is part of it: a changed secret is another.
        """
        digest = hashlib.blake2b(phc.encode() + b"\0" + secret.encode(), key=self._key, digest_size=32).digest()
        now = time.monotonic()
        if self._remembered.get(digest, 0.0) > now:
            return True
        if not await self.verify(secret, phc):
            return False
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[digest] = now + _REMEMBERED_TTL
        return True

    def check_policy(self, password: str, username: str = "") -> None:
        """Whether a new password may be chosen.

        Raises:
            Unprocessable: the field ``password`` and what is wrong, in words for the person who chose it.
        """
        settings = self._settings
        rules = (
            (len(password) < settings.min_length, f"Use at least {settings.min_length} characters."),
            (len(password) > settings.max_length, f"Use at most {settings.max_length} characters."),
            (settings.require_uppercase and not any(c.isupper() for c in password), "Use an upper-case letter."),
            (settings.require_lowercase and not any(c.islower() for c in password), "Use a lower-case letter."),
            (settings.require_digit and not any(c.isdigit() for c in password), "Use a digit."),
            (settings.require_symbol and all(c.isalnum() for c in password), "Use a symbol."),
            (any(unicodedata.category(c) in ("Cc", "Cs") for c in password), "Do not use control characters."),
            (password.casefold() in _COMMON or len(set(password)) < 4, "This password is too easy to guess."),
            (bool(username) and username.casefold() in password.casefold(), "Do not use your username in it."),
        )
        for is_broken, message in rules:
            if is_broken:
                raise Unprocessable("password", message)

    def describe_policy(self) -> list[str]:
        """The rules as sentences for the registration page."""
        settings = self._settings
        classes = [
            (settings.require_uppercase, "an upper-case letter"),
            (settings.require_lowercase, "a lower-case letter"),
            (settings.require_digit, "a digit"),
            (settings.require_symbol, "a symbol"),
        ]
        wanted = [name for is_required, name in classes if is_required]
        return [f"At least {settings.min_length} characters"] + ([f"With {', '.join(wanted)}"] if wanted else [])

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _hash(self, password: bytes) -> str:
        settings = self._settings
        hasher = Argon2id(
            salt=self._entropy.token_bytes(16),
            length=32,
            iterations=settings.argon2_iterations,
            lanes=1,
            memory_cost=settings.argon2_memory_kib,
        )
        return hasher.derive_phc_encoded(password)

    async def _run(self, function: Callable[..., T], *args: object) -> T:
        if self._waiting >= self._settings.queue:
            raise TemporarilyUnavailable("Too many log-ins at the moment. Try again shortly.")
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="argon2")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        finally:
            self._waiting -= 1


def normalise_password(password: str) -> bytes:
    """NFC, then UTF-8: the same password typed on two keyboards is one (RFC 8265 §4.2.2)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _build_nobodys_hash(settings: PasswordSettings, entropy: Entropy) -> str:
    """The hash of no password, at today's cost: what an unknown user's guess is compared with."""
    salt, digest = (b64encode(entropy.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    cost = f"m={settings.argon2_memory_kib},t={settings.argon2_iterations},p=1"
    return f"$argon2id$v=19${cost}${salt}${digest}"


def _verify(password: bytes, phc: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password, phc)
    except (InvalidKey, ValueError):
        return False
    return True
