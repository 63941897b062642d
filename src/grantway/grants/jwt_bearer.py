"""A JWT that a trusted issuer signed, for an access token (RFC 7523 §2.1, §3)."""

from __future__ import annotations

import math
from typing import Any

from msgspec.structs import replace

from grantway.errors import FetchFailed, InvalidGrant
from grantway.extension import Call, Decision
from grantway.grants.assertion import (
    TOKEN_PATH,
    AssertionGrant,
    Verified,
    build_decision,
    describe_metadata,
    find_trusts,
    read_assertion_parameter,
)
from grantway.model import Client
from grantway.protocol.foreign_jwt import (
    SIGNATURE_ALGORITHMS,
    InvalidJwt,
    JwkSet,
    UnverifiedJwt,
    check_claims,
    parse_certificate_key,
    read_jwt,
    verify_jwt,
)
from grantway.protocol.message import Parameters
from grantway.protocol.trusted_issuer import Trust

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class JwtBearer(AssertionGrant):
    name = GRANT_TYPE
    spec = "RFC 7523 §2.1"
    client_metadata = describe_metadata(GRANT_TYPE)
    jwt_parameters = ("assertion",)
    fetches = ("jwks_uri",)

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """Whom the JWT names, if somebody signed it whom this client may bring JWTs of, for this server, just now.

        Raises:
            InvalidGrant: whatever is wrong with it (RFC 7523 §3.1, RFC 7521 §4.1.1); why is in the log.
        """
        token = read_assertion_parameter(parameters)
        try:
            verified = await _verify(call, client, token)
        except (InvalidJwt, FetchFailed) as error:
            raise InvalidGrant(detail=error.detail) from error
        return await build_decision(call, client, parameters, verified, purpose="jwt_bearer")


async def _verify(call: Call, client: Client, token: str) -> Verified:
    """Raises ``InvalidJwt``, ``FetchFailed``, ``InvalidGrant``."""
    jwt = read_jwt(token)
    failure: InvalidJwt | FetchFailed = InvalidJwt("no key is known")
    for trust in await find_trusts(call, client, "jwt", jwt.claims.get("iss", ""), jwt.claims.get("sub", "")):
        try:
            key_sets = await _load_keys(call, trust, jwt)
        except (InvalidJwt, FetchFailed) as error:
            failure = error
            continue
        for keys in key_sets:
            try:
                claims = verify_jwt(token, keys, algorithms=SIGNATURE_ALGORITHMS, typ=(None, "jwt"))
            except InvalidJwt as error:
                failure = error
            else:
                return _check(call, trust, claims)
    raise failure


async def _load_keys(call: Call, trust: Trust, jwt: UnverifiedJwt) -> list[JwkSet]:
    """The issuer's key set, and its certificates that are valid now: these were pinned, so that whatever ``kid`` the
    JWT has is theirs.

    Raises:
        FetchFailed: the keys at its jwks_uri cannot be had. InvalidJwt: there are certificates alone, none valid.
    """
    key_sets, invalid = [], "no key is known"
    for pem in trust.certificates:
        try:
            keys = parse_certificate_key(pem, now=call.now // 1000).keys
        except ValueError as error:
            invalid = str(error)
        else:
            key_sets.append(JwkSet(tuple(replace(key, kid=jwt.kid) for key in keys)))
    if trust.jwks is not None or trust.jwks_uri is not None:
        load = call.runtime.foreign_keys.load
        key_sets.append(await load(jwks=trust.jwks, jwks_uri=trust.jwks_uri, purpose="jwks_uri", kid=jwt.kid))
    if not key_sets:
        raise InvalidJwt(invalid)
    return key_sets


def _check(call: Call, trust: Trust, claims: dict[str, Any]) -> Verified:
    """RFC 7523 §3. Raises ``InvalidJwt``."""
    settings, issuer = call.runtime.settings.assertions, call.tenant.issuer
    check_claims(
        claims,
        now=call.now // 1000,
        issuer=trust.issuer,
        subject=None,
        audiences=(issuer, issuer + TOKEN_PATH) if settings.lax_audience else (issuer,),
        is_audience_strict=not settings.lax_audience,
        max_lifetime=settings.jwt_max_lifetime,
        skew=settings.clock_skew,
        not_before=call.tenant.not_before / 1000,
    )
    return Verified(
        trust=trust,
        subject=claims["sub"],
        assertion_id=claims["jti"],
        expires_at=math.ceil(claims["exp"]) + settings.clock_skew,
    )
