"""Issuing and opening tokens: sealed access and refresh tokens, RFC 9068 access tokens, ID tokens.

No token is stored. What a revocation is found by travels inside: the token's own id, its authorization, session,
subject and client, and the instant it was issued, in milliseconds.
"""
# hot path: bench/ "client credentials (opaque)", "introspection (opaque)"

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from grantway.config import Settings
from grantway.errors import InvalidRequest
from grantway.keys import Keys
from grantway.model import FOREVER, Ancestor, Authorization, Client, Tenant, TokenFormat
from grantway.ports import Clock, Entropy, Granted, Grid, Store
from grantway.protocol.jose import MAX_JWT_SIZE, SLOW_ALGORITHMS, read_header
from grantway.protocol.sealing import (
    SALT_SIZE,
    TokenSealer,
    decode_base64url,
    encode_base64url,
    read_token_id,
)

ACCESS_PREFIX = "gwat_"
REFRESH_PREFIX = "gwrt_"
CODE_PREFIX = "gwac_"
DEVICE_CODE_PREFIX = "gwdc_"
_MAX_SEALED_SIZE = MAX_JWT_SIZE
_JTI_RANDOM = 24  # hexadecimal digits
_MOST_VERIFIED = 4096  # JWTs whose signature was checked: 75 µs each time saved; bounded, started anew when full


OWN_CLAIMS = frozenset(
    {
        "iss", "sub", "aud", "client_id", "iat", "exp", "nbf", "jti", "scope", "auth_time", "acr", "amr", "sid", "cnf",
        "grantway_subject", "grantway_ancestors", "active", "token_type", "token_use", "username",
    }
)  # fmt: skip
"""What only the server itself says of an access token, in a JWT or at introspection."""


class AccessClaims(Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """What an access token says, sealed or signed. Instants in milliseconds, auth_time in seconds."""

    issued_at: int
    expires_at: int
    client_id: str
    scope: str
    """Space-separated, as on the wire."""
    audience: tuple[str, ...]
    subject: str | None = None
    authorization_id: str | None = None
    session_id: str | None = None
    auth_time: int | None = None
    acr: str | None = None
    confirmation: Mapping[str, str] | None = None
    token_id: str = ""
    """Not sealed: an opaque token's id is its unique header; a JWT's is its ``jti``."""
    is_jwt: bool = False
    granted_at: int = 0
    """When the authorization was given."""
    extra: Mapping[str, Any] | None = None
    """Claims that are not the server's own: those a hook, an operator or a grant added."""
    ancestors: tuple[Ancestor, ...] = ()
    """The tokens it was exchanged for, nearest first."""

    def granted(self) -> Granted | None:
        """The authorization it descends from, if it does."""
        if self.authorization_id is None:
            return None
        return Granted(self.subject, self.client_id, self.granted_at)

    def revocation_keys(self) -> list[tuple[str, str]]:
        """The (kind, key) pairs a revocation of this token can have."""
        keys = [("token", self.token_id), ("client", self.client_id)]
        if self.subject is not None:
            keys.append(("subject", self.subject))
        if self.authorization_id is not None:
            keys.append(("authorization", self.authorization_id))
        if self.session_id is not None:
            keys.append(("session", self.session_id))
        return keys

    def build_ancestor(self) -> Ancestor:
        """What a token that is exchanged for this one has to remember of it."""
        return Ancestor(
            self.token_id,
            self.client_id,
            self.issued_at,
            self.subject,
            self.authorization_id,
            self.session_id,
            self.granted_at,
        )


def read_ancestor(ancestor: Ancestor) -> AccessClaims:
    """The claims of an ancestor, as far as a revocation of it looks at them."""
    return AccessClaims(
        ancestor.issued_at,
        FOREVER,
        ancestor.client_id,
        "",
        (),
        ancestor.subject,
        ancestor.authorization_id,
        ancestor.session_id,
        token_id=ancestor.token_id,
        granted_at=ancestor.granted_at,
    )


class Additions(Struct, frozen=True, kw_only=True):
    """What an access token has besides what follows from its client and its authorization."""

    confirmation: Mapping[str, str] | None = None
    claims: Mapping[str, Any] = {}
    ancestors: tuple[Ancestor, ...] = ()

    def add_to(self, claims: AccessClaims) -> AccessClaims:
        return msgspec.structs.replace(
            claims,
            confirmation=self.confirmation or claims.confirmation,
            extra={name: value for name, value in self.claims.items() if name not in OWN_CLAIMS} or None,
            ancestors=self.ancestors,
        )


class RefreshClaims(Struct, frozen=True, array_like=True, gc=False):
    """What a refresh token says. Instants in milliseconds."""

    authorization_id: str
    generation: int
    issued_at: int
    expires_at: int
    confirmation: Mapping[str, str] | None = None
    """The key without which it is worth nothing, ``cnf`` (RFC 7800 §3.1): of a public client's."""


class Tokens:
    """Makes and opens tokens. One per worker: it owns the worker's sealing salt."""

    def __init__(
        self, settings: Settings, keys: Keys, store: Store, grid: Grid, clock: Clock, entropy: Entropy
    ) -> None:
        self._settings, self._keys, self._store, self._grid = settings.tokens, keys, store, grid
        self._clock, self._entropy = clock, entropy
        self._sealer = TokenSealer(keys.ring, entropy.token_bytes(SALT_SIZE))
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode_access = msgspec.msgpack.Decoder(AccessClaims).decode
        self._decode_ancestors = msgspec.msgpack.Decoder(tuple[Ancestor, ...]).decode
        self._decode_refresh = msgspec.msgpack.Decoder(RefreshClaims).decode
        self._verified: dict[bytes, AccessClaims] = {}

    # -- access tokens --------------------------------------------------------------------------------------------
    async def issue_access(
        self,
        tenant: Tenant,
        client: Client,
        *,
        now: int,
        scope: str,
        audience: tuple[str, ...],
        subject: str | None = None,
        subject_identifier: str | None = None,
        authorization: Authorization | None = None,
        ttl: int | None = None,
        not_after: int | None = None,
        token_format: TokenFormat | None = None,
        additions: Additions | None = None,
    ) -> tuple[str, int]:
        """An access token in the client's format, and its lifetime in seconds.

        ``subject_identifier`` is what the client may see (pairwise); ``subject`` is who it is. ``not_after``: when it
        ends at the latest, milliseconds.

        Raises:
            InvalidRequest: it would be larger than a token that comes back may be.
        """
        claims, is_jwt, lifetime = self._build_access_claims(
            client,
            now=now,
            scope=scope,
            audience=audience,
            subject=subject,
            authorization=authorization,
            ttl=ttl,
            not_after=not_after,
            token_format=token_format,
        )
        if additions is not None:
            claims = additions.add_to(claims)
        if is_jwt:
            alg, content = self._build_signed_claims(tenant, client, claims, subject_identifier)
            token = await self._keys.sign(tenant.tenant, alg, "at+jwt", content)
        else:
            token = self._seal_access(tenant.tenant, claims)
        if len(token) > MAX_JWT_SIZE:
            raise InvalidRequest("The access token would be too large. Ask for fewer audiences or scopes.")
        return token, lifetime

    def issue_access_again(
        self,
        tenant: Tenant,
        client: Client,
        *,
        now: int,
        scope: str,
        audience: tuple[str, ...],
        ttl: int | None = None,
    ) -> tuple[str, int] | None:
        """``issue_access`` of a token that stands alone, without waiting; None where that would have to."""
        claims, is_jwt, lifetime = self._build_access_claims(client, now=now, scope=scope, audience=audience, ttl=ttl)
        if not is_jwt:
            return self._seal_access(tenant.tenant, claims), lifetime
        alg, content = self._build_signed_claims(tenant, client, claims, None)
        signer = self._keys.recall_signer(tenant.tenant, alg)
        return (signer.sign("at+jwt", content), lifetime) if signer is not None else None

    def _build_access_claims(
        self,
        client: Client,
        *,
        now: int,
        scope: str,
        audience: tuple[str, ...],
        subject: str | None = None,
        authorization: Authorization | None = None,
        ttl: int | None = None,
        not_after: int | None = None,
        token_format: TokenFormat | None = None,
    ) -> tuple[AccessClaims, bool, int]:
        """(claims, whether they go into a JWT, lifetime in seconds)."""
        token_format = token_format or client.access_token_format or self._settings.access_token_format
        is_jwt = token_format == "jwt"
        lifetime = self.access_ttl(client, token_format) if ttl is None else min(ttl, self._settings.max_token_ttl)
        expires_at = now + lifetime * 1000
        if authorization is not None and (not_after is None or authorization.expires_at < not_after):
            not_after = authorization.expires_at  # nothing outlives the permission it descends from
        if not_after is not None and not_after < expires_at:
            expires_at = not_after
            lifetime = max((expires_at - now) // 1000, 1)
        if authorization is None:
            return AccessClaims(now, expires_at, client.client_id, scope, audience, subject), is_jwt, lifetime
        claims = AccessClaims(
            now,
            expires_at,
            client.client_id,
            scope,
            audience,
            subject,
            authorization.authorization_id,
            authorization.session_id if authorization.session_bound else None,
            authorization.auth_time,
            authorization.acr,
            authorization.confirmation,
            granted_at=authorization.created_at,
        )
        return claims, is_jwt, lifetime

    def _seal_access(self, tenant: str, claims: AccessClaims) -> str:
        return ACCESS_PREFIX + encode_base64url(self._sealer.seal(self._encode(claims), b"at/" + tenant.encode()))

    def is_quick(self, client: Client) -> bool:
        """Whether an access token of the client takes microseconds: sealed, or signed on the event loop."""
        if (client.access_token_format or self._settings.access_token_format) != "jwt":
            return True
        alg = client.access_token_signed_response_alg or self._settings.access_token_signed_response_alg
        return alg not in SLOW_ALGORITHMS

    def access_ttl(self, client: Client, token_format: str) -> int:
        """Lifetime of the client's access tokens, seconds."""
        default = self._settings.jwt_access_token_ttl if token_format == "jwt" else self._settings.access_token_ttl
        return min(client.access_token_ttl or default, self._settings.max_token_ttl)

    async def open_access(self, tenant: str, token: str) -> AccessClaims | None:
        """The claims of a token of either format that this tenant issued and that has not expired; else None.

        Whether it was revoked is the gate's question.
        """
        if token.startswith(ACCESS_PREFIX):
            claims = self._unseal_access(tenant, token)
        elif token.startswith("ey") and len(token) <= MAX_JWT_SIZE:
            claims = await self._read_signed_access(tenant, token)
        else:
            return None
        if claims is None or claims.expires_at <= self._clock.now():
            return None
        return claims

    def _unseal_access(self, tenant: str, token: str) -> AccessClaims | None:
        if len(token) > _MAX_SEALED_SIZE:
            return None
        sealed = decode_base64url(token[len(ACCESS_PREFIX) :])
        if sealed is None:
            return None
        plaintext = self._sealer.open(sealed, b"at/" + tenant.encode())
        if plaintext is None:
            return None
        claims = self._decode_access(plaintext)
        return msgspec.structs.replace(claims, token_id=read_token_id(sealed))

    def _build_signed_claims(
        self, tenant: Tenant, client: Client, claims: AccessClaims, subject_identifier: str | None
    ) -> tuple[str, dict[str, Any]]:
        """(alg, claims) by RFC 9068 §2.2. The jti carries the issue instant and the authorization with its own, the sid
        the session."""
        unique = self._entropy.token_bytes(_JTI_RANDOM // 2).hex()
        jti = f"{claims.issued_at:x}.{unique}{claims.granted_at:x}.{claims.authorization_id or ''}"
        content: dict[str, Any] = {
            "iss": tenant.issuer,
            "sub": subject_identifier or claims.subject or client.client_id,
            "aud": list(claims.audience) if len(claims.audience) > 1 else (claims.audience or (tenant.issuer,))[0],
            "client_id": client.client_id,
            "iat": claims.issued_at // 1000,
            "exp": claims.expires_at // 1000,
            "jti": jti,
            "scope": claims.scope,
        }
        if claims.subject is not None and (content["sub"] != claims.subject or claims.subject == client.client_id):
            content["grantway_subject"] = self._seal_subject(tenant.tenant, claims.subject)
        if claims.subject is not None:
            content["auth_time"] = claims.auth_time
            content |= {"acr": claims.acr, "sid": claims.session_id}
            content = {name: value for name, value in content.items() if value is not None}
        if claims.confirmation:
            content["cnf"] = claims.confirmation
        if claims.ancestors:
            content["grantway_ancestors"] = self._seal_ancestors(tenant.tenant, claims.ancestors)
        if claims.extra:
            content = {**claims.extra, **content}
        alg = client.access_token_signed_response_alg or self._settings.access_token_signed_response_alg
        return alg, content

    def _seal_subject(self, tenant: str, subject: str) -> str:
        """A pairwise client must not learn the subject, yet a revocation has to find the token by it."""
        return encode_base64url(self._sealer.seal(subject.encode(), b"sub/" + tenant.encode()))

    def _seal_ancestors(self, tenant: str, ancestors: tuple[Ancestor, ...]) -> str:
        """Other clients' tokens and subjects: nobody's business but the server's."""
        return encode_base64url(self._sealer.seal(self._encode(ancestors), b"anc/" + tenant.encode()))

    def _open_ancestors(self, tenant: str, sealed: str) -> tuple[Ancestor, ...]:
        opened = self._sealer.open(decode_base64url(sealed) or b"", b"anc/" + tenant.encode())
        if opened is None:
            raise ValueError("ancestors that this server did not seal")
        return self._decode_ancestors(opened)

    async def _read_signed_access(self, tenant: str, token: str) -> AccessClaims | None:
        header = read_header(token)
        verifier = await self._keys.load_verifier(tenant, header.get("kid")) if header else None
        if verifier is None:  # asked every time, so a revoked key's tokens are refused whatever is remembered
            return None
        digest = hashlib.blake2b(token.encode(), key=tenant.encode()[:64], digest_size=32).digest()
        claims = self._verified.get(digest)
        if claims is None:
            content = verifier.verify(token, typ="at+jwt")
            claims = self._parse_signed_access(tenant, content) if content is not None else None
            if claims is None:
                return None
            if len(self._verified) >= _MOST_VERIFIED:
                self._verified.clear()
            self._verified[digest] = claims
        return claims

    def _parse_signed_access(self, tenant: str, content: Mapping[str, Any]) -> AccessClaims | None:
        """Reads back what ``_build_signed_claims`` wrote; the signature has been verified."""
        try:
            issued, unique, authorization_id = content["jti"].split(".")
            audience = content["aud"]
            subject = content["sub"] if content["sub"] != content["client_id"] else None
            if "grantway_subject" in content:
                sealed = decode_base64url(content["grantway_subject"])
                opened = self._sealer.open(sealed, b"sub/" + tenant.encode()) if sealed else None
                if opened is None:
                    return None
                subject = opened.decode()
            return AccessClaims(
                int(issued, 16),
                int(content["exp"]) * 1000,
                content["client_id"],
                content["scope"],
                tuple(audience) if isinstance(audience, list) else (audience,),
                subject,
                authorization_id or None,
                content.get("sid"),
                content.get("auth_time"),
                content.get("acr"),
                content.get("cnf"),
                content["jti"],
                True,
                int(unique[_JTI_RANDOM:] or "0", 16),
                {name: value for name, value in content.items() if name not in OWN_CLAIMS} or None,
                self._open_ancestors(tenant, content["grantway_ancestors"]) if "grantway_ancestors" in content else (),
            )
        except (KeyError, ValueError, TypeError, AttributeError):
            return None

    # -- refresh tokens -------------------------------------------------------------------------------------------
    def issue_refresh(
        self,
        tenant: str,
        authorization: Authorization,
        client: Client,
        *,
        now: int,
        ttl: int | None = None,
        confirmation: Mapping[str, str] | None = None,
    ) -> str:
        """The refresh token of the authorization's current generation. ``ttl``: how long it may stay unused, seconds;
        None: as long as the client's may. ``confirmation``: the key that refreshing has to prove."""
        idle = ttl or client.refresh_token_idle_ttl or self._settings.refresh_token_idle_ttl
        expires_at = min(now + idle * 1000, authorization.expires_at)
        claims = RefreshClaims(authorization.authorization_id, authorization.generation, now, expires_at, confirmation)
        return REFRESH_PREFIX + encode_base64url(self._sealer.seal(self._encode(claims), b"rt/" + tenant.encode()))

    def open_refresh(self, tenant: str, token: str) -> RefreshClaims | None:
        """The claims of a refresh token this tenant issued, expired or not; None for anything else."""
        if not token.startswith(REFRESH_PREFIX) or len(token) > _MAX_SEALED_SIZE:
            return None
        sealed = decode_base64url(token[len(REFRESH_PREFIX) :])
        plaintext = self._sealer.open(sealed, b"rt/" + tenant.encode()) if sealed is not None else None
        return self._decode_refresh(plaintext) if plaintext is not None else None

    # -- codes ----------------------------------------------------------------------------------------------------
    def generate_code(self) -> tuple[str, bytes]:
        """(authorization code, its digest): 256 random bits; only the digest is stored."""
        code = CODE_PREFIX + encode_base64url(self._entropy.token_bytes(32))
        return code, digest_code(code)

    def generate_device_code(self) -> tuple[str, bytes]:
        """(device code, its digest), as ``generate_code`` (RFC 8628 §5.2)."""
        code = DEVICE_CODE_PREFIX + encode_base64url(self._entropy.token_bytes(32))
        return code, digest_code(code)

    def generate_id(self) -> str:
        """An identifier of 128 random bits."""
        return encode_base64url(self._entropy.token_bytes(16))

    def generate_name(self) -> str:
        """An identifier of 128 random bits that nothing mistakes for an option or a path: 26 lower-case letters and
        digits."""
        return base64.b32encode(self._entropy.token_bytes(16)).decode().rstrip("=").lower()

    def generate_secret(self) -> str:
        """A secret of 256 random bits."""
        return encode_base64url(self._entropy.token_bytes(32))


def digest_code(code: str) -> bytes:
    """SHA-256 of the whole string as received: a changed character is another code."""
    return hashlib.sha256(code.encode()).digest()
