"""A transaction that went well although its answer was lost: nothing is told twice."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from server_helpers import Raw, wait_for_run

from emitter_stream.server import Text
from emitter_stream.server.runs import lifecycle as lifecycles
from emitter_stream.server.runs.lifecycle import Lifecycle
from emitter_stream.server.runs.logs import Events
from emitter_stream.server.store.store import Database, StorageFailed

WORDS = ["one", " two", " three", " four"]


class Talker:
    """Says four words and waits for what will not come."""

    async def respond(self, turn: Any) -> Any:
        for word in WORDS:
            yield Text(word)
        await asyncio.Event().wait()


def test_pieces_whose_answer_was_lost(start, monkeypatch):
    """The run fails, and its events have each piece once, as its message has."""
    kinds: list[Any] = [Database]
    postgres = pytest.importorskip("emitter_stream.server.store.postgres")
    kinds.append(postgres.PostgresDatabase)
    calls: list[str] = []

    def losing(call: Any) -> Any:
        async def lost(self: Any, work: Any, **options: Any) -> Any:
            result = await call(self, work, **options)
            if "_store_pieces" in work.__qualname__:
                calls.append(work.__qualname__)
                if len(calls) == 1:
                    raise StorageFailed("the answer was lost")
            return result

        return lost

    for kind in kinds:
        monkeypatch.setattr(kind, "call", losing(kind.call))
    raw = Raw(start(model=Talker()).base_url)
    body = {"assistant_id": raw.assistant()}
    run = raw("POST", f"/threads/{raw.thread('Hello')}/runs", body).body
    ids = (run["thread_id"], run["id"])
    assert wait_for_run(raw, *ids)["status"] == "failed"
    path = f"/threads/{ids[0]}/runs/{ids[1]}/events"
    told = raw("GET", path, headers={"Authorization": "Bearer any"}).raw.decode()
    said = [
        line.split('"value":"')[1].split('"')[0] for line in told.split("\n") if '"delta":' in line
    ]
    message = raw("GET", f"/threads/{ids[0]}/messages").body["data"][0]
    assert message["content"][0]["text"]["value"] == "".join(said)
    assert len(said) == len(set(said)) >= 1


def frames(*texts: str) -> list[bytes]:
    return [f"event: thread.message.delta\ndata: {text}\n\n".encode() for text in texts]


@pytest.mark.parametrize(
    ("stored", "doubtful", "left"),
    [
        (frames("a", "b"), frames("a", "b", "c"), frames("c")),
        (frames("x", "a", "b", "y"), frames("a", "b", "c"), frames("c")),
        (frames("a", "a", "b"), frames("a", "b"), []),
        (frames("b"), frames("a", "b"), frames("a", "b")),
        ([], frames("a", "b"), frames("a", "b")),
        (None, frames("a"), frames("a")),
        (frames("aa"), frames("a"), frames("a")),
        (frames("same") * 60_000, frames("same") * 100_000, frames("same") * 40_000),
        ([], frames("same") * 100_000, frames("same") * 100_000),
    ],
    ids=["head", "between", "repeated", "no head", "none", "not kept", "longer", "half", "many"],
)
def test_what_of_many_pieces_is_stored(monkeypatch, stored, doubtful, left):
    """What is stored already is the longest head of what is in doubt, also of very many."""
    known = frames("known")
    events = None if stored is None else Events(7, [*known, *stored], 7 + len(stored), None)
    monkeypatch.setattr(lifecycles, "read_events", lambda *_: events)
    found = Lifecycle.unstored(SimpleNamespace(session=None), "run_1", doubtful, 7)
    assert list(found) == left
