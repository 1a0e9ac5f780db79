"""The events of a run, from any connection: live ones, those of the past, and what comes when."""

from __future__ import annotations

import json
import signal
import threading
from typing import Any

import pytest
from samples import tries
from server_helpers import (
    BOTH,
    HEADERS,
    PATIENCE,
    WEATHER,
    Process,
    Raw,
    wait_for_run,
)

from emitter_stream.server import LocalServer, Text

NO_BETA = {name: value for name, value in HEADERS.items() if name != "OpenAI-Beta"}
FIRST = "emitter-stream-first-event"
OUTPUT = {"output": "57"}


OPEN: list[Numbered] = []


@pytest.fixture(autouse=True)
def closed():
    """Close what a test left open."""
    yield
    for events in OPEN:
        events.response.close()
        events.connection.close()
    OPEN.clear()


class Numbered:
    """A response with numbered events, read one by one."""

    def __init__(self, raw: Raw, run: dict[str, Any], after: object = None, **headers: str) -> None:
        path = f"{raw.prefix}/threads/{run['thread_id']}/runs/{run['id']}/events"
        self.connection = raw.connection()
        query = "" if after is None else f"?after={after}"
        self.connection.request("GET", path + query, headers={**NO_BETA, **headers})
        self.response = self.connection.getresponse()
        self.status = self.response.status
        OPEN.append(self)

    def __iter__(self):
        frame: dict[str, str] = {}
        for line in iter(self.response.readline, b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                frame[name] = value
            elif "data" in frame:
                event, data = frame["event"], frame["data"]
                number = int(frame["id"]) if "id" in frame else None
                frame = {}
                yield number, event, data if event == "done" else json.loads(data)

    def until(self, name: str) -> tuple[int | None, Any]:
        for number, event, data in self:
            if event == name:
                return number, data
        raise AssertionError(f"the events ended without {name}")

    def all(self) -> list[tuple[int | None, str, Any]]:
        found = list(self)
        self.connection.close()
        return found


def stream_of(raw: Raw) -> tuple[Any, dict[str, Any]]:
    body = {"assistant_id": raw.assistant()}
    stream = raw.stream(f"/threads/{raw.thread('Hello')}/runs", body)
    return stream, stream.until("thread.run.created")


def text_of(events: list[tuple[int | None, str, Any]]) -> str:
    return "".join(
        data["delta"]["content"][0]["text"]["value"]
        for _, event, data in events
        if event == "thread.message.delta"
    )


def test_a_run_that_is_over(raw):
    """All events of a run that ended come as they came, numbered from 1; done ends them."""
    reply = raw.run("Hello")
    told = reply.events()
    assert reply.headers[FIRST] == "1"
    events = Numbered(raw, told[0][1]).all()
    assert [(event, data) for _, event, data in events] == told
    assert [number for number, *_ in events] == [*range(1, len(told)), None]
    run = told[0][1]
    assert Numbered(raw, run, 0).all() == events
    for after in (1, 5, len(told) - 2):
        assert Numbered(raw, run, after).all() == events[after:]


def test_nothing_left(raw):
    """Whoever has all events of a run that is over gets an empty answer, so that browsers stop."""
    told = raw.run("Hello").events()
    for after in (len(told) - 1, len(told) + 5):
        events = Numbered(raw, told[0][1], after)
        assert (events.status, events.all()) == (204, [])


def test_the_header_of_browsers_wins(raw):
    """`Last-Event-ID`, which browsers send by themselves, counts before `after`."""
    told = raw.run("Hello").events()
    last = {"Last-Event-ID": str(len(told) - 2)}
    events = Numbered(raw, told[0][1], 1, **last).all()
    assert [event for _, event, _ in events] == ["thread.run.completed", "done"]


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "1_0", "9" * 30])
def test_what_is_no_number(raw, after):
    """What is no number of an event is refused, by the parameter and by the header."""
    run = raw.run("Hello").events()[0][1]
    assert Numbered(raw, run, after).status == 400
    assert Numbered(raw, run, None, **{"Last-Event-ID": after}).status == 400


def test_unknown_runs(raw):
    """A run that is not there, or in another thread, has no events."""
    run = raw.run("Hello").events()[0][1]
    assert Numbered(raw, {**run, "id": "run_none"}).status == 404
    assert Numbered(raw, {**run, "thread_id": raw.thread()}).status == 404


def test_a_run_at_work(gated, gate):
    """Several come to a run in the middle; each hears all from where it asked, and the end."""
    stream, run = stream_of(gated)
    stream.until("thread.message.delta")
    early = [Numbered(gated, run, after) for after in (0, 3, 8)]
    starts = [next(iter(events))[0] for events in early[:2]]
    assert starts == [1, 4]
    early[0].until("thread.message.delta")
    gate.open()
    rests = [events.all() for events in early]
    assert all(rest[-1][1] == "done" for rest in rests)
    assert text_of(rests[0]) == " two" and rests[0][-2][1] == "thread.run.completed"
    assert text_of(rests[1]) == "one two"
    assert rests[2] == rests[1][-len(rests[2]) :]
    stream.close()


def test_a_run_goes_on_without_its_client(gated, gate):
    """A client whose connection broke reads the rest from a new one, without a gap."""
    stream, run = stream_of(gated)
    stream.until("thread.message.delta")
    stream.close()
    events = Numbered(gated, run, 8)
    gate.open()
    rest = events.all()
    assert rest[0][0] == 9
    assert [number for number, *_ in rest[:-1]] == list(range(9, 9 + len(rest) - 1))


def test_tool_outputs(raw):
    """Where a run waits for outputs the events go on with them, in one count."""
    reply = raw.run(BOTH, [WEATHER])
    told = reply.events()
    run = told[-2][1]
    assert told[-2][0] == "thread.run.requires_action"
    events = Numbered(raw, run)
    number, waiting = events.until("thread.run.requires_action")
    assert number == len(told) - 1 and waiting == run
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = [{"tool_call_id": call["id"], **OUTPUT} for call in calls]
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs"
    reply = raw("POST", path, {"tool_outputs": outputs, "stream": True})
    assert reply.headers[FIRST] == str(number + 1)
    assert [(event, data) for _, event, data in events.all()] == reply.events()


def test_a_cancel(gated):
    """Who follows a run that waits for outputs or works hears that it is cancelled."""
    stream, run = stream_of(gated)
    stream.until("thread.message.delta")
    events = Numbered(gated, run)
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/cancel"
    assert gated("POST", path, {}).status == 200
    names = [event for _, event, _ in events.all()]
    assert names[-5:] == [
        "thread.run.cancelling",
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
        "done",
    ]
    stream.close()


def test_expiry_while_the_client_is_waited_for(start):
    """A run that expires while it waits for outputs says so to who follows it."""
    now = [1_700_000_000.0]
    raw = Raw(start(clock=lambda: now[0]).base_url)
    run = raw.run(BOTH, [WEATHER]).events()[-2][1]
    events = Numbered(raw, run)
    events.until("thread.run.requires_action")
    now[0] += 600
    raw("GET", "/assistants")  # any request sees to it
    assert [event for _, event, _ in events.all()][-2:] == ["thread.run.expired", "done"]


def test_a_thread_that_is_deleted(raw):
    """Who follows a run whose thread is deleted hears the end."""
    run = raw.run(BOTH, [WEATHER]).events()[-2][1]
    events = Numbered(raw, run)
    events.until("thread.run.requires_action")
    assert raw("DELETE", f"/threads/{run['thread_id']}").status == 200
    assert [event for _, event, _ in events.all()] == ["done"]
    assert Numbered(raw, run).status == 404


def test_an_hour_later(start):
    """The events of a run are kept for an hour after its end; then they are gone, the run is not."""
    now = [1_700_000_000.0]
    raw = Raw(start(clock=lambda: now[0]).base_url)
    run = raw.run("Hello").events()[0][1]
    now[0] += 3599
    assert Numbered(raw, run).status == 200
    now[0] += 1
    assert Numbered(raw, run).status == 410
    assert raw("GET", f"/threads/{run['thread_id']}/runs/{run['id']}").status == 200


def test_heartbeats_and_old_events(start, monkeypatch):
    """Who waits gets signs of life; old events are deleted by themselves."""
    monkeypatch.setattr("emitter_stream.server.runs.runs.BEAT_EVERY", 0.02)
    now = [1_700_000_000.0]
    raw = Raw(start(clock=lambda: now[0]).base_url)
    old = raw.run("Hello").events()[0][1]
    now[0] += 4000
    run = raw.run(BOTH, [WEATHER]).events()[-2][1]
    events = Numbered(raw, run)
    events.until("thread.run.requires_action")
    lines = [events.response.readline() for _ in range(5)]
    assert b": still here\n" in lines
    events.connection.close()
    assert Numbered(raw, old).status == 410


def test_a_stop(start, gate):
    """A server that stops ends the responses: those of runs that wait as well, without `done`."""
    server = start(model=gate)
    raw = Raw(server.base_url)
    stream, run = stream_of(raw)
    stream.until("thread.message.delta")
    events = Numbered(raw, run)
    events.until("thread.message.delta")
    stopped = threading.Thread(target=server.stop)
    stopped.start()
    assert [event for _, event, _ in events.all()][-2:] == ["thread.run.failed", "done"]
    stopped.join(PATIENCE)
    stream.close()


def test_after_a_restart(tmp_path):
    """The events of runs are still there when the server has been started again."""
    db = str(tmp_path / "a.db")
    with LocalServer(db=db) as server:
        told = Raw(server.base_url).run("Hello").events()
    with LocalServer(db=db) as server:
        events = Numbered(Raw(server.base_url), told[0][1]).all()
    assert [(event, data) for _, event, data in events] == told


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_after_a_kill(tmp_path):
    """What a killed server told of a run is what is stored of it, and its end comes behind."""
    db = str(tmp_path / "a.db")
    with Process("--db", db, "--tokens-per-second", "2") as server:
        raw = Raw(server.base_url)
        stream, run = stream_of(raw)
        heard = [stream.until("thread.message.delta") for _ in range(3)]
        server.end(signal.SIGKILL)
        heard += [data for event, data in rest_of(stream) if event == "thread.message.delta"]
        stream.close()
    with Process("--db", db) as server:
        raw = Raw(server.base_url)
        events = Numbered(raw, run).all()
        assert [event for _, event, _ in events][-2:] == ["thread.run.failed", "done"]
        assert wait_for_run(raw, run["thread_id"], run["id"])["status"] == "failed"
        message = raw("GET", f"/threads/{run['thread_id']}/messages").body["data"][0]
    deltas = [data for _, event, data in events if event == "thread.message.delta"]
    assert deltas[: len(heard)] == heard
    assert message["content"][0]["text"]["value"] == text_of(events)


def rest_of(stream):
    try:
        yield from stream.events
    except (OSError, AssertionError, ValueError):  # cut in the middle of a frame
        return


@pytest.mark.tries
def test_many_pieces_at_once(start):
    """A model that is quicker than the database loses nothing and keeps the order."""

    count = tries(1500, 5000)

    class Quick:
        async def respond(self, turn):
            for number in range(count):
                yield Text(f"{number} ")

    raw = Raw(start(model=Quick()).base_url)
    told = raw.run("Hello").events()
    events = Numbered(raw, told[0][1]).all()
    assert [(event, data) for _, event, data in events] == told
    assert text_of(events) == "".join(f"{number} " for number in range(count))


def test_head(raw):
    """HEAD is answered without events."""
    run = raw.run(BOTH, [WEATHER]).events()[-2][1]
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/events"
    reply = raw("HEAD", path)
    assert (reply.status, reply.raw) == (200, b"")
