"""SQLAlchemy's dialect of Oracle, which knows only some of the words that Oracle reserves.

``oracle+grantway`` quotes all of them, so that a table may be called ``session``. What is quoted is in small letters in
Oracle's own lists, all other names are in capitals.
"""

from __future__ import annotations

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.oracle.base import OracleIdentifierPreparer
from sqlalchemy.dialects.oracle.oracledb import OracleDialectAsync_oracledb

NAME = "oracle+grantway"

# "Oracle SQL Reserved Words" in the SQL Language Reference, 19c and 23ai.
_RESERVED = frozenset((
    "access", "add", "all", "alter", "and", "any", "as", "asc", "audit", "between", "by", "char", "check",
    "cluster", "column", "column_value", "comment", "compress", "connect", "create", "current", "date", "decimal",
    "default", "delete", "desc", "distinct", "drop", "else", "exclusive", "exists", "file", "float", "for", "from",
    "grant", "group", "having", "identified", "immediate", "in", "increment", "index", "initial", "insert",
    "integer", "intersect", "into", "is", "level", "like", "lock", "long", "maxextents", "minus", "mlslabel",
    "mode", "modify", "nested_table_id", "noaudit", "nocompress", "not", "nowait", "null", "number", "of",
    "offline", "on", "online", "option", "or", "order", "pctfree", "prior", "public", "raw", "rename", "resource",
    "revoke", "row", "rowid", "rownum", "rows", "select", "session", "set", "share", "size", "smallint", "start",
    "successful", "synonym", "sysdate", "table", "then", "to", "trigger", "uid", "union", "unique", "update",
    "user", "validate", "values", "varchar", "varchar2", "view", "whenever", "where", "with",
))  # fmt: skip


class _Preparer(OracleIdentifierPreparer):
    reserved_words = OracleIdentifierPreparer.reserved_words | _RESERVED


class OracleDialect(OracleDialectAsync_oracledb):
    """See the module."""

    preparer = _Preparer
    supports_statement_cache = True


registry.register("oracle.grantway", __name__, "OracleDialect")


def build_dialect() -> OracleDialect:
    """The dialect with its parameters numbered as ``?``, one for each place."""
    return OracleDialect(paramstyle="qmark")  # type: ignore[no-untyped-call]
