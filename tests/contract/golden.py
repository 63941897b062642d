"""Everything that is sent to a database, written down for each of the six: ``golden/<database>/*.sql``.

    python -m tests.contract.golden     write the files again, from the code

``schema.sql`` makes the newest schema from nothing, ``migrations.sql`` does it step by step, ``statements.sql`` has
every statement of the store as the driver sends it. A change of the code shows here what it means on each database, on
those too that no test runs on. ``test_golden`` compares.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Dialect, make_url

from grantway.storage.sql import mysql, oracle, oracle_dialect, postgres, sqlserver
from grantway.storage.sql.definitions import MIGRATIONS, build_definitions
from grantway.storage.sql.schema import build_sqlite_dialect
from grantway.storage.sql.statements import Compiled, compile_statements

GOLDEN = Path(__file__).parent / "golden"
DATABASES = ("sqlite", "postgresql", "mysql", "mariadb", "oracle", "mssql")

# What Alembic writes definitions down for, and the dialect's options that a connection would have found out.
_TARGETS: dict[str, tuple[str, dict[str, Any]]] = {
    "sqlite": ("sqlite", {}),
    "postgresql": ("postgresql+asyncpg", {}),
    "mysql": ("mysql+asyncmy", {}),
    "mariadb": ("mariadb+asyncmy", {}),
    "oracle": (oracle_dialect.NAME, {}),
    "mssql": ("mssql+mssqlpython", {"deprecate_large_types": True}),
}


def build_files() -> dict[str, str]:
    """Every golden file: its path below ``golden`` and its text."""
    files = {}
    for name in DATABASES:
        files[f"{name}/schema.sql"] = _join(build_definitions(build_dialect(name)))
        files[f"{name}/migrations.sql"] = _join(build_migrations(name).split("\n\n"))
        files[f"{name}/statements.sql"] = "\n".join(
            f"-- {statement}: {', '.join(compiled.names)}".rstrip(": ") + f"\n{_tidy(compiled.text)};\n"
            for statement, compiled in compile_for(name).items()
        )
    return files


def build_dialect(name: str) -> Dialect:
    """The dialect of a database as it is known before anybody has connected."""
    if name == "mssql":
        return sqlserver.build_dialect()
    target, options = _TARGETS[name]
    dialect: Dialect = make_url(f"{target}://").get_dialect()(**options)
    return dialect


def compile_for(name: str) -> dict[str, Compiled]:
    """All statements as the driver of a database sends them."""
    match name:
        case "postgresql":
            return postgres.PostgresConnector("postgresql://host/name", 1).compile()
        case "mysql" | "mariadb":
            return mysql.MysqlConnector("mysql://host/name", 1).compile()
        case "oracle":
            return oracle.OracleConnector("oracle://host/name", 1).compile()
        case "mssql":
            return sqlserver.SqlServerConnector("mssql://host/name", 1).compile()
    return compile_statements(build_sqlite_dialect())


def build_migrations(name: str) -> str:
    """What Alembic would run on an empty database."""
    target, options = _TARGETS[name]
    out = io.StringIO()
    config = Config(output_buffer=out)
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["dialect"] = target
    config.attributes["dialect_opts"] = options
    command.upgrade(config, "head", sql=True)
    return out.getvalue()


def _join(definitions: list[str]) -> str:
    return "\n\n".join(text for one in definitions if (text := _tidy(one))) + "\n"


def _tidy(text: str) -> str:
    """Without the blanks that SQLAlchemy leaves at the ends of lines."""
    return "\n".join(line.rstrip().replace("\t", "  ") for line in text.strip().splitlines())


def main() -> int:
    for name, text in build_files().items():
        path = GOLDEN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
