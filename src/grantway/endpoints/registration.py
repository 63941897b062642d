"""Clients that register themselves (RFC 7591) and look after themselves (RFC 7592).

Registering takes an initial access token, unless the settings open it to everybody. What a client may say of itself is
an allow-list (``protocol.registration``), and how much of it a policy. It manages itself by a registration access token
of its own, of which a keyed digest is kept; a change brings a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec.structs import replace

from grantway.clients import give_secret, parse_document
from grantway.config import Settings
from grantway.endpoints.bearer import read_bearer
from grantway.endpoints.initial_access import check_initial_access, spend_initial_access
from grantway.endpoints.software_statement import read_software_statement
from grantway.errors import (
    Conflict,
    FetchFailed,
    InvalidClientMetadata,
    InvalidRequest,
    InvalidToken,
    NotFound,
    Unprocessable,
)
from grantway.events import Administered
from grantway.extension import Call, Endpoint, Runtime
from grantway.model import Client, Entry, RegistrationPolicy, SelfRegistration, Tenant
from grantway.protocol.client_metadata import Metadatum, describe_client, read_text
from grantway.protocol.json_input import parse_json_object
from grantway.protocol.message import NO_REFERRER, NO_SNIFF, NO_STORE, Response, build_json_response
from grantway.protocol.registration import (
    SELF_SERVICE,
    check_policy,
    describe_registration,
    read_policy,
    select_metadata,
)
from grantway.scopes import check_registered

TOKEN_PREFIX = "gwrg_"
"""Of registration access tokens: lets a secret scanner know one that leaked."""
MAX_DOCUMENT_DEPTH = 8
_SOFTWARE_STATEMENT = "software_statement"
_GRANTS_BY_REDIRECT = frozenset({"authorization_code", "implicit", "refresh_token"})


class Registration(Endpoint):
    name = "registration"
    spec = "RFC 7591 §3"
    path = "/oauth2/register"
    methods = ("POST",)
    service = "registration"
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {
        "software_id": Metadatum("Which software the client is (RFC 7591 §2).", read_text, is_self_service=True),
        "software_version": Metadatum("Which version of it.", read_text, is_self_service=True),
    }
    jwt_parameters = (_SOFTWARE_STATEMENT,)
    fetches = ("registration.software_statement_jwks_uri", "sector_identifier_uri")

    def is_enabled(self, settings: Settings) -> bool:
        return settings.registration.enabled or settings.registration.insecure_open

    async def handle(self, call: Call) -> Response:
        """Every check first; then one use of the initial access token, what has to be fetched, and the client."""
        runtime, tenant = call.runtime, call.tenant.tenant
        await runtime.throttle.check_registration(tenant, call.request.address, call.now)
        access = await check_initial_access(call)
        document = _read_document(call)
        policy = build_policy(runtime.settings)
        if access is not None:
            policy = read_policy(access.document.get("policy", {}), policy)
        token = document.pop(_SOFTWARE_STATEMENT, None)
        statement = await read_software_statement(call, token)
        registration_token, digest = _generate_token(call)
        registration = SelfRegistration(token_digest=digest, policy=policy, statement=statement)
        client = await _build(call, runtime.tokens.generate_name(), document, registration)
        if access is not None:
            await spend_initial_access(call, access)
        client, secret = await _complete(call, client)
        client = replace(client, created_at=call.now, updated_at=call.now)
        await runtime.store.insert_client(client)
        _report(call, "client.register", client, access)
        answer = _describe(call, client, registration_token, secret)
        if token is not None:  # RFC 7591 §3.2.1: unmodified
            answer[_SOFTWARE_STATEMENT] = token
        return build_json_response(answer, status=201)

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {"registration_endpoint": tenant.issuer + self.path}


class ClientConfiguration(Endpoint):
    name = "client_configuration"
    spec = "RFC 7592 §2"
    path = "/oauth2/register/{client_id}"
    methods = ("GET", "PUT", "DELETE")
    service = "registration"
    jwt_parameters = (_SOFTWARE_STATEMENT,)
    fetches = ("registration.software_statement_jwks_uri", "sector_identifier_uri")

    def is_enabled(self, settings: Settings) -> bool:
        return settings.registration.enabled or settings.registration.insecure_open

    async def handle(self, call: Call) -> Response:
        await call.runtime.throttle.check_registration(call.tenant.tenant, call.request.address, call.now)
        client, registration, token = await _authenticate(call)
        if call.request.method == "GET":  # RFC 7592 §2.1
            return build_json_response(_describe(call, client, token, None))
        if call.request.method == "DELETE":  # RFC 7592 §2.3
            removal = call.runtime.build_revocation(client.tenant, "client", client.client_id, is_disabling=True)
            try:
                await call.runtime.store.delete_client(client.tenant, client.client_id, revocation=removal)
            except NotFound as error:
                raise InvalidToken(detail="the client was deleted at the same time") from error
            _report(call, "client.unregister", client)
            return Response(status=204, headers=[NO_STORE, NO_SNIFF, NO_REFERRER])
        return await _replace(call, client, registration)


def build_policy(settings: Settings) -> RegistrationPolicy:
    """What clients may be that register by nothing in particular."""
    registration = settings.registration
    return RegistrationPolicy(
        grant_types=registration.grant_types,
        token_endpoint_auth_methods=registration.token_endpoint_auth_methods,
        scope=registration.scope,
        audience=registration.audience,
    )


def _read_document(call: Call) -> dict[str, Any]:
    """Raises ``InvalidRequest``, and ``InvalidClientMetadata`` where it is no JSON object (RFC 7591 §3.2.2)."""
    # RFC 7591 §3.1
    if call.request.media_type() != b"application/json":
        raise InvalidRequest("The metadata must be sent as application/json.")
    try:
        text = call.request.body.decode()
        limit = call.runtime.settings.serve.max_body_bytes
        return parse_json_object(text, max_size=limit, max_depth=MAX_DOCUMENT_DEPTH)
    except (UnicodeDecodeError, InvalidRequest) as error:
        raise InvalidClientMetadata("The metadata is not a JSON object.") from error


async def _build(
    call: Call,
    client_id: str,
    document: Mapping[str, Any],
    registration: SelfRegistration,
    old: Client | None = None,
) -> Client:
    """The client the document describes, as far as its registration allows. ``old``: what it was; what is not its own
    to set stays."""
    runtime, policy, kept = call.runtime, registration.policy, {}
    known = runtime.extensions.client_metadata
    if old is not None:
        own = SELF_SERVICE | {name for name, field in known.items() if field.is_self_service} | {"client_id"}
        kept = {name: value for name, value in describe_client(old).items() if name not in own}
    shown = describe_registration(old, known) if old is not None else None
    selected = select_metadata(document, policy, known, statement=registration.statement, shown=shown)
    client = parse_document(runtime, call.tenant.tenant, client_id, {**selected, **kept}, old)
    check_policy(client, policy)
    _check_pairwise(client)
    await check_registered(runtime, client)
    return replace(client, registration=registration)


def _check_pairwise(client: Client) -> None:
    """Whoever names another's host as a redirect URI must get no answer that is about that host's sector: one that does
    not go there, that is (OpenID Connect Core §8.1)."""
    if client.subject_type != "pairwise":
        return
    if not client.redirect_uris or not set(client.grant_types) <= _GRANTS_BY_REDIRECT:
        raise InvalidClientMetadata("subject_type: pairwise is for clients whose every grant begins with a redirect.")


async def _complete(call: Call, client: Client) -> tuple[Client, str | None]:
    """What comes last: fetching what has to be fetched, and the secret, if it needs a new one."""
    await _check_sector(call, client)
    try:
        return await give_secret(call.runtime, client, None)
    except Unprocessable as error:
        raise InvalidClientMetadata(str(error)) from error


async def _check_sector(call: Call, client: Client) -> None:
    """The sector has to name every redirect URI of the client (OpenID Connect Registration §5)."""
    uri = client.sector_identifier_uri
    if uri is None:
        return
    try:
        named = await call.runtime.egress.fetch_json(uri, purpose="sector_identifier_uri")
    except FetchFailed as error:
        raise InvalidClientMetadata("sector_identifier_uri: nothing usable is there.", detail=error.detail) from error
    is_list = isinstance(named, list) and all(isinstance(each, str) for each in named)
    if not is_list or not set(client.redirect_uris) <= set(named):
        raise InvalidClientMetadata("sector_identifier_uri: what is there does not name all redirect_uris.")


def _generate_token(call: Call) -> tuple[str, str]:
    """(registration access token, its digest)."""
    token = TOKEN_PREFIX + call.runtime.tokens.generate_secret()
    return token, call.runtime.keys.hash_secret(token)


def _describe(call: Call, client: Client, registration_token: str, secret: str | None) -> dict[str, Any]:
    """The client information response (RFC 7591 §3.2.1, RFC 7592 §3, OpenID Connect Registration §3.2, §4.3)."""
    answer = describe_registration(client, call.runtime.extensions.client_metadata)
    answer |= {
        "client_id_issued_at": client.created_at // 1000,
        "registration_access_token": registration_token,
        "registration_client_uri": f"{call.tenant.issuer}/oauth2/register/{client.client_id}",
    }
    if secret is not None:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return answer


async def _authenticate(call: Call) -> tuple[Client, SelfRegistration, str]:
    """The client of the address, its registration, and the registration access token, which is its own (RFC 7592 §2).

    Raises:
        InvalidToken: anything is wrong: nobody learns which clients there are. A disabled client is shut out here, too.
    """
    token = read_bearer(call)
    client_id = call.request.path.rpartition("/")[2]
    keys, client = call.runtime.keys, None
    if len(client_id) <= 255:
        client = await call.runtime.store.load_client(call.tenant.tenant, client_id)
    registration = client.registration if client is not None else None
    is_correct = keys.is_secret_correct(token, registration.token_digest if registration else keys.hash_secret(""))
    if client is None or registration is None or not is_correct or not client.enabled:
        raise InvalidToken(detail="registration access token")
    return client, registration, token


async def _replace(call: Call, old: Client, registration: SelfRegistration) -> Response:
    """New metadata in place of all there was, as far as it is the client's own to set (RFC 7592 §2.2)."""
    runtime, document = call.runtime, _read_document(call)
    if document.pop("client_id", None) != old.client_id:
        raise InvalidRequest("The metadata must name the client_id it is for.")
    secret = document.pop("client_secret", None)
    if secret is not None and not await _is_secret(call, old, secret):
        raise InvalidRequest("The client_secret is not the client's; it cannot be chosen.")
    statement = document.pop(_SOFTWARE_STATEMENT, None)
    if statement is not None:
        registration = replace(registration, statement=await read_software_statement(call, statement))
    token, digest = _generate_token(call)
    client = await _build(call, old.client_id, document, replace(registration, token_digest=digest), old)
    client = replace(client, secrets=old.secrets, version=old.version, created_at=old.created_at, updated_at=call.now)
    client, plain = await _complete(call, client)
    try:
        client = await runtime.store.update_client(client)
    except Conflict as error:
        raise InvalidRequest("The client was changed at the same time. Read it, and try again.") from error
    except NotFound as error:
        raise InvalidToken(detail="the client was deleted at the same time") from error
    _report(call, "client.update_registration", client)
    return build_json_response(_describe(call, client, token, plain))


async def _is_secret(call: Call, client: Client, secret: Any) -> bool:
    """Whether it is one of the client's, generated or chosen."""
    if not isinstance(secret, str):
        return False
    keys, passwords = call.runtime.keys, call.runtime.passwords
    for each in client.secrets:
        is_chosen = each.digest.startswith("$")  # argon2id, a PHC string
        if await passwords.verify(secret, each.digest) if is_chosen else keys.is_secret_correct(secret, each.digest):
            return True
    return False


def _report(call: Call, action: str, client: Client, access: Entry | None = None) -> None:
    actor = f"initial access token {access.key}" if access is not None else "the client itself"
    call.runtime.events.emit(
        Administered(tenant=client.tenant, at=call.now, action=action, actor=actor, key=client.client_id)
    )
