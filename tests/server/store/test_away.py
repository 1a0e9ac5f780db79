"""A PostgreSQL that cannot be reached: nobody waits for long, and it is noticed when it is back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from databases import new_database
from proxy import Proxy
from server_helpers import PATIENCE
from sqlalchemy import text
from sqlalchemy.engine import make_url

from emitter_stream.server.store.store import StorageFailed


@pytest.fixture
def proxy(postgres) -> Iterator[Proxy]:
    """A way to the server's socket or port that can be closed."""
    url = make_url(postgres)
    target: Any = (url.host, url.port or 5432)
    if url.query.get("host"):
        target = f"{url.query['host']}/.s.PGSQL.{url.port or 5432}"
    with Proxy(target) as proxy:
        yield proxy


@pytest.fixture
def database(postgres, proxy) -> Iterator[Any]:
    """An open database behind the proxy."""
    from emitter_stream.server.store.postgres import PostgresDatabase

    url = make_url(new_database(postgres)).set(host="127.0.0.1", port=proxy.port, query={})
    database = PostgresDatabase(url.render_as_string(hide_password=False))
    yield database
    database.close()


def one(session: Any) -> int:
    return session.execute(text("SELECT 1")).scalar_one()


def test_many_who_wait(proxy, database, monkeypatch):
    """Who waits behind those that found it away is told so, and nobody tries for each of them."""
    from emitter_stream.server.store.postgres import THREADS

    own, tries, all_try = database._repeatedly, [], threading.Barrier(THREADS)

    def slowly(work: Any) -> Any:
        tries.append(work)
        all_try.wait(PATIENCE)  # as if each took its time to find out
        return own(work)

    proxy.close()
    monkeypatch.setattr("emitter_stream.server.store.postgres.IMPATIENCE", 0.0)
    monkeypatch.setattr(database, "_repeatedly", slowly)

    async def main() -> list[Any]:
        calls = [database.call(one) for _ in range(60)]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert {type(found) for found in asyncio.run(main())} == {StorageFailed}
    assert len(tries) == THREADS


def test_it_is_back(proxy, database, monkeypatch, caplog):
    """Who comes just behind is not let try; who comes later is, and the log tells of both."""
    monkeypatch.setattr("emitter_stream.server.store.postgres.IMPATIENCE", 3600.0)
    own, tries = database._repeatedly, []

    def counted(work: Any) -> Any:
        tries.append(work)
        return own(work)

    monkeypatch.setattr(database, "_repeatedly", counted)
    connect, proxy._connect = proxy._connect, _refused
    proxy.cut()

    async def main() -> int:
        for _ in range(3):
            with pytest.raises(StorageFailed):
                await database.call(one)
        proxy._connect = connect
        database._failed_at -= 3600.0
        return await database.call(one)

    assert asyncio.run(main()) == 1
    assert len(tries) == 2
    first, second = (record.getMessage() for record in caplog.records)
    assert " fails: " in first and second.endswith(" works again")


def _refused() -> Any:
    raise ConnectionRefusedError
