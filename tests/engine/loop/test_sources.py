"""Streams for asyncio from other sources than a request."""

from __future__ import annotations

import asyncio

import pytest
from aio_streams import BODY, FIVE, AsyncRecorder, failing, turns
from parity.compare import PATIENCE
from scripted_server import sse

from emitter_stream import APIUserAbortError, AssistantStream, OpenAIError
from emitter_stream.aio import AsyncAssistantStream

# --- other sources


def documents():
    """Give the five deltas' run as dicts."""
    return [{"event": name, "data": data} for name, data in FIVE if name != "done"]


async def slowly(items):
    """Give items one by one, asynchronously."""
    for item in items:
        await asyncio.sleep(0)
        yield item


@pytest.mark.parametrize("wrap", [iter, slowly], ids=["iterable", "asynchronous"])
def test_from_events(wrap):
    """Events as objects, from an iterable of either kind."""

    async def main():
        stream = AsyncAssistantStream.from_events(wrap(documents()))
        return await AsyncRecorder(stream).result()

    result = asyncio.run(main())
    assert [call[0] for call in result["trace"]].count("textDelta") == 5
    assert result["trace"][-1] == ["end"]
    assert result["final"]["run"]["status"] == "completed"


@pytest.mark.parametrize("wrap", [iter, slowly], ids=["iterable", "asynchronous"])
def test_to_and_from_a_readable_stream(stream_of, wrap):
    """What to_readable_stream writes is the plain stream's, and is read again in any pieces."""

    async def main():
        written = b"".join([line async for line in stream_of(sse(BODY)).to_readable_stream()])
        pieces = [written[at : at + 11] for at in range(0, len(written), 11)]
        stream = AsyncAssistantStream.from_readable_stream(wrap(pieces))
        return written, [piece async for piece in stream.text_deltas]

    written, pieces = asyncio.run(main())
    assert pieces == [*"abcde"]
    assert written == b"".join(AssistantStream.from_events(documents()).to_readable_stream())


def test_an_asynchronous_iterable_is_closed_when_the_stream_is_left():
    """An abort ends the wait for its next item, and its `finally` is run, on the loop."""
    closed = []

    async def endless():
        try:
            for document in documents()[:10]:
                yield document
            await asyncio.sleep(PATIENCE)
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def main():
        stream = AsyncAssistantStream.from_events(endless())
        async for _ in stream:
            break
        with pytest.raises(APIUserAbortError):
            await stream.done()
        await turns()
        assert closed == [True]
        stream = AsyncAssistantStream.from_events(endless())
        await stream.on("runStepDelta", failing("plain")).emitted("textDelta")
        stream.abort()

    asyncio.run(main())
    assert closed == [True, True]


def test_an_iterable_that_raises_ends_the_stream():
    """Its exception is the cause of the error, whatever kind it is of."""

    async def broken():
        yield documents()[0]
        raise KeyError("why")

    def plainly():
        yield documents()[0]
        raise KeyError("why")

    async def main(items):
        with pytest.raises(OpenAIError, match="The stream failed: KeyError") as caught:
            await AsyncAssistantStream.from_events(items).done()
        assert isinstance(caught.value.__cause__, KeyError)

    for items in (broken(), plainly()):
        asyncio.run(main(items))


def test_record_comes_too_late(stream_of, tmp_path):
    """Once listeners have been called, record() is an error that says so."""

    async def main():
        stream = stream_of(sse(BODY))
        await stream.emitted("connect")
        with pytest.raises(RuntimeError, match="too late"):
            stream.record(tmp_path / "run.jsonl")
        await stream.done()

    asyncio.run(main())
