"""What happened, told to operators: structured log lines and Prometheus counters.

The log says who and what, never a token, a code, a secret or a password: events carry none.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, MutableMapping
from logging.handlers import WatchedFileHandler
from typing import Any

import msgspec
import structlog

from grantway.config import LogSettings
from grantway.errors import AuthorizationPending, ConfigurationError
from grantway.events import (
    Administered,
    AuthorizationRefused,
    Event,
    LoginFailed,
    LogoutNoticeFailed,
    ReplayPunished,
    TokenIntrospected,
    TokenIssued,
    TokenRequestRefused,
    UserCodeRefused,
)
from grantway.ports import EventSink
from grantway.web.access_log import write_access_to
from grantway.web.worker_status import StatusBoard

EVENTS = "grantway.events"
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_OF_MANY_LINES = ("exception", "stack")
_QUIET = (TokenIssued, TokenIntrospected)  # the bulk of all events: counted, and logged at debug only
_LOUD = (ReplayPunished, LoginFailed, LogoutNoticeFailed, AuthorizationRefused, TokenRequestRefused, UserCodeRefused)


class Telemetry:
    """``ports.EventSink``: counts events and logs them. ``board``: where the workers tell each other of themselves."""

    def __init__(self, settings: LogSettings, board: StatusBoard | None = None) -> None:
        self._is_debug = settings.level == "debug"
        self.board = board if board is not None else StatusBoard()
        self._counts = self.board.counts
        self._log = build_logger(EVENTS)

    def emit(self, event: Event) -> None:
        # A counter of prometheus-client's takes 1 µs, and 2 in a file that workers share; a number in a dict 0.2.
        key = _build_key(event)
        self._counts[key] = self._counts.get(key, 0) + 1
        if not self._is_debug and (isinstance(event, _QUIET) or _is_waiting(event)):
            return
        fields = msgspec.structs.asdict(event)
        fields.pop("at")
        level = logging.WARNING if isinstance(event, _LOUD) else logging.INFO
        self._log.log(level, type(event).__name__, **fields)


def _is_waiting(event: Event) -> bool:
    """Whether a device asked whether somebody has answered yet: nothing went wrong, and it asks every few seconds."""
    return isinstance(event, TokenRequestRefused) and event.error == AuthorizationPending.code


def _build_key(event: Event) -> tuple[str, ...]:
    """The metric and its labels' values (``metrics.EVENTS``)."""
    kind = type(event)
    if kind is TokenIssued:
        return "grantway_tokens_issued", event.grant_type  # type: ignore[attr-defined]
    if kind is TokenIntrospected:
        return "grantway_introspections", "true" if event.active else "false"  # type: ignore[attr-defined]
    if kind is TokenRequestRefused:
        return "grantway_token_requests_refused", event.grant_type, event.error  # type: ignore[attr-defined]
    return "grantway_events", kind.__name__


def build_logger(name: str) -> Any:
    """A structured logger over the standard library's, so that an embedding program's handlers get its lines."""
    return structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def configure_logging(settings: LogSettings) -> None:
    """One structured line an event on standard error; the standard library's loggers go the same way.

    Raises:
        ConfigurationError: ``log.audit_file`` cannot be opened.
    """
    level = getattr(logging, settings.level.upper())
    handler = _build_handler(logging.StreamHandler(sys.stderr), settings.format, sys.stderr.isatty())
    handler.setLevel(level)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    write_access_to(sys.stderr if level <= logging.INFO else None, is_json=settings.format == "json")
    _add_audit_file(settings)


@contextlib.contextmanager
def record_changes(settings: LogSettings) -> Iterator[EventSink]:
    """For a command, which has no log of its own: what it changes is told in the server's words, on standard error and
    in ``log.audit_file``.

    Raises:
        ConfigurationError: the file cannot be opened.
    """
    logger = logging.getLogger(EVENTS)
    handlers, propagate, level = logger.handlers, logger.propagate, logger.level
    handler = _build_handler(logging.StreamHandler(sys.stderr), settings.format, sys.stderr.isatty())
    handler.setLevel(getattr(logging, settings.level.upper()))
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(handler.level)
    try:
        _add_audit_file(settings)
        yield Telemetry(settings)
    finally:
        for each in logger.handlers:
            each.close()
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def _add_audit_file(settings: LogSettings) -> None:
    """Its own handler, whatever the level: a change is written down even where the log is told to be quiet."""
    if not settings.audit_file:
        return
    try:
        file = WatchedFileHandler(settings.audit_file, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"log.audit_file: {settings.audit_file}: {error.strerror}") from error
    handler = _build_handler(file, "json", False)
    handler.addFilter(lambda record: isinstance(record.msg, dict) and record.msg.get("event") == Administered.__name__)
    logger = logging.getLogger(EVENTS)
    logger.handlers = [each for each in logger.handlers if not isinstance(each, WatchedFileHandler)] + [handler]
    logger.setLevel(min(logging.INFO, getattr(logging, settings.level.upper())))


def _build_handler(handler: logging.Handler, form: str, is_terminal: bool) -> logging.Handler:
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[Any] = (
        [structlog.processors.JSONRenderer()]
        if form == "json"
        else [_escape, structlog.dev.ConsoleRenderer(colors=is_terminal)]
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *renderers,
            ],
        )
    )
    return handler


def _escape(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For text: whatever a value holds, a line stays one line and a terminal shows it. What a person or a client sent
    may be in any of them. A traceback keeps its lines, indented, so that none looks like one of the log's."""
    for name, value in fields.items():
        if name in _OF_MANY_LINES and isinstance(value, str):
            fields[name] = "\n".join(f"  {_show(line)}" for line in value.split("\n"))
        elif isinstance(value, str):
            fields[name] = _show(value)
        elif not repr(value).isprintable():
            fields[name] = _show(repr(value))
    return fields


def _show(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
