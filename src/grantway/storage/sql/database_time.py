"""The database's own clock as an expression: the one clock that all nodes share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement


class DatabaseTime(ColumnElement[int]):
    """Milliseconds since the Unix epoch by the database's clock, at this moment and not at the transaction's start;
    NULL where the dialect has no such clock, or none that is exact enough."""

    inherit_cache = True
    type = BigInteger()


@compiles(DatabaseTime)
def _compile(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    return "NULL"


@compiles(DatabaseTime, "postgresql")
def _compile_postgresql(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


@compiles(DatabaseTime, "mysql")
@compiles(DatabaseTime, "mariadb")
def _compile_mysql(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)"


@compiles(DatabaseTime, "mssql")
def _compile_mssql(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    return "DATEDIFF_BIG(MILLISECOND, '1970-01-01', SYSUTCDATETIME())"
