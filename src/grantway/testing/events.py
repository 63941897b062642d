"""Events, kept to be looked at."""

from __future__ import annotations

from typing import TypeVar

from grantway.events import Event

E = TypeVar("E", bound=Event)


class RecordedEvents:
    """``ports.EventSink`` that remembers everything in order."""

    def __init__(self) -> None:
        self.all: list[Event] = []

    def emit(self, event: Event) -> None:
        self.all.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.all if isinstance(event, kind)]
