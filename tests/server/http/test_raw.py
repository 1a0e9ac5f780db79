"""What an answer came with: the same for this library as for the official one."""

from __future__ import annotations

import asyncio

import openai
import pytest
from answer_programs import ANSWER, run_async
from raw_programs import CHAT, asked, asked_aio, streamed

import emitter_stream
from emitter_stream import OpenAI
from emitter_stream.aio import AsyncOpenAI


@pytest.fixture
def both(server):
    """The official client and this library's."""
    with (
        openai.OpenAI(base_url=server.base_url, api_key="any") as theirs,
        OpenAI(base_url=server.base_url, api_key="any") as ours,
    ):
        yield theirs, ours


def test_raw_answers(both):
    """Status, headers, body, ids of requests and errors are the same as in the official package."""
    theirs, ours = both
    found = asked(ours, emitter_stream)
    assert found == asked(theirs, openai)
    assert ANSWER in found


def test_streamed_answers(both):
    """So is what is read of a body by itself, in each way, and of a stream's."""
    theirs, ours = both
    found = streamed(ours)
    assert found == streamed(theirs)
    assert ANSWER in found


def test_answers_in_asyncio(server):
    """The same for coroutines."""
    found = run_async(asked_aio, AsyncOpenAI, server.base_url)
    assert found == run_async(asked_aio, openai.AsyncOpenAI, server.base_url)


def test_what_has_no_raw_answer_says_so(both):
    """A stream with listeners, a name that there is not, and a method that sends nothing."""
    _, ours = both
    for methods in (
        ours.chat.completions.with_raw_response,
        ours.chat.completions.with_streaming_response,
    ):
        with pytest.raises(AttributeError, match="did you mean 'create'"):
            _ = methods.creat
    with pytest.raises(TypeError, match="no raw response"):
        ours.chat.completions.with_raw_response.stream(**CHAT)
    with (
        pytest.raises(TypeError, match="no raw response"),
        ours.responses.with_streaming_response.stream(model="m", input="a"),
    ):
        pass


def test_a_stream_keeps_no_body(both):
    """Its body is read by iterating."""
    _, ours = both
    raw = ours.chat.completions.with_raw_response.create(**CHAT, stream=True)
    with raw.parse() as chunks, pytest.raises(RuntimeError, match="parse"):
        assert raw.content
    assert repr(raw) == "<RawResponse [200]>"
    assert list(chunks) == []


def test_a_cancelled_task_leaves_no_read_behind(server):
    """What waits for the next line of an answer is woken."""

    async def main():
        async with AsyncOpenAI(base_url=server.base_url, api_key="any") as client:
            made = client.chat.completions.with_streaming_response.create(**CHAT, stream=True)
            async with made as response:
                lines = response.iter_lines()
                assert await anext(lines)
                reading = asyncio.ensure_future(anext(lines))
                await asyncio.sleep(0)  # it has begun
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading

    asyncio.run(main())
