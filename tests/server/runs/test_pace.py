"""Whose turn it is: runs in the middle of their text, those that begin, and the database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from server_helpers import PATIENCE, Raw, wait_for_run

from emitter_stream.server import Text, Turn
from emitter_stream.server.runs import pace
from emitter_stream.server.runs import pieces as gathering
from emitter_stream.server.runs import runs as engines
from emitter_stream.server.runs.logs import store_pieces
from emitter_stream.server.runs.pace import Pace
from emitter_stream.server.runs.pieces import Gatherer, Pieces
from emitter_stream.server.store.store import StorageFailed, Transaction


def test_everybody_has_a_turn():
    """Whoever waits longest goes first, and nobody goes twice before the others went once."""
    went: list[int] = []

    async def work(turns: Pace, number: int) -> None:
        for _ in range(3):
            await turns.turn()
            went.append(number)

    async def main() -> None:
        turns = Pace(lambda: False)
        await asyncio.wait_for(asyncio.gather(*(work(turns, n) for n in range(5))), PATIENCE)

    asyncio.run(main())
    assert went == [*range(5)] * 3


def test_a_turn_that_nobody_takes():
    """Who is cancelled while it waits for its turn keeps nobody else from theirs."""

    async def main() -> None:
        turns = Pace(lambda: False)
        waiting = [asyncio.create_task(turns.turn()) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting[:4]:
            task.cancel()
        await asyncio.wait_for(waiting[4], PATIENCE)
        await asyncio.wait_for(turns.turn(), PATIENCE)

    asyncio.run(main())


def test_the_database_goes_first(monkeypatch):
    """No turn is given while the database has work."""
    monkeypatch.setattr(pace, "PATIENCE", 3600.0)
    looks: list[int] = []

    def is_busy() -> bool:
        looks.append(1)
        return len(looks) < 10

    async def main() -> None:
        await asyncio.wait_for(Pace(is_busy).turn(), PATIENCE)

    asyncio.run(main())
    assert len(looks) >= 10


def test_a_database_that_always_has_work():
    """Texts go on, if slowly, also while the database never rests."""

    async def main() -> None:
        turns = Pace(lambda: True)
        for _ in range(3):
            await asyncio.wait_for(turns.turn(), PATIENCE)

    asyncio.run(main())


def test_a_run_begins_while_others_never_stop(start):
    """A run is begun and ended while many others have more to say than can be sent."""
    stop = threading.Event()

    class Flood:
        async def respond(self, turn: Turn) -> AsyncIterator[Text]:
            yield Text("word ")
            while turn.instructions == "flood" and not stop.is_set():
                yield Text("word ")

    raw = Raw(start(model=Flood()).base_url)
    assistant = raw.assistant()
    asked = {"assistant_id": assistant, "instructions": "flood"}
    threads = [raw.thread("Hello") for _ in range(8)]
    runs = [raw("POST", f"/threads/{thread}/runs", asked).body["id"] for thread in threads]
    try:
        thread = raw.thread("Hello")
        events = raw("POST", f"/threads/{thread}/runs", {"assistant_id": assistant, "stream": True})
        names = [name for name, _ in events.events()]
        assert names[-2:] == ["thread.run.completed", "done"]
        path = f"/threads/{threads[0]}/runs/{runs[0]}"
        assert raw("GET", path).body["status"] == "in_progress"
    finally:
        stop.set()
    for thread, run in zip(threads, runs, strict=True):
        assert wait_for_run(raw, thread, run)["status"] == "completed"


def test_a_model_waits_for_a_database_that_is_far_behind(start, monkeypatch):
    """While many pieces are on their way and many more wait, the model is asked for nothing."""
    monkeypatch.setattr(gathering, "MOST_WAITING", 100)
    gate, waits, stop = threading.Event(), threading.Event(), threading.Event()
    settled = Pieces.settled

    async def watched(self: Pieces) -> None:
        if self.are_too_many:
            waits.set()
        await settled(self)

    def store(*given: Any) -> Any:
        assert gate.wait(PATIENCE)
        return store_pieces(*given)

    class Flood:
        said = 0

        async def respond(self, turn: Turn) -> AsyncIterator[Text]:
            while not stop.is_set():
                self.said += 1
                yield Text("word ")

    monkeypatch.setattr(Pieces, "settled", watched)
    monkeypatch.setattr(engines, "store_pieces", store)
    flood = Flood()
    raw = Raw(start(model=flood).base_url)
    thread = raw.thread("Hello")
    run = raw("POST", f"/threads/{thread}/runs", {"assistant_id": raw.assistant()}).body["id"]
    try:
        assert waits.wait(PATIENCE)
        said = flood.said
    finally:
        stop.set()
        gate.set()
    assert wait_for_run(raw, thread, run)["status"] == "completed"
    assert flood.said == said
    text = raw("GET", f"/threads/{thread}/messages").body["data"][0]["content"][0]["text"]["value"]
    assert text == "word " * said


class Statements:
    """What a server's database was asked outside the ORM: how many rows it gave, and when."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, int]] = []
        sql = Transaction.sql

        def noted(session: Transaction, statement: str, *given: object) -> Any:
            found = sql(session, statement, *given)
            self.asked.append((statement, len(found)))
            return found

        monkeypatch.setattr(Transaction, "sql", noted)


def test_a_short_run_takes_three_transactions(start, monkeypatch):
    """A run of one word begins, is opened with that word, and ends: each a transaction."""

    class Word:
        async def respond(self, turn: Turn) -> AsyncIterator[Text]:
            yield Text("word")

    raw = Raw(start(model=Word()).base_url)
    assistant, thread = raw.assistant(), raw.thread("Hello")
    noted = Statements(monkeypatch)
    asked = {"assistant_id": assistant, "stream": True}
    names = [name for name, _ in raw("POST", f"/threads/{thread}/runs", asked).events()]
    assert names == [
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.message.created",
        "thread.message.in_progress",
        "thread.message.delta",
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
        "done",
    ]
    # Once in each that tells something; a slow machine has others besides.
    assert sum("INSERT INTO run_events" in statement for statement, _ in noted.asked) == 3


def test_what_is_not_read_of_a_thread(start, monkeypatch):
    """A run that may read two messages reads few of a long thread, and the model gets these two."""
    seen: list[Turn] = []

    class Model:
        async def respond(self, turn: Turn) -> AsyncIterator[Text]:
            seen.append(turn)
            yield Text("word")

    raw = Raw(start(model=Model()).base_url)
    thread = raw.thread(*(f"{n}" for n in range(30)))
    for n in range(30, 60):
        raw("POST", f"/threads/{thread}/messages", {"role": "user", "content": f"{n}"})
    noted = Statements(monkeypatch)
    asked = {
        "assistant_id": raw.assistant(),
        "stream": True,
        "truncation_strategy": {"type": "last_messages", "last_messages": 2},
    }
    assert raw("POST", f"/threads/{thread}/runs", asked).events()[-1][0] == "done"
    assert [said.parts for said in seen[0].history] == [("58",), ("59",)]
    assert max(rows for _, rows in noted.asked) <= 32


def test_pieces_that_cannot_be_stored():
    """Whatever storing raises, its runs are told to fail and keep their pieces; the next are stored."""
    stored: list[dict[str, list[bytes]]] = []
    failed: list[str] = []

    asked = asyncio.Event()

    async def store(pieces: Any) -> set[str]:
        stored.append(dict(pieces))
        asked.set()
        if len(stored) == 1:
            raise StorageFailed("the disk is full")
        if len(stored) == 2:
            raise RuntimeError
        return set()

    async def main() -> None:
        gatherer = Gatherer(store)
        runs = {
            name: Pieces(name, gatherer, lambda name=name: failed.append(name), lambda: None)
            for name in "abc"
        }
        for pieces in runs.values():
            asked.clear()
            pieces.put(b"one")
            await asyncio.wait_for(asked.wait(), PATIENCE)
            await asyncio.wait_for(pieces.settled(), PATIENCE)
        assert [pieces.take() for pieces in runs.values()] == [[b"one"], [b"one"], []]

    asyncio.run(main())
    assert stored == [{name: [b"one"]} for name in "abc"] and failed == ["a", "b"]
