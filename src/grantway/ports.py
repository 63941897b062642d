"""What a host provides. Everything the rules need from outside comes through one of these protocols.

The ``Store`` speaks in verbs of the domain, not in tables. Each verb is atomic and durable when it returns; a verb that
spends something says in its result whether *this* call spent it. Every verb raises ``StoreUnavailable`` when the
database does not answer in time; then nothing is known about the outcome of a write.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from msgspec import Struct

from grantway.events import Event
from grantway.limits import Rate
from grantway.model import (
    Authorization,
    Change,
    Client,
    Consent,
    DeviceRequest,
    Entry,
    EntryKind,
    Interaction,
    KeyState,
    Lease,
    Page,
    RefreshRotation,
    Revocation,
    Session,
    SigningKey,
    Subject,
    Task,
    TaskKind,
    Tenant,
    build_authorizations_key,
)
from grantway.protocol.message import Response


class Clock(Protocol):
    """Time. ``now`` decides what is expired; ``monotonic`` measures durations."""

    def now(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps."""


@runtime_checkable
class SteeredClock(Clock, Protocol):
    """A clock that goes by the database's, so that all nodes agree on what has expired and what was issued before."""

    def steer(self, now: int | None, uncertainty: float) -> None:
        """Told again and again what the database's clock says, in milliseconds, and how exact that is (seconds).

        None: the database has no clock of its own, the machine's counts.
        """


class Entropy(Protocol):
    """Randomness from the operating system's CSPRNG."""

    def token_bytes(self, size: int) -> bytes: ...


class EventSink(Protocol):
    """Takes events after the fact; must not raise and must not block."""

    def emit(self, event: Event) -> None: ...


class Pages(Protocol):
    """Renders what a person sees."""

    def render(
        self,
        page: str,
        context: Mapping[str, Any],
        *,
        status: int = 200,
        form_action: str | None = None,
        frame_sources: Sequence[str] = (),
        locales: Sequence[str] = (),
    ) -> Response:
        """Builds the HTML answer for ``page`` with all its security headers.

        ``form_action``: an origin or scheme that the page's form may finally lead to, besides this server (CSP).
        ``frame_sources``: the origins that the page may show in frames.
        """


class RotationOutcome(Struct, frozen=True, gc=False):
    """What became of a refresh token that was presented.

    - ``rotated``: this call spent it; ``authorization.generation`` is the successor's, if one is given.
    - ``graced``: it had been spent moments ago; the same successor generation is to be given again.
    - ``kept``: rotation is off, the token stays usable.
    - ``replayed``: it is older than that: theft (RFC 9700 §4.14.2). The caller must revoke the authorization.
    - ``refused``: unknown, revoked or expired. Nothing to punish.
    """

    kind: Literal["rotated", "graced", "kept", "replayed", "refused"]
    authorization: Authorization | None = None


class Store(Protocol):
    """Durable state (the database holds authorizations, never tokens). See the module for the contract."""

    # -- life cycle -----------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Opens connections and checks the schema.

        Raises:
            SchemaError: the schema is missing or of another version.
        """

    async def stop(self) -> None:
        """Finishes what was accepted and closes. Idempotent."""

    async def ping(self) -> None:
        """Returns when the database answered."""

    async def load_time(self) -> int | None:
        """What the database's clock says, in milliseconds since the epoch; None: it has none but this machine's."""

    # -- tenants, clients, subjects -------------------------------------------------------------------------------
    async def load_tenant(self, tenant: str) -> Tenant | None: ...

    async def list_tenants(self, *, cursor: str | None = None, limit: int = 100) -> Page: ...

    async def insert_tenant(self, tenant: Tenant) -> None:
        """Raises ``Conflict`` when the name or the issuer is taken."""

    async def update_tenant(self, tenant: Tenant) -> None:
        """Stores it; a later ``not_before`` that is stored already stays. Raises ``NotFound``."""

    async def load_client(self, tenant: str, client_id: str) -> Client | None: ...

    async def list_clients(
        self,
        tenant: str,
        *,
        cursor: str | None = None,
        limit: int = 100,
        client_name: str | None = None,
        owner: str | None = None,
    ) -> Page:
        """Clients by client_id, ascending. ``client_name`` and ``owner`` filter by equality."""

    async def insert_client(self, client: Client) -> None:
        """Raises ``Conflict`` when the client_id is taken."""

    async def update_client(self, client: Client, *, revocation: Revocation | None = None) -> Client:
        """Stores ``client`` if its ``version`` is still the stored one, and returns it with the next version.

        ``revocation`` is written in the same transaction (disabling a client kills its tokens).

        Raises:
            NotFound: it is not there. Conflict: someone else changed it.
        """

    async def delete_client(self, tenant: str, client_id: str, *, revocation: Revocation) -> None:
        """Deletes the client and its consents, revokes its authorizations. Raises ``NotFound``."""

    async def has_origin(self, tenant: str, origin: str) -> bool:
        """Whether any client of the tenant lists ``origin`` in allowed_cors_origins."""

    async def load_subject(self, tenant: str, subject: str) -> Subject | None: ...

    async def load_subject_by_username(self, tenant: str, username_key: str) -> Subject | None: ...

    async def list_subjects(
        self, tenant: str, *, cursor: str | None = None, limit: int = 100, prefix: str | None = None
    ) -> Page:
        """Subjects by username_key, ascending; ``prefix`` of the username_key filters."""

    async def insert_subject(self, subject: Subject) -> None:
        """Raises ``Conflict`` when the username or identifier is taken."""

    async def update_subject(self, subject: Subject, *, revocation: Revocation | None = None) -> Subject:
        """As ``update_client``. With a ``revocation`` of kind subject it also ends the subject's sessions and revokes
        its authorizations, in the same transaction."""

    async def delete_subject(self, tenant: str, subject: str, *, revocation: Revocation) -> None:
        """Deletes the subject, its consents and sessions, revokes its authorizations. Raises ``NotFound``."""

    # -- authorizations -------------------------------------------------------------------------------------------
    async def insert_authorization(self, authorization: Authorization) -> None: ...

    async def grant_authorization(
        self, authorization: Authorization, *, consent: Consent | None, interaction: Interaction | None
    ) -> bool:
        """Writes what a finished authorization request leaves, in one transaction: the authorization, the remembered
        ``consent`` (merged with the scopes already there), and ``interaction`` marked completed.

        Returns False, and writes nothing, when the interaction was completed before (P3: at most one code), or the
        session it was granted in has ended.
        """

    async def load_authorization(self, tenant: str, authorization_id: str) -> Authorization | None: ...

    async def load_authorization_by_code(self, tenant: str, code_digest: bytes) -> Authorization | None: ...

    async def list_authorizations(
        self,
        tenant: str,
        *,
        subject: str | None = None,
        client_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Live authorizations (not revoked, not expired at the store's clock), newest first."""

    async def redeem_code(self, tenant: str, authorization_id: str, now: int) -> bool:
        """Spends the code: ONE conditional update. True only for the single call that did (RFC 6749 §4.1.2).

        False: it was redeemed before, or the authorization is revoked.
        """

    async def rotate_refresh(
        self, tenant: str, authorization_id: str, generation: int, *, rotation: RefreshRotation, grace_ms: int, now: int
    ) -> RotationOutcome:
        """Spends the refresh token of ``generation``: ONE conditional update, serialised with every revocation.

        ``none`` is ``strict`` here: that nobody is given the successor is not the store's business.
        """

    async def revoke_authorization(self, tenant: str, authorization_id: str, *, now: int, keep_until: int) -> bool:
        """Revokes it and writes the revocation its access tokens are refused by. False: there is none."""

    async def revoke_authorizations(
        self, tenant: str, *, now: int, keep_until: int, subject: str | None = None, client_id: str | None = None
    ) -> int:
        """Revokes every live authorization of the subject and/or client; deletes the consent when both are given.

        One revocation, of the kind ``authorizations``, refuses the tokens of all of them, and of no others. Of
        thousands some may be revoked already when this raises; called again, it revokes the rest. Returns how many.
        """

    # -- sessions, consents, interactions -------------------------------------------------------------------------
    async def insert_session(self, session: Session) -> None: ...

    async def renew_session(self, session: Session) -> bool:
        """Gives a live session a new cookie: digest, auth_time, acr, amr, remembered, user_agent, address,
        last_seen_at and expires_at are stored. False: it has ended meanwhile."""

    async def load_session_by_digest(self, tenant: str, digest: bytes) -> Session | None: ...

    async def load_session(self, tenant: str, session_id: str) -> Session | None: ...

    async def touch_session(self, tenant: str, session_id: str, *, last_seen_at: int) -> None: ...

    async def list_sessions(self, tenant: str, subject: str, *, now: int) -> tuple[Session, ...]:
        """Live sessions, newest first."""

    async def end_session(self, tenant: str, session_id: str, *, now: int, keep_until: int) -> bool:
        """Ends it, revokes its session-bound authorizations and writes the session's revocation. False: none live.

        Whoever was given an authorization in it, bound to it or not, revoked or not, has to hear of it: if there is
        anybody, ONE ``Task`` of the kind ``logout`` is written with it, in the same transaction, here and wherever else
        a session ends. ``task_id`` is the session's identifier, it is due at once and given up after a day; its
        document is ``{"session_id", "subject", "clients": [{"client_id"}, …]}``, each client once.
        """

    async def end_sessions(
        self, tenant: str, subject: str, *, now: int, keep_until: int, keep: str | None = None
    ) -> int:
        """Ends every session of the subject as ``end_session`` does, except ``keep``. Returns how many."""

    async def list_session_clients(self, tenant: str, session_id: str) -> tuple[str, ...]:
        """The client_ids of those who were given an authorization in the session, ascending. Of one that has ended,
        these are exactly those of its task: nothing is granted in it any more."""

    async def load_consent(self, tenant: str, subject: str, client_id: str) -> Consent | None: ...

    async def list_consents(self, tenant: str, subject: str) -> tuple[Consent, ...]: ...

    async def insert_interaction(self, interaction: Interaction) -> None: ...

    async def load_interaction(self, tenant: str, interaction_id: str) -> Interaction | None: ...

    async def update_interaction(self, interaction: Interaction) -> bool:
        """Stores it if its ``version`` is still the stored one (which then grows by one). False: it moved on."""

    # -- registries, tasks, device requests -----------------------------------------------------------------------
    async def load_entry(self, tenant: str, kind: EntryKind, key: str) -> Entry | None: ...

    async def list_entries(self, tenant: str, kind: EntryKind, *, cursor: str | None = None, limit: int = 100) -> Page:
        """Entries of a kind by key, ascending; those that have expired but are not cleaned yet, too."""

    async def insert_entry(self, entry: Entry) -> None:
        """Raises ``Conflict`` when there is one of this kind and key."""

    async def update_entry(self, entry: Entry) -> Entry:
        """Stores ``entry`` if its ``version`` is still the stored one, and returns it with the next version.

        Raises:
            NotFound: it is not there. Conflict: someone else changed it.
        """

    async def delete_entry(self, tenant: str, kind: EntryKind, key: str) -> None:
        """Raises ``NotFound``: of many at once, one deletes it."""

    async def insert_task(self, task: Task) -> None:
        """Raises ``Conflict`` when the tenant has one with this ``task_id``."""

    async def list_due_tasks(self, kind: TaskKind, *, now: int, limit: int = 100) -> tuple[Task, ...]:
        """Tasks of all tenants whose ``due_at`` has come, the earliest first; also those whose ``expires_at`` has come
        and that are not cleaned yet: whoever finds one says what was not done."""

    async def update_task(self, task: Task) -> bool:
        """Stores it if its ``version`` is still the stored one (which then grows by one). False: somebody else has it,
        or it is done."""

    async def delete_task(self, tenant: str, task_id: str) -> bool:
        """Deletes it, whatever its version. False: there is none."""

    async def insert_device_request(self, request: DeviceRequest) -> bool:
        """Stores it. False: another that has not expired, by the store's clock, has this user code (or any has this
        device code); nothing is written then, and others have to be made."""

    async def load_device_request(self, tenant: str, device_digest: bytes) -> DeviceRequest | None:
        """One that has expired is found, too, for an hour at least: its device must hear why (RFC 8628 §3.5)."""

    async def load_device_request_by_user_code(self, tenant: str, user_code_digest: bytes) -> DeviceRequest | None:
        """As ``load_device_request``: whoever asks compares ``expires_at`` with the time."""

    async def update_device_request(self, request: DeviceRequest) -> bool:
        """Stores it if its ``version`` is still the stored one (which then grows by one). False: it moved on."""

    # -- keys, revocations, single use ----------------------------------------------------------------------------
    async def list_keys(self, tenant: str) -> tuple[SigningKey, ...]:
        """All keys of the tenant, newest first."""

    async def insert_key(self, key: SigningKey, *, unless_state: bool = False) -> bool:
        """Stores a key. With ``unless_state``: only if the tenant has none of the same alg *and* state yet, so two
        nodes rotating at once make one key. Returns whether it was stored."""

    async def update_keys(
        self, tenant: str, states: Mapping[str, tuple[KeyState, KeyState]], *, now: int, remove_at: int | None
    ) -> bool:
        """Moves keys ``{kid: (from, to)}`` all together or not at all, stamping activated_at / retired_at / remove_at.

        Returns False when one of them was no longer in its ``from`` state.
        """

    async def delete_key(self, tenant: str, kid: str) -> bool: ...

    async def replace_sealed_key(self, tenant: str, kid: str, old: bytes, new: bytes) -> bool:
        """Swaps the sealed private half if it is still ``old`` (re-encryption)."""

    async def insert_revocation(self, revocation: Revocation) -> None:
        """Idempotent; of two with the same key the stricter wins in each field."""

    async def find_revocations(self, tenant: str, keys: Sequence[tuple[str, str]]) -> tuple[Revocation, ...]:
        """Those stored for the given (kind, key) pairs: what a worker asks when its memory is too old to trust."""

    async def use_once(self, tenant: str, purpose: str, owner: str, value: bytes, *, expires_at: int) -> bool:
        """True for the first caller with these four (a jti, a nonce); False ever after (until ``expires_at``)."""

    async def count_attempt(self, tenant: str, kind: str, key: str, *, now: int, window_ms: int) -> int:
        """Counts an attempt *before* it is tried and returns how many the window holds, this one included."""

    async def take_back_attempt(self, tenant: str, kind: str, key: str) -> None:
        """Uncounts one attempt that turned out to be none; never below zero."""

    async def forgive_attempts(self, tenant: str, kind: str, key: str) -> None:
        """Forgets the attempts, after a success."""

    async def clean(self, *, now: int, limit: int = 1000) -> int:
        """Deletes up to ``limit`` rows of each kind that no longer matter; keeps what replay detection needs.

        A short transaction for each kind. What has not ended by the database's own clock stays, whatever ``now`` is.
        A device request and a task stay for an hour after their end, and an authorization until its session has ended
        or expired.
        Returns how many were deleted.
        """

    async def load_lease(self, name: str) -> Lease | None:
        """Who holds a lease, as it is stored at this moment, not as it is remembered."""

    async def take_lease(self, lease: Lease, seen: Lease | None) -> bool:
        """Stores ``lease`` if what is stored under its name is still ``seen`` (None: nothing is). False: it is not.

        ONE conditional write: of many who saw the same, one takes it. See ``leadership`` for when somebody may.
        """

    async def release_lease(self, lease: Lease) -> bool:
        """Deletes ``lease`` if it is what is stored. False: it is not."""

    # -- change feed ----------------------------------------------------------------------------------------------
    @property
    def feed_overlap_ms(self) -> int:
        """How much later than a higher number of the feed a lower one may become visible, milliseconds."""

    def on_change(self, callback: Callable[[Sequence[Change]], None]) -> Callable[[], None]:
        """Calls ``callback`` with what this process committed, in the event loop, *before* the writer is answered.

        Returns what ends it.
        """

    async def has_moved(self) -> bool:
        """Whether anything may have been committed since it was asked last; True when in doubt."""

    async def last_change(self, *, created_before: int | None = None) -> int:
        """The highest number of the feed, or of what was written before that instant; 0: there is none."""

    async def load_changes(self, after: int, *, limit: int = 1000) -> tuple[Change, ...]:
        """The entries with a number above ``after``, ascending."""

    async def load_revocations(self, now: int, *, limit: int = 1000) -> tuple[Revocation, ...]:
        """Revocations of every tenant to be kept beyond ``now``, those that end first."""

    def statement_counts(self) -> dict[str, int]:
        """How often each SQL statement ran since ``start``, by name."""


class SharedBuckets(Protocol):
    """Token buckets (``limits.Buckets``) that the workers of all nodes draw from."""

    def take(self, key: str, rate: Rate) -> Future[float | None] | None:
        """Takes a token of the bucket ``key`` of a rate, whether or not anybody waits for the answer. None: there is
        nobody to ask now.

        The future never fails. It gives what ``Buckets.take`` returns, or None: there was no answer in time.
        """


class Granted(NamedTuple):
    """The authorization a token descends from: whose, whom to, and when it was given (milliseconds)."""

    subject: str | None
    client_id: str
    granted_at: int

    def revocation_keys(self) -> list[tuple[str, str]]:
        """The (kind, key) pairs by which it can be revoked together with others."""
        keys = [("authorizations", build_authorizations_key(None, self.client_id))]
        if self.subject is not None:
            keys.append(("authorizations", build_authorizations_key(self.subject, None)))
            keys.append(("authorizations", build_authorizations_key(self.subject, self.client_id)))
        return keys


class Grid(Protocol):
    """The near caches: what a warm worker knows without asking. Never older than the freshness bound."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def tenant(self, tenant: str, *, or_stale: bool = False) -> Tenant | None:
        """``or_stale``: what is remembered will do, however old; here and in ``keys`` for what verifiers cache anyway,
        so that discovery and the JWK Set are answered while the database is away."""

    async def client(self, tenant: str, client_id: str) -> Client | None: ...

    async def subject(self, tenant: str, subject: str) -> Subject | None: ...

    async def keys(self, tenant: str, *, or_stale: bool = False) -> tuple[SigningKey, ...]: ...

    async def entries(self, tenant: str, kind: EntryKind, *, or_stale: bool = False) -> tuple[Entry, ...]:
        """All entries of a kind, by key, those that have expired but are not cleaned yet, too.

        No more than 1,000 of a kind are remembered. Where there are more they are all loaded each time, so what an
        administrator may add without end is better asked of the store, one by one (``Store.load_entry``).

        Raises:
            StoreUnavailable: memory is not fresh, and the database does not answer.
        """

    async def is_revoked(
        self, tenant: str, keys: Sequence[tuple[str, str]], issued_at: int, granted: Granted | None = None
    ) -> bool:
        """Whether one of the (kind, key) pairs refuses a token issued at ``issued_at`` (milliseconds).

        ``granted``: what it descends from; it may have been revoked together with others.

        Answers from memory while the worker is fresh, from the database when it is not.

        Raises:
            StoreUnavailable: it is not fresh, and the database does not answer.
        """

    def holds(self, tenant: Tenant, *clients: Client) -> bool:
        """Whether memory is fresh and has these very objects: a change of any kind makes another object."""

    def recall_tenant(self, tenant: str) -> Tenant | None:
        """``tenant``, ``client``, ``keys`` and ``entries`` without waiting: what memory has while it is fresh, else
        None."""

    def recall_client(self, tenant: str, client_id: str) -> Client | None: ...

    def recall_keys(self, tenant: str) -> tuple[SigningKey, ...] | None: ...

    def recall_entries(self, tenant: str, kind: EntryKind) -> tuple[Entry, ...] | None: ...

    def is_known_revoked(
        self, tenant: str, keys: Sequence[tuple[str, str]], issued_at: int, granted: Granted | None = None
    ) -> bool | None:
        """``is_revoked``, if memory is fresh; None where the database would have to be asked."""

    async def is_origin_allowed(self, tenant: str, origin: str) -> bool:
        """Whether any client of the tenant registered ``origin`` (CORS preflights carry no client_id)."""

    def wake(self) -> None:
        """Somebody says that the feed has moved: it is read at once."""

    def status(self) -> dict[str, Any]:
        """Entries, hits, misses and loads by cache, feed position and staleness in milliseconds, for the operator."""
