"""Who may sign assertions that are traded for tokens: what an administrator registers of them, and what a client may
sign itself (RFC 7521 §4.1).

An issuer is trusted for some subjects, scopes and clients, with keys that are pinned here, until a day. Does not own:
where it is stored, and how an assertion is verified.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Literal, get_args

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

from grantway.errors import InvalidClientMetadata, InvalidScope, Unprocessable
from grantway.model import Client, Entry
from grantway.protocol.client_metadata import (
    Metadatum,
    Reader,
    read_boolean,
    read_choice,
    read_list,
    read_text,
    read_web_url,
    read_word,
)
from grantway.protocol.foreign_jwk import parse_certificate_key, parse_jwks
from grantway.protocol.scope import parse_scope

Protocol = Literal["jwt", "saml"]
Naming = Literal["subject", "username", "external"]

MAX_ISSUERS: Final = 1000
"""Of one tenant: as many as a worker remembers."""
MAX_CERTIFICATES: Final = 5
MAX_CERTIFICATE_LENGTH: Final = 16384
MAX_NAME_LENGTH: Final = 255
RIGHT: Final = "grantway.trusted-issuers.write"
ANYBODY: Final = "*"
NOT_FOR_BEARERS: Final = frozenset({"offline_access"})
"""An assertion is traded for an access token; the next one takes another assertion (RFC 7521 §4.1)."""


class TrustedIssuer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An issuer whose assertions are good for tokens: for whom, for how much, at which clients."""

    protocol: Protocol
    issuer: str
    """The ``iss`` of a JWT, the Issuer of a SAML assertion."""
    subject: str | None = None
    """The only subject it may name; None: any."""
    subject_is: Naming = "subject"
    """What its subjects are here: identifiers of subjects, usernames, or people without an account."""
    scope: tuple[str, ...] = ()
    """The most that its assertions are good for."""
    clients: tuple[str, ...] = ()
    any_client: bool = False
    """Good at every client that may use the grant; else at ``clients``."""
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    certificates: tuple[str, ...] = ()
    """X.509, in PEM: any of them will do."""

    def is_good_for(self, client_id: str) -> bool:
        return self.any_client or client_id in self.clients

    def build_key(self) -> str:
        """The identifier it is stored under: of one issuer there is one for each subject and set of keys."""
        keys = self.jwks["keys"] if self.jwks is not None else ()
        identity = [self.protocol, self.issuer, self.subject, sorted(key.get("kid") or "" for key in keys)]
        identity += [self.jwks_uri, sorted(self.certificates)]
        digest = hashlib.sha256(msgspec.json.encode(identity)).digest()
        return base64.b32encode(digest[:16]).decode().rstrip("=").lower()


class Trust(Struct, frozen=True, kw_only=True):
    """What the verification of an assertion needs to know of its issuer, be it a trusted one or the client itself."""

    owner: str
    """Whose identifiers of assertions these are."""
    issuer: str
    subjects: frozenset[str] | None
    """None: any."""
    subject_is: Naming
    scope: tuple[str, ...]
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    certificates: tuple[str, ...] = ()
    is_clients_own: bool = False
    revocation_key: str = ""
    """By which everything that came of it is revoked, as a token would be; empty: by nothing of its own."""
    expires_at: int | None = None
    """When the trust ends, and with it what came of it, milliseconds."""

    def covers(self, subject: str) -> bool:
        return self.subjects is None or subject in self.subjects


def parse_trusted_issuer(document: Mapping[str, Any], protocol: Protocol, *, for_any_client: bool) -> TrustedIssuer:
    """Builds a trusted issuer from what an administrator sent: members as ``TrustedIssuer`` has them, ``jwk`` for a set
    of one key, and ``allow_any_subject`` where no subject is named.

    Args:
        for_any_client: what counts where the document says nothing about clients.

    Raises:
        Unprocessable: names the member that is missing, malformed or contradicts another.
    """
    scope = _read("scope", document.get("scope"), partial(read_list, read=read_word))
    try:
        parse_scope(" ".join(scope))
    except InvalidScope as error:
        raise Unprocessable("scope", str(error.description)) from error
    naming = partial(read_choice, choices=get_args(Naming))
    clients = _read("clients", document.get("clients", []), read_list)
    any_client = _read("any_client", document.get("any_client", for_any_client and not clients), read_boolean)
    if any_client == bool(clients):
        raise Unprocessable("clients", "must name the clients it is good for; or set any_client, and name none.")
    issuer = _read("issuer", document.get("issuer"), _read_name)
    if "|" in issuer:
        raise Unprocessable("issuer", "must not contain a vertical bar.")
    return TrustedIssuer(
        protocol=protocol,
        issuer=issuer,
        subject=_parse_subject(document),
        subject_is=_read("subject_is", document.get("subject_is", "subject"), naming),
        scope=scope,
        clients=clients,
        any_client=any_client,
        **_parse_keys(document, protocol),
    )


def read_trusted_issuer(entry: Entry) -> TrustedIssuer:
    """As it was stored."""
    return msgspec.convert(entry.document, TrustedIssuer)


def build_revocation_key(issuer_id: str) -> str:
    """What stands for a trusted issuer where tokens are revoked. No token has such an identifier."""
    return f"trusted_issuer:{issuer_id}"


def build_trust(entry: Entry) -> Trust:
    trusted = read_trusted_issuer(entry)
    return Trust(
        owner=f"issuer:{trusted.issuer}",
        issuer=trusted.issuer,
        subjects=None if trusted.subject is None else frozenset({trusted.subject}),
        subject_is=trusted.subject_is,
        scope=trusted.scope,
        jwks=trusted.jwks,
        jwks_uri=trusted.jwks_uri,
        certificates=trusted.certificates,
        revocation_key=build_revocation_key(entry.key),
        expires_at=entry.expires_at,
    )


def build_external_subject(issuer: str, name: str) -> str | None:
    """What somebody without an account is called here: by their issuer, whose name holds no bar, and by the name they
    have there. None: that is longer than any subject, or cannot be shown."""
    subject = f"{issuer}|{name}"
    return subject if len(subject) <= MAX_NAME_LENGTH and subject.isprintable() else None


def build_own_trust(client: Client) -> Trust | None:
    """What the client may sign itself, as ``iss`` = its client_id; None: nothing."""
    extra = client.extra
    if not extra.get("self_issued_assertions"):
        return None
    subjects = extra.get("assertion_subjects", ())
    return Trust(
        owner=f"client:{client.client_id}",
        issuer=client.client_id,
        subjects=None if ANYBODY in subjects else frozenset({client.client_id, *subjects}),
        subject_is=extra.get("assertion_subject_is", "subject"),
        scope=client.scope,
        jwks=extra.get("jwks"),
        jwks_uri=extra.get("jwks_uri"),
        certificates=tuple(extra.get("assertion_certificates", ())),
        is_clients_own=True,
    )


def read_certificates(name: str, value: Any) -> tuple[str, ...]:
    """The reader of a list of certificates in PEM, in the one form they are stored in."""
    certificates: tuple[str, ...] = read_list(name, value, read=_read_certificate)
    if len(certificates) > MAX_CERTIFICATES:
        raise InvalidClientMetadata(f"{name} has more than {MAX_CERTIFICATES} entries.")
    return certificates


CLIENT_METADATA: Final[Mapping[str, Metadatum]] = {
    "self_issued_assertions": Metadatum(
        "Whether the client may sign assertions itself: iss is its client_id, the keys are its jwks, jwks_uri or "
        "assertion_certificates.",
        read_boolean,
    ),
    "assertion_certificates": Metadatum(
        "X.509 certificates in PEM that the client's own assertions are verified with.", read_certificates
    ),
    "assertion_subjects": Metadatum(
        "For whom the client may sign assertions besides itself: subjects, or * for anybody.",
        partial(read_list, read=partial(read_text, longest=MAX_NAME_LENGTH)),
        right=RIGHT,
    ),
    "assertion_subject_is": Metadatum(
        "What the subjects of the client's own assertions are: subject (identifiers) or username.",
        partial(read_choice, choices=("subject", "username")),
        right=RIGHT,
    ),
}
"""Of both grants: what a client may sign itself."""


# -- reading one member -----------------------------------------------------------------------------------------------


def _read(name: str, value: Any, read: Reader) -> Any:
    if value is None:
        raise Unprocessable(name, "is required.")
    try:
        return read(name, value)
    except InvalidClientMetadata as error:
        raise Unprocessable(name, str(error.description).removeprefix(f"{name} ").removeprefix(f"{name}: ")) from error


def _read_name(name: str, value: Any) -> str:
    text = read_text(name, value, longest=MAX_NAME_LENGTH)
    if not text.strip():
        raise InvalidClientMetadata(f"{name} must not be empty.")
    return text


def _parse_subject(document: Mapping[str, Any]) -> str | None:
    """Either one, or any; said in so many words."""
    is_any = _read("allow_any_subject", document.get("allow_any_subject", False), read_boolean)
    subject = document.get("subject") or None
    if is_any == (subject is not None):
        raise Unprocessable("subject", "must name the only subject; or set allow_any_subject, and name none.")
    return None if subject is None else str(_read("subject", subject, _read_name))


def _parse_keys(document: Mapping[str, Any], protocol: Protocol) -> dict[str, Any]:
    given = [name for name in ("jwk", "jwks", "jwks_uri", "certificates") if document.get(name)]
    if protocol == "saml" and given != ["certificates"]:
        raise Unprocessable("certificates", "are required: a SAML assertion is verified with a certificate.")
    if len(given) != 1:
        raise Unprocessable("jwk", "or jwks, jwks_uri or certificates is required, and only one of them.")
    name = given[0]
    value = document[name]
    if name == "certificates":
        certificates = _read(name, value, read_certificates)
        if protocol == "saml" and any("EdDSA" in _find_algorithms(pem) for pem in certificates):
            raise Unprocessable(name, "must have RSA or EC keys: XML signatures know no other.")
        return {"certificates": certificates}
    if name == "jwks_uri":
        return {"jwks_uri": _read(name, value, read_web_url)}
    jwks = {"keys": [value]} if name == "jwk" else value
    _check_jwks(name, jwks)
    return {"jwks": jwks}


def _check_jwks(name: str, jwks: Any) -> None:
    try:
        keys = parse_jwks(jwks).keys
    except ValueError as error:
        raise Unprocessable(name, f"{error}.") from error
    if not keys:
        raise Unprocessable(name, "has no key that signatures can be verified with.")
    if any(key.kid is None for key in keys):
        raise Unprocessable(name, "must have a kid.")


def _read_certificate(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_CERTIFICATE_LENGTH:
        raise InvalidClientMetadata(f"{name} must be X.509 certificates in PEM.")
    try:
        parse_certificate_key(value)
    except ValueError as error:
        raise InvalidClientMetadata(f"{name}: {error}.") from error
    # without what may stand around it
    return x509.load_pem_x509_certificate(value.encode()).public_bytes(Encoding.PEM).decode()


def _find_algorithms(pem: str) -> frozenset[str]:
    return frozenset().union(*(key.algorithms for key in parse_certificate_key(pem).keys))
