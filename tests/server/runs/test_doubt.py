"""A transaction that went well although its answer was lost: nothing is told twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from server_helpers import Raw, wait_for_run

from emitter_stream.server import Text
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
