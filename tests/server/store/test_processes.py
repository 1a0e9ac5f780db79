"""Several servers on one PostgreSQL: each does what is asked of it, and ends what another left."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from databases import new_database
from proxy import Proxy
from server_helpers import BOTH, PATIENCE, WEATHER, GatedModel, Process, Raw, wait_for_run
from sqlalchemy.engine import make_url

from emitter_stream.server import LocalServer
from emitter_stream.server.runs.runs import RunEngine

LONG = 120  # seconds, for what takes a lease's time on a loaded machine


@pytest.fixture
def database(postgres) -> str:
    return new_database(postgres)


@pytest.fixture
def two(start, database) -> tuple[Raw, Raw]:
    """Two servers of one database."""
    return Raw(start(db=database).base_url), Raw(start(db=database).base_url)


@pytest.fixture
def gated_two(start, database, gate) -> tuple[GatedModel, Raw, Raw]:
    """Two servers of one database; the model of the first waits at the gate."""
    return gate, Raw(start(db=database, model=gate).base_url), Raw(start(db=database).base_url)


@pytest.fixture(autouse=True)
def soon(monkeypatch) -> None:
    """Let the servers of this process look after each other often; theirs of others as always."""
    monkeypatch.setattr("emitter_stream.server.runs.peers.LOOK_EVERY", 0.2)


class Events:
    """Events of a run, read on a thread of their own."""

    def __init__(self, raw: Raw, run: dict[str, Any], after: int = 0) -> None:
        self.names: list[str] = []
        self.is_open = threading.Event()
        self._came = threading.Condition()
        path = f"/threads/{run['thread_id']}/runs/{run['id']}/events?after={after}"
        self._thread = threading.Thread(target=self._read, args=(raw, path), daemon=True)
        self._thread.start()

    def _read(self, raw: Raw, path: str) -> None:
        connection = raw.connection()
        connection.timeout = LONG
        connection.request("GET", raw.prefix + path, headers={"Authorization": "Bearer any"})
        response = connection.getresponse()
        self.is_open.set()
        for line in iter(response.readline, b""):
            if line.startswith(b"event: "):
                with self._came:
                    self.names.append(line[7:].strip().decode())
                    self._came.notify_all()
        connection.close()

    def wait_for(self, name: str) -> None:
        with self._came:
            assert self._came.wait_for(lambda: name in self.names, LONG), self.names

    def all(self) -> list[str]:
        self._thread.join(LONG)
        return self.names


def begun(raw: Raw, **fields: Any) -> dict[str, Any]:
    body = {"assistant_id": raw.assistant(**fields)}
    return raw("POST", f"/threads/{raw.thread(BOTH)}/runs", body).body


def path_of(run: dict[str, Any]) -> str:
    return f"/threads/{run['thread_id']}/runs/{run['id']}"


def outputs_for(run: dict[str, Any]) -> list[dict[str, str]]:
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return [{"tool_call_id": call["id"], "output": "57"} for call in calls]


def test_what_one_makes_the_other_has(two):
    """Objects are everybody's at once."""
    one, other = two
    thread = one.thread("Hello")
    assert other("GET", f"/threads/{thread}").body["id"] == thread
    assert len(other("GET", f"/threads/{thread}/messages").body["data"]) == 1


def test_outputs_to_another(two):
    """Outputs can be submitted to any server; who follows the run hears all from each."""
    one, other = two
    run = wait_for_run(one, *_ids(begun(one, tools=[WEATHER])))
    follower = Events(one, run)
    follower.wait_for("thread.run.requires_action")
    body = {"tool_outputs": outputs_for(run), "stream": True}
    told = other("POST", f"{path_of(run)}/submit_tool_outputs", body).events()
    assert told[-2][0] == "thread.run.completed"
    names = follower.all()
    assert names[-len(told) :] == [name for name, _ in told]
    assert Events(other, run).all() == names


def test_cancel_at_another(gated_two):
    """A run is cancelled by way of a server that does not work on it, and its model let go."""
    gate, one, other = gated_two
    run = begun(one)
    assert gate.waiting.wait(PATIENCE)
    follower = Events(other, run)
    assert other("POST", f"{path_of(run)}/cancel", {}).status == 200
    assert wait_for_run(other, *_ids(run))["status"] == "cancelled"
    assert gate.closed.wait(PATIENCE)
    assert follower.all()[-3:] == ["thread.run.step.cancelled", "thread.run.cancelled", "done"]


@pytest.mark.parametrize("after", [2, 9, 2**31, 10**15 - 1])
def test_from_any_number_on(gated_two, after):
    """A run is followed elsewhere from any number on; one beyond all keeps nothing from others."""
    gate, one, other = gated_two
    run = begun(one)
    assert gate.waiting.wait(PATIENCE)
    late, whole = Events(other, run, after), Events(other, run)
    assert late.is_open.wait(LONG)
    whole.wait_for("thread.message.delta")
    gate.open()
    names = whole.all()
    assert names[-2:] == ["thread.run.completed", "done"]
    assert late.all() == (names[after:] or ["done"])


def test_a_response_elsewhere(start, database):
    """A response in the background is in progress for every server; its events come at its end."""
    gate = GatedModel()
    one = start(db=database, model=gate)
    near, far = Raw(one.base_url), Raw(start(db=database).base_url)
    made = near("POST", "/responses", {"model": "m", "input": "Hello", "background": True}).body
    assert gate.waiting.wait(PATIENCE)
    assert far("GET", f"/responses/{made['id']}").body["status"] in ("queued", "in_progress")
    gate.open()
    told = far("GET", f"/responses/{made['id']}?stream=true&starting_after=1").raw
    assert told == near("GET", f"/responses/{made['id']}?stream=true&starting_after=1").raw
    assert b"response.completed" in told
    assert far("GET", f"/responses/{made['id']}").body["status"] == "completed"


def followed(raw: Raw, response: str) -> tuple[Any, Any]:
    """Follow a response in the background from its first event on."""
    connection = raw.connection()
    path = f"{raw.prefix}/responses/{response}?stream=true"
    connection.request("GET", path, headers={"Authorization": "Bearer any"})
    return connection, connection.getresponse()


@pytest.mark.parametrize("how", ["POST", "DELETE"])
def test_a_response_that_is_ended_elsewhere(gated_two, how):
    """A response is cancelled, or deleted, by way of a server that does not work on it."""
    gate, near, far = gated_two
    made = near("POST", "/responses", {"model": "m", "input": "Hello", "background": True}).body
    path = f"/responses/{made['id']}"
    connection, told = followed(near, made["id"])
    assert gate.waiting.wait(PATIENCE)
    if how == "POST":
        assert far("POST", f"{path}/cancel", {}).body["status"] == "cancelled"
    else:
        assert far("DELETE", path).body["deleted"]
    assert gate.closed.wait(PATIENCE)
    assert b"response.completed" not in told.read()
    connection.close()
    for raw in (near, far):
        answer = raw("GET", path)
        if how == "POST":
            assert answer.body["status"] == "cancelled"
            assert answer.body["output"][0]["content"][0]["text"] == "one"
            assert raw("GET", f"{path}?stream=true").raw.endswith(b"\n\n")
        else:
            assert answer.status == 404


def test_a_response_that_was_ended_elsewhere_has_ended(start, database, monkeypatch):
    """Who was told that a response is cancelled, or deleted, hears nothing else at any server."""
    monkeypatch.setattr(RunEngine, "interrupt", lambda engine, ids: None)  # it is not heard of yet
    gate = GatedModel()
    near = Raw(start(db=database, model=gate).base_url)
    far = Raw(start(db=database).base_url)
    made = near("POST", "/responses", {"model": "m", "input": "Hello", "background": True}).body
    path = f"/responses/{made['id']}"
    assert gate.waiting.wait(PATIENCE)
    assert near("GET", path).body["status"] == "in_progress"
    assert far("POST", f"{path}/cancel", {}).body["status"] == "cancelled"
    assert near("GET", path).body["status"] == "cancelled"
    assert far("DELETE", path).body["deleted"]
    assert near("GET", path).status == 404


def test_a_response_that_is_deleted_under_who_follows_it_elsewhere(gated_two, caplog):
    """Who follows a response at another server is left without an error when it is deleted."""
    gate, near, far = gated_two
    made = near("POST", "/responses", {"model": "m", "input": "Hello", "background": True}).body
    connection, told = followed(far, made["id"])
    assert far("DELETE", f"/responses/{made['id']}").body["deleted"]
    assert told.read() == b""
    connection.close()
    assert gate.closed.wait(PATIENCE)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_response_whose_server_stood_still(start, database):
    """What was said to have failed, since nobody heard of its server, does not complete later."""
    gate = GatedModel()
    slow = Raw(start(db=database, model=gate).base_url)
    made = slow("POST", "/responses", {"model": "m", "input": "Hello", "background": True}).body
    path = f"/responses/{made['id']}"
    connection, told = followed(slow, made["id"])
    assert gate.waiting.wait(PATIENCE)
    change_leases(database, None)
    other = Raw(start(db=database).base_url)
    failed = other("GET", path).body
    assert failed["status"] == "failed" and "stopped" in failed["error"]["message"]
    gate.open()
    heard = told.read()
    connection.close()
    assert b"event: response.failed\n" in heard and b"response.completed" not in heard
    for raw in (slow, other):
        assert raw("GET", path).body == failed
        assert b"event: response.failed\n" in raw("GET", f"{path}?stream=true").raw


def test_one_active_run(two):
    """Of many runs that are begun at once on one thread, at two servers, one is."""
    thread, assistant = two[0].thread(BOTH), two[0].assistant(tools=[WEATHER])
    barrier = threading.Barrier(8)

    def begin(number: int) -> int:
        barrier.wait(PATIENCE)
        body = {"assistant_id": assistant}
        return two[number % 2]("POST", f"/threads/{thread}/runs", body).status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(begin, range(8))) == [200, *[400] * 7]


def test_a_thread_that_is_deleted_elsewhere(gated_two):
    """A run whose thread another server deletes ends, for its worker and for who follows it."""
    gate, one, other = gated_two
    run = begun(one)
    assert gate.waiting.wait(PATIENCE)
    follower = Events(one, run)
    follower.wait_for("thread.message.delta")
    assert other("DELETE", f"/threads/{run['thread_id']}").status == 200
    gate.open()
    assert follower.all()[-1] == "done"
    assert one("GET", path_of(run)).status == 404


def test_a_start_touches_nobody_elses_runs(start, database):
    """A server that starts, and one that stops, leaves others' runs alone."""
    gate = GatedModel()
    one = Raw(start(db=database, model=gate).base_url)
    run = begun(one)
    assert gate.waiting.wait(PATIENCE)
    start(db=database).stop()
    gate.open()
    assert wait_for_run(one, *_ids(run))["status"] == "completed"


@pytest.fixture
def slow_process(database) -> Iterator[Process]:
    """A server as a process of its own, with a model that takes its time."""
    with Process("--db", database, "--tokens-per-second", "3") as process:
        yield process


def test_kill(start, database, slow_process):
    """What a killed server left is ended by another, with the text that it had told."""
    raw = Raw(slow_process.base_url)
    run = begun(raw)
    other = Raw(start(db=database).base_url)
    follower = Events(other, run)
    follower.wait_for("thread.message.delta")
    slow_process.popen.kill()
    names = follower.all()
    assert names[-2:] == ["thread.run.failed", "done"]
    body = other("GET", path_of(run)).body
    assert body["status"] == "failed" and "stopped" in body["last_error"]["message"]
    message = other("GET", f"/threads/{run['thread_id']}/messages").body["data"][0]
    assert message["status"] == "incomplete" and message["content"][0]["text"]["value"]
    # The thread is free.
    again = {"assistant_id": body["assistant_id"]}
    run = other("POST", f"/threads/{run['thread_id']}/runs", again).body
    assert wait_for_run(other, *_ids(run))["status"] == "completed"


def test_a_run_that_waits_survives(start, database, slow_process):
    """A run that waits for outputs has no need of the server that began it."""
    run = wait_for_run(
        Raw(slow_process.base_url), *_ids(begun(Raw(slow_process.base_url), tools=[WEATHER]))
    )
    slow_process.popen.kill()
    other = Raw(start(db=database).base_url)
    body = {"tool_outputs": outputs_for(run)}
    assert other("POST", f"{path_of(run)}/submit_tool_outputs", body).status == 200
    assert wait_for_run(other, *_ids(run))["status"] == "completed"


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="there is no SIGSTOP here")
def test_a_process_that_stands_still(start, database, slow_process):
    """A server that was stopped for longer than its lease writes nothing more, and serves again."""
    raw = Raw(slow_process.base_url)
    run = begun(raw)
    other = Raw(start(db=database).base_url)
    follower = Events(other, run)
    follower.wait_for("thread.message.delta")
    os.kill(slow_process.popen.pid, signal.SIGSTOP)
    try:
        names = follower.all()
    finally:
        os.kill(slow_process.popen.pid, signal.SIGCONT)
    assert names[-2:] == ["thread.run.failed", "done"]
    next_run = begun(raw)  # as soon as it notices, under another lease
    assert wait_for_run(raw, *_ids(next_run))["status"] == "completed"
    assert Events(raw, run).all() == names
    assert wait_for_run(raw, *_ids(run))["status"] == "failed"


def test_a_partition(start, postgres, database):
    """A server that cannot reach its database loses its runs, says 503, and serves again later."""
    gate = GatedModel()
    url = make_url(database)
    folder = url.query.get("host")
    target: Any = (url.host, url.port or 5432)
    if folder:
        target = f"{folder}/.s.PGSQL.{url.port or 5432}"
    with Proxy(target) as proxy:
        through = url.set(host="127.0.0.1", port=proxy.port, query={})
        far = Raw(start(db=through.render_as_string(hide_password=False), model=gate).base_url)
        near = Raw(start(db=database).base_url)
        run = begun(far)
        assert gate.waiting.wait(PATIENCE)
        follower = Events(near, run)
        follower.wait_for("thread.message.delta")
        proxy.stall()
        assert follower.all()[-2:] == ["thread.run.failed", "done"]
        gate.open()
        proxy.go_on()
        told = Events(near, run).all()
        assert wait_for_run(near, *_ids(run))["status"] == "failed"
        until_it_works(lambda: far("GET", path_of(run)).status)
        assert Events(far, run).all() == told


@pytest.mark.parametrize("until", [None, 0.0], ids=["buried", "over"])
@pytest.mark.parametrize("what", ["run", "response"])
def test_what_is_begun_when_the_lease_is_over(start, database, monkeypatch, until, what):
    """A server that has not noticed yet that its lease is lost begins nothing under it."""
    monkeypatch.setattr("emitter_stream.server.runs.peers.LOOK_EVERY", 3600.0)
    gate = GatedModel()
    far = Raw(start(db=database, model=gate).base_url)
    change_leases(database, until)
    monkeypatch.setattr("emitter_stream.server.runs.peers.LOOK_EVERY", 0.1)
    near = Raw(start(db=database).base_url)
    if what == "run":
        path = path_of(begun(far))
    else:
        body = {"model": "m", "input": "Hello", "background": True}
        path = f"/responses/{far('POST', '/responses', body).body['id']}"
    assert gate.waiting.wait(PATIENCE)
    wait_for_looks(database)
    assert near("GET", path).body["status"] in ("queued", "in_progress")
    gate.open()
    for _ in range(6_000):
        status = near("GET", path).body["status"]
        if status not in ("queued", "in_progress"):
            break
        time.sleep(0.02)  # as a polling client does
    assert status == "completed"


def change_leases(database: str, until: float | None) -> None:
    """Let the leases that there are be over, or take them away."""
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        if until is None:
            changed = connection.execute("DELETE FROM processes")
        else:
            changed = connection.execute("UPDATE processes SET until = %s", (until,))
        assert changed.rowcount == 1


def wait_for_looks(database: str) -> None:
    """Wait until a process that looks after the others has done so twice more."""
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        for _ in range(2):
            before = latest_lease(connection)
            for _ in range(6000):
                if latest_lease(connection) != before:
                    break
                time.sleep(0.02)
            else:
                raise AssertionError("no process renews its lease")


def latest_lease(connection: Any) -> float:
    return connection.execute("SELECT max(until) FROM processes").fetchone()[0]


def until_it_works(ask: Callable[[], int]) -> None:
    for _ in range(1000):
        if ask() == 200:
            return
    raise AssertionError("it does not come back")


def test_a_password_stands_in_no_message(postgres):
    """A database that cannot be reached is one line, without the password."""
    from emitter_stream.server.store.store import DatabaseUnusable

    with pytest.raises(DatabaseUnusable) as error:
        LocalServer(db="postgresql://me:secret@127.0.0.1:1/none").start()
    assert "secret" not in str(error.value) and "\n" not in str(error.value)
    assert "cannot use the database postgresql://me:***@127.0.0.1:1/none" in str(error.value)


def _ids(run: dict[str, Any]) -> tuple[str, str]:
    return run["thread_id"], run["id"]
