"""Hosts whose clocks are off: times are the database's, and a folder's are the folder's."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from databases import new_database
from server_helpers import BOTH, PATIENCE, WEATHER, GatedModel, Process, Raw, wait_for_run

from emitter_stream.server.files.folder import Folder

DAYS = 2 * 86_400
# A host's clocks: that of the wall is off, and the other counts from another moment.
SKEWED = """
import sys, time
wall, other = time.time, time.monotonic
time.time, time.monotonic = (lambda: wall() + {0}), (lambda: other() + 86_400)
from emitter_stream.cli import main
from emitter_stream.server.runs import peers
peers.LOOK_EVERY = 0.2
sys.exit(main(sys.argv[1:]))
"""
IN_A_DAY = {"anchor": "last_active_at", "days": 1}
UPLOAD = {"filename": "a.txt", "purpose": "assistants", "bytes": 1, "mime_type": "text/plain"}


def wait_for_looks(database: str) -> None:
    """Wait until each process of a database has looked after the others twice more."""
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        for _ in range(2):
            before = dict(connection.execute("SELECT id, until FROM processes").fetchall())
            for process, until in before.items():
                for _ in range(2000):
                    query = "SELECT until FROM processes WHERE id = %s"
                    found = connection.execute(query, (process,)).fetchone()
                    assert found is not None, "a lease was ended that is renewed"
                    if found[0] > until:
                        break
                    time.sleep(0.05)
                else:
                    raise AssertionError("a process does not renew its lease")


def test_servers_whose_clocks_are_off(start, postgres, monkeypatch):
    """They end nobody's runs, let nothing expire, and what they make has the right times."""
    monkeypatch.setattr("emitter_stream.server.runs.peers.LOOK_EVERY", 0.2)
    database = new_database(postgres)
    gate = GatedModel()
    near = Raw(start(db=database, model=gate).base_url)

    def begin(raw: Raw, **fields: Any) -> tuple[str, str]:
        body = {"assistant_id": raw.assistant(**fields)}
        run = raw("POST", f"/threads/{raw.thread(BOTH)}/runs", body).body
        return run["thread_id"], run["id"]

    def make(raw: Raw) -> tuple[dict[str, Any], dict[str, Any]]:
        store = raw("POST", "/vector_stores", {"expires_after": IN_A_DAY}).body
        return store, raw("POST", "/uploads", UPLOAD).body

    at_work = begin(near)
    assert gate.waiting.wait(PATIENCE)
    made = [make(near)]  # what a server that starts might find too old
    with (
        Process("--db", database, source=SKEWED.format(DAYS)) as ahead,
        Process("--db", database, source=SKEWED.format(-DAYS)) as behind,
    ):
        servers = [near, Raw(ahead.base_url), Raw(behind.base_url)]
        made += map(make, servers[1:])
        waiting = [wait_for_run(raw, *begin(raw, tools=[WEATHER])) for raw in servers[1:]]
        over = [wait_for_run(raw, *begin(raw)) for raw in servers[1:]]
        wait_for_looks(database)
        for raw in servers:
            for store, upload in made:
                found = raw("GET", f"/vector_stores/{store['id']}").body
                assert (found["status"], found["expires_at"]) == ("completed", store["expires_at"])
                for when in (store["created_at"], upload["expires_at"] - 3600):
                    assert abs(when - time.time()) < 3600
            for run in waiting:
                path = f"/threads/{run['thread_id']}/runs/{run['id']}"
                assert raw("GET", path).body["status"] == "requires_action"
            for run in over:
                path = f"/threads/{run['thread_id']}/runs/{run['id']}/events"
                told = raw("GET", path, headers={"Authorization": "Bearer any"})
                assert told.status == 200 and b"event: thread.run.completed" in told.raw
        for (_, upload), raw in zip(made, reversed(servers), strict=True):
            assert raw("POST", f"/uploads/{upload['id']}/cancel").body["status"] == "cancelled"
        gate.open()
        assert wait_for_run(servers[1], *at_work)["status"] == "completed"


@pytest.mark.parametrize(
    ("ahead", "took", "clock"),
    [(9_000, 30, 5_000), (-9_000, 30, 4_970), (3_980, 30, 4_980), (3_980, 0, 5_000)],
)
def test_a_slow_look_at_the_clock(monkeypatch, ahead, took, clock):
    """A database that takes long to say its time is believed as far as that says anything."""
    postgres = pytest.importorskip("emitter_stream.server.store.postgres")
    moments = [1_000.0, 1_000.0 + took, 1_000.0]
    monkeypatch.setattr(postgres, "time", SimpleNamespace(monotonic=lambda: moments.pop(0)))
    database = postgres.PostgresDatabase.__new__(postgres.PostgresDatabase)
    database._own_clock = None
    database._ahead = ahead  # of the other clock, as far as it is known
    database._now = lambda session: 5_000.0
    database._look_at_clock(None)
    assert database.clock() == clock  # at the first of these moments


def test_a_folder_of_several_hosts(tmp_path, monkeypatch):
    """What another host is writing is not old for one whose clock is ahead."""
    folder = Folder(str(tmp_path))

    async def main() -> list[str]:
        writer = folder.writer("half")
        await writer.write(bytes(1_000_000))
        own = time.time
        monkeypatch.setattr(time, "time", lambda: own() + DAYS)
        await folder.sweep(lambda name: False, 3600)
        names = sorted(path.name for path in tmp_path.iterdir())
        await writer.discard()
        return names

    try:
        assert asyncio.run(main()) == ["half.part"]
    finally:
        folder.close()
