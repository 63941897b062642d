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
from grantway.model import Authorization, AuthorizationRequest, Client, Subject, Tenant
from grantway.ports import Clock, Entropy, EventSink, Grid, Pages, Store
from grantway.protocol.message import FORM, HeaderBlock, Parameters, Request, Response, parse_parameters

if TYPE_CHECKING:
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
    client_metadata: ClassVar[Mapping[str, str]] = {}
    """Client metadata it adds: name to description. Stored in ``Client.extra``."""

    def discovery(self, runtime: Runtime, tenant: Tenant) -> Mapping[str, Any]:
        """Members for the discovery document (RFC 8414 §2). Lists of several extensions are merged."""
        return {}


class Decision(Struct, frozen=True, kw_only=True):
    """What a grant found out: who, for which client, how much. The endpoint acts on it."""

    client: Client
    subject: str | None
    scope: tuple[str, ...]
    """The most that may be granted; the pipeline narrows it to what was asked for."""
    audience: tuple[str, ...] = ()
    authorization: Authorization | None = None
    """The stored permission the tokens descend from; None: the token stands alone (client credentials)."""
    is_scope_fixed: bool = False
    """The scope was decided earlier (a code): a ``scope`` parameter is not looked at."""
    is_refreshable: bool = False
    has_id_token: bool = False
    nonce: str | None = None
    """For the ID token of the code itself; one that a refresh brings has none (OpenID Connect Core §12.2)."""
    refresh_token: str | None = None
    """The refresh token stays as it is (rotation off): answered again instead of a new one."""


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
    """What it says to a token request is the same each time the same bytes come."""

    def check_authorization_request(
        self, call: Call, client: Client, request: AuthorizationRequest, parameters: Parameters
    ) -> AuthorizationRequest:
        return request

    def check_token_request(self, call: Call, client: Client, parameters: Parameters) -> None:
        return None


class Endpoint(Extension):
    """One URL of the protocol, below the issuer."""

    path: ClassVar[str]
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

    __slots__ = ("clients", "headers", "tenant", "until")

    def __init__(self, tenant: Tenant, clients: tuple[Client, ...], until: int) -> None:
        self.tenant, self.clients, self.until = tenant, clients, until
        self.headers: HeaderBlock = ()
        """Of the answer; the server sets them."""

    @abstractmethod
    def answer(self, now: int) -> bytes | None:
        """The body of a 200, with its events emitted; None: it has to go the long way this time."""


class Extensions(Struct, frozen=True, kw_only=True):
    """The registry's content, by what requests look them up with."""

    grants: Mapping[str, Grant]
    client_authentications: tuple[ClientAuthentication, ...]
    authenticators: Mapping[str, Authenticator]
    features: tuple[Feature, ...]
    endpoints: Mapping[str, Endpoint]
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
    extensions: Extensions
    is_stopping: bool = False
    """Set when the server begins to stop: readiness fails first, so that balancers look elsewhere."""


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
    response_headers: list[tuple[bytes, bytes]] = []
    """Headers to add to whatever is answered, an error included (cookies)."""
    address_verdict: Awaitable[None] | None = None
    """Awaited by the gate with the client's own limit: one round trip for both."""

    def form(self) -> Parameters:
        """The body's parameters. Raises what ``read_form`` raises."""
        return read_form(self.request, self.runtime.settings.serve.max_parameters)


def read_form(request: Request, limit: int) -> Parameters:
    """Parses a form body (RFC 6749 Appendix B).

    Raises:
        UnsupportedMediaType: the body is something else. InvalidRequest: it is malformed.
    """
    content_type = request.header(b"content-type")
    if content_type != FORM and (content_type is None or content_type.split(b";", 1)[0].strip().lower() != FORM):
        raise UnsupportedMediaType()
    return parse_parameters(request.body, limit=limit)
