"""Recordings: what is in the file, and that a replay of it is the stream that was recorded."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest
from launcher import Program
from left_behind import wait_until
from parity.compare import NAMES, PATIENCE, VECTORS, Recorder
from parity.transcripts import DONE, answered, encode, function_call, run, started, step, step_delta
from recorded import HEADER, tool_run, write
from replays import failure_of, listen, replayed
from scripted_server import answer, hang, sse

from emitter_stream import (
    APIConnectionError,
    APIError,
    APIUserAbortError,
    AssistantStream,
    RateLimitError,
    RecordingWarning,
)
from emitter_stream.engine.wire import loads
from emitter_stream.recordings import dumps

LOOP = ("functionToolCall", "functionToolCallResult")


def lines_of(path: Path) -> list[dict]:
    """Read a recording, line by line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def recorded(stream, path: Path, names: tuple[str, ...] = NAMES) -> dict:
    """Record a stream to its end; give trace, finals and state."""
    with stream._delivery.still():
        recorder = Recorder(stream, names)
        assert stream.record(path) is stream
    return recorder.result()


# The same as the live stream


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a folder for a recording of each scenario."""
    return tmp_path_factory.mktemp("recordings")


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.sample(8)
def test_replay_is_the_live_stream(vector_stream, folder, name):
    """A replay of every parity scenario has the trace, the finals and the state of the stream."""
    path = folder / f"{name}.jsonl"
    live = recorded(vector_stream(name), path)
    assert replayed(path) == live


def test_record_without_listeners_of_events(stream_of, tmp_path):
    """A recording is whole when only texts are listened to, whose events are never made."""
    body = VECTORS["typical_full_run"][0].read_bytes()
    whole, partly = tmp_path / "whole.jsonl", tmp_path / "partly.jsonl"
    recorded(stream_of(sse(body)), whole)
    stream_of(sse(body, 1000)).record(partly).on("textDelta", lambda: None).start().done()
    events = [[line.get("data") for line in lines_of(path)] for path in (whole, partly)]
    assert events[0] == events[1]


def test_a_recording_of_a_replay_is_the_recording(tmp_path):
    """What a replay records has the events that it was made of."""
    first = write(tmp_path / "first.jsonl", tool_run())
    second = tmp_path / "second.jsonl"
    AssistantStream.replay(first, None).record(second).done()
    events = [[line.get("data") for line in lines_of(path)] for path in (first, second)]
    assert events[0] == events[1]


def test_tool_loop(connect, tmp_path):
    """A replay of a stream through several rounds has the calls and their results, calls nothing."""
    called = []

    def f0(x: int) -> str:
        called.append(x)
        return "five"

    empty = {"type": "tool_calls", "tool_calls": []}
    frames = [*started(), step(1, "created", empty)]
    frames += [step_delta(1, delta) for delta in function_call(0, ['{"x":', "5}"])]
    details = {"id": "call_0", "type": "function"}
    details["function"] = {"name": "f0", "arguments": '{"x":5}'}
    required = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [details]}}
    rounds = [*frames, run("requires_action", required_action=required), DONE], answered("ok")
    client = connect(*(sse(encode(one)) for one in rounds))
    path = tmp_path / "loop.jsonl"
    stream = client.beta.threads.runs.run_tools("thread_1", assistant_id="asst_1", tools=[f0])
    stream.record(path)
    live = listen(stream, (*NAMES, *LOOP)).result()
    assert ["functionToolCallResult", "five"] in live["trace"]
    assert replayed(path, (*NAMES, *LOOP)) == live
    assert called == [5]
    assert lines_of(path)[0]["stream"] == "run_tools"
    made = [line["event"] for line in lines_of(path) if line.get("made")]
    assert made == [*LOOP, "nextRound"]


def test_refused_request(stream_of, tmp_path):
    """A refused request replays as the same error with its facts, and without `connect`."""
    error = {"message": "slow down", "code": "rate", "param": "model", "type": "requests"}
    path = tmp_path / "run.jsonl"
    script = answer(429, {"error": error}, headers=[("x-request-id", "req_7")])
    live = failure_of(stream_of(script).record(path))
    stream = AssistantStream.replay(path)
    heard = listen(stream)
    again = failure_of(stream)
    assert type(again) is type(live) is RateLimitError
    for fact in ("message", "body", "code", "param", "type", "status_code", "request_id"):
        assert getattr(again, fact) == getattr(live, fact) is not None
    assert heard.names == ["error", "end"]


def test_error_event(stream_of, tmp_path):
    """An error that the server sent as an event replays with its body."""
    path = tmp_path / "run.jsonl"
    body = encode([*started(), ("error", {"error": {"message": "no more", "code": "c"}})])
    live = failure_of(stream_of(sse(body)).record(path))
    again = failure_of(AssistantStream.replay(path))
    assert type(again) is type(live) is APIError
    assert (again.message, again.body, again.code) == (live.message, live.body, "c")


def test_broken_connection(stream_of, tmp_path):
    """A connection that broke replays as one that broke."""

    def script(exchange):
        exchange.head()
        exchange.body(encode(started()))
        exchange.reset()

    path = tmp_path / "run.jsonl"
    live = failure_of(stream_of(script).record(path))
    again = failure_of(AssistantStream.replay(path))
    assert type(again) is type(live) is APIConnectionError
    assert str(again) == str(live)
    assert lines_of(path)[-1]["error"]["class"] == "APIConnectionError"


def test_abort_is_recorded(stream_of, tmp_path):
    """A stream that was aborted replays as one that is aborted at that place."""
    path = tmp_path / "run.jsonl"
    stream = stream_of(hang(encode(started()))).record(path)
    stream.on("thread.run.in_progress", lambda: stream.abort())
    assert isinstance(failure_of(stream), APIUserAbortError)
    again = AssistantStream.replay(path)
    heard = listen(again)
    assert isinstance(failure_of(again), APIUserAbortError)
    assert again.aborted
    assert heard.names[-2:] == ["abort", "end"]
    assert heard.names.count("event") == 3


def test_listener_error_is_recorded(stream_of, tmp_path):
    """A stream that a listener ended replays with what that listener raised, in words."""
    path = tmp_path / "run.jsonl"
    stream = stream_of(sse(encode(answered("a")))).record(path)
    failure_of(stream.on("textDelta", lambda: 1 / 0))
    assert "ZeroDivisionError" in str(failure_of(AssistantStream.replay(path)))


def test_event_that_is_refused_is_recorded(stream_of, tmp_path):
    """The event that ended the stream, which no listener heard, stands in the recording."""
    path = tmp_path / "run.jsonl"
    bad = ("thread.message.delta", {"id": "msg_9", "delta": {}})
    failure_of(stream_of(sse(encode([*started(), bad]))).record(path))
    assert lines_of(path)[-2]["data"] == bad[1]


# Beginning


def test_record_is_no_listener(stream_of, tmp_path):
    """Recording does not set the stream going."""
    stream = stream_of(sse(encode(answered("a")))).record(tmp_path / "run.jsonl")
    assert stream._delivery.emitter.ready == {}
    stream.done()


def test_record_late(stream_of, tmp_path, monkeypatch):
    """As long as all of it is kept, a stream that is under way, or over, is recorded whole."""
    monkeypatch.setattr("emitter_stream.engine.delivery.TICK", 0.0)
    body = VECTORS["typical_full_run"][0].read_bytes()
    begun, ended = (stream_of(sse(body)) for _ in range(2))
    heard, over = threading.Event(), threading.Event()
    begun.on("connect", heard.set)
    ended.on("end", over.set)
    assert heard.wait(PATIENCE) and over.wait(PATIENCE)
    paths = tmp_path / "begun.jsonl", tmp_path / "ended.jsonl"
    for stream, path in zip((begun, ended), paths, strict=True):
        stream.record(path).done()
    live = listen(stream_of(sse(body))).result()
    assert replayed(paths[0]) == replayed(paths[1]) == live


def test_record_too_late(stream_of, tmp_path):
    """Once events have gone by that are not kept, `record` says so and leaves the file alone."""
    path = tmp_path / "run.jsonl"
    path.write_text("precious")
    stream = stream_of(sse(encode(answered("a"))))
    stream.done()
    with pytest.raises(RuntimeError, match="too late"):
        stream.record(path)
    assert path.read_text() == "precious"


def test_record_in_a_listener(stream_of, tmp_path):
    """In a listener it is too late."""
    stream = stream_of(sse(encode(answered("a"))))
    stream.on("textDelta", lambda: stream.record(tmp_path / "run.jsonl"))
    assert isinstance(failure_of(stream).__cause__, RuntimeError)


def test_record_twice(stream_of, tmp_path):
    """A stream goes to one recording."""
    stream = stream_of(sse(encode(answered("a")))).record(tmp_path / "run.jsonl")
    with pytest.raises(RuntimeError, match="already"):
        stream.record(tmp_path / "other.jsonl")
    stream.done()


def test_no_such_folder(stream_of, tmp_path):
    """A file that cannot be made is an `OSError` at once."""
    stream = stream_of(sse(encode(answered("a"))))
    with pytest.raises(FileNotFoundError):
        stream.record(tmp_path / "nowhere" / "run.jsonl")
    stream.done()


# The file


def test_format(stream_of, tmp_path):
    """The file is what the documentation says, a line at a time."""
    path = tmp_path / "run.jsonl"
    frames = answered("a", "\u00e9")
    stream_of(sse(encode(frames))).record(path).done()
    header, connect, *events, end = lines_of(path)
    del header["created"]
    assert header == {
        **{name: HEADER[name] for name in ("format", "version")},
        "api": "assistants",
        "stream": "run",
    }
    assert connect == {"t": connect["t"], "connect": True}
    assert [(line["event"], line["data"]) for line in events] == frames[:-1]
    assert end == {"t": end["t"], "end": True, "error": None}
    times = [line["t"] for line in (connect, *events, end)]
    assert times == sorted(times) and times[0] > 0
    assert "\u00e9" in path.read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="no such permissions there")
def test_only_the_owner_reads_it(stream_of, tmp_path):
    """A new recording is for its owner alone; one that is there is replaced and stays as it is."""
    new, old = tmp_path / "new.jsonl", tmp_path / "old.jsonl"
    write(old, answered(*"x" * 1000))
    old.chmod(0o644)
    for path in (new, old):
        stream_of(sse(encode(answered("a")))).record(path).done()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (new, old)] == [0o600, 0o644]
    assert lines_of(old)[-1]["end"]


def test_every_line_is_in_the_file_at_once(stream_of, tmp_path):
    """When a listener hears of an event, it is in the file already."""
    path = tmp_path / "run.jsonl"
    stream = stream_of(sse(encode(answered("a", "b")))).record(path)
    counts = []
    stream.on("event", lambda: counts.append(len(lines_of(path)) - 2))
    stream.done()
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud83d"',
        '"\\udc00 \\ud83d\\ude00 \\u2028"',
        "[1e400,-1e999,1.5,0.1,1E2]",
        '["Infinity \\" -Infinity",{"NaN":1e999}]',
        "123456789012345678901234567890",
        '"\\u0000\\r\\n"',
    ],
)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_values_survive(text, ascii_only):
    """What was read from JSON is written so that it is read as the same, in one line."""
    value = loads(text)
    line = dumps(value, ascii_only=ascii_only)
    assert b"\n" not in line
    assert repr(loads(line.decode())) == repr(value)


def test_what_json_cannot_say(tmp_path):
    """Data that is no JSON ends the recording with a warning, and not the stream."""
    path = tmp_path / "run.jsonl"
    events = [{"event": name, "data": data} for name, data in answered("a")[:-1]]
    events.insert(3, {"event": "x", "data": {1, 2}})
    stream = AssistantStream.from_events(events).record(path)
    with pytest.warns(RecordingWarning, match="ends here"):
        assert stream.final_run().status == "completed"
    assert len(lines_of(path)) == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk(tmp_path, monkeypatch):
    """A disk that is full ends the recording with a warning, and not the stream."""
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr("emitter_stream.recordings.recorder.open_recording", lambda *_: full)
        stream = AssistantStream.from_events([])
        with pytest.warns(RecordingWarning, match="No space left"):
            stream.record(tmp_path / "run.jsonl")
    assert "Final run" in str(failure_of(stream))


def test_key_is_not_in_the_file(connect, tmp_path):
    """A key that the server repeats, in data, a name, an error or a body, is not in the file."""
    key, other = "sk-proj-0123456789", "sk-other-9876543210"
    echo = {"id": "thread_1", key: [f"key {key}", {"deep": f"{other}"}]}
    error = ("error", {"error": {"message": f"bad key {key}", "code": key}})
    scripts = (
        sse(encode([("thread.created", echo), (f"x {key}", echo), error])),
        answer(401, {"error": {"message": f"Incorrect API key {key}, {other}"}}),
        sse(encode([(None, "no JSON " + key + other)])),
    )
    client = connect(*scripts, api_key=key)
    for number in range(3):
        path = tmp_path / f"{number}.jsonl"
        headers = {"Authorization": f"Bearer {other}"}
        stream = client.beta.threads.runs.stream(
            "thread_1", assistant_id="asst_1", extra_headers=headers
        ).record(path)
        failure_of(stream)
        text = path.read_text(encoding="utf-8")
        assert key not in text and other not in text
        assert "[API key]" in text


def test_killed_process(tmp_path):
    """What a process that is killed had recorded plays, and ends as a broken-off stream."""
    path = tmp_path / "run.jsonl"
    frames = answered("a", "b")[:-4]
    program = f"""
import threading
from emitter_stream import AssistantStream
def events():
    yield from {[{"event": name, "data": data} for name, data in frames]!r}
    threading.Event().wait()
AssistantStream.from_events(events()).record({str(path)!r}).done()
"""
    with Program(program):  # which is killed when it is left
        assert wait_until(
            lambda: path.exists() and path.read_bytes().count(b"\n") == len(frames) + 2
        )
    stream = AssistantStream.replay(path, None)
    heard = listen(stream)
    assert "Final run has not been received" in str(failure_of(stream))
    assert [data["event"] for (data,) in heard.of("event")] == [name for name, _ in frames]
