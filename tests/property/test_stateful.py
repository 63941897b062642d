"""Random walks over codes, refresh tokens, revocation, logout, disabling and time, beside a small model of them.

After every step each token ever issued is looked at: it is active exactly when the model says so. The model knows
nothing of sealing, rows or caches; it is the promises, written down once more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from grantway.admin.clients import disable_client, enable_client
from grantway.admin.users import disable_user, enable_user
from grantway.gate import find_access
from grantway.testing.in_process import PASSWORD, Browser, InProcessServer, RegisteredClient

GRACE_MS, CODE_MS, ACCESS_MS, IDLE_MS, SESSION_MS = 10_000, 60_000, 3_600_000, 7_200_000, 12 * 3_600_000
ABSOLUTE_MS = 10 * 3_600_000
SERVER = InProcessServer()
"""One for all walks: each has clients, people and browsers of its own, and time only moves on."""
SETTLED = SERVER.settings.database.freshness_bound_ms / 1000 + 0.001
"""What is issued while another worker may not have heard of a disabling counts as issued before it."""


@dataclass
class Session:
    browser: Browser
    username: str
    ends_at: int
    is_over: bool = False


@dataclass
class Family:
    """An authorization and what came from it."""

    client: str
    username: str
    session: Session | None
    code: str
    created_at: int
    is_redeemed: bool = False
    is_dead: bool = False
    generation: int = 0
    rotated_at: int = 0
    access: list[Access] = field(default_factory=list)


@dataclass
class Access:
    token: str
    expires_at: int
    is_dead: bool = False


@dataclass
class Refresh:
    token: str
    family: Family
    generation: int
    expires_at: int


class Walk(RuleBasedStateMachine):
    """``model`` fields say what must be; the server says what is."""

    families = Bundle("families")
    refresh_tokens = Bundle("refresh_tokens")

    def __init__(self) -> None:
        super().__init__()
        metadata = {"skip_consent": True, "refresh_token_idle_ttl": IDLE_MS // 1000,
                    "refresh_token_absolute_ttl": ABSOLUTE_MS // 1000}  # fmt: skip
        self.clients: dict[str, RegisteredClient] = {
            rotation: SERVER.register_client(refresh_token_rotation=rotation, **metadata)
            for rotation in ("grace", "strict", "off")
        }
        self.disabled_clients: set[str] = set()
        self.people = {
            name: SERVER.register_user(f"{name}-{SERVER.runtime.tokens.generate_id()}") for name in ("ada", "bob")
        }
        self.disabled_people: set[str] = set()
        self.sessions: dict[str, Session] = {}
        self.all: list[Family] = []

    # -- what can happen ----------------------------------------------------------------------------------------------
    @rule(target=families, rotation=st.sampled_from(["grace", "strict", "off"]), name=st.sampled_from(["ada", "bob"]),
          is_offline=st.booleans())  # fmt: skip
    def authorize(self, rotation: str, name: str, is_offline: bool) -> object:
        if rotation in self.disabled_clients or name in self.disabled_people:
            return multiple()
        session = self._find_session(name)
        scope = "openid offline_access" if is_offline else "openid"
        received = session.browser.authorize(
            self.clients[rotation], username=session.username, password=PASSWORD, scope=scope
        )
        family = Family(rotation, name, None if is_offline else session, received["code"], SERVER.clock.now())
        self.all.append(family)
        return family

    @rule(target=refresh_tokens, family=families)
    def redeem(self, family: Family) -> object:
        answer = SERVER.redeem(self.clients[family.client], family.code)
        if family.client in self.disabled_clients:
            assert answer.status_code == 401
            return multiple()
        is_good = self._is_sound(family) and not family.is_redeemed
        is_good = is_good and SERVER.clock.now() < family.created_at + CODE_MS
        assert (answer.status_code == 200) == is_good
        if family.is_redeemed:
            family.is_dead = True
        if not is_good:
            return multiple()
        family.is_redeemed = True
        return self._take(family, answer.json())

    @rule(target=refresh_tokens, refresh=refresh_tokens)
    def refresh(self, refresh: Refresh) -> object:
        family, now = refresh.family, SERVER.clock.now()
        answer = SERVER.refresh(self.clients[family.client], refresh.token)
        if family.client in self.disabled_clients:
            assert answer.status_code == 401
            return multiple()
        is_current = refresh.generation == family.generation
        is_graced = (
            family.client == "grace"
            and refresh.generation == family.generation - 1
            and now - family.rotated_at <= GRACE_MS
        )
        is_sound = self._is_sound(family)
        is_good = is_sound and (is_current or is_graced) and not (is_current and refresh.expires_at <= now)
        assert (answer.status_code == 200) == is_good, answer.text
        if is_sound and not is_current and not is_graced:
            family.is_dead = True  # theft
        if not is_good:
            return multiple()
        if is_current and family.client != "off":
            family.generation, family.rotated_at = family.generation + 1, now
        return self._take(family, answer.json())

    @rule(refresh=refresh_tokens, by=st.sampled_from(["grace", "strict", "off"]))
    def revoke_refresh_token(self, refresh: Refresh, by: str) -> None:
        answer = SERVER.revoke(self.clients[by], refresh.token)
        assert answer.status_code == (401 if by in self.disabled_clients else 200)
        if by == refresh.family.client and by not in self.disabled_clients:
            refresh.family.is_dead = True

    @rule(family=families, by=st.sampled_from(["grace", "strict", "off"]), which=st.integers(0, 5))
    def revoke_access_token(self, family: Family, by: str, which: int) -> None:
        if family.access:
            access = family.access[which % len(family.access)]
            answer = SERVER.revoke(self.clients[by], access.token)
            assert answer.status_code == (401 if by in self.disabled_clients else 200)
            access.is_dead |= by == family.client and by not in self.disabled_clients

    @rule(name=st.sampled_from(["ada", "bob"]))
    def log_out(self, name: str) -> None:
        session = self.sessions.pop(name, None)
        if session is None or self._has_ended(session) or name in self.disabled_people:
            return
        session.browser.open("/account")
        session.browser.submit(0, action="logout")
        session.is_over = True

    @rule(name=st.sampled_from(["ada", "bob"]))
    def disable_person(self, name: str) -> None:
        SERVER.run(disable_user(SERVER.runtime, "default", self.people[name].subject, actor="test"))
        self.disabled_people.add(name)
        if name in self.sessions:
            self.sessions.pop(name).is_over = True
        for family in self.all:
            family.is_dead |= family.username == name

    @rule(name=st.sampled_from(["ada", "bob"]))
    def enable_person(self, name: str) -> None:
        SERVER.run(enable_user(SERVER.runtime, "default", self.people[name].subject, actor="test"))
        self.disabled_people.discard(name)
        SERVER.clock.advance(SETTLED)

    @rule(rotation=st.sampled_from(["grace", "strict", "off"]))
    def disable_one_client(self, rotation: str) -> None:
        SERVER.run(disable_client(SERVER.runtime, "default", self.clients[rotation].client_id, actor="test"))
        self.disabled_clients.add(rotation)
        for family in self.all:
            for access in family.access:
                access.is_dead |= family.client == rotation

    @rule(rotation=st.sampled_from(["grace", "strict", "off"]))
    def enable_one_client(self, rotation: str) -> None:
        SERVER.run(enable_client(SERVER.runtime, "default", self.clients[rotation].client_id, actor="test"))
        self.disabled_clients.discard(rotation)
        SERVER.clock.advance(SETTLED)

    @rule(seconds=st.sampled_from([0.5, 5, 9, 30, 600, 3000, 7000, 20_000]))
    def wait(self, seconds: float) -> None:
        SERVER.clock.advance(seconds)
        SERVER.run(SERVER.runtime.store.clean(now=SERVER.clock.now()))

    # -- what must hold -----------------------------------------------------------------------------------------------
    @invariant()
    def every_token_is_active_exactly_when_it_should_be(self) -> None:
        now = SERVER.clock.now()
        for family in self.all:
            for access in family.access:
                wanted = not (access.is_dead or family.is_dead or access.expires_at <= now)
                if family.session is not None and family.session.is_over:
                    wanted = False
                found = SERVER.run(find_access(SERVER.runtime, "default", access.token)) is not None
                assert found == wanted, (family, access)

    # -- the model's own ----------------------------------------------------------------------------------------------
    def _has_ended(self, session: Session) -> bool:
        return session.is_over or session.ends_at <= SERVER.clock.now()

    def _find_session(self, name: str) -> Session:
        """The person's browser, still logged in or logged in anew."""
        session = self.sessions.get(name)
        browser = session.browser if session is not None else SERVER.browser()
        is_open = SERVER.run(browser.http.get("/account")).status_code == 200
        if session is None or not is_open:
            browser.log_in(self.people[name].username)
            session = Session(browser, self.people[name].username, SERVER.clock.now() + SESSION_MS)
            self.sessions[name] = session
        return session

    def _is_sound(self, family: Family) -> bool:
        """Whether the authorization could still give anything."""
        if family.is_dead or family.username in self.disabled_people:
            return False
        if SERVER.clock.now() >= family.created_at + ABSOLUTE_MS:
            return False
        return family.session is None or not self._has_ended(family.session)

    def _take(self, family: Family, answer: dict[str, object]) -> Refresh:
        now, end = SERVER.clock.now(), family.created_at + ABSOLUTE_MS
        family.access.append(Access(str(answer["access_token"]), min(now + ACCESS_MS, end)))
        token = str(answer["refresh_token"])
        return Refresh(token, family, family.generation, min(now + IDLE_MS, end))


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
