"""Bringing a database to what this version reads: an empty one at once, an older one by migrations."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from sqlalchemy import create_mock_engine, inspect, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError

from .store import Base, DatabaseUnusable

HEAD = "0005"  # the last of the migrations
_VERSIONS = "alembic_version"


def is_postgres(database: str) -> bool:
    """Return whether a database is PostgreSQL's URL, and no file."""
    return database.startswith(("postgresql://", "postgres://", "postgresql+psycopg://"))


def without_password(database: str) -> str:
    """Return what a database is called where others may read it."""
    if not _is_url(database):
        return database
    try:
        return make_url(database).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return f"{database.partition(':')[0]}://..."


def check_name(database: str) -> None:
    """Raise `DatabaseUnusable` for a URL of something else, which would be taken for a path."""
    if _is_url(database) and not is_postgres(database):
        raise DatabaseUnusable(
            f"a database is a file's path, :memory: or postgresql://..., "
            f"not {without_password(database)}"
        )


def _is_url(database: str) -> bool:
    return re.match(r"[a-z][a-z0-9+.-]*://", database) is not None


def prepare(connection: Connection) -> None:
    """Make or migrate the tables. Raises `DatabaseUnusable` for another program's, or newer ones."""
    present = set(inspect(connection).get_table_names())
    ours = set(Base.metadata.tables)
    if present and not present & (ours | {_VERSIONS}):
        raise DatabaseUnusable("it is another program's")
    version = None
    if _VERSIONS in present:
        version = connection.execute(text(f"SELECT version_num FROM {_VERSIONS}")).scalar()
    if version == HEAD:
        return
    if version is None and not present & ours:
        _make_tables(connection)
        connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {_VERSIONS} "
                f"(version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
            )
        )
        connection.execute(
            text(f"INSERT INTO {_VERSIONS} (version_num) VALUES (:head)"), {"head": HEAD}
        )
        return
    _migrate(connection)


def _make_tables(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        Base.metadata.create_all(connection)
        return
    for statement in _sqlite_statements():
        connection.exec_driver_sql(statement)


@functools.cache
def _sqlite_statements() -> list[str]:
    """Return what makes the tables: to put it together takes longer than to do it."""
    made: list[str] = []
    dialect = sqlite.dialect()
    engine = create_mock_engine(
        "sqlite://", lambda ddl, *args, **more: made.append(str(ddl.compile(dialect=dialect)))
    )
    Base.metadata.create_all(engine, checkfirst=False)
    return made


def _migrate(connection: Connection) -> None:
    # Imported here: it takes a moment, and few databases are older.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as exc:
        raise DatabaseUnusable(f"a newer version made it ({exc})") from None
