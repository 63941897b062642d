"""Walks: which browser is at which step of which flow, and what it has seen. In memory, and bounded."""

from __future__ import annotations

import hmac
from collections import OrderedDict

import msgspec
from msgspec import Struct

from grantway.web.playground.flow import Answer, Flow, RawRequest

MOST_WALKS = 256
"""Of all browsers together; the one that was not looked at for longest is forgotten first."""
LONGEST_BODY = 64 * 1024
"""Characters of an answer that are kept."""


class Outcome(Struct, frozen=True, kw_only=True):
    """A request that was sent, and what came back."""

    request: RawRequest
    answer: Answer
    surprise: str | None
    """What was not as expected; None: all was."""
    opaque: dict[str, Answer] = {}
    """What introspection said about each opaque token in the answer, by the member's name."""


class Walk(Struct, kw_only=True):
    """One browser's way through one flow."""

    walk_id: str
    browser: bytes
    """Digest of the browser's cookie."""
    flow: Flow
    values: dict[str, str] = msgspec.field(default_factory=dict)
    done: list[Outcome] = msgspec.field(default_factory=list)
    """Of the steps that came out as expected, in order."""
    failed: Outcome | None = None
    """The last try of the current step, if that came out otherwise."""
    request: RawRequest | None = None
    """Of the current step, built once, so that what is shown is what is sent."""

    @property
    def position(self) -> int:
        """Which step is next, from 0; past the last one: the walk is over."""
        return len(self.done)

    @property
    def is_over(self) -> bool:
        return self.position >= len(self.flow.steps)

    def record(self, outcome: Outcome) -> None:
        """Takes what came back for the current step. As expected: its values are kept, and the next step is on."""
        if outcome.surprise is not None:
            self.failed, self.request = outcome, None  # tried again with a fresh one: an assertion may have expired
            return
        members = outcome.answer.members
        for name, member in self.flow.steps[self.position].keep.items():
            value = members.get(member)
            if isinstance(value, str):
                self.values[name] = value
        self.done.append(outcome)
        self.failed = self.request = None


class Walks:
    """All walks under way."""

    def __init__(self) -> None:
        self._walks: OrderedDict[str, Walk] = OrderedDict()

    def add(self, walk: Walk) -> None:
        while len(self._walks) >= MOST_WALKS:
            self._walks.popitem(last=False)
        self._walks[walk.walk_id] = walk

    def find(self, walk_id: str, browser: bytes) -> Walk | None:
        """The walk, if it is this browser's."""
        walk = self._walks.get(walk_id)
        if walk is None or not hmac.compare_digest(walk.browser, browser):
            return None
        self._walks.move_to_end(walk_id)
        return walk

    def find_waiting(self, state: str, browser: bytes) -> Walk | None:
        """The walk of this browser whose answer carries ``state``: what a client does with its session."""
        for walk in reversed(self._walks.values()):
            if not walk.is_over and hmac.compare_digest(walk.browser, browser):
                known = walk.values.get("state", "")
                is_waiting = walk.flow.steps[walk.position].kind == "visit"
                if is_waiting and known and hmac.compare_digest(known.encode(), state.encode("utf-8", "replace")):
                    return walk
        return None

    def __len__(self) -> int:
        return len(self._walks)
