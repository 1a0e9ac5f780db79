"""Databases of earlier versions, fresh ones, and those that are not ours."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from databases import new_database
from server_helpers import BOTH, WEATHER, Raw
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import URL, Engine, make_url

from emitter_stream.server import LocalServer
from emitter_stream.server.store import file_rows, schema
from emitter_stream.server.store.store import Base, Database, DatabaseUnusable

assert file_rows.ChunkRow.__table__ in Base.metadata.sorted_tables

# What the first version made, with a thread and a run that waits for outputs.
FIRST = """
CREATE TABLE assistants (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id VARCHAR NOT NULL,
    body JSON NOT NULL, UNIQUE (id));
CREATE TABLE threads (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id VARCHAR NOT NULL,
    body JSON NOT NULL, UNIQUE (id));
CREATE TABLE messages (run_id VARCHAR, thread_id VARCHAR NOT NULL,
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id VARCHAR NOT NULL, body JSON NOT NULL,
    FOREIGN KEY(thread_id) REFERENCES threads (id) ON DELETE CASCADE, UNIQUE (id));
CREATE INDEX ix_messages_run_id ON messages (run_id);
CREATE INDEX ix_messages_thread_id ON messages (thread_id);
PRAGMA user_version = 1;
"""


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request, tmp_path):
    """Give an empty database."""
    if request.param == "sqlite":
        url: URL | str = URL.create("sqlite", database=str(tmp_path / "empty.db"))
    else:
        given = make_url(new_database(request.getfixturevalue("postgres"), empty=True))
        url = given.set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    yield engine
    engine.dispose()


def columns(engine: Engine) -> dict[str, dict[str, tuple[str, bool]]]:
    """Give each table's columns with their types, and its indexes."""
    found = {}
    for table in inspect(engine).get_table_names():
        look = inspect(engine)
        found[table] = {
            column["name"]: (str(column["type"]), column["nullable"])
            for column in look.get_columns(table)
        }
        for index in look.get_indexes(table):
            found[table][index["name"]] = (str(index["column_names"]), bool(index["unique"]))
    return found


def test_migrations_lead_to_what_is_made_at_once(engine):
    """The migrations make, from nothing, what a new database gets; none is forgotten."""
    with engine.begin() as connection:
        schema._migrate(connection)
    migrated = columns(engine)
    with engine.begin() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(text("DROP TABLE IF EXISTS chunk_words"))
    with engine.begin() as connection:
        schema.prepare(connection)
    assert columns(engine) == migrated
    with engine.begin() as connection:
        assert connection.execute(text("SELECT * FROM alembic_version")).scalar() == schema.HEAD


def test_a_newer_database_is_refused(engine):
    """What a newer version made is not touched."""
    with engine.begin() as connection:
        schema.prepare(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnusable, match="newer"), engine.begin() as connection:
        schema.prepare(connection)


def test_another_programs_database(engine):
    """A database with other tables stays as it is."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id INTEGER)"))
    with pytest.raises(DatabaseUnusable, match="another program"), engine.begin() as connection:
        schema.prepare(connection)
    assert inspect(engine).get_table_names() == ["theirs"]


def test_a_file_of_the_first_version(tmp_path: Path):
    """A file that the first version made is brought up, with what is in it."""
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.executescript(FIRST)
        old.execute(
            "INSERT INTO threads (id, body) VALUES ('thread_old', '{\"id\": \"thread_old\"}')"
        )
    old.close()
    with LocalServer(db=str(path)) as server:
        raw = Raw(server.base_url)
        assistant = raw.assistant(tools=[WEATHER])
        events = raw(
            "POST",
            "/threads/thread_old/messages",
            {"role": "user", "content": BOTH},
        )
        assert events.status == 200, events.raw
        assert assistant
    Database(str(path)).close()  # and opened again
