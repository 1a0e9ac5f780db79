"""What the library gives to tests of programs that use it."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from parity.compare import NAMES
from parity.transcripts import DONE, answered, encode, function_call, run, started, step, step_delta
from recorded import tool_run, write
from scripted_server import answer, sse

from emitter_stream import (
    AssistantEventHandler,
    AssistantStream,
    NotFoundError,
    OpenAIError,
    RateLimitError,
    RecordingWarning,
)
from emitter_stream.streams.assistants.core import AssistantCore
from emitter_stream.testing import NAMES as LISTENED
from emitter_stream.testing import Request, record, replay_client
from emitter_stream.types import Thread


def said(stream) -> str:
    """Give the text of a stream's first message."""
    return stream.final_messages()[0].content[0].text.value


def ask(client):
    """Make a stream."""
    return client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")


@pytest.fixture
def hello(tmp_path) -> Path:
    """Write a recording whose answer is `Hello`."""
    return write(tmp_path / "hello.jsonl", answered("Hel", "lo"))


@pytest.fixture
def bye(tmp_path) -> Path:
    """Write a recording whose answer is `Bye`."""
    return write(tmp_path / "bye.jsonl", answered("Bye"))


# record


def test_record_is_filled_as_the_stream_runs(hello):
    """Each call is there with its name and its arguments, in order, from connect to end."""
    stream = AssistantStream.replay(hello, None)
    calls = record(stream)
    assert calls == []
    stream.done()
    names = [name for name, _ in calls]
    assert names[:3] == ["connect", "event", "event"]
    assert names[-2:] == ["run", "end"]
    assert [delta["value"] for name, (delta, *_) in calls[1:-1] if name == "textDelta"] == [
        "Hel",
        "lo",
    ]


def test_record_copies_at_the_call(hello):
    """Snapshots are as they were when the listener was called, as plain dicts."""
    stream = AssistantStream.replay(hello, None)
    calls = record(stream, ["messageCreated", "textDelta"])
    stream.done()
    (name, (created,)), *deltas = calls
    assert (name, created["content"]) == ("messageCreated", [])
    assert type(created) is dict
    assert [snapshot["value"] for _, (_, snapshot) in deltas] == ["Hel", "Hello"]


def test_record_keeps_errors(tmp_path):
    """An error is in the list as it is, and counts as heard."""
    error = {"class": "RateLimitError", "message": "slow down", "status_code": 429}
    stream = AssistantStream.replay(write(tmp_path / "run.jsonl", [], error), None)
    calls = record(stream)
    with pytest.raises(RateLimitError) as caught:
        stream.done()
    assert calls[-2:] == [("error", (caught.value,)), ("end", ())]


def test_record_has_the_common_order(hello, monkeypatch):
    """However slowly the listeners are attached, the calls are in the stream's order."""
    monkeypatch.setattr("emitter_stream.engine.delivery.TICK", 0.0)
    reference = AssistantStream.replay(hello, None)
    expected = record(reference)
    reference.done()
    for _ in range(20):
        stream = AssistantStream.replay(hello, None)
        calls = record(stream)
        stream.done()
        assert calls == expected


def test_record_listens_to_all_of_node():
    """All events of Node are recorded, each name known to the stream."""
    assert set(LISTENED) == set(NAMES)
    assert set(LISTENED) - {"connect", "error", "abort", "end"} <= set(AssistantCore.events)


# replay_client


def test_one_recording_for_every_stream(hello):
    """With one path each stream replays it."""
    with replay_client(hello) as client:
        assert [said(ask(client)) for _ in range(3)] == ["Hello"] * 3


def test_recordings_in_order(hello, bye):
    """With several, each stream takes the next; one too many is an error that says so."""
    client = replay_client([hello, str(bye)])
    first, second = ask(client), ask(client)
    assert (said(second), said(first)) == ("Bye", "Hello")
    with pytest.raises(OpenAIError, match=r"no recording left for stream\(\) .* 2 were replayed"):
        ask(client)


def test_recordings_by_method(hello, bye):
    """A mapping gives each method its own; a method without one is an error."""
    client = replay_client({"create_and_run_stream": hello, "submit_tool_outputs_stream": [bye]})
    outputs = [{"tool_call_id": "call_1", "output": "1"}]
    threads = client.beta.threads
    assert said(threads.create_and_run_stream(assistant_id="asst_1")) == "Hello"
    submitted = threads.runs.submit_tool_outputs_stream(
        "run_1", thread_id="thread_1", tool_outputs=outputs
    )
    assert said(submitted) == "Bye"
    with pytest.raises(OpenAIError, match="no recording left"):
        ask(client)
    with pytest.raises(ValueError, match=r"runs\.stream"):
        replay_client({"runs.stream": hello})


def test_stream_equals_true(hello):
    """`create(stream=True)` is a stream as well."""
    client = replay_client(hello)
    runs = client.beta.threads.runs
    assert said(runs.create("thread_1", assistant_id="asst_1", stream=True)) == "Hello"


def test_event_handler(hello):
    """A handler's methods are called as by any client."""

    class Handler(AssistantEventHandler):
        text = ""

        def on_text_delta(self, delta, snapshot):
            self.text += delta.value

    runs = replay_client(hello).beta.threads.runs
    with runs.stream(
        thread_id="thread_1", assistant_id="asst_1", event_handler=Handler()
    ) as handler:
        handler.until_done()
    assert handler.text == "Hello"


def test_replayed_error(tmp_path):
    """A recorded refusal is raised as it was."""
    error = {"class": "RateLimitError", "message": "slow", "status_code": 429, "request_id": "r"}
    client = replay_client(write(tmp_path / "run.jsonl", [], error))
    with pytest.raises(RateLimitError) as caught:
        ask(client).done()
    assert (caught.value.status_code, caught.value.request_id) == (429, "r")


def test_same_calls_as_the_stream(hello):
    """A client's stream of a recording has the calls of its replay."""
    calls = []
    for stream in (ask(replay_client(hello)), AssistantStream.replay(hello, None)):
        calls.append(record(stream))
        stream.done()
    assert calls[0] == calls[1]


def test_odd_events(tmp_path):
    """Events without a name, with none, with half a character and huge numbers come through."""
    frames = [(None, {"a": 1e999}), ("", {"b": "\ud83d"}), (" x", "[DONE] "), ("y", None)]
    path = write(tmp_path / "run.jsonl", [*frames, *answered("a")])
    path.write_text(path.read_text().replace("Infinity", "1e999"))
    stream = ask(replay_client(path))
    heard = []
    stream.on("event", lambda event: heard.append((event.event, event.to_dict()["data"])))
    stream.done()
    assert heard[:4] == frames


def test_abort(tmp_path):
    """A long pause of a client's stream is ended by an abort."""
    path = write(tmp_path / "run.jsonl", answered("a"), gap=1e9)
    stream = ask(replay_client(path, speed=1.0)).start()
    stream.abort()
    with pytest.raises(OpenAIError):
        stream.done()
    assert stream.aborted


def test_unusable_recordings(tmp_path, hello):
    """Files that cannot be played and impossible speeds are refused when the client is made."""
    with pytest.raises(FileNotFoundError):
        replay_client(tmp_path / "nowhere.jsonl")
    with pytest.raises(ValueError, match="speed"):
        replay_client(hello, speed=0)
    hello.write_bytes(hello.read_bytes()[:-9])
    with pytest.warns(RecordingWarning):
        replay_client(hello)


def test_tool_loop(connect, tmp_path):
    """A recording of `run_tools` serves `run_tools`, whose functions are called again."""
    called = []

    def f0(x: int) -> int:
        called.append(x)
        return x + 1

    frames = [*started(), step(1, "created", {"type": "tool_calls", "tool_calls": []})]
    frames += [step_delta(1, delta) for delta in function_call(0, ['{"x":', "5}"])]
    call = {
        "id": "call_0",
        "type": "function",
        "function": {"name": "f0", "arguments": '{"x":5}'},
    }
    required = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    waiting = [*frames, run("requires_action", required_action=required), DONE]
    live = connect(sse(encode(waiting)), sse(encode(answered("six"))))
    path = tmp_path / "loop.jsonl"
    options = {"assistant_id": "asst_1", "tools": [f0]}
    live.beta.threads.runs.run_tools("thread_1", **options).record(path).done()
    client = replay_client(path)
    for _ in range(2):
        stream = client.beta.threads.runs.run_tools("thread_1", **options)
        results = []
        stream.on("functionToolCallResult", results.append)
        assert said(stream) == "six"
        assert results == ["6"]
    assert called == [5, 5, 5]
    assert client.requests[1].body["tool_outputs"] == [{"tool_call_id": "call_0", "output": "6"}]


def test_answers(hello):
    """Other calls are answered from what is given: dicts, objects, pages, functions, errors."""
    missing = NotFoundError("no such run")
    client = replay_client(
        hello,
        answers={
            "POST /threads": Thread({"id": "thread_7"}),
            "GET /threads/*/messages": [{"id": "msg_1"}, {"id": "msg_2"}],
            "GET /threads/*/runs/run_1": missing,
            "GET /threads/*": lambda request: {"id": request.path.rsplit("/", 1)[1]},
        },
    )
    threads = client.beta.threads
    assert threads.create().id == "thread_7"
    assert threads.retrieve("thread_8").id == "thread_8"
    assert [message.id for message in threads.messages.list("thread_7")] == ["msg_1", "msg_2"]
    with pytest.raises(NotFoundError) as caught:
        threads.runs.retrieve("run_1", thread_id="thread_7")
    assert caught.value is missing


def test_no_answer(hello):
    """A call without an answer is an error that tells which key to give."""
    client = replay_client(hello)
    with pytest.raises(OpenAIError, match="'POST /threads': "):
        client.beta.threads.create()
    with pytest.raises(ValueError, match="GET /threads"):
        replay_client(hello, answers={"threads.create": {}})


def test_requests_are_kept(hello):
    """The client keeps what it was asked for; its copies share recordings and list."""
    client = replay_client([hello])
    copy = client.with_options(api_key="other", max_retries=0)
    said(ask(copy))
    (request,) = client.requests
    assert request == Request(
        "POST", "/threads/thread_1/runs", {}, {"assistant_id": "asst_1", "stream": True}
    )
    with pytest.raises(OpenAIError, match="no recording left"):
        ask(client)


def test_nothing_is_sent(connect, hello, monkeypatch):
    """Whatever the environment says, no server is asked."""
    live = connect(answer(500))
    monkeypatch.setenv("OPENAI_BASE_URL", live.base_url)
    assert said(ask(replay_client(hello))) == "Hello"
    assert connect.server.requests == []


# The fixtures

TESTS = """
from emitter_stream import OpenAI

def test_replay(replay_client):
    client = replay_client("run.jsonl")
    stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
    assert stream.final_messages()[0].content[0].text.value == "It is 4 degrees in Oslo."

def test_several(replay_client):
    for several in (["run.jsonl"], {"stream": "run.jsonl"}):
        client = replay_client(several, speed=1000, answers={"POST /threads": {"id": "thread_1"}})
        thread = client.beta.threads.create()
        client.beta.threads.runs.stream(thread.id, assistant_id="asst_1").done()

def test_server(emitter_stream_server):
    client = OpenAI()
    assert client.base_url == emitter_stream_server.base_url
    assistant = client.beta.assistants.create(model="gpt-4o")
    assert client.beta.threads.create_and_run_stream(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "Hello"}]}
    ).final_run().status == "completed"
"""


def test_fixtures(tmp_path):
    """The fixtures work in a project of its own, with paths beside the test's file."""
    folder = tmp_path / "tests"
    folder.mkdir()
    write(folder / "run.jsonl", tool_run(), gap=0.001)
    (folder / "test_it.py").write_text(TESTS)
    # Named for a library that runs from its source tree; the name is the one it is installed with.
    # Other plugins, and rewriting the whole library for its own, would take most of the time.
    command = [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "--assert=plain"]
    command += ["-p", "emitter_stream.pytest_plugin"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-W", "error", "tests"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_entry_point():
    """An installed library brings the fixtures by itself, under the plugin's module name."""
    config = ConfigParser()
    config.read(Path(__file__).parent.parent / "setup.cfg", encoding="utf-8")
    name = "emitter_stream.pytest_plugin"
    assert config["options.entry_points"]["pytest11"].split() == [name, "=", name]
