"""Chat streams, runs of tools and plain streams on an event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest
from chat_wire import ASK, calling, chunks, saying, whole, whole_call
from parity_chat.compare import FINALS, Run, difference, load, names_of, plain, scripts
from scripted_server import answer, hang

from emitter_stream import AbortController, APIUserAbortError, OpenAIError
from emitter_stream.aio import (
    AsyncChatCompletionRunner,
    AsyncChatCompletionStream,
    AsyncChatCompletionStreamingRunner,
    AsyncOpenAI,
)
from emitter_stream.streams.chat.events import EVENTS, EVERYTHING

LISTENED = ["connect", *(name for name in EVENTS if name != EVERYTHING), "error", "abort", "end"]


@pytest.fixture
def ask(serve):
    """Run ``go(client)`` against a server of some scripts, and give what it returns."""

    def start(go, *scripts):
        start.server = serve(*scripts)

        async def run():
            url = start.server.url
            async with AsyncOpenAI(api_key="sk-test", base_url=url, max_retries=0) as client:
                return await go(client)

        return asyncio.run(run())

    return start


@pytest.mark.parametrize("name", names_of("chat/", "tools/"))
@pytest.mark.sample(3)
def test_same_calls_as_node(ask, name):
    """Trace, finals, state and requests are Node's on an event loop too."""
    scenario = load("scenarios", name)

    async def go(client):
        run = Run(client, scenario, AbortController())
        run.listen(LISTENED)
        final = {}
        for event, method in FINALS.items():
            try:
                final[event] = plain(await getattr(run.stream, method)())
            except OpenAIError as error:
                final[event] = plain(error)
        return run.result(final)

    result = ask(go, *scripts(scenario, None))
    sent = [
        (request.method, request.target, request.json() if request.body else None)
        for request in ask.server.requests
    ]
    assert difference(name, result, sent) is None


def test_typed_events_in_async_with(ask):
    """``async with`` gives the Python SDK's side, which iterates typed events."""

    async def go(client):
        async with client.chat.completions.stream(**ASK) as events:
            kinds = [event.type async for event in events]
        return kinds, (await events.get_final_completion()).choices[0].message.content

    kinds, content = ask(go, saying("a", "b"))
    assert kinds == ["chunk", *["chunk", "content.delta"] * 2, "chunk", "content.done"]
    assert content == "ab"


def test_leaving_typed_events_early(ask):
    """What is left is closed at the end of the block, without error."""

    async def go(client):
        async with client.chat.completions.stream(**ASK) as events:
            async for event in events:
                if event.type == "content.delta":
                    break
        return events.aborted

    assert ask(go, hang(chunks("a", finish=None)))


def test_chunks_and_coroutine_listeners(ask):
    """``async for`` gives raw chunks; a listener may be a coroutine."""

    async def go(client):
        heard = []

        async def listen(delta):
            await asyncio.sleep(0)
            heard.append(delta)

        run = client.chat.completions.stream(**ASK)
        assert isinstance(run, AsyncChatCompletionStream)
        run.on("content", listen)
        texts = [chunk.choices[0].delta.content async for chunk in run]
        return heard, texts

    assert ask(go, saying("a", "b")) == (["a", "b"], ["", "a", "b", None])


def test_a_run_of_tools_with_coroutines(ask):
    """Functions and ``after_completion`` may be coroutines; waiting for their run is refused."""

    async def go(client):
        caught, rounds = [], []

        async def get_weather(city: str) -> str:
            """Tell the weather."""
            await asyncio.sleep(0)
            return f"rain in {city}"

        async def wait(arguments, runner):
            try:
                await runner.done()
            except RuntimeError as error:
                caught.append(error)

        async def after(completion, runner):
            await asyncio.sleep(0)
            rounds.append(len(runner.messages))

        run = client.chat.completions.run_tools(
            **ASK,
            tools=[get_weather, {"type": "function", "function": {"function": wait}}],
            stream=True,
            after_completion=after,
        )
        assert isinstance(run, AsyncChatCompletionStreamingRunner)
        lines = [line async for line in run.to_readable_stream()]
        again = AsyncChatCompletionStreamingRunner.from_readable_stream(lines)
        return await run.final_content(), caught, rounds, await again.final_content()

    calls = calling(("get_weather", '{"city": "Rome"}'), ("wait", "{}"))
    content, caught, rounds, again = ask(go, calls, saying("wet"))
    assert (content, again) == ("wet", "wet")
    assert len(caught) == 1
    assert rounds == [4, 5]
    sent = ask.server.requests[1].json()["messages"]
    assert [message["content"] for message in sent[2:]] == ["rain in Rome", "null"]


def test_answers_that_come_whole(ask):
    """``create``, ``parse``, models, and a run without ``stream``."""

    async def go(client):
        answer_ = await client.chat.completions.create(**ASK)
        run = client.chat.completions.run_tools(**ASK, tools=[lambda_tool])
        assert isinstance(run, AsyncChatCompletionRunner)
        models = [model.id async for model in client.models.list()]
        return answer_.choices[0].message.content, models, await run.final_content()

    def lambda_tool(city: str) -> str:
        """Say the city."""
        return city

    models = {"object": "list", "data": [{"id": "a"}]}

    def which(exchange):
        target = exchange.request.target
        if target.endswith("/models"):
            answer(200, models)(exchange)
        elif b'"role":"tool"' in exchange.request.body.replace(b" ", b""):
            whole({"content": "done"})(exchange)
        elif b'"tools"' in exchange.request.body:
            whole_call("lambda_tool", '{"city": "Rome"}')(exchange)
        else:
            whole({"content": "hello"})(exchange)

    assert ask(go, which) == ("hello", ["a"], "done")


def test_plain_chunks(ask):
    """``create(stream=True)`` gives the chunks as they come, and can be closed early."""

    async def go(client):
        stream = await client.chat.completions.create(**ASK, stream=True)
        texts = [chunk.choices[0].delta.content async for chunk in stream]
        async with await client.chat.completions.create(**ASK, stream=True) as early:
            async for _ in early:
                break
        return texts, [chunk async for chunk in early]

    assert ask(go, saying("a", "b")) == (["", "a", "b", None], [])


def test_a_cancelled_read_of_plain_chunks(ask):
    """A task that is cancelled while it waits for a chunk ends the request."""
    gone = threading.Event()

    def script(exchange):
        exchange.head()
        exchange.body(chunks("a", finish=None))
        assert exchange.wait_for_close()
        gone.set()

    async def go(client):
        stream = await client.chat.completions.create(**ASK, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content == "a":
                break
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)
        return await asyncio.to_thread(gone.wait, 20)

    assert ask(go, script)


def test_abort(ask):
    """``abort()`` ends a stream that waits for the server."""

    async def go(client):
        run = client.chat.completions.stream(**ASK)
        run.on("content", lambda delta: run.abort())
        with pytest.raises(APIUserAbortError):
            await run.final_content()
        return run.aborted

    assert ask(go, hang(chunks("a", finish=None)))
