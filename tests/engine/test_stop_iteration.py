"""Listeners that raise what iterators and coroutines end by: it is an error like any other."""

from __future__ import annotations

import asyncio

import pytest
from parity.transcripts import answered
from scripted_server import PATIENCE

from emitter_stream import AssistantStream, OpenAIError
from emitter_stream.aio import AsyncAssistantStream

EVENTS = [
    {"event": name, "data": data} for name, data in answered("a", "b", "c") if data != "[DONE]"
]

ITERATIONS = {
    "for": lambda stream: stream,
    "events": lambda stream: stream.events("messageDelta"),
    "text_deltas": lambda stream: stream.text_deltas,
    "to_readable_stream": lambda stream: stream.to_readable_stream(),
}


def failing(raised: type[BaseException]):
    """Make a listener that raises."""

    def fail() -> None:
        raise raised("own")

    return fail


@pytest.mark.parametrize("over", ITERATIONS.values(), ids=ITERATIONS)
def test_no_stop_iteration_passes_for_the_end(over):
    """`next()` of an empty iterator in a listener does not make a short stream a whole one."""
    stream = AssistantStream.from_events(EVENTS, inline=True)
    stream.on("textDelta", failing(StopIteration))
    earlier = stream.events("end")
    with pytest.raises(RuntimeError) as caught:
        list(over(stream))
    assert isinstance(caught.value.__cause__, StopIteration)
    with pytest.raises(RuntimeError):  # nor for one that hears of it later
        list(earlier)


@pytest.mark.parametrize("over", ITERATIONS.values(), ids=ITERATIONS)
def test_no_stop_async_iteration_passes_for_the_end(over):
    """The same with `async for`."""

    async def main() -> None:
        stream = AsyncAssistantStream.from_events(EVENTS, inline=True)
        stream.on("textDelta", failing(StopAsyncIteration))
        with pytest.raises(RuntimeError) as caught:
            [item async for item in over(stream)]
        assert isinstance(caught.value.__cause__, StopAsyncIteration)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("is_coroutine", [False, True])
def test_a_generator_exit_of_a_listener_ends_the_stream(inline, is_coroutine):
    """A loop that is gone ends a task by it, but a listener's own is an error of the stream."""
    plain = failing(GeneratorExit)

    async def coroutine() -> None:
        plain()

    async def main() -> None:
        stream = AsyncAssistantStream.from_events(EVENTS, inline=inline)
        stream.on("textDelta", coroutine if is_coroutine else plain)
        with pytest.raises(GeneratorExit if inline else OpenAIError):
            await stream.done(PATIENCE)
        assert stream.ended

    asyncio.run(main())
