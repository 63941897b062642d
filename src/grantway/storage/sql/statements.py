"""Every statement of the store, as a Core expression; a driver compiles them once at its start.

Parameters are named after the columns they are compared with or stored in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Delete,
    Executable,
    Insert,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from grantway.storage.sql import tables as t
from grantway.storage.sql.database_time import DatabaseTime


class Statement(Struct, frozen=True, eq=False):
    """A statement in no dialect yet. ``name`` is what it is counted under."""

    name: str
    expression: Executable


class Compiled(Struct, frozen=True, eq=False):
    """A statement in one dialect. ``names`` are its parameters in the order of their positions.

    ``types`` are the parameters' types and ``columns`` those of the rows, for drivers that have to convert.
    """

    text: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]
    types: tuple[TypeEngine[Any], ...] = ()
    columns: tuple[TypeEngine[Any], ...] = ()


_ALL: dict[str, Statement] = {}


def compile_statements(dialect: Dialect) -> dict[str, Compiled]:
    """All statements by name, in a dialect with positional parameters."""
    return {name: _compile(statement, dialect) for name, statement in _ALL.items()}


def _compile(statement: Statement, dialect: Dialect) -> Compiled:
    compiled: Any = statement.expression.compile(dialect=dialect)  # type: ignore[attr-defined]
    names = tuple(compiled.positiontup or ())
    constants = {name: compiled.binds[name].value for name in names if not compiled.binds[name].required}
    types = tuple(compiled.binds[name].type for name in names)
    columns = tuple(column.type for column in compiled._result_columns)
    return Compiled(str(compiled), names, constants, types, columns)


def _define(name: str, expression: Select[Any] | Insert | Update | Delete) -> Statement:
    statement = Statement(name, expression)
    _ALL[name] = statement
    return statement


def _at(table: Table, *columns: str) -> ColumnElement[bool]:
    return and_(*(table.c[column] == bindparam(column) for column in columns))


def _insert(table: Table, *leave_out: str) -> Insert:
    return insert(table).values({c.name: bindparam(c.name) for c in table.c if c.name not in leave_out})


def _set(table: Table, *columns: str) -> dict[str, BindParameter[Any]]:
    return {column: bindparam(column, type_=table.c[column].type) for column in columns}


_limit: BindParameter[int] = bindparam("limit")

BEFORE_ALL = "\x01"
"""Sorts before every identifier. Not the empty string: on Oracle nothing is greater than that."""
AFTER_ALL = "\U0010ffff"
"""Sorts after every identifier."""

PING = _define("ping", select(literal_column("1")))
LOAD_TIME = _define("load_time", select(DatabaseTime().label("now")))

# -- tenants ----------------------------------------------------------------------------------------------------------

LOAD_TENANT = _define("load_tenant", select(t.tenant.c.document).where(_at(t.tenant, "tenant")))
LIST_TENANTS = _define(
    "list_tenants",
    select(t.tenant.c.document).where(t.tenant.c.tenant > bindparam("after")).order_by(t.tenant.c.tenant).limit(_limit),
)
INSERT_TENANT = _define("insert_tenant", _insert(t.tenant))
UPDATE_TENANT = _define(
    "update_tenant", update(t.tenant).where(_at(t.tenant, "tenant")).values(_set(t.tenant, "issuer", "document"))
)
LOCK_TENANT = _define("lock_tenant", update(t.tenant).where(_at(t.tenant, "tenant")).values(issuer=t.tenant.c.issuer))

# -- clients ----------------------------------------------------------------------------------------------------------

LOAD_CLIENT = _define("load_client", select(t.client.c.document).where(_at(t.client, "tenant", "client_id")))
INSERT_CLIENT = _define("insert_client", _insert(t.client))
UPDATE_CLIENT = _define(
    "update_client",
    update(t.client)
    .where(_at(t.client, "tenant", "client_id"), t.client.c.version == bindparam("stored_version"))
    .values(_set(t.client, "client_name", "owner", "enabled", "version", "document")),
)
DELETE_CLIENT = _define("delete_client", delete(t.client).where(_at(t.client, "tenant", "client_id")))


def _list_clients(*filters: str) -> Statement:
    query = (
        select(t.client.c.document)
        .where(_at(t.client, "tenant", *filters), t.client.c.client_id > bindparam("after"))
        .order_by(t.client.c.client_id)
        .limit(_limit)
    )
    return _define("_by_".join(["list_clients", *filters]), query)


LIST_CLIENTS: dict[tuple[str, ...], Statement] = {
    filters: _list_clients(*filters) for filters in ((), ("client_name",), ("owner",), ("client_name", "owner"))
}
HAS_ORIGIN = _define(
    "has_origin",
    # SQL Server limits only what has an order.
    select(literal_column("1"))
    .where(_at(t.client_origin, "tenant", "origin"))
    .order_by(t.client_origin.c.client_id)
    .limit(_limit),
)
INSERT_ORIGIN = _define("insert_origin", _insert(t.client_origin))
DELETE_ORIGINS = _define("delete_origins", delete(t.client_origin).where(_at(t.client_origin, "tenant", "client_id")))

# -- subjects ---------------------------------------------------------------------------------------------------------

LOAD_SUBJECT = _define("load_subject", select(t.subject.c.document).where(_at(t.subject, "tenant", "subject")))
LOAD_SUBJECT_BY_USERNAME = _define(
    "load_subject_by_username", select(t.subject.c.document).where(_at(t.subject, "tenant", "username_key"))
)
LIST_SUBJECTS = _define(
    "list_subjects",
    select(t.subject.c.document)
    .where(
        _at(t.subject, "tenant"),
        t.subject.c.username_key > bindparam("after"),
        t.subject.c.username_key >= bindparam("first"),
        t.subject.c.username_key < bindparam("beyond"),
    )
    .order_by(t.subject.c.username_key)
    .limit(_limit),
)
INSERT_SUBJECT = _define("insert_subject", _insert(t.subject))
UPDATE_SUBJECT = _define(
    "update_subject",
    update(t.subject)
    .where(_at(t.subject, "tenant", "subject"), t.subject.c.version == bindparam("stored_version"))
    .values(_set(t.subject, "username_key", "enabled", "version", "document")),
)
DELETE_SUBJECT = _define("delete_subject", delete(t.subject).where(_at(t.subject, "tenant", "subject")))

# -- authorizations ---------------------------------------------------------------------------------------------------

_a = t.authorization.c
_this_authorization = _at(t.authorization, "tenant", "authorization_id")
_is_live = and_(_a.revoked_at.is_(None), _a.expires_at > bindparam("now"))

INSERT_AUTHORIZATION = _define("insert_authorization", _insert(t.authorization))
LOAD_AUTHORIZATION = _define("load_authorization", select(t.authorization).where(_this_authorization))
LOAD_AUTHORIZATION_BY_CODE = _define(
    "load_authorization_by_code", select(t.authorization).where(_at(t.authorization, "tenant", "code_digest"))
)
REDEEM_CODE = _define(
    "redeem_code",
    update(t.authorization)
    .where(
        _this_authorization,
        _a.code_redeemed_at.is_(None),
        _a.revoked_at.is_(None),
        _a.code_expires_at > bindparam("now"),
    )
    .values(code_redeemed_at=bindparam("now")),
)
ROTATE_REFRESH = _define(
    "rotate_refresh",
    update(t.authorization)
    .where(_this_authorization, _a.generation == bindparam("presented"), _is_live)
    .values(generation=_a.generation + literal_column("1"), rotated_at=bindparam("now")),
)
KEEP_REFRESH = _define(
    "keep_refresh",
    update(t.authorization)
    .where(_this_authorization, _a.generation == bindparam("presented"), _is_live)
    .values(rotated_at=bindparam("now")),
)
REVOKE_AUTHORIZATION = _define(
    "revoke_authorization",
    update(t.authorization).where(_this_authorization, _a.revoked_at.is_(None)).values(revoked_at=bindparam("now")),
)


def _list_authorizations(*filters: str) -> Statement:
    is_older = or_(
        _a.created_at < bindparam("created_at"),
        and_(_a.created_at == bindparam("created_at"), _a.authorization_id < bindparam("authorization_id")),
    )
    query = (
        select(t.authorization)
        .where(_at(t.authorization, "tenant", *filters), _is_live, is_older)
        .order_by(_a.created_at.desc(), _a.authorization_id.desc())
        .limit(_limit)
    )
    return _define("_by_".join(["list_authorizations", *filters]), query)


LIST_AUTHORIZATIONS: dict[tuple[str, ...], Statement] = {
    filters: _list_authorizations(*filters) for filters in ((), ("subject",), ("client_id",), ("subject", "client_id"))
}


def _revoke_all(*filters: str, only_bound: bool = False) -> Statement:
    condition = and_(_at(t.authorization, "tenant", *filters), _a.revoked_at.is_(None))
    if only_bound:
        condition = and_(condition, _a.session_bound == literal_column("1"))
    query = update(t.authorization).where(condition).values(revoked_at=bindparam("now"))
    return _define("_by_".join(["revoke_authorizations", *filters]), query)


def _count_live(*filters: str) -> Statement:
    query = select(func.count()).select_from(t.authorization).where(_at(t.authorization, "tenant", *filters), _is_live)
    return _define("_by_".join(["count_live_authorizations", *filters]), query)


def _find_end_of_part(*filters: str) -> Statement:
    condition = and_(_at(t.authorization, "tenant", *filters), _a.revoked_at.is_(None))
    query = select(_a.created_at).where(condition).order_by(_a.created_at).limit(_limit).offset(bindparam("skip"))
    return _define("_by_".join(["find_end_of_part", *filters]), query)


def _revoke_part(*filters: str) -> Statement:
    condition = and_(_at(t.authorization, "tenant", *filters), _a.revoked_at.is_(None))
    query = update(t.authorization).where(condition, _a.created_at <= bindparam("end"))
    return _define("_by_".join(["revoke_part_of_authorizations", *filters]), query.values(revoked_at=bindparam("now")))


def _find_latest_revoked(*filters: str) -> Statement:
    condition = and_(_at(t.authorization, "tenant", *filters), _a.revoked_at.is_not(None))
    query = select(func.max(_a.created_at)).where(condition)
    return _define("_by_".join(["find_latest_revoked_authorization", *filters]), query)


REVOKE_AUTHORIZATIONS: dict[tuple[str, ...], Statement] = {
    filters: _revoke_all(*filters) for filters in (("subject",), ("client_id",), ("subject", "client_id"))
}
REVOKE_SESSION_AUTHORIZATIONS = _revoke_all("session_id", only_bound=True)
COUNT_LIVE_AUTHORIZATIONS: dict[tuple[str, ...], Statement] = {
    filters: _count_live(*filters) for filters in (("subject",), ("client_id",), ("subject", "client_id"))
}
FIND_END_OF_PART: dict[tuple[str, ...], Statement] = {
    filters: _find_end_of_part(*filters) for filters in (("subject",), ("client_id",), ("subject", "client_id"))
}
REVOKE_PART: dict[tuple[str, ...], Statement] = {
    filters: _revoke_part(*filters) for filters in (("subject",), ("client_id",), ("subject", "client_id"))
}
FIND_LATEST_REVOKED: dict[tuple[str, ...], Statement] = {
    filters: _find_latest_revoked(*filters) for filters in (("subject",), ("client_id",), ("subject", "client_id"))
}

# -- sessions ---------------------------------------------------------------------------------------------------------

_s = t.session.c
_is_open = _s.ended_at.is_(None)

INSERT_SESSION = _define("insert_session", _insert(t.session))
LOAD_SESSION = _define("load_session", select(t.session).where(_at(t.session, "tenant", "session_id")))
LOAD_SESSION_BY_DIGEST = _define("load_session_by_digest", select(t.session).where(_at(t.session, "tenant", "digest")))
RENEW_SESSION = _define(
    "renew_session",
    update(t.session)
    .where(_at(t.session, "tenant", "session_id", "subject"), _is_open)
    .values(_set(t.session, "digest", "last_seen_at", "expires_at", "document")),
)
TOUCH_SESSION = _define(
    "touch_session",
    update(t.session)
    .where(_at(t.session, "tenant", "session_id"), _is_open, _s.last_seen_at < bindparam("seen_at"))
    .values(last_seen_at=bindparam("seen_at")),
)
LOCK_SESSION = _define(
    "lock_session",
    update(t.session).where(_at(t.session, "tenant", "session_id")).values(ended_at=_s.ended_at),
)
LIST_SESSIONS = _define(
    "list_sessions",
    select(t.session)
    .where(_at(t.session, "tenant", "subject"), _is_open, _s.expires_at > bindparam("now"))
    .order_by(_s.created_at.desc(), _s.session_id.desc()),
)
FIND_OPEN_SESSIONS = _define(
    "find_open_sessions",
    select(_s.session_id).where(_at(t.session, "tenant", "subject"), _is_open).order_by(_s.session_id),
)
END_SESSION = _define(
    "end_session",
    update(t.session).where(_at(t.session, "tenant", "session_id"), _is_open).values(ended_at=bindparam("now")),
)
FIND_CLIENTS_OF_SESSION = _define(
    "find_clients_of_session",
    select(_s.subject, _a.client_id)
    .join_from(t.session, t.authorization, and_(_a.tenant == _s.tenant, _a.session_id == _s.session_id))
    .where(_at(t.session, "tenant", "session_id"))
    .distinct()
    .order_by(_a.client_id),
)
DELETE_SESSIONS = _define("delete_sessions", delete(t.session).where(_at(t.session, "tenant", "subject")))

# -- consents, interactions -------------------------------------------------------------------------------------------

_this_consent = _at(t.consent, "tenant", "subject", "client_id")
LOAD_CONSENT = _define("load_consent", select(t.consent.c.document).where(_this_consent))
LIST_CONSENTS = _define(
    "list_consents",
    select(t.consent.c.document).where(_at(t.consent, "tenant", "subject")).order_by(t.consent.c.client_id),
)
INSERT_CONSENT = _define("insert_consent", _insert(t.consent))
UPDATE_CONSENT = _define("update_consent", update(t.consent).where(_this_consent).values(_set(t.consent, "document")))
DELETE_CONSENT = _define("delete_consent", delete(t.consent).where(_this_consent))
DELETE_CONSENTS_OF_CLIENT = _define(
    "delete_consents_of_client", delete(t.consent).where(_at(t.consent, "tenant", "client_id"))
)
DELETE_CONSENTS_OF_SUBJECT = _define(
    "delete_consents_of_subject", delete(t.consent).where(_at(t.consent, "tenant", "subject"))
)

_this_interaction = _at(t.interaction, "tenant", "interaction_id")
_i = t.interaction.c
INSERT_INTERACTION = _define("insert_interaction", _insert(t.interaction))
LOAD_INTERACTION = _define(
    "load_interaction", select(_i.document, _i.version, _i.completed_at).where(_this_interaction)
)
UPDATE_INTERACTION = _define(
    "update_interaction",
    update(t.interaction)
    .where(_this_interaction, _i.version == bindparam("stored_version"))
    .values(_set(t.interaction, "version", "completed_at", "expires_at", "document")),
)
COMPLETE_INTERACTION = _define(
    "complete_interaction",
    update(t.interaction)
    .where(_this_interaction, _i.completed_at.is_(None))
    .values(version=_i.version + literal_column("1"), **_set(t.interaction, "completed_at", "document")),
)

# -- keys -------------------------------------------------------------------------------------------------------------

_k = t.signing_key.c
_this_key = _at(t.signing_key, "tenant", "kid")
LIST_KEYS = _define(
    "list_keys",
    select(t.signing_key).where(_at(t.signing_key, "tenant")).order_by(_k.created_at.desc(), _k.kid.desc()),
)
FIND_KEY_IN_STATE = _define(
    "find_key_in_state",
    select(_k.kid).where(_at(t.signing_key, "tenant", "alg", "state")).order_by(_k.kid).limit(_limit),
)
INSERT_KEY = _define("insert_key", _insert(t.signing_key))
MOVE_KEY = _define(
    "move_key",
    update(t.signing_key)
    .where(_this_key, _k.state == bindparam("from_state"))
    .values(
        state=bindparam("to_state"),
        activated_at=func.coalesce(bindparam("activated_at", type_=_k.activated_at.type), _k.activated_at),
        retired_at=func.coalesce(bindparam("retired_at", type_=_k.retired_at.type), _k.retired_at),
        remove_at=func.coalesce(bindparam("remove_at", type_=_k.remove_at.type), _k.remove_at),
    ),
)
LOAD_SEALED_KEY = _define("load_sealed_key", select(_k.sealed_private_key).where(_this_key))
REPLACE_SEALED_KEY = _define(
    "replace_sealed_key", update(t.signing_key).where(_this_key).values(_set(t.signing_key, "sealed_private_key"))
)
DELETE_KEY = _define("delete_key", delete(t.signing_key).where(_this_key))

# -- revocations, change feed -----------------------------------------------------------------------------------------

_r = t.revocation.c
_this_revocation = _at(t.revocation, "tenant", "kind", "key")
INSERT_REVOCATION = _define("insert_revocation", _insert(t.revocation))
TIGHTEN_REVOCATION = _define(
    "tighten_revocation",
    update(t.revocation)
    .where(_this_revocation)
    .values(
        {
            name: case((_r[name] < bindparam(name, type_=_r[name].type), bindparam(name)), else_=_r[name])
            for name in ("not_before", "keep_until")
        }
    ),
)
FIND_REVOCATION = _define("find_revocation", select(t.revocation).where(_this_revocation))
LOAD_REVOCATIONS = _define(
    "load_revocations",
    select(t.revocation).where(_r.keep_until > bindparam("now")).order_by(_r.keep_until).limit(_limit),
)

INSERT_CHANGE = _define("insert_change", _insert(t.change, "sequence"))
LOAD_CHANGES = _define(
    "load_changes",
    select(t.change.c.sequence, t.change.c.tenant, t.change.c.kind, t.change.c.key, t.change.c.document)
    .where(t.change.c.sequence > bindparam("after"))
    .order_by(t.change.c.sequence)
    .limit(_limit),
)
LAST_CHANGE = _define("last_change", select(func.max(t.change.c.sequence)))
LAST_CHANGE_BEFORE = _define(
    "last_change_before",
    select(func.max(t.change.c.sequence)).where(t.change.c.created_at < bindparam("created_before")),
)

# -- single use, attempts ---------------------------------------------------------------------------------------------

_this_use = _at(t.single_use, "tenant", "digest")
INSERT_SINGLE_USE = _define("insert_single_use", _insert(t.single_use))
RENEW_SINGLE_USE = _define(
    "renew_single_use",
    update(t.single_use)
    .where(_this_use, t.single_use.c.expires_at <= bindparam("now"))
    .values(_set(t.single_use, "expires_at")),
)

_this_attempt = _at(t.attempt, "tenant", "digest")
_is_over = t.attempt.c.started_at <= bindparam("over_at")
INSERT_ATTEMPT = _define("insert_attempt", _insert(t.attempt))
COUNT_ATTEMPT = _define(
    "count_attempt",
    update(t.attempt)
    .where(_this_attempt)
    .values(
        attempts=case((_is_over, literal_column("1")), else_=t.attempt.c.attempts + literal_column("1")),
        expires_at=case((_is_over, bindparam("ends_at")), else_=t.attempt.c.expires_at),
        started_at=case((_is_over, bindparam("now")), else_=t.attempt.c.started_at),
    ),
)
TAKE_BACK_ATTEMPT = _define(
    "take_back_attempt",
    update(t.attempt)
    .where(_this_attempt, t.attempt.c.attempts > literal_column("0"))
    .values(attempts=t.attempt.c.attempts - literal_column("1")),
)
LOAD_ATTEMPTS = _define("load_attempts", select(t.attempt.c.attempts).where(_this_attempt))
DELETE_ATTEMPTS = _define("delete_attempts", delete(t.attempt).where(_this_attempt))

# -- registries, tasks, device requests -------------------------------------------------------------------------------

_e = t.entry.c
_this_entry = _at(t.entry, "tenant", "kind", "key")
INSERT_ENTRY = _define("insert_entry", _insert(t.entry))
LOAD_ENTRY = _define("load_entry", select(_e.document).where(_this_entry))
LIST_ENTRIES = _define(
    "list_entries",
    select(_e.document)
    .where(_at(t.entry, "tenant", "kind"), _e.key > bindparam("after"))
    .order_by(_e.key)
    .limit(_limit),
)
UPDATE_ENTRY = _define(
    "update_entry",
    update(t.entry)
    .where(_this_entry, _e.version == bindparam("stored_version"))
    .values(_set(t.entry, "expires_at", "version", "document")),
)
DELETE_ENTRY = _define("delete_entry", delete(t.entry).where(_this_entry))

_t = t.task.c
_this_task = _at(t.task, "tenant", "task_id")
INSERT_TASK = _define("insert_task", _insert(t.task))
LIST_DUE_TASKS = _define(
    "list_due_tasks",
    select(_t.document)
    .where(_at(t.task, "kind"), _t.due_at <= bindparam("now"))
    .order_by(_t.due_at, _t.tenant, _t.task_id)
    .limit(_limit),
)
UPDATE_TASK = _define(
    "update_task",
    update(t.task)
    .where(_this_task, _t.version == bindparam("stored_version"))
    .values(_set(t.task, "due_at", "expires_at", "version", "document")),
)
DELETE_TASK = _define("delete_task", delete(t.task).where(_this_task))

_d = t.device_request.c
_this_device_request = _at(t.device_request, "tenant", "device_digest")
INSERT_DEVICE_REQUEST = _define("insert_device_request", _insert(t.device_request))
LOAD_DEVICE_REQUEST = _define("load_device_request", select(_d.document).where(_this_device_request))
LOAD_DEVICE_REQUEST_BY_USER_CODE = _define(
    "load_device_request_by_user_code",
    select(_d.document).where(_at(t.device_request, "tenant", "user_code_digest")),
)
UPDATE_DEVICE_REQUEST = _define(
    "update_device_request",
    update(t.device_request)
    .where(_this_device_request, _d.version == bindparam("stored_version"))
    .values(_set(t.device_request, "expires_at", "version", "document")),
)
FREE_USER_CODE = _define(
    "free_user_code",
    update(t.device_request)
    .where(_at(t.device_request, "tenant", "user_code_digest"), _d.expires_at <= bindparam("now"))
    .values(user_code_digest=bindparam("nobody_s_digest", type_=_d.user_code_digest.type)),
)

# -- leases -----------------------------------------------------------------------------------------------------------

LOAD_LEASE = _define("load_lease", select(t.lease.c.holder, t.lease.c.beat).where(_at(t.lease, "name")))
INSERT_LEASE = _define("insert_lease", _insert(t.lease))
TAKE_LEASE = _define(
    "take_lease",
    update(t.lease)
    .where(
        _at(t.lease, "name"),
        t.lease.c.holder == bindparam("seen_holder"),
        t.lease.c.beat == bindparam("seen_beat"),
    )
    .values(_set(t.lease, "holder", "beat")),
)
DELETE_LEASE = _define("delete_lease", delete(t.lease).where(_at(t.lease, "name", "holder", "beat")))

# -- cleaning ---------------------------------------------------------------------------------------------------------


CLEANED_AT_ONCE = 20
"""Rows that one statement deletes. Not every database can compare pairs with a list, and none does it quicker."""


class Cleaning(Struct, frozen=True, eq=False):
    """Finds the keys of rows that no longer matter, oldest first, and deletes ``CLEANED_AT_ONCE`` of them.

    The parameters of ``delete`` are ``now`` and, for the row ``n``, its key's ``columns`` as ``column_n``.
    """

    find: Statement
    delete: Statement
    columns: tuple[str, ...]


def _clean(table: Table, column: str, *conditions: ColumnElement[bool]) -> Cleaning:
    key = [c.name for c in table.primary_key.columns]
    ended = table.c[column] <= bindparam("now")
    find = select(*(table.c[name] for name in key)).where(ended, *conditions).order_by(table.c[column]).limit(_limit)
    rows = (and_(*(table.c[name] == bindparam(f"{name}_{n}") for name in key)) for n in range(CLEANED_AT_ONCE))
    return Cleaning(
        _define(f"find_expired_{table.name}", find),
        _define(f"clean_{table.name}", delete(table).where(or_(*rows), ended)),
        tuple(key),
    )


# Whom a session's end has to be told to is read from its authorizations: they stay for as long as it is open. What is
# found stays found, for no session opens again.
_has_no_open_session = ~(
    exists()
    .where(_s.tenant == _a.tenant, _s.session_id == _a.session_id, _is_open, _s.expires_at > bindparam("now"))
    .correlate(t.authorization)
)

CLEANINGS = {
    table.name: _clean(table, column, *conditions)
    for table, column, *conditions in (
        (t.authorization, "expires_at", _has_no_open_session),
        (t.session, "expires_at"),
        (t.interaction, "expires_at"),
        (t.revocation, "keep_until"),
        (t.single_use, "expires_at"),
        (t.attempt, "expires_at"),
        (t.signing_key, "remove_at"),
        (t.entry, "expires_at"),
        (t.task, "expires_at"),
        (t.device_request, "expires_at"),
        (t.change, "created_at"),
    )
}
