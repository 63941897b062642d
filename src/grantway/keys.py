"""Signing keys through their life, and everything else that derives from the sealing ring.

A key is published (``next``) at least one JWKS max-age before it signs (``active``), and stays published (``retired``)
until the last token it signed has expired, so a verifier that caches the JWKS never meets an unknown kid
(OpenID Connect Core §10.1.1). Each worker asks now and then whether a rotation is due; the conditional writes of the
store let one of them win.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from grantway.config import Settings
from grantway.errors import Conflict, NotFound, ServerError, StoreUnavailable
from grantway.model import Client, ClientSecret, KeyState, SigningKey
from grantway.ports import Clock, Entropy, Grid, Store
from grantway.protocol.jose import (
    SLOW_ALGORITHMS,
    Signer,
    Verifier,
    build_public_jwk,
    dump_private_key,
    generate_private_key,
    load_private_key,
)
from grantway.protocol.sealing import NONCE_SIZE, Ring, decode_base64url, encode_base64url

_BEING_ROTATED = "Another node is rotating this key at the same moment."
_PURPOSE = b"grantway/signing-key/v1"
_SECRET_PURPOSE = b"grantway/client-secret/v1"
_SEALED_SECRET_PURPOSE = b"grantway/sealed-client-secret/v1"
_MOST_REKEYED = 100_000

log = logging.getLogger("grantway.keys")


class Keys:
    """Signs, publishes and rotates. One per worker."""

    def __init__(
        self, settings: Settings, ring: Ring, store: Store, grid: Grid, clock: Clock, entropy: Entropy
    ) -> None:
        self.ring = ring
        self._settings, self._store, self._grid = settings, store, grid
        self._clock, self._entropy = clock, entropy
        self._signers: dict[str, Signer] = {}
        self._verifiers: dict[str, Verifier] = {}
        self._active: dict[tuple[str, str], tuple[tuple[SigningKey, ...], Signer]] = {}
        self._jwks: dict[str, tuple[tuple[SigningKey, ...], int, bytes]] = {}
        self._secret_keys = ring.derive_all(_SECRET_PURPOSE)
        self.ring_id = ring.newest.hex()
        """Names the newest secret of the ring, and tells nothing about it."""
        self._rekeyed: set[tuple[str, str, str]] = set()

    # -- use ------------------------------------------------------------------------------------------------------
    async def load_signer(self, tenant: str, alg: str) -> Signer:
        """The signer of the active key for ``alg``.

        Raises:
            ServerError: no key is kept for that algorithm.
        """
        keys = await self._grid.keys(tenant)
        cached = self._active.get((tenant, alg))
        if cached is not None and cached[0] is keys:
            return cached[1]
        for key in keys:
            if key.alg == alg and key.state == "active":
                signer = self._signers.get(key.kid) or self._open(key)
                self._active[tenant, alg] = (keys, signer)
                return signer
        raise ServerError(detail=f"tenant {tenant!r} has no active {alg} key; keys.algorithms does not name it")

    def recall_signer(self, tenant: str, alg: str) -> Signer | None:
        """``load_signer``, if nothing has to be waited for and a signature takes microseconds; else None."""
        cached = self._active.get((tenant, alg))
        if cached is None or alg in SLOW_ALGORITHMS or cached[0] is not self._grid.recall_keys(tenant):
            return None
        return cached[1]

    async def sign(self, tenant: str, alg: str, typ: str, claims: dict[str, object]) -> str:
        """A compact JWS. RSA signatures are made off the event loop."""
        signer = await self.load_signer(tenant, alg)
        if alg in SLOW_ALGORITHMS:
            return await asyncio.to_thread(signer.sign, typ, claims)
        return signer.sign(typ, claims)

    async def load_verifier(self, tenant: str, kid: object) -> Verifier | None:
        """The verifier of a key that is published now; None for any other ``kid``, a revoked key's included."""
        if not isinstance(kid, str):
            return None
        now = self._clock.now()
        for key in await self._grid.keys(tenant):
            if key.kid == kid and _is_published(key, now):
                verifier = self._verifiers.get(kid)
                if verifier is None:
                    verifier = self._verifiers[kid] = Verifier(key.public_jwk)
                return verifier
        return None

    async def find_published(self, tenant: str, kid: str) -> SigningKey | None:
        """The key of this ``kid``, if the JWK Set has it now."""
        now = self._clock.now()
        for key in await self._grid.keys(tenant, or_stale=True):
            if key.kid == kid:
                return key if _is_published(key, now) else None
        return None

    async def build_jwks(self, tenant: str) -> bytes:
        """The JWK Set (RFC 7517 §5): next, active and retired keys, public halves only."""
        keys, now = await self._grid.keys(tenant, or_stale=True), self._clock.now()
        cached = self._jwks.get(tenant)
        if cached is not None and cached[0] is keys and now < cached[1]:
            return cached[2]
        published = [key for key in keys if _is_published(key, now)]
        until = min((key.remove_at for key in published if key.remove_at is not None), default=2**63)
        document = msgspec.json.encode({"keys": [key.public_jwk for key in published]})
        self._jwks[tenant] = (keys, until, document)
        return document

    async def list_algorithms(self, tenant: str) -> list[str]:
        """Algorithms there is an active key for, in the order of the settings."""
        active = {key.alg for key in await self._grid.keys(tenant, or_stale=True) if key.state == "active"}
        return [alg for alg in self._settings.keys.algorithms if alg in active]

    def can_open(self, key: SigningKey) -> bool:
        """Whether the ring has the secret that the private half is sealed under."""
        return self._unseal(key) is not None

    def _unseal(self, key: SigningKey) -> bytes | None:
        return self.ring.open_record(key.sealed_private_key, purpose=_PURPOSE, identity=_identity(key.tenant, key.kid))

    def _open(self, key: SigningKey) -> Signer:
        der = self._unseal(key)
        if der is None:
            raise ServerError(
                detail=f"signing key {key.kid} cannot be unsealed: is its secret still in secrets.sealing?"
            )
        signer = self._signers[key.kid] = Signer(key.kid, key.alg, load_private_key(der))
        return signer

    # -- life -----------------------------------------------------------------------------------------------------
    async def ensure(self, tenant: str) -> None:
        """Makes the keys a tenant lacks: an active one and its successor for each algorithm. Safe on many nodes."""
        keys = await self._store.list_keys(tenant)
        for alg in self._settings.keys.algorithms:
            states = {key.state for key in keys if key.alg == alg}
            if "active" not in states:
                await self._make(tenant, alg, "active")
            if "next" not in states:
                await self._make(tenant, alg, "next")

    async def rotate(self, tenant: str, alg: str | None = None, *, force: bool = False) -> list[SigningKey]:
        """Puts the successor in charge, retires the active key, and makes a new successor. Returns the new active keys.

        Args:
            alg: one algorithm, or None for all.
            force: do not wait until verifiers have had time to see the successor.

        Raises:
            Conflict: a successor was published less than ``keys.jwks_max_age`` ago, or another node is rotating.
            NotFound: no keys are kept for ``alg``.
        """
        await self.ensure(tenant)
        now, rotated = self._clock.now(), []
        keys = await self._store.list_keys(tenant)
        for name in [alg] if alg else self._settings.keys.algorithms:
            active = next((key for key in keys if key.alg == name and key.state == "active"), None)
            successor = next((key for key in keys if key.alg == name and key.state == "next"), None)
            if active is None or successor is None:
                if name not in self._settings.keys.algorithms:
                    raise NotFound("signing key for", name)
                raise Conflict(_BEING_ROTATED)  # they were there a moment ago
            # a worker may publish it that much later than it was made, and a verifier cache what was there before
            seen_at = successor.created_at + self._longest_unseen_ms()
            if now < seen_at and not force:
                wait = (seen_at - now + 999) // 1000
                raise Conflict(
                    f"The next {name} key was published moments ago: verifiers that cache the JWKS may not know it for "
                    f"another {wait} s. Wait, or force."
                )
            await self._promote(tenant, active, successor, now)
            rotated.append(replace(successor, state="active", activated_at=now))
        return rotated

    async def rotate_due(self, tenant: str) -> list[SigningKey]:
        """Rotates what is older than ``keys.rotate_after``, and deletes keys nobody can need any more."""
        now, rotated = self._clock.now(), []
        for key in await self._store.list_keys(tenant):
            if key.remove_at is not None and key.remove_at <= now:
                await self._store.delete_key(tenant, key.kid)
            elif key.state == "active" and now - (key.activated_at or now) >= self._settings.keys.rotate_after * 1000:
                try:
                    rotated += await self.rotate(tenant, key.alg)
                except (Conflict, NotFound):  # another was first, it is too fresh, or the algorithm is kept no more
                    continue
        return rotated

    async def revoke(self, tenant: str, kid: str) -> None:
        """Takes a compromised key out at once: it leaves the JWKS and every token it signed becomes inactive.

        Raises:
            NotFound: there is no such key.
        """
        key = next((key for key in await self._store.list_keys(tenant) if key.kid == kid), None)
        if key is None or key.state == "revoked":
            raise NotFound("signing key", kid)
        remove_at = self._clock.now() + self._longest_ms()
        if not await self._store.update_keys(
            tenant, {kid: (key.state, "revoked")}, now=self._clock.now(), remove_at=remove_at
        ):
            raise Conflict(f"The key {kid} is being rotated; try again.")
        if key.state == "active":  # sign with a key nobody has cached rather than not at all
            await self._make(tenant, key.alg, "active")
        await self.ensure(tenant)

    async def reseal(self, key: SigningKey) -> bool:
        """Seals a private half under the newest secret of the ring, if it is not. It stays the same key.

        False: it cannot be opened, or it is no longer what was given.
        """
        if self.ring.is_current(key.sealed_private_key):
            return True
        der = self._unseal(key)
        if der is None:
            return False
        sealed = self._seal(key.tenant, key.kid, der)
        return await self._store.replace_sealed_key(key.tenant, key.kid, key.sealed_private_key, sealed)

    async def _promote(self, tenant: str, active: SigningKey, successor: SigningKey, now: int) -> None:
        states: dict[str, tuple[KeyState, KeyState]] = {
            active.kid: ("active", "retired"),
            successor.kid: ("next", "active"),
        }
        if not await self._store.update_keys(tenant, states, now=now, remove_at=now + self._longest_ms()):
            raise Conflict(_BEING_ROTATED)
        await self._make(tenant, active.alg, "next")

    async def _make(self, tenant: str, alg: str, state: KeyState) -> None:
        private = await asyncio.to_thread(generate_private_key, alg)
        kid, jwk = build_public_jwk(private, alg)
        sealed = self._seal(tenant, kid, dump_private_key(private))
        now = self._clock.now()
        key = SigningKey(
            tenant=tenant,
            kid=kid,
            alg=alg,
            state=state,
            public_jwk=jwk,
            sealed_private_key=sealed,
            created_at=now,
            activated_at=now if state == "active" else None,
        )
        await self._store.insert_key(key, unless_state=True)

    def _seal(self, tenant: str, kid: str, der: bytes) -> bytes:
        nonce = self._entropy.token_bytes(NONCE_SIZE)
        return self.ring.seal_record(der, purpose=_PURPOSE, identity=_identity(tenant, kid), nonce=nonce)

    def _longest_unseen_ms(self) -> int:
        return self._settings.keys.jwks_max_age * 1000 + self._settings.database.freshness_bound_ms

    def _longest_ms(self) -> int:
        return self._settings.tokens.max_token_ttl * 1000

    # -- digests --------------------------------------------------------------------------------------------------
    def hash_secret(self, secret: str) -> str:
        """The digest of a secret Grantway generated (256 bits): keyed BLAKE2b, ``keyed:`` + hex."""
        return "keyed:" + _digest(secret.encode(), self._secret_keys[0]).hex()

    def is_secret_correct(self, secret: str, digest: str) -> bool:
        """Compares in constant time, under every secret of the ring."""
        if not digest.startswith("keyed:"):
            return False
        expected, given = digest[6:], secret.encode()
        is_correct = False
        for key in self._secret_keys:  # all of them: the time must not tell which secret of the ring it was
            is_correct |= hmac.compare_digest(_digest(given, key).hex(), expected)
        return is_correct

    @property
    def has_older_secrets(self) -> bool:
        """Whether the ring has more than one secret."""
        return len(self._secret_keys) > 1

    def is_under_older(self, secret: ClientSecret) -> bool:
        """Whether a client's digest is, or may be, keyed by another secret of the ring than the newest."""
        return self.has_older_secrets and secret.digest.startswith("keyed:") and secret.key_id != self.ring_id

    async def rekey_secret(self, client: Client, secret: ClientSecret, plain: str) -> None:
        """Keys the digest of a secret that was just found right anew, by the newest secret of the ring.

        So whoever goes on authenticating needs no new secret when the ring has. Once each in this worker at most: while
        the ring is being changed, workers that disagree on the newest must not write against each other for ever.
        """
        mark = (client.tenant, client.client_id, secret.secret_id)
        if not self.is_under_older(secret) or mark in self._rekeyed:
            return
        if len(self._rekeyed) >= _MOST_REKEYED:
            self._rekeyed.clear()
        self._rekeyed.add(mark)
        renewed = replace(secret, digest=self.hash_secret(plain), key_id=self.ring_id)
        secrets = tuple(renewed if each is secret else each for each in client.secrets)
        try:
            await self._store.update_client(replace(client, secrets=secrets))
        except Conflict:  # what this worker remembers is not the newest: the next time
            self._rekeyed.discard(mark)
        except (NotFound, StoreUnavailable) as error:
            log.info("the secret of client %s keeps its digest: %s", client.client_id, error)

    # -- secrets that must be known -------------------------------------------------------------------------------
    def seal_secret(self, tenant: str, client_id: str, secret_id: str, plain: str) -> str:
        """A client's secret itself, sealed to its row, base64url: for ``client_secret_jwt`` alone."""
        identity, nonce = _secret_identity(tenant, client_id, secret_id), self._entropy.token_bytes(NONCE_SIZE)
        sealed = self.ring.seal_record(plain.encode(), purpose=_SEALED_SECRET_PURPOSE, identity=identity, nonce=nonce)
        return encode_base64url(sealed)

    def open_secret(self, client: Client, secret: ClientSecret) -> str | None:
        """The secret itself; None: only its digest is kept, or the ring has not what it is sealed under."""
        sealed = decode_base64url(secret.sealed) if secret.sealed is not None else None
        if sealed is None:
            return None
        identity = _secret_identity(client.tenant, client.client_id, secret.secret_id)
        plain = self.ring.open_record(sealed, purpose=_SEALED_SECRET_PURPOSE, identity=identity)
        return plain.decode() if plain is not None else None

    def is_sealed_under_older(self, secret: ClientSecret) -> bool:
        """Whether the secret itself is kept, and sealed under another secret of the ring than the newest."""
        sealed = decode_base64url(secret.sealed) if secret.sealed is not None else None
        return sealed is not None and not self.ring.is_current(sealed)

    async def reseal_secrets(self, client: Client) -> bool:
        """Seals a client's secrets under the newest secret of the ring, and keys their digests by it.

        False: there was nothing to do, none could be opened, or the client is no longer what was given.
        """
        secrets = tuple(self._reseal_secret(client, secret) for secret in client.secrets)
        if secrets == client.secrets:
            return False
        try:
            await self._store.update_client(replace(client, secrets=secrets))
        except (Conflict, NotFound):
            return False
        return True

    def _reseal_secret(self, client: Client, secret: ClientSecret) -> ClientSecret:
        plain = self.open_secret(client, secret)
        if plain is None or not (self.is_sealed_under_older(secret) or self.is_under_older(secret)):
            return secret
        sealed = self.seal_secret(client.tenant, client.client_id, secret.secret_id, plain)
        if not secret.digest.startswith("keyed:"):
            return replace(secret, sealed=sealed)
        return replace(secret, sealed=sealed, digest=self.hash_secret(plain), key_id=self.ring_id)

    def build_tag(self, purpose: bytes, parts: Sequence[bytes]) -> bytes:
        """A 32-byte tag over ``parts`` that only this ring can make (CSRF tokens, cursors)."""
        key = self.ring.derive(purpose)
        assert key is not None  # noqa: S101 - the newest secret is always there
        return _tag(key, parts)

    def is_tag_correct(self, purpose: bytes, parts: Sequence[bytes], tag: bytes) -> bool:
        """Compares in constant time, under every secret of the ring."""
        return any(hmac.compare_digest(_tag(key, parts), tag) for key in self.ring.derive_all(purpose))


def _digest(secret: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(secret, key=key, digest_size=32).digest()


def _tag(key: bytes, parts: Sequence[bytes]) -> bytes:
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hashlib.blake2b(framed, key=key, digest_size=32).digest()


def _identity(tenant: str, kid: str) -> bytes:
    return f"signing_key/{tenant}/{kid}".encode()


def _secret_identity(tenant: str, client_id: str, secret_id: str) -> bytes:
    return f"client_secret/{tenant}/{client_id}/{secret_id}".encode()


def _is_published(key: SigningKey, now: int) -> bool:
    return key.state != "revoked" and (key.remove_at is None or now < key.remove_at)
