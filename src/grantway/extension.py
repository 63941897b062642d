"""What a plug-in can be, and what it may use.

An extension describes itself: ``name``, ``spec``, the ``parameters`` it reads, its client metadata and what it adds to
the discovery document. Built-in grants, client authentications, authenticators, features and endpoints are extensions
like any other; the registry folds them, nobody edits a central list.

``Runtime`` is what the server hands to all of them; ``Call`` is one request on its way through.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from grantway.config import Settings
from grantway.errors import UnsupportedMediaType
from grantway.model import (
    Ancestor,
    Authorization,
    AuthorizationRequest,
    Client,
    Entry,
    Revocation,
    RevocationKind,
    Subject,
    Tenant,
    TokenFormat,
)
from grantway.ports import Clock, Entropy, EventSink, Grid, Pages, Store
from grantway.protocol.claims import choose_subject_identifier
from grantway.protocol.client_metadata import Metadatum
from grantway.protocol.message import FORM, HeaderBlock, Parameters, Request, Response, parse_parameters

if TYPE_CHECKING:
    from grantway.egress import Egress
    from grantway.foreign_keys import ForeignKeys
    from grantway.keys import Keys
    from grantway.passwords import Passwords
    from grantway.throttle import Throttle
    from grantway.tokens import Tokens


class Extension(ABC):
    """The description every extension gives of itself."""

    name: ClassVar[str]
    """Unique among extensions of its kind; used twice, the server does not start."""
    spec: ClassVar[str] = ""
    parameters: ClassVar[tuple[str, ...]] = ()
    """Request parameters it reads."""
    repeatable: ClassVar[tuple[str, ...]] = ()
    """Those of them that may be repeated; every other repetition is refused (RFC 6749 §3.1)."""
    grant_types: ClassVar[tuple[str, ...]] = ()
    """Grant types that clients register for it, besides a ``Grant``'s own name: those the token endpoint never sees."""
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {}
    """Client metadata it adds, by name. Stored in ``Client.extra``."""

    fetches: ClassVar[tuple[str, ...]] = ()
    """Purposes of its outgoing requests: the client metadata or settings whose URL the server opens for it. What a
    client can name is attacked by the tests of all such places."""
    jwt_parameters: ClassVar[tuple[str, ...]] = ()
    """Where a JWT enters: the request parameters that may hold one. Attacked likewise."""

    def is_enabled(self, settings: Settings) -> bool:
        """Whether the settings ask for it. What is off is not there: no path, no grant type, nothing in discovery."""
        return True

    @classmethod
    def find_missing(cls) -> str:
        """What has to be installed before it can work, as `pip install` takes it; empty: nothing. A built-in one that
        misses something is not offered."""
        return ""

    def discovery(self, runtime: Runtime, tenant: Tenant) -> Mapping[str, Any]:
        """Members for the discovery document (RFC 8414 §2). Lists of several extensions are merged."""
        return {}

    def check_client(self, runtime: Runtime, client: Client) -> None:  # noqa: B027 - most have nothing to check
        """Whether its client metadata goes together with the rest of a client that is about to be stored.

        Raises:
            InvalidClientMetadata: says what does not.
        """


class SingleUse(Struct, frozen=True):
    """A credential that somebody else made and that is good once (RFC 7523 §3, RFC 7522 §3)."""

    purpose: str
    owner: str
    """Who made it: nobody can use up what others made."""
    value: bytes
    expires_at: int
    """Until when it has to be remembered, milliseconds."""


class Decision(Struct, frozen=True, kw_only=True, gc=False):
    """What a grant found out: who, for which client, how much. The endpoint acts on it."""

    client: Client
    subject: str | None
    is_subject_external: bool = False
    """The subject has no account here: somebody who is trusted with it vouches for them, each time."""
    scope: tuple[str, ...]
    """The most that may be granted; the pipeline narrows it to what was asked for."""
    audience: tuple[str, ...] = ()
    authorization: Authorization | None = None
    """The stored permission the tokens descend from; None: the token stands alone (client credentials)."""
    is_scope_fixed: bool = False
    """The scope was decided earlier (a code): a ``scope`` parameter is not looked at."""
    is_scope_given: bool = False
    """The scope was given before, by a person or with a token: a ``scope`` parameter chooses among its names. Otherwise
    it is the client's registration that is asked, which may stand for more (``protocol.scope.ScopePolicy``)."""
    is_refreshable: bool = False
    has_id_token: bool = False
    nonce: str | None = None
    """For the ID token of the code itself; one that a refresh brings has none (OpenID Connect Core §12.2)."""
    refresh_token: str | None = None
    """The refresh token stays as it is (rotation off): answered again instead of a new one."""
    confirmation: Mapping[str, str] | None = None
    """The key the access token is bound to, ``cnf`` (RFC 7800 §3.1)."""
    token_claims: Mapping[str, Any] = {}
    """More claims of the access token, told by introspection too. None takes the place of a claim of the server's."""
    id_token_claims: Mapping[str, Any] = {}
    """More claims of the ID token, under the same rule."""
    ancestors: tuple[Ancestor, ...] = ()
    """The tokens this one was exchanged for, nearest first: it is good for as long as all of them are."""
    token_format: TokenFormat | None = None
    """Of the access token, where it is not the client's."""
    not_after: int | None = None
    """When the access token ends at the latest, milliseconds."""
    answer: Mapping[str, Any] = {}
    """More members of the token answer (RFC 6749 §5.1)."""
    single_use: SingleUse | None = None
    """What the grant has yet to spend."""


class Grant(Extension):
    """One ``grant_type`` of the token endpoint.

    It only decides. ``resolve`` reads and checks what is its own; the pipeline then runs the one gate for all grants
    and narrows the scope; only then ``spend`` makes the conditional write that spends a code or a refresh token.
    """

    requires_confidential_client: ClassVar[bool] = False
    is_replayable: ClassVar[bool] = False
    """Its decision follows from the client and the parameters alone: it spends nothing and asks nobody else."""

    @abstractmethod
    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """Finds out what may be granted.

        Raises:
            InvalidGrant: the credential is wrong, expired, or another client's.
            ReplayDetected: it was spent before; the pipeline revokes what came from it.
        """

    async def spend(self, call: Call, decision: Decision) -> Decision:
        """Spends what may be used once. The default has nothing to spend."""
        return decision


class Credential(Struct, frozen=True):
    """What a client presents: who it claims to be, and the secret or assertion that is to prove it."""

    client_id: str
    proof: str = ""


class ClientAuthentication(Extension):
    """One family of ``token_endpoint_auth_method``. ``methods`` names those it serves."""

    methods: ClassVar[tuple[str, ...]]
    is_replayable: ClassVar[bool] = False
    """Its credential proves the client each time it comes: no nonce, no assertion that is good once."""
    is_ambient: ClassVar[bool] = False
    """It asks the request for nothing but a ``client_id``: what proves the client comes with the connection, or nothing
    does. So it never counts as a second method, and serves clients that are registered for it alone."""

    def list_methods(self, settings: Settings) -> tuple[str, ...]:
        """Those of ``methods`` that clients may use under these settings."""
        return self.methods

    @abstractmethod
    def parse_credential(self, request: Request, parameters: Parameters) -> Credential | None:
        """The credential of this kind that the request carries; None: it carries none.

        Raises:
            InvalidClient, InvalidRequest: it carries one, but a malformed one.
        """

    @abstractmethod
    async def authenticate(self, call: Call, client: Client, credential: Credential) -> str | None:
        """The method by which the client proved itself, or None: the credential is wrong."""

    async def reject(self, call: Call, credential: Credential) -> None:
        """Spends as much work on an unknown client as on a wrong secret (OWASP ASVS 5.0 6.3.8)."""


class Login(Struct, frozen=True, kw_only=True):
    """A person proved who they are."""

    subject: Subject
    acr: str
    amr: tuple[str, ...]


class Authenticator(Extension):
    """One way to prove who the user is."""

    @abstractmethod
    async def authenticate(self, call: Call, form: Parameters) -> Login | None:
        """The person, or None: refused, for whatever reason, with the same work done.

        Raises:
            TooManyRequests: guesses are used up for now.
        """


class Feature(Extension):
    """One optional specification that changes existing requests. It answers by raising an ``OAuthError``."""

    is_replayable: ClassVar[bool] = False
    """What it says to a token request is the same each time the same bytes come; or it takes ``call.is_replayable``
    away from those requests where it is not."""

    def check_authorization_request(
        self, call: Call, client: Client, request: AuthorizationRequest, parameters: Parameters
    ) -> AuthorizationRequest:
        return request

    def check_token_request(self, call: Call, client: Client, parameters: Parameters) -> None:
        return None

    async def shape_decision(self, call: Call, grant_type: str, decision: Decision, parameters: Parameters) -> Decision:
        """Changes what is about to be issued: the last word before anything is spent. ``grant_type`` is ``implicit``
        where the authorization endpoint issues."""
        return decision

    async def shape_authorization(self, call: Call, client: Client, authorization: Authorization) -> Authorization:
        """Changes a permission that a person has just given, before it is stored: its ``token_claims`` and
        ``id_token_claims`` go into every token that comes from it."""
        return authorization

    async def shape_response(self, call: Call, endpoint: Endpoint, response: Response) -> Response:
        """Another form of an answer, an error's included: another ``Response``, which is never answered ``Again``."""
        return response

    def find_possession(self, call: Call, confirmation: Mapping[str, str]) -> frozenset[str]:
        """Which members of a token's ``cnf`` (RFC 7800 §3.1) the request proves possession of, as far as it knows them.

        A bound token is good at an endpoint of this server only where features prove all of its members.
        """
        return frozenset()


class Endpoint(Extension):
    """One URL of the protocol, below the issuer."""

    path: ClassVar[str]
    """Its last segment may be a name in braces, which stands for any one segment."""
    methods: ClassVar[tuple[str, ...]]
    service: ClassVar[str] = ""
    """The part of the server it belongs to, which `serve.services` gives to a node or not. Empty: every node has it."""
    has_cors: ClassVar[bool] = False
    """Answers browsers of the clients' registered origins (CORS)."""
    is_page: ClassVar[bool] = False
    """Answers people: an error is a page, not JSON."""
    is_answered_when_stale: ClassVar[bool] = False
    """Says nothing that must be sure at this moment: it answers from memory while the database is away."""
    challenge: ClassVar[bytes] = b"Bearer"
    """The scheme its 401 names."""
    is_replayable: ClassVar[bool] = False
    """It may say how an answer is made ``Again``."""

    @abstractmethod
    async def handle(self, call: Call) -> Response: ...


class Again(ABC):
    """How a request that was just answered is answered when the same bytes come again.

    Reading, authenticating and deciding follow from those bytes, the tenant and the clients alone. While memory is
    fresh and holds these very objects (a change of any kind makes another object), their outcome is known, and only
    what differs from answer to answer is left to do. Nobody has to use it: the long way gives the same answer.
    """

    __slots__ = ("clients", "headers", "scopes", "tenant", "until")

    def __init__(
        self, tenant: Tenant, clients: tuple[Client, ...], until: int, scopes: tuple[Entry, ...] | None = None
    ) -> None:
        self.tenant, self.clients, self.until = tenant, clients, until
        self.scopes = scopes
        """The registry of scopes, where the answer depends on it."""
        self.headers: HeaderBlock = ()
        """Of the answer; the server sets them."""

    @abstractmethod
    def answer(self, now: int) -> bytes | None:
        """The body of a 200, with its events emitted; None: it has to go the long way this time."""


class Extensions(Struct, frozen=True, kw_only=True):
    """The registry's content, by what requests look them up with."""

    all: tuple[Extension, ...]
    """Every one, in the order of the registry: what folds go over."""
    grants: Mapping[str, Grant]
    client_authentications: tuple[ClientAuthentication, ...]
    authenticators: Mapping[str, Authenticator]
    features: tuple[Feature, ...]
    checking: tuple[Feature, ...]
    """Those that look at token requests: the others are not asked, one by one."""
    shaping: tuple[Feature, ...]
    """Those that may change a decision, likewise."""
    rendering: tuple[Feature, ...] = ()
    """Those that may change the form of an answer, likewise."""
    endpoints: Mapping[str, Endpoint]
    grant_types: tuple[str, ...]
    """What a client may register: the grants, and what other extensions name."""
    client_metadata: Mapping[str, Metadatum]
    """What they add to a client's document, by name."""
    missing: Mapping[str, str] = {}
    """Built-in extensions that are not offered, by name: what has to be installed for them."""
    repeatable_parameters: frozenset[str]
    credential_parameters: frozenset[str]
    """Parameters that some client authentication method reads."""
    is_replayable: bool
    """Every feature is: none looks at more of a token request than its head and its parameters."""


class Runtime(Struct, kw_only=True):
    """Everything a running server has, wired once in ``server.py``."""

    settings: Settings
    store: Store
    grid: Grid
    clock: Clock
    entropy: Entropy
    events: EventSink
    pages: Pages
    tokens: Tokens
    keys: Keys
    passwords: Passwords
    throttle: Throttle
    egress: Egress
    foreign_keys: ForeignKeys
    extensions: Extensions
    is_stopping: bool = False
    """Set when the server begins to stop: readiness fails first, so that balancers look elsewhere."""

    def identify(self, client: Client, subject: str) -> str:
        """The ``sub`` the client knows the subject by (OpenID Connect Core §8)."""
        salt = self.settings.tokens.pairwise_salt
        return choose_subject_identifier(client, subject, salt.reveal() if salt is not None else None)

    def list_auth_methods(self) -> list[str]:
        """The client authentication methods that clients may use."""
        families = self.extensions.client_authentications
        return [method for family in families for method in family.list_methods(self.settings)]

    def build_revocation(
        self, tenant: str, kind: RevocationKind, key: str, *, is_disabling: bool = False
    ) -> Revocation:
        """Refuses every access token of ``kind``/``key`` issued until now, for as long as one could still be valid.

        ``is_disabling``: also those that a worker may yet issue which has not heard of it, as its memory is
        at most ``database.freshness_bound_ms`` old.
        """
        now = self.clock.now()
        not_before = now + self.settings.database.freshness_bound_ms if is_disabling else now
        longest = self.settings.tokens.max_token_ttl * 1000
        return Revocation(tenant=tenant, kind=kind, key=key, not_before=not_before, keep_until=not_before + longest)


class Call(Struct, kw_only=True):
    """One request on its way through the server."""

    runtime: Runtime
    request: Request
    tenant: Tenant
    now: int
    """Milliseconds since the epoch, read once: the whole request happens at one instant."""
    base: str = ""
    """Path prefix of this issuer on this host: empty, or ``/t/{tenant}``."""
    client: Client | None = None
    """Set once the client is known, so that CORS answers by its own origins."""
    is_replayable: bool = False
    """Set by the gate: what proved the client proves it again when the same bytes come again."""
    wants_again: bool = False
    """These bytes came before: it is worth saying how to answer them ``again``."""
    again: Again | None = None
    """Set by an endpoint whose answer to these bytes needs nothing that another request could use up."""
    registered_scopes: tuple[Entry, ...] | None = None
    """Set where the answer depends on the registry of scopes, as it was then."""
    response_headers: list[tuple[bytes, bytes]] = []
    """Headers to add to whatever is answered, an error included (cookies)."""
    address_verdict: Awaitable[None] | None = None
    """Awaited by the gate with the client's own limit: one round trip for both."""

    @property
    def keep_until(self) -> int:
        """Until when a revocation made now has to be kept: no access token lives longer. Milliseconds."""
        return self.now + self.runtime.settings.tokens.max_token_ttl * 1000

    def query(self) -> Parameters:
        """The parameters of the address. Raises ``InvalidRequest``: they are malformed, or too many."""
        return parse_parameters(self.request.query, limit=self.runtime.settings.serve.max_parameters)

    def form(self) -> Parameters:
        """The body's parameters. Raises what ``read_form`` raises."""
        return read_form(self.request, self.runtime.settings.serve.max_parameters)


def read_form(request: Request, limit: int) -> Parameters:
    """Parses a form body (RFC 6749 Appendix B).

    Raises:
        UnsupportedMediaType: the body is something else. InvalidRequest: it is malformed.
    """
    if request.header(b"content-type") != FORM and request.media_type() != FORM:
        raise UnsupportedMediaType()
    return parse_parameters(request.body, limit=limit)
