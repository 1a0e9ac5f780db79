"""The same programs with the official Python SDK's asynchronous event handlers and with ours."""

from __future__ import annotations

import asyncio
import functools
from types import SimpleNamespace

import pytest
from handler_peers import (
    ERROR,
    METHODS,
    TEXT,
    OwnError,
    Rerun,
    broken_off,
    comparable,
    grouped,
    standing_still,
)
from scripted_server import PATIENCE, sse

import emitter_stream
import emitter_stream.aio
from emitter_stream import APIUserAbortError, OpenAIError
from emitter_stream.aio import AsyncAssistantStream

openai = pytest.importorskip("openai", "2.0")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def handler_class(sdk, log, **methods):
    """Make a handler that notes each call before it does what ``methods`` say."""

    def noting(name):
        own = methods.get(name)

        async def method(self, *args):
            await asyncio.sleep(0)
            value = getattr(args[0], "event", "") if name == "on_event" else ""
            if name == "on_text_delta":
                value = args[0].value
            log.append((name, value))
            if own is not None:
                raise own

        return method

    return type(
        "Handler", (sdk.AsyncAssistantEventHandler,), {name: noting(name) for name in METHODS}
    )


async def until_done(play):
    async with play.stream() as handler:
        play.out(await handler.until_done())


async def finals(play):
    async with play.stream() as handler:
        play.out((await handler.get_final_run()).status)
        play.out([message.id for message in await handler.get_final_messages()])


async def for_loop(play):
    async with play.stream() as handler:
        async for event in handler:
            play.out((event.event, len(play.log)))
            await asyncio.sleep(0.01)  # whoever would run ahead, could
            play.out(len(play.log))


async def text_deltas(play):
    async with play.stream() as handler:
        async for text in handler.text_deltas:
            play.out((text, len(grouped(play.log))))


async def left_and_resumed(play):
    async with play.stream() as handler:
        async for event in handler:
            play.out(event.event)
            break
        play.out((await anext(handler)).event)
        async for text in handler.text_deltas:
            play.out(text)
            break
        play.out((await anext(aiter(handler))).event)
        play.out([text async for text in handler.text_deltas])
        play.out([event.event async for event in handler])


async def left_then_awaited(play):
    async with play.stream() as handler:
        play.out((await anext(handler)).event)
        await handler.until_done()
        play.out([event.event async for event in handler])


async def left_early(play):
    async with play.stream() as handler:
        async for text in handler.text_deltas:
            play.out(text)
            break


async def body_raises(play):
    async with play.stream() as handler:
        async for _text in handler.text_deltas:
            raise OwnError("body")


async def raises(play, wait, **methods):
    async with play.stream(**methods) as handler:
        if wait == "for":
            async for event in handler:
                play.out(event.event)
        else:
            await handler.until_done()


async def caught(play):
    async with play.stream(on_message_created=OwnError("own")) as handler:
        try:
            await handler.until_done()
        except OwnError as error:
            play.out(repr(error))
        play.out([event.event async for event in handler])


PROGRAMS = {
    "until_done": (until_done, TEXT),
    "finals": (finals, TEXT),
    "for": (for_loop, TEXT),
    "text_deltas": (text_deltas, TEXT),
    "left_and_resumed": (left_and_resumed, TEXT),
    "left_then_awaited": (left_then_awaited, TEXT),
    "left_early": (left_early, TEXT),
    "body_raises": (body_raises, TEXT),
    "caught": (caught, TEXT),
    "error event": (until_done, ERROR),
    "error event, for": (for_loop, ERROR),
    **{
        f"{method} raises {kind.__name__}, {wait}": (
            functools.partial(raises, wait=wait, **{method: kind("own")}),
            TEXT,
        )
        for method in ("on_event", "on_message_created", "on_text_delta", "on_end")
        for kind in (OwnError, Rerun)
        for wait in ("until_done", "for")
    },
}


def played(sdk, program, server, timeout=PATIENCE):
    """Run a program with one SDK; give what can be compared of it."""
    log: list = []
    found: list = []
    raised = None

    async def main():
        nonlocal raised
        client = sdk.AsyncOpenAI(
            base_url=server.url, api_key="sk-test", max_retries=0, timeout=timeout
        )
        async with client:
            play = SimpleNamespace(
                log=log,
                out=found.append,
                stream=lambda **methods: client.beta.threads.runs.stream(
                    thread_id="thread_1",
                    assistant_id="asst_1",
                    event_handler=handler_class(sdk, log, **methods)(),
                ),
            )
            try:
                await program(play)
            except BaseException as error:  # noqa: BLE001 - whatever it is, is compared
                raised = type(error).__name__

    asyncio.run(main())
    return SimpleNamespace(log=log, found=found, raised=raised)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_does_the_same(serve, name):
    """With either SDK: the same calls, the same finds, the same end."""
    program, body = PROGRAMS[name]
    server = serve(sse(body))
    theirs = played(openai, program, server)
    ours = played(emitter_stream.aio, program, server)
    if name.startswith(("for", "error event, for")):
        assert len(ours.found) == len(theirs.found)
        assert ours.found[::2][0] == theirs.found[::2][0]
        assert [pair[1] for pair in ours.found[::2]] == ours.found[1::2]  # nothing ran ahead
    else:
        assert ours.found == theirs.found
    assert ours.raised == theirs.raised
    assert comparable(grouped(ours.log), name) == comparable(grouped(theirs.log), name)


@pytest.mark.parametrize("script", [standing_still, broken_off])
def test_a_failing_server(serve, script):
    """The same methods hear of it, `on_timeout` among them."""
    server = serve(script)
    theirs = played(openai, until_done, server, timeout=0.3)
    ours = played(emitter_stream.aio, until_done, server, timeout=0.3)
    assert grouped(ours.log) == grouped(theirs.log)
    assert theirs.raised is not None
    assert ours.raised == ("APITimeoutError" if script is standing_still else "APIConnectionError")


def test_inline_listeners(serve):
    """Chained listeners with `inline=True`: nothing without a wait, exceptions as they are."""
    server = serve(sse(TEXT))

    async def main():
        async with emitter_stream.aio.AsyncOpenAI(base_url=server.url, api_key="sk-test") as client:
            stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1", inline=True)
            heard, errors = [], []
            stream.on("textDelta", lambda delta: heard.append(delta.value))
            stream.on("error", errors.append)
            await asyncio.to_thread(server.wait_for_requests, 1)
            await asyncio.sleep(0.05)
            assert heard == []
            await stream.emitted("textDelta")
            await asyncio.sleep(0.05)
            assert heard == ["a"]
            own = OwnError("own")

            async def fail() -> None:
                raise own

            stream.on("textDelta", fail)
            for _ in range(2):
                with pytest.raises(OwnError):
                    await stream.done()
            assert heard == ["a", "b"]
            assert type(errors[0]) is OpenAIError and errors[0].__cause__ is own

    asyncio.run(main())


def test_what_is_no_exception_aborts_and_passes():
    """It leaves the first wait; the stream is aborted because of it."""

    async def main():
        events = [{"event": "thread.run.created", "data": {"id": "run_1", "object": "thread.run"}}]
        own = Rerun("own")
        calls = []

        def fail() -> None:
            raise own

        stream = AsyncAssistantStream.from_events(events, inline=True).on("event", fail)
        stream.on("abort", calls.append).on("end", lambda: calls.append("end"))
        with pytest.raises(Rerun):
            await stream.done()
        assert calls[0].__cause__ is own and calls[1:] == ["end"]
        with pytest.raises(APIUserAbortError):
            await stream.done()

    asyncio.run(main())
