"""What processes of one PostgreSQL say to each other: behind what it is about, and over any break."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest
from databases import new_database
from server_helpers import PATIENCE
from sqlalchemy import text

from emitter_stream.server.store.bus import Message

KILL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE application_name = 'emitter-stream says' AND datname = current_database()"
)


@pytest.fixture
def two(postgres) -> Iterator[list[Any]]:
    """Two open databases of one store, each with what it hears."""
    from emitter_stream.server.store.postgres import PostgresDatabase

    url = new_database(postgres)
    opened: list[Any] = []
    for _ in range(2):
        database, heard = PostgresDatabase(url), queue.SimpleQueue()
        database.listen(heard.put)
        opened.append((database, heard))
        assert heard.get(timeout=PATIENCE) is None  # it listens
    yield opened
    for database, _ in opened:
        database.close()


def test_what_is_said(two):
    """All hear it, once each, when the transaction is over; nothing of one that failed."""
    (one, heard), (_, elsewhere) = two

    def fails(session: Any) -> None:
        one.say(session, [Message("p", "events", ("never",))])
        raise LookupError

    with pytest.raises(LookupError):
        one.call_now(fails)
    runs = tuple(f"run_{number}" for number in range(450))  # more than go into one
    one.call_now(
        lambda s: one.say(s, [Message("p", "events", runs), Message("q", "cancel", ("r",))])
    )
    for box in (heard, elsewhere):
        got = [box.get(timeout=PATIENCE) for _ in range(4)]
        assert [(message.process, message.kind) for message in got] == [
            *[("p", "events")] * 3,
            ("q", "cancel"),
        ]
        assert tuple(run for message in got for run in message.runs) == (*runs, "r")


def test_a_connection_that_broke(two):
    """What is said when the connection has broken is heard all the same, by a new one."""
    (one, _), (other, elsewhere) = two
    for number in range(3):
        one.call_now(lambda s, n=number: one.say(s, [Message("p", "events", (f"run_{n}",))]))
        while elsewhere.get(timeout=PATIENCE).runs != (f"run_{number}",):
            pass  # the one before, which may come again
        assert other.call_now(lambda s: s.execute(text(KILL)).scalar_one()) >= 1


def test_the_last_words(two):
    """What was said before the end is said to its end."""
    (one, _), (_, elsewhere) = two
    one.call_now(lambda s: one.say(s, [Message("p", "events", ("last",))]))
    one.close()
    assert elsewhere.get(timeout=PATIENCE).runs == ("last",)
