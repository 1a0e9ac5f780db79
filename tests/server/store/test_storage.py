"""A disk that is full or broken: what clients are told, and what becomes of runs."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_helpers import BOTH, PATIENCE, WEATHER, GatedModel, Raw, wait_for_run

from emitter_stream import cli
from emitter_stream.server import LocalServer, Text
from emitter_stream.server.store.store import Database, DatabaseUnusable

MESSAGE = {"role": "user", "content": "x" * 20_000}


class Disk:
    """What a server's database is told about the room that it has."""

    def __init__(self) -> None:
        self.databases: list[Database] = []

    def break_down(self) -> None:
        """Let nothing be written."""
        self._pragma("query_only = 1")

    def mend(self) -> None:
        self._pragma("query_only = 0")

    def _pragma(self, text: str) -> None:
        for database in self.databases:
            database.call_now(lambda s: s.connection().exec_driver_sql(f"PRAGMA {text}"))


@pytest.fixture
def disk(monkeypatch) -> Disk:
    """Give the databases of the servers that are started in this test."""
    made = Disk()

    class Known(Database):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            made.databases.append(self)

    monkeypatch.setattr("emitter_stream.server.local.Database", Known)
    monkeypatch.setattr("emitter_stream.server.runs.runs.RETRY_EVERY", 0.05)
    return made


def errors(caplog) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_client_is_told(start, disk, caplog):
    """While nothing can be written, reads go on, and the rest is a 503; the log has one line."""
    raw = Raw(start().base_url)
    thread = raw.thread("Hello")
    disk.break_down()
    for _ in range(3):
        reply = raw("POST", f"/threads/{thread}/messages", MESSAGE)
        assert reply.status == 503
        assert reply.error["type"] == "server_error"
        assert reply.error["code"] == "storage_unavailable"
    assert raw("GET", f"/threads/{thread}/messages").status == 200
    assert len(errors(caplog)) == 1 and "readonly" in errors(caplog)[0]
    assert not [record for record in caplog.records if record.exc_info]
    disk.mend()
    assert raw("POST", f"/threads/{thread}/messages", MESSAGE).status == 200
    assert "works again" in caplog.records[-1].message


@pytest.mark.parametrize("when", ["at its beginning", "in its text", "at its end"])
def test_a_run_is_not_stuck(start, disk, caplog, when):
    """A run whose storage fails ends its stream at once, and is failed when storage is back."""

    class Model:
        async def respond(self, turn):
            if when == "at its beginning":
                disk.break_down()
            yield Text("one")
            if when == "in its text":
                disk.break_down()
            yield Text(" two")
            if when == "at its end":
                disk.break_down()

    raw = Raw(start(model=Model()).base_url)
    assistant, thread = raw.assistant(), raw.thread("Hello")
    path = f"/threads/{thread}/runs"
    events = raw("POST", path, {"assistant_id": assistant, "stream": True}).events()
    assert [name for name, _ in events][-2:] == ["error", "done"]
    assert events[-2][1]["type"] == events[-2][1]["error"]["type"] == "server_error"
    run = f"{path}/{events[0][1]['id']}"
    assert raw("GET", run).body["status"] == "in_progress"
    disk.mend()
    body = wait_for_run(raw, thread, events[0][1]["id"])
    assert body["status"] == "failed" and "storage" in body["last_error"]["message"]
    for message in raw("GET", f"/threads/{thread}/messages").body["data"][:-1]:
        assert message["status"] == "incomplete" and message["content"]
    assert raw("POST", f"/threads/{thread}/messages", MESSAGE).status == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_a_cancel_that_cannot_be_stored(start, disk, gate):
    """A run that was cancelled while nothing could be stored is cancelled afterwards."""
    raw = Raw(start(model=gate).base_url)
    assistant, thread = raw.assistant(), raw.thread("Hello")
    with raw.stream(f"/threads/{thread}/runs", {"assistant_id": assistant}) as stream:
        run = stream.until("thread.run.created")["id"]
        stream.until("thread.message.delta")
        disk.break_down()
        assert raw("POST", f"/threads/{thread}/runs/{run}/cancel", {}).status == 503
        disk.mend()
        assert raw("POST", f"/threads/{thread}/runs/{run}/cancel", {}).status == 200
        stream.until("thread.run.cancelled")


def test_an_end_that_is_overdue_when_storage_is_back(start, disk):
    """`expires_at` frees a run that waits for outputs, also if that could not be stored in time."""
    now = [1_700_000_000.0]
    raw = Raw(start(clock=lambda: now[0]).base_url)
    run = dict(raw.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    disk.break_down()
    now[0] += 600
    assert raw("GET", path).body["status"] == "requires_action"  # reading goes on
    disk.mend()
    assert raw("GET", path).body["status"] == "expired"


def test_a_stop_does_not_wait_for_storage(disk, tmp_path):
    """A server whose storage fails can be stopped; the next start ends what it left."""
    gate, db = GatedModel(), str(tmp_path / "left.db")
    with LocalServer(model=gate, db=db) as server:
        raw = Raw(server.base_url)
        assistant, thread = raw.assistant(), raw.thread("Hello")
        body = {"assistant_id": assistant}
        run = raw("POST", f"/threads/{thread}/runs", body).body["id"]
        assert gate.waiting.wait(PATIENCE)
        disk.break_down()
    with LocalServer(db=db) as server:
        raw = Raw(server.base_url)
        assert raw("GET", f"/threads/{thread}/runs/{run}").body["status"] == "failed"


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> tuple[bytes, str]:
    """Give a database that a server has made, and the thread in it."""
    path = tmp_path_factory.mktemp("stored") / "whole.db"
    with LocalServer(db=str(path)) as server:
        thread = Raw(server.base_url).thread("Hello", "World")
    return path.read_bytes(), thread


@pytest.mark.parametrize("page", range(1, 12))
@pytest.mark.sample(3)
def test_a_damaged_database(start, stored, tmp_path, page):
    """A database with a damaged page is refused, or requests for what is there are a 503."""
    path = tmp_path / "damaged.db"
    whole, thread = stored
    path.write_bytes(whole)
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    try:
        raw = Raw(start(db=str(path)).base_url)
    except DatabaseUnusable as error:
        assert str(error).startswith(f"cannot use the database {path}: ")
        assert "\n" not in str(error)
        return
    for place in ("/assistants", f"/threads/{thread}", f"/threads/{thread}/messages"):
        assert raw("GET", place).status in (200, 503)
    assert raw("POST", "/threads", {}).status in (200, 503)
    assert raw("DELETE", f"/threads/{thread}").status in (200, 503)


def test_a_database_that_holds_nonsense(tmp_path, capsys):
    """Rows that no server wrote are a line on stderr and status 1, as is a full disk."""
    path = tmp_path / "nonsense.db"
    with LocalServer(db=str(path)) as server:
        raw = Raw(server.base_url)
        raw.run(BOTH, [WEATHER])
    database = sqlite3.connect(path)
    database.execute("UPDATE runs SET body = '{nonsense', status = 'queued'")
    database.commit()
    database.close()
    assert cli.main(["serve", "--port", "0", "--db", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"emitter-stream: cannot use the database {path}: ")
    assert captured.err.count("\n") == 1


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Mount a disk of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except OSError:
        done = None
    if done is None or done.returncode != 0:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Take all the room there is left."""
    with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
        while ballast.write(bytes(4096)):
            pass


def test_a_full_disk(small_disk, start, caplog):
    """On a full disk deleting gets through, again and again, and makes room for new objects."""
    raw = Raw(start(db=str(small_disk / "a.db")).base_url)
    threads: list[str] = []
    while True:
        reply = raw("POST", "/threads", {"messages": [MESSAGE] * 10})
        if reply.status != 200:
            break
        threads.append(reply.body["id"])
    assert reply.status == 503 and "full" in reply.error["message"]
    assert len(threads) > 5 and len(errors(caplog)) == 1
    assert raw("GET", f"/threads/{threads[-1]}/messages").status == 200
    fill(small_disk)
    for thread in threads[:4]:
        assert raw("DELETE", f"/threads/{thread}").status == 200
    for _ in range(2):
        assert raw("POST", "/threads", {"messages": [MESSAGE] * 10}).status == 200


def test_a_start_on_a_full_disk(small_disk, capsys):
    """A start without any room left is a line on stderr and status 1."""
    fill(small_disk)
    assert cli.main(["serve", "--port", "0", "--db", str(small_disk / "a.db")]) == 1
    captured = capsys.readouterr()
    assert "cannot use the database" in captured.err and captured.err.count("\n") == 1


def test_the_reserve_goes_with_the_server(start, tmp_path):
    """What is kept for deleting lies beside the database while the server runs."""
    server = start(db=str(tmp_path / "a.db"))
    assert (tmp_path / "a.db-reserve").exists()
    server.stop()
    assert os.listdir(tmp_path) == ["a.db"]
