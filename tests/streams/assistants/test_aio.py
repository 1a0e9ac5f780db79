"""Assistants streams for asyncio: Node's calls, event handlers, tool loops, recordings."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from urllib.parse import unquote

import pytest
from aio_streams import BODY, AsyncRecorder, PlainRecorder, hanging, nothing, streamed
from left_behind import stream_threads, wait_until
from parity.compare import PATIENCE, VECTORS, Recorder, difference_from, expected, load_golden
from scripted_server import ScriptedServer, sse

from emitter_stream import APITimeoutError, APIUserAbortError, AssistantStream
from emitter_stream.aio import AsyncAssistantEventHandler, AsyncAssistantStream, AsyncOpenAI

# --- the same calls as Node


@pytest.fixture(scope="module")
def vectors():
    """Serve all vectors, and give a client: a thread's id is a vector's name and a piece's size."""

    def script(exchange):
        thread = unquote(exchange.request.target.split("/")[3])
        name, _, piece = thread.rpartition("~")
        sse(VECTORS[name][0].read_bytes(), int(piece))(exchange)

    with ScriptedServer(script) as server:
        yield AsyncOpenAI("sk-test", base_url=server.url, timeout=PATIENCE, max_retries=0)


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.sample(4)
def test_same_calls_as_node(vectors, name):
    """Trace, finals and state are Node's: whole to functions, in pieces to coroutines."""
    ways = ((PlainRecorder, 0), (AsyncRecorder, 7))

    async def main():
        start = vectors.beta.threads.runs.stream
        return [
            await kind(start(f"{name}~{piece}", assistant_id="asst_1")).result()
            for kind, piece in ways
        ]

    theirs = expected(load_golden(VECTORS[name][1]))
    for (kind, piece), ours in zip(ways, asyncio.run(main()), strict=True):
        problem = difference_from(theirs, ours)
        assert problem is None, f"{name}, pieces of {piece} to {kind.__name__}: {problem}"


@pytest.mark.parametrize("name", ["typical_full_run", "malformed_json", "two_tool_steps"])
def test_record_and_replay(vectors, tmp_path, name):
    """A recording made here, with text that grows, is played here and by a plain stream."""
    path = tmp_path / "run.jsonl"

    async def record():
        stream = vectors.beta.threads.runs.stream(f"{name}~7", assistant_id="asst_1")
        return await AsyncRecorder(stream.record(path)).result()

    async def replay():
        return await PlainRecorder(AsyncAssistantStream.replay(path, speed=None)).result()

    first, again = asyncio.run(record()), asyncio.run(replay())
    assert [call[0] for call in first["trace"]] == [call[0] for call in again["trace"]]
    assert first["state"] == again["state"]
    assert again == Recorder(AssistantStream.replay(path, speed=None)).result()
    assert b"sk-test" not in path.read_bytes()


# --- event handlers


class Handler(AsyncAssistantEventHandler):
    """Keeps what it hears of, giving way in the middle."""

    def __init__(self):
        self.calls = []

    async def on_text_delta(self, delta, snapshot):
        await asyncio.sleep(0)
        self.calls.append(delta.value)
        assert self.current_event.event == "thread.message.delta"
        assert self.current_run.status == "in_progress"
        assert self.current_message_snapshot.id == "msg_1"
        assert self.current_run_step_snapshot.id == "step_1"

    async def on_exception(self, exception):
        self.calls.append(type(exception).__name__)

    async def on_timeout(self):
        self.calls.append("timeout")

    async def on_end(self):
        self.calls.append("end")


def test_an_event_handler(aio_connect):
    """`async with` sends the request and gives the handler, which knows all that the SDK's does."""

    async def main():
        client = aio_connect(sse(BODY))
        manager = streamed(client, event_handler=Handler())
        assert not aio_connect.server.requests
        async with manager as handler:
            assert [e.event async for e in handler][-1] == "thread.run.completed"
            assert (await handler.get_final_run()).status == "completed"
            assert len(await handler.get_final_messages()) == 1
            assert len(await handler.get_final_run_steps()) == 1
            await handler.until_done()
        assert handler.calls == [*"abcde", "end"]
        with pytest.raises(RuntimeError, match="serves a stream already"):
            async with streamed(client, event_handler=handler):
                raise AssertionError
        async with streamed(client, event_handler=Handler()) as handler:
            assert [piece async for piece in handler.text_deltas] == [*"abcde"]
        async with streamed(client, event_handler=Handler()) as handler:
            assert (await anext(handler)).event == "thread.run.created"
            assert (await anext(handler)).event == "thread.run.queued"
        assert handler.calls[-1] == "end"
        with pytest.raises(RuntimeError, match="has no stream yet"):
            await Handler().until_done()

    asyncio.run(main())


def test_an_event_handler_hears_of_errors(aio_connect):
    """on_timeout comes before on_exception, on_end last; close() aborts, which is no error."""

    async def main(script, **options):
        client = aio_connect(script, **options)
        handler = Handler()
        async with streamed(client, event_handler=handler) as same:
            assert same is handler
            if not options:
                await handler.close()
        return handler.calls

    def still(exchange):
        exchange.head()
        exchange.wait_for_close()

    handlers = []

    async def timed_out():
        with pytest.raises(APITimeoutError):
            handlers.append(Handler())
            client = aio_connect(still, timeout=0.05)
            async with streamed(client, event_handler=handlers[0]):
                pass

    asyncio.run(timed_out())
    assert handlers[0].calls == ["timeout", "APITimeoutError", "end"]
    assert asyncio.run(main(hanging())) == ["end"]


# --- the tool loop


def test_the_tool_loop(server):
    """Coroutine functions run on the loop, plain ones on threads; every listener hears all."""
    variable = contextvars.ContextVar("variable", default="none")
    places = []

    async def get_weather(city: str) -> str:
        await asyncio.sleep(0)
        places.append(("coroutine", threading.current_thread(), variable.get()))
        return f"dry in {city}"

    def get_weather_here(city: str) -> str:
        places.append(("function", threading.current_thread(), variable.get()))
        return "dry"

    async def main(tool):
        variable.set("makers")
        calls, results = [], []
        async with AsyncOpenAI("any", base_url=server.base_url) as client:
            assistant = await client.beta.assistants.create(model="gpt-4o")
            question = {"role": "user", "content": "What is the weather in Oslo and Lima?"}
            thread = await client.beta.threads.create(messages=[question])
            stream = client.beta.threads.runs.run_tools(
                thread.id, assistant_id=assistant.id, tools=[tool]
            )

            async def called(call):
                await asyncio.sleep(0)
                calls.append(json.loads(call.arguments))

            stream.on("functionToolCall", called).on("functionToolCallResult", results.append)
            return (await stream.final_run()).status, calls, results

    for tool in (get_weather, get_weather_here):
        status, calls, results = asyncio.run(main(tool))
        assert status == "completed"
        assert sorted(call["city"] for call in calls) == ["Lima", "Oslo"]
        assert len(results) == 2
    assert {(kind, thread is threading.main_thread(), value) for kind, thread, value in places} == {
        ("coroutine", True, "makers"),
        ("function", False, "makers"),
    }


def test_abort_while_a_coroutine_function_runs(server):
    """The stream ends at once; nothing is submitted."""

    async def main():
        waiting = asyncio.Event()

        async def get_weather(city: str) -> str:
            waiting.set()
            await asyncio.sleep(PATIENCE)
            raise AssertionError

        async with AsyncOpenAI("any", base_url=server.base_url) as client:
            assistant = await client.beta.assistants.create(model="gpt-4o")
            question = {"role": "user", "content": "What is the weather in Oslo?"}
            thread = await client.beta.threads.create(messages=[question])
            stream = client.beta.threads.runs.run_tools(
                thread.id, assistant_id=assistant.id, tools=[get_weather]
            ).on("functionToolCallResult", nothing)
            await asyncio.wait_for(waiting.wait(), PATIENCE)
            stream.abort()
            with pytest.raises(APIUserAbortError):
                await stream.done()
            (left,) = (await client.beta.threads.runs.list(thread.id)).data
            return left.status

    assert asyncio.run(main()) == "requires_action"
    assert wait_until(lambda: not stream_threads())
