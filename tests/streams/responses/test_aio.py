"""``AsyncResponseStream`` and ``AsyncOpenAI().responses``: as the plain ones, on an event loop."""

from __future__ import annotations

import asyncio
import json

import pytest
from response_wire import answer_in, as_bytes, trace_of
from scripted_server import PATIENCE, answer, hang, sse

from emitter_stream import APIError, APIUserAbortError, BadRequestError, OpenAIError, ResponseStream
from emitter_stream.aio import AsyncOpenAI, AsyncResponseStream, AsyncStream

HELLO = answer_in("Hel", "lo")
RESPONSE = HELLO[-1]["response"]
NAMES = ("event", "response.output_text.delta", "response.completed")


@pytest.fixture
def connect_aio(serve):
    """Start a server for these scripts and give an asyncio client of it."""

    def start(*scripts):
        start.server = serve(*scripts)
        return AsyncOpenAI("sk-test", base_url=start.server.url, timeout=PATIENCE, max_retries=0)

    return start


hold = hang(as_bytes(HELLO[:4]))


async def heard(stream):
    """Give the calls of the listeners of three events, a coroutine among them."""
    calls = []

    async def hear(event):
        await asyncio.sleep(0)
        calls.append((NAMES[0], event.to_dict()))

    stream.on(NAMES[0], hear)
    for name in NAMES[1:]:
        stream.on(name, lambda event, name=name: calls.append((name, event.to_dict())))
    await stream.done(PATIENCE)
    return calls


def test_listeners_get_what_those_of_threads_get(connect_aio):
    """The same calls in the same order, and the same final."""

    async def go():
        async with connect_aio(sse(as_bytes(HELLO))) as client:
            stream = client.responses.stream(model="m", input="hi")
            assert isinstance(stream, AsyncResponseStream)
            calls = await heard(stream)
            return calls, await stream.final_response(), await stream.get_final_response()

    calls, final, same = asyncio.run(go())
    assert calls == trace_of(ResponseStream.from_events(HELLO), *NAMES)
    assert final is same
    assert final.output_text == "Hello"


def test_iterating_in_and_out_of_a_block(connect_aio):
    """Without `async with` leaving aborts; in it a loop goes on, and the end closes the rest."""

    async def go():
        async with connect_aio(hold, sse(as_bytes(HELLO)), hold) as client:
            stream = client.responses.stream(model="m", input="hi")
            async for event in stream:
                assert event.type == "response.created"
                break
            with pytest.raises(APIUserAbortError):
                await stream.done(PATIENCE)
            async with client.responses.stream(model="m", input="hi") as stream:
                first = await anext(stream)
                async for event in stream:
                    if event.type == "response.output_text.delta":
                        break
                rest = [event.type async for event in stream]
                assert (await stream.get_final_response()).output_text == "Hello"
            async with client.responses.stream(model="m", input="hi") as cut:
                await anext(cut)
            return first.type, rest, cut.aborted, cut.ended

    first, rest, aborted, ended = asyncio.run(go())
    assert first == "response.created"
    assert rest == [event["type"] for event in HELLO[4:]]
    assert (aborted, ended) == (True, True)


def test_lines_events_and_recordings(tmp_path, connect_aio):
    """Ways in and out, asynchronous ones too."""
    path = tmp_path / "answer.jsonl"

    async def events():
        for event in HELLO:
            yield event

    async def go():
        async with connect_aio(sse(as_bytes(HELLO))) as client:
            stream = client.responses.stream(model="m", input="hi").record(path)
            lines = [line async for line in stream.to_readable_stream()]
        return lines, [
            await heard(AsyncResponseStream.from_readable_stream(lines)),
            await heard(AsyncResponseStream.from_events(events())),
            await heard(AsyncResponseStream.replay(path, None)),
        ]

    lines, traces = asyncio.run(go())
    assert [json.loads(line) for line in lines] == HELLO
    assert traces == [trace_of(ResponseStream.from_events(HELLO), *NAMES)] * 3


def test_plain_streams_and_calls(connect_aio):
    """`create` is awaited, also for a stream; errors come where those of threads do."""
    error = {"error": {"message": "No", "code": "bad"}}
    scripts = (
        answer(200, RESPONSE),
        sse(as_bytes(HELLO)),
        answer(400, error),
        sse(b"data: " + json.dumps(error).encode() + b"\n\n"),
        answer(200, RESPONSE),
        sse(as_bytes(HELLO)),
        answer(200, {"object": "list", "data": RESPONSE["output"], "has_more": False}),
    )

    async def go():
        async with connect_aio(*scripts) as client:
            create, retrieve = client.responses.create, client.responses.retrieve
            assert (await create(model="m", input="hi")).output_text == "Hello"
            stream = await create(model="m", input="hi", stream=True)
            assert isinstance(stream, AsyncStream)
            assert [event.to_dict() async for event in stream] == HELLO
            with pytest.raises(BadRequestError):
                await create(model="m", input="hi", stream=True)
            with pytest.raises(APIError, match="No"):
                async for _ in await create(model="m", input="hi", stream=True):
                    pass
            assert (await retrieve("resp_1")).id == "resp_1"
            async with await retrieve("resp_1", stream=True) as stream:
                assert [event.type async for event in stream] == [e["type"] for e in HELLO]
            items = [item async for item in client.responses.input_items.list("resp_1")]
            assert [item.type for item in items] == ["message"]

    asyncio.run(go())


def test_a_response_that_does_not_fit_is_an_error(connect_aio):
    """`parse` and the stream alike."""
    schema = {"type": "object"}
    scripts = (sse(as_bytes(HELLO)), answer(200, RESPONSE))

    async def go():
        async with connect_aio(*scripts) as client:
            with pytest.raises(OpenAIError, match="is no JSON"):
                await client.responses.stream(model="m", input="hi", text_format=schema).done()
            with pytest.raises(OpenAIError, match="is no JSON"):
                await client.responses.parse(model="m", input="hi", text_format=schema)

    asyncio.run(go())
