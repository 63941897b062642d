"""private_key_jwt and client_secret_jwt (OpenID Connect Core §9, RFC 7523 §2.2, §3).

Both are sent alike, so one class reads them; which of the two it is, and with which keys and algorithms it is verified,
the client's registration says, and nothing in the assertion.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Collection, Mapping
from functools import partial
from typing import Any, ClassVar

from grantway.client_auth.client_secret import is_secret_live
from grantway.errors import FetchFailed, InvalidClient, InvalidClientMetadata, InvalidRequest
from grantway.extension import Call, ClientAuthentication, Credential, Runtime
from grantway.model import Client, Tenant
from grantway.protocol.client_keys import KEY_METADATA, check_keys
from grantway.protocol.client_metadata import Metadatum, read_boolean, read_choice
from grantway.protocol.foreign_jwt import (
    HMAC_ALGORITHMS,
    SIGNATURE_ALGORITHMS,
    HmacKey,
    InvalidJwt,
    JwkSet,
    check_claims,
    hmac_key,
    read_jwt,
    verify_jwt,
)
from grantway.protocol.message import Parameters, Request

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = {"private_key_jwt": SIGNATURE_ALGORITHMS, "client_secret_jwt": HMAC_ALGORITHMS}
"""What each method takes: asymmetric keys are never used as secrets, nor secrets as keys (RFC 8725 §3.1)."""
SKEW = 60
"""Seconds by which the clocks of client and server may differ."""
_TYPES = (None, "jwt", "client-authentication+jwt")


class AssertionCredential(Credential, frozen=True):
    """An assertion. ``kid``: of the key it says it is signed with."""

    kid: str | None = None


class ClientAssertion(ClientAuthentication):
    """A JWT about the client, signed by its private key, or with its secret. Each is good once.

    An unknown client is told apart by less work than a wrong signature: a ``client_id`` is no secret (RFC 6749 §2.2).
    """

    name = "client_assertion"
    spec = "RFC 7523 §2.2"
    methods = tuple(ALGORITHMS)
    parameters = ("client_id", "client_assertion", "client_assertion_type")
    fetches = ("jwks_uri",)
    jwt_parameters = ("client_assertion",)
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {
        **KEY_METADATA,
        "token_endpoint_auth_signing_alg": Metadatum(
            "The one algorithm its client assertions are signed with; without it, any that its method and keys allow.",
            partial(read_choice, choices=(*SIGNATURE_ALGORITHMS, *HMAC_ALGORITHMS)),
            is_self_service=True,
        ),
        "lax_assertion_audience": Metadatum(
            "Whether its assertions may name an endpoint, or several audiences, instead of the issuer alone; without "
            "it, as the setting client_auth.lax_assertion_audience says.",
            read_boolean,
        ),
    }

    def parse_credential(self, request: Request, parameters: Parameters) -> Credential | None:
        if not parameters.has("client_assertion") and not parameters.has("client_assertion_type"):
            return None
        assertion, kind = parameters.get("client_assertion"), parameters.get("client_assertion_type")
        if assertion is None or kind is None:  # RFC 7521 §4.2
            raise InvalidRequest("client_assertion and client_assertion_type go together.")
        if kind != ASSERTION_TYPE:
            raise InvalidClient("This client_assertion_type is not supported.")
        try:
            jwt = read_jwt(assertion)
        except InvalidJwt as error:
            raise InvalidClient(detail=f"client_assertion: {error.detail}") from error
        client_id = jwt.claims.get("sub")
        if not client_id:  # RFC 7523 §3: the subject is the client
            raise InvalidClient(detail="client_assertion: no sub")
        if parameters.get("client_id") not in (None, client_id):  # RFC 7521 §4.2
            raise InvalidRequest("client_id differs from the one in the client_assertion.")
        return AssertionCredential(client_id, assertion, jwt.kid)

    async def authenticate(self, call: Call, client: Client, credential: Credential) -> str | None:
        """Spends the assertion last, when everything else is right: nobody else can use up a client's ``jti``."""
        method = client.token_endpoint_auth_method
        if method not in self.methods or not isinstance(credential, AssertionCredential):
            return None
        try:
            claims = await _verify(call, client, credential, ALGORITHMS[method])
            check_claims(
                claims,
                now=call.now // 1000,
                issuer=client.client_id,  # RFC 7523 §3: iss and sub are the client
                subject=client.client_id,
                audiences=_list_audiences(call, client),
                is_audience_strict=not _is_lax(call, client),
                max_lifetime=call.runtime.settings.client_auth.max_assertion_lifetime,
                skew=SKEW,
                not_before=call.tenant.not_before / 1000,
            )
        except (InvalidJwt, FetchFailed) as error:  # RFC 7523 §3.2, RFC 7521 §4.2.1
            raise InvalidClient(detail=f"client_assertion of {client.client_id}: {error.detail}") from error
        is_first = await call.runtime.store.use_once(
            call.tenant.tenant,
            "client_assertion",
            client.client_id,
            hashlib.sha256(claims["jti"].encode()).digest(),
            expires_at=(int(claims["exp"]) + SKEW + 1) * 1000,
        )
        if not is_first:  # RFC 7523 §3
            raise InvalidClient(detail=f"client_assertion of {client.client_id}: used before")
        return method

    def check_client(self, runtime: Runtime, client: Client) -> None:
        method, alg = client.token_endpoint_auth_method, client.extra.get("token_endpoint_auth_signing_alg")
        if alg is not None and alg not in ALGORITHMS.get(method, ()):
            raise InvalidClientMetadata(f"token_endpoint_auth_signing_alg: {alg} is not for {method}.")
        check_keys(client, is_required=method == "private_key_jwt")

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        # RFC 8414 §2: all three are needed where these methods are among those of the endpoint
        endpoints = ("token", "revocation", "introspection")
        algorithms = [*SIGNATURE_ALGORITHMS, *HMAC_ALGORITHMS]
        return {f"{endpoint}_endpoint_auth_signing_alg_values_supported": algorithms for endpoint in endpoints}


async def _verify(
    call: Call, client: Client, credential: AssertionCredential, algorithms: Collection[str]
) -> dict[str, Any]:
    """The claims, if one of the client's keys or secrets signed them. Raises ``InvalidJwt``, ``FetchFailed``."""
    registered = client.extra.get("token_endpoint_auth_signing_alg")
    if registered is not None:
        algorithms = tuple(alg for alg in algorithms if alg == registered)
    failure = InvalidJwt("the client has no key for it")
    async for keys in _load_keys(call, client, credential.kid):
        try:
            return verify_jwt(credential.proof, keys, algorithms=algorithms, typ=_TYPES)
        except InvalidJwt as error:
            failure = error
    raise failure


async def _load_keys(call: Call, client: Client, kid: str | None) -> AsyncIterator[JwkSet | HmacKey]:
    """The client's key set; or, one by one, its live secrets (any of them may be in use while they are rotated)."""
    if client.token_endpoint_auth_method == "private_key_jwt":
        yield await call.runtime.foreign_keys.load(
            jwks=client.extra.get("jwks"),
            jwks_uri=client.extra.get("jwks_uri"),
            purpose="jwks_uri",
            kid=kid,
        )
        return
    for secret in client.secrets:
        plain = call.runtime.keys.open_secret(client, secret) if is_secret_live(secret, call.now) else None
        if plain is not None:
            yield hmac_key(plain.encode())


def _is_lax(call: Call, client: Client) -> bool:
    return bool(client.extra.get("lax_assertion_audience", call.runtime.settings.client_auth.lax_assertion_audience))


def _list_audiences(call: Call, client: Client) -> list[str]:
    """The issuer; for lax clients also the URLs of the endpoints where clients authenticate (RFC 7523 §3)."""
    issuer = call.tenant.issuer
    if not _is_lax(call, client):
        return [issuer]
    endpoints = call.runtime.extensions.endpoints.values()
    return [issuer, *(issuer + endpoint.path for endpoint in endpoints if endpoint.challenge == b"Basic")]
