"""What the library gives to tests of programs that use chat and Responses, plain and asyncio."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
import recordings_of as made
from chat_wire import ASK, calling, saying, whole, whole_call
from recorded import answered
from recorded import write as write_run
from response_wire import answer_in, as_bytes
from scripted_server import sse

from emitter_stream import (
    APIUserAbortError,
    ChatCompletionStream,
    OpenAIError,
    RateLimitError,
    ResponseStream,
)
from emitter_stream.engine import shared
from emitter_stream.testing import async_replay_client, record, replay_client


@pytest.fixture
def chat(tmp_path):
    """Write a recording of a chat answer, `Hello`."""
    return made.write(tmp_path / "chat.jsonl", "chat", made.said("Hel", "lo"))


@pytest.fixture
def response(tmp_path):
    """Write a recording of a response, `It is cold.`."""
    return made.write(tmp_path / "r.jsonl", "responses", made.full_response("It is ", "cold."))


@pytest.fixture
def tools(tmp_path):
    """Write a run of tools."""
    return made.write(tmp_path / "run.jsonl", "chat", made.run_of_tools(), stream="run_tools")


@pytest.fixture
def whole_tools(tmp_path):
    """Write a run of tools whose answers came whole."""
    return made.write(tmp_path / "whole.jsonl", "chat", made.whole_run(), stream="run_tools")


def names_of(calls):
    """Give the events' names, each once where it repeats."""
    return [name for n, (name, _) in enumerate(calls) if not n or calls[n - 1][0] != name]


# record


def test_record_of_chat(chat):
    """All events of Node's are recorded, in their order, with copies of what they pass."""
    stream = ChatCompletionStream.replay(chat, None)
    calls = record(stream)
    stream.done()
    names = [name for name, _ in calls]
    assert names[0] == "connect" and names[-1] == "end"
    assert [args for name, args in calls if name == "content"] == [
        ("Hel", "Hel"),
        ("lo", "Hello"),
    ]
    assert names[-6:] == [
        *("chatCompletion", "message", "finalChatCompletion", "finalMessage", "finalContent"),
        "end",
    ]
    snapshots = [args[1] for name, args in calls if name == "chunk"]
    assert [one["choices"][0]["message"]["content"] for one in snapshots] == [
        *("", "Hel", "Hello", "Hello")
    ]


def test_record_of_a_response(response):
    """Each event is recorded under `event` and under its own name."""
    stream = ResponseStream.replay(response, None)
    calls = record(stream)
    some = record(stream, ["response.output_text.delta"])
    stream.done()
    assert [args[0]["snapshot"] for _, args in some] == ["It is ", "It is cold."]
    assert [call for call in calls if call[0] == "response.output_text.delta"] == some
    assert [name for name, _ in calls[:3]] == ["connect", "event", "response.created"]


# replay_client


def test_each_api(chat, response):
    """One client replays both APIs, each from its own recordings."""
    client = replay_client({"chat.completions": [chat, chat], "responses": response})
    assert client.chat.completions.stream(**ASK).final_content() == "Hello"
    assert client.responses.stream(model="m", input="x").final_response().output_text
    with client.chat.completions.stream(**ASK) as stream:
        assert [event.delta for event in stream if event.type == "content.delta"] == ["Hel", "lo"]
    with pytest.raises(OpenAIError, match=r"no recording left for chat\.completions"):
        client.chat.completions.stream(**ASK)
    assert [request.stream for request in client.requests] == [
        *("chat.completions", "responses", "chat.completions", "chat.completions")
    ]


def test_plain_streams(chat, response):
    """`create(stream=True)`, and a response that is heard again, are replayed as well."""
    chunks = replay_client(chat).chat.completions.create(**ASK, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
    client = replay_client(response)
    events = list(client.responses.create(model="m", input="x", stream=True))
    assert events[-1].response.usage.output_tokens == 9
    assert [event.type for event in client.responses.stream(response_id="resp_1")] == [
        event.type for event in events
    ]


def test_the_wrong_recording(chat, response, whole_tools, tmp_path):
    """A recording of another API, or of answers of another kind, is an error that names it."""
    run = write_run(tmp_path / "a.jsonl", answered("a"))
    for path, ask in (
        (run, lambda client: client.chat.completions.stream(**ASK)),
        (chat, lambda client: client.responses.stream(model="m", input="x")),
        (response, lambda client: client.beta.threads.runs.stream("t", assistant_id="a")),
        (whole_tools, lambda client: client.chat.completions.stream(**ASK)),
    ):
        with pytest.raises(OpenAIError, match=path.name):
            ask(replay_client([path]))


def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"rain in {city}"


@pytest.mark.parametrize("streamed", [True, False])
def test_run_tools(tools, whole_tools, streamed):
    """A run of tools replays all of its requests; the functions are called again."""
    client = replay_client(tools if streamed else whole_tools)
    for _ in range(2):
        run = client.chat.completions.run_tools(**ASK, tools=[get_weather], stream=streamed)
        results = []
        run.on("functionToolCallResult", results.append)
        assert run.final_content() == "It is 4 degrees."
        assert results == ["rain in Oslo"]
    assert len(client.requests) == 4
    assert client.requests[1].body["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": "rain in Oslo",
    }


@pytest.mark.parametrize("streamed", [True, False])
def test_recorded_and_replayed(connect, tmp_path, streamed):
    """What a real client recorded serves a client of recordings."""
    path = tmp_path / "run.jsonl"
    call = ("get_weather", json.dumps({"city": "Rome"}))
    scripts = (
        (calling(call), saying("we", "t"))
        if streamed
        else (whole_call(*call), whole({"content": "wet"}))
    )
    options = {**ASK, "tools": [get_weather], "stream": streamed}
    live = connect(*scripts).chat.completions.run_tools(**options).record(path)
    heard = record(live)
    live.done()
    again = replay_client(path).chat.completions.run_tools(**options)
    assert record(again) == [] and again.final_content() == "wet"
    other = replay_client(path).chat.completions.run_tools(**options)
    calls = record(other)
    other.done()
    assert names_of(calls) == names_of(heard)
    assert calls[-1] == heard[-1] == ("end", ())


def test_a_recorded_response(connect, tmp_path):
    """The same for Responses: all calls of the replay are those of the stream."""
    path = tmp_path / "r.jsonl"
    client = connect(sse(as_bytes(answer_in("a", "b"))))
    live = client.responses.stream(model="m", input="x").record(path)
    heard = record(live)
    live.done()
    again = replay_client(path).responses.stream(model="m", input="x")
    calls = record(again)
    again.done()
    assert calls == heard


def test_errors_and_answers(tmp_path):
    """A recorded refusal is raised; calls that are not streamed are answered from what is given."""
    error = {"class": "RateLimitError", "message": "slow", "status_code": 429}
    path = made.write(tmp_path / "chat.jsonl", "chat", [], error)
    given = made.whole({"role": "assistant", "content": "Hi"}, "stop", 1)
    client = replay_client(path, answers={"POST /chat/completions": given})
    with pytest.raises(RateLimitError, match="slow"):
        client.chat.completions.stream(**ASK).done()
    assert client.chat.completions.create(**ASK).choices[0].message.content == "Hi"
    with pytest.raises(OpenAIError, match="'POST /responses': "):
        client.responses.create(model="m", input="x")


# asyncio


def test_a_recording_keeps_its_thread_among_many_streams(chat, monkeypatch):
    """What is replayed has no socket that one reader of many streams could wait for."""
    monkeypatch.setattr(shared, "FROM", 0)
    stream = replay_client({"chat.completions": [chat]}).chat.completions.stream(**ASK)
    assert stream.final_content() == "Hello"


def test_asyncio(chat, response, tools, whole_tools):
    """The client for asyncio replays the same, and records the calls of its streams."""

    async def main():
        client = async_replay_client({"chat.completions": [chat, tools], "responses": response})
        stream = client.chat.completions.stream(**ASK)
        calls = record(stream)
        assert await stream.final_content() == "Hello"
        assert calls[-1] == ("end", ())
        run = client.chat.completions.run_tools(**ASK, tools=[get_weather], stream=True)
        assert await run.final_content() == "It is 4 degrees."
        found = await client.responses.stream(model="m", input="x").final_response()
        assert found.id == "resp_1"
        events = await client.responses.create(model="m", input="x", stream=True)
        assert [event.type async for event in events][-1] == "response.completed"
        client = async_replay_client(whole_tools, answers={"GET /models": [{"id": "m"}]})
        run = client.chat.completions.run_tools(**ASK, tools=[get_weather])
        assert await run.final_content() == "It is 4 degrees."
        assert [model.id async for model in client.models.list()] == ["m"]
        await client.close()

    asyncio.run(main())


def test_abort_on_an_event_loop(tmp_path):
    """A long pause of a replayed stream is ended by an abort."""
    path = made.write(tmp_path / "chat.jsonl", "chat", made.said("a"))
    path.write_text(path.read_text().replace('"t": 0.4', '"t": 1000000'))

    async def main():
        stream = async_replay_client(path, speed=1.0).chat.completions.stream(**ASK)
        stream.on("content", lambda: stream.abort())
        with pytest.raises(APIUserAbortError):
            await stream.done()

    asyncio.run(main())


TESTS = """
import asyncio

ASK = {"model": "m", "messages": []}

def test_replay(replay_client):
    assert replay_client("chat.jsonl").chat.completions.stream(**ASK).final_content() == "Hello"

def test_async(async_replay_client):
    async def main():
        client = async_replay_client({"chat.completions": ["chat.jsonl"]})
        assert await client.chat.completions.stream(**ASK).final_content() == "Hello"
    asyncio.run(main())
"""


def test_fixtures(tmp_path, chat):
    """The fixtures take paths that count from the test's file."""
    (tmp_path / "test_it.py").write_text(TESTS)
    # As in test_testing.py: nothing that only takes time.
    command = [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "--assert=plain"]
    command += ["-p", "emitter_stream.pytest_plugin"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-W", "error", "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
