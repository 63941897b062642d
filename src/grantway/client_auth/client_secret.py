"""client_secret_basic and client_secret_post (RFC 6749 §2.3.1)."""
# hot path: bench/ "client credentials (opaque)" checks one Basic header a request

from __future__ import annotations

import binascii
from urllib.parse import unquote_to_bytes

from grantway.errors import InvalidClient, InvalidRequest
from grantway.extension import Call, ClientAuthentication, Credential, Runtime
from grantway.model import Client, Tenant
from grantway.protocol.message import Parameters, Request, has_valid_escapes, is_vschar


class ClientSecretBasic(ClientAuthentication):
    """``Authorization: Basic``, with id and secret form-encoded inside (RFC 6749 §2.3.1)."""

    name = "client_secret_basic"
    spec = "RFC 6749 §2.3.1"
    methods = ("client_secret_basic",)

    def parse_credential(self, request: Request, parameters: Parameters) -> Credential | None:
        header = request.header(b"authorization")
        if header is None or header[:6].lower() != b"basic ":
            return None
        credential = parse_basic(header)
        stated = parameters.get("client_id")
        if stated is not None and stated != credential.client_id:
            raise InvalidRequest("client_id differs from the one in the Authorization header.")
        return credential

    async def authenticate(self, call: Call, client: Client, credential: Credential) -> str | None:
        is_correct = await is_client_secret(call.runtime, client, credential.proof, call.now)
        return "client_secret_basic" if is_correct else None

    async def reject(self, call: Call, credential: Credential) -> None:
        call.runtime.keys.is_secret_correct(credential.proof, _NOBODYS_DIGEST)

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, list[str]]:
        return {"token_endpoint_auth_methods_supported": list(self.methods)}


class ClientSecretPost(ClientAuthentication):
    """``client_id`` and ``client_secret`` in the form."""

    name = "client_secret_post"
    spec = "RFC 6749 §2.3.1"
    methods = ("client_secret_post",)
    parameters = ("client_id", "client_secret")

    def parse_credential(self, request: Request, parameters: Parameters) -> Credential | None:
        if not parameters.has("client_secret"):
            return None
        # without a client_id it is nobody's, yet it was presented: beside another method it makes two
        return Credential(parameters.get("client_id") or "", parameters.get("client_secret") or "")

    async def authenticate(self, call: Call, client: Client, credential: Credential) -> str | None:
        is_correct = await is_client_secret(call.runtime, client, credential.proof, call.now)
        return "client_secret_post" if is_correct else None

    async def reject(self, call: Call, credential: Credential) -> None:
        call.runtime.keys.is_secret_correct(credential.proof, _NOBODYS_DIGEST)

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, list[str]]:
        return {"token_endpoint_auth_methods_supported": list(self.methods)}


_NOBODYS_DIGEST = "keyed:" + "00" * 32


async def is_client_secret(runtime: Runtime, client: Client, secret: str, now: int) -> bool:
    """Whether ``secret`` is one of the client's live secrets. An empty one never is."""
    if not secret:
        return False
    for candidate in client.secrets:
        if not candidate.enabled or (candidate.expires_at is not None and candidate.expires_at <= now):
            continue
        if candidate.digest.startswith("keyed:"):
            if runtime.keys.is_secret_correct(secret, candidate.digest):
                return True
        elif await runtime.passwords.verify(secret, candidate.digest):
            return True
    return False


def parse_basic(header: bytes) -> Credential:
    """client_id and client_secret of a Basic header, strictly: one space, canonical base64, valid escapes, VSCHAR.

    Raises:
        InvalidClient: it is anything else.
    """
    encoded = header[6:]
    try:
        decoded = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidClient("The Authorization header is not valid Basic authentication.") from error
    if binascii.b2a_base64(decoded, newline=False) != encoded:
        raise InvalidClient("The Authorization header is not valid Basic authentication.")
    client_id, separator, secret = decoded.partition(b":")
    if not separator:
        raise InvalidClient("The Authorization header is not valid Basic authentication.")
    return Credential(_decode(client_id), _decode(secret))


def _decode(part: bytes) -> str:
    if b"%" in part or b"+" in part:
        if not has_valid_escapes(part):
            raise InvalidClient("The Authorization header is not valid Basic authentication.")
        part = unquote_to_bytes(part.replace(b"+", b" "))
    try:
        text = part.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidClient("The Authorization header is not valid UTF-8.") from error
    if not is_vschar(text):  # RFC 6749 Appendix A.1, A.2
        raise InvalidClient()
    return text
