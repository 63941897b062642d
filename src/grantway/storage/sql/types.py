"""Column types that mean the same on every database.

Identifiers are compared byte for byte everywhere: a case-insensitive or blank-padding collation would make two clients
one (OWASP ASVS 5.0 1.2.4 asks for the same comparison in every layer). The dialects' own types are imported only when
that dialect is used.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, SmallInteger, String, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

TENANT_LENGTH = 64
IDENTIFIER_LENGTH = 255
DIGEST_SIZE = 32
LONGEST_CHARACTER = 4
"""Bytes of a character in UTF-8, at most."""

_POSTGRESQL = "postgresql"
_MYSQL = "mysql"
_MARIADB = "mariadb"
_MSSQL = "mssql"
_ORACLE = "oracle"


class Identifier(TypeDecorator[str]):
    """Text of bounded length, compared and sorted by its bytes, trailing blanks included.

    SQL Server pads with blanks before it compares text, whatever the collation, so there the column holds the bytes of
    the text in UTF-8. It fills bytes up with zeros instead, and no identifier has one (``records.check_identifiers``).
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int = IDENTIFIER_LENGTH) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == _POSTGRESQL:
            return String(self.length, collation="C")
        if dialect.name in (_MYSQL, _MARIADB):
            from sqlalchemy.dialects.mysql import VARCHAR

            # utf8mb4_bin pads with blanks, so 'a' = 'a '; these two do not.
            collation = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
            return VARCHAR(self.length, charset="utf8mb4", collation=collation)
        if dialect.name == _MSSQL:
            from sqlalchemy.dialects.mssql import VARBINARY

            return VARBINARY(self.length * LONGEST_CHARACTER)  # type: ignore[no-untyped-call]
        return String(self.length)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        return value.encode() if dialect.name == _MSSQL and value is not None else value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        text: str | None = value.decode() if dialect.name == _MSSQL and value is not None else value
        return text


class Document(TypeDecorator[str]):
    """JSON text without a length that matters."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in (_MYSQL, _MARIADB):
            from sqlalchemy.dialects.mysql import LONGTEXT

            return LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
        if dialect.name == _MSSQL:
            from sqlalchemy.dialects.mssql import NVARCHAR

            return NVARCHAR(None)
        return Text()


class Digest(TypeDecorator[bytes]):
    """A SHA-256: 32 bytes that can be indexed on every database."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(DIGEST_SIZE)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in (_MYSQL, _MARIADB, _MSSQL):
            from sqlalchemy import BINARY

            return BINARY(DIGEST_SIZE)
        if dialect.name == _ORACLE:
            from sqlalchemy.dialects.oracle import RAW

            return RAW(DIGEST_SIZE)
        return LargeBinary(DIGEST_SIZE)


def Instant() -> TypeEngine[int]:  # noqa: N802  reads as the type it is in a column's definition
    """Milliseconds since the epoch."""
    return BigInteger()


def Flag() -> TypeEngine[int]:  # noqa: N802
    """0 or 1; not every database has a boolean."""
    return SmallInteger()


def Sequence() -> TypeEngine[int]:  # noqa: N802
    """A number the database counts up. SQLite counts only a column of the exact type INTEGER."""
    return BigInteger().with_variant(Integer(), "sqlite")
