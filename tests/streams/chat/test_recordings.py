"""Chat streams and runs of tools, recorded to a file and played again."""

from __future__ import annotations

import asyncio

import pytest
from chat_wire import ASK, calling, saying, whole, whole_call
from scripted_server import sse

from emitter_stream import (
    AssistantStream,
    ChatCompletionRunner,
    ChatCompletionStream,
    ChatCompletionStreamingRunner,
    OpenAIError,
)
from emitter_stream.aio import AsyncChatCompletionStream

NAMES = (
    "connect",
    "chunk",
    "content",
    "chatCompletion",
    "message",
    "functionToolCallResult",
    "end",
)


def heard_of(run, names=NAMES) -> list:
    """Run to the end and give what each listener got."""
    heard = []
    for name in names:
        run.on(name, lambda *args, name=name: heard.append((name, str(args))))
    run.done()
    return heard


def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"rain in {city}"


def test_a_stream_plays_as_it_was(connect, tmp_path):
    """A replay makes the calls of the stream that was recorded."""
    path = tmp_path / "chat.jsonl"
    run = connect(saying("a", "b")).chat.completions.stream(**ASK).record(path)
    assert heard_of(run) == heard_of(ChatCompletionStream.replay(path, None))
    assert "sk-test" not in path.read_text()


def test_a_late_recording_is_whole(connect, tmp_path):
    """One that begins when the stream is over, but nobody has said go, has everything."""
    path = tmp_path / "chat.jsonl"
    run = connect(saying("a", "b")).chat.completions.stream(**ASK)
    ended = []
    run.on("end", lambda: ended.append(1))
    run.record(path).done()
    assert ChatCompletionStream.replay(path, None).final_content() == "ab"


def test_runs_of_tools(connect, tmp_path):
    """A run plays through all of its rounds, with the results that its functions had."""
    path = tmp_path / "run.jsonl"
    client = connect(calling(("get_weather", '{"city": "Rome"}')), saying("wet"))
    run = client.chat.completions.run_tools(**ASK, tools=[get_weather], stream=True).record(path)
    assert heard_of(run) == heard_of(ChatCompletionStreamingRunner.replay(path, None))
    client = connect(whole_call("get_weather", '{"city": "Rome"}'), whole({"content": "wet"}))
    run = client.chat.completions.run_tools(**ASK, tools=[get_weather]).record(path)
    names = [name for name in NAMES if name != "chunk"]
    heard = heard_of(run, names)
    again = ChatCompletionRunner.replay(path, None)
    assert heard_of(again, names) == heard
    assert again.final_function_tool_call_result() == "rain in Rome"


def test_errors_play_too(connect, tmp_path):
    """What ended the stream ends its replay, by its class."""
    path = tmp_path / "chat.jsonl"
    run = connect(sse(b'data: {"error": {"message": "no", "code": "x"}}\n\n'))
    with pytest.raises(OpenAIError):
        run.chat.completions.stream(**ASK).record(path).done()
    with pytest.raises(OpenAIError, match="no") as caught:
        ChatCompletionStream.replay(path, None).done()
    assert caught.value.code == "x"


def test_on_an_event_loop(connect, tmp_path):
    """A recording plays on an event loop, and what plays there can be recorded again."""
    path, other = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    connect(saying("a", "b")).chat.completions.stream(**ASK).record(path).done()

    async def play():
        run = AsyncChatCompletionStream.replay(path, None).record(other)
        return await run.final_content()

    assert asyncio.run(play()) == "ab"
    assert ChatCompletionStream.replay(other, None).final_content() == "ab"


def test_each_class_plays_its_own(connect, tmp_path):
    """A recording of another API, or of a run where a stream is asked for, is refused."""
    path = tmp_path / "chat.jsonl"
    connect(saying("a")).chat.completions.stream(**ASK).record(path).done()
    for kind in (AssistantStream, ChatCompletionStreamingRunner):
        with pytest.raises(OpenAIError, match="plays it"):
            kind.replay(path, None)
