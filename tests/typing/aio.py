"""What type checkers say of the asyncio side. Checked by mypy and pyright, never run.

A wrong use is marked with `type: ignore`, and both checkers complain of a mark that is not needed.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from typing_extensions import assert_type

from emitter_stream import AbortController, FunctionCall, OpenAIError, override
from emitter_stream.aio import (
    AsyncAssistantEventHandler,
    AsyncAssistantStream,
    AsyncAssistantStreamManager,
    AsyncCursorPage,
    AsyncOpenAI,
)
from emitter_stream.types import (
    Assistant,
    AssistantDeleted,
    AssistantStreamEvent,
    Message,
    Run,
    RunStep,
    Text,
    TextDelta,
    Thread,
)

client = AsyncOpenAI(timeout=5)
assert_type(client.with_options(max_retries=1), AsyncOpenAI)


async def on_delta(delta: TextDelta, snapshot: Text) -> None: ...
async def on_delta_only(delta: TextDelta) -> None: ...
async def on_message(message: Message) -> None: ...
async def on_call(call: FunctionCall) -> None: ...
async def on_end() -> None: ...
def on_error(error: OpenAIError) -> None: ...
async def get_weather(city: str) -> str:
    return city


class Handler(AsyncAssistantEventHandler):
    @override
    async def on_text_delta(self, delta: TextDelta, snapshot: Text) -> None: ...


async def methods() -> None:
    assistants, threads = client.beta.assistants, client.beta.threads
    assert_type(await assistants.create(model="m", name="n"), Assistant)
    assert_type(await assistants.delete("a"), AssistantDeleted)
    assert_type(await assistants.list(limit=2), AsyncCursorPage[Assistant])
    async for assistant in assistants.list(order="asc"):
        assert_type(assistant, Assistant)
    async for step in await threads.runs.steps.list("r", thread_id="t"):
        assert_type(step, RunStep)
    assert_type(await threads.create(messages=[{"role": "user", "content": "x"}]), Thread)
    assert_type(await threads.messages.create("t", role="user", content="x"), Message)
    assert_type(await threads.runs.retrieve("r", thread_id="t"), Run)
    assert_type(await threads.runs.poll("r", "t", poll_interval_ms=5), Run)
    assert_type(await threads.runs.create_and_poll("t", assistant_id="a"), Run)
    assert_type(await threads.runs.create("t", assistant_id="a"), Run)
    assert_type(await threads.runs.create("t", assistant_id="a", stream=True), AsyncAssistantStream)
    assert_type(await threads.create_and_run(assistant_id="a", stream=True), AsyncAssistantStream)
    await threads.runs.retrieve("r")  # type: ignore[call-arg]
    await threads.runs.retrieve(5, thread_id="t")  # type: ignore[arg-type]
    await assistants.create(model="m", nonsense=1)  # type: ignore[call-arg]
    await assistants.create(model=1)  # type: ignore[arg-type]
    await threads.runs.create_and_poll("t")  # type: ignore[call-arg]


async def streams() -> None:
    runs = client.beta.threads.runs
    signal = AbortController().signal
    stream = runs.stream("t", assistant_id="a", signal=signal)
    assert_type(stream, AsyncAssistantStream)
    assert_type(await stream, AsyncAssistantStream)
    assert_type(
        stream.on("textDelta", on_delta)
        .on("textDelta", on_delta_only)
        .once("messageDone", on_message)
        .on("functionToolCall", on_call)
        .on("error", on_error)
        .on("end", on_end)
        .off("end", on_end)
        .start(),
        AsyncAssistantStream,
    )
    stream.on("textDelta", on_message)  # type: ignore[call-overload]
    stream.on("end", on_delta)  # type: ignore[call-overload]
    stream.on("text_delta", on_delta)  # type: ignore[call-overload]

    @stream.on("run")
    async def on_run(run: Run) -> None: ...

    await on_run(await stream.final_run())
    assert_type(await stream.final_messages(timeout=5), list[Message])
    assert_type(await stream.final_run_steps(), list[RunStep])
    assert_type(await stream.done(), None)
    async for event in stream:
        assert_type(event, AssistantStreamEvent)
    async for delta, snapshot in stream.events("textDelta"):
        print(delta, snapshot)
    async for piece in stream.text_deltas:
        assert_type(piece, str)
    async with stream as same:
        assert_type(same, AsyncAssistantStream)

    manager = runs.stream("t", assistant_id="a", event_handler=Handler())
    assert_type(manager, AsyncAssistantStreamManager[Handler])
    async with manager as handler:
        assert_type(handler, Handler)
        assert_type(await handler.get_final_run(), Run)
    assert_type(runs.run_tools("t", assistant_id="a", tools=[get_weather]), AsyncAssistantStream)
    runs.stream("t")  # type: ignore[call-overload]


async def others(events: AsyncIterator[dict[str, Any]], chunks: AsyncIterator[bytes]) -> None:
    assert_type(AsyncAssistantStream.from_events(events), AsyncAssistantStream)
    assert_type(AsyncAssistantStream.from_readable_stream(chunks), AsyncAssistantStream)
    AsyncAssistantStream.from_readable_stream(events)  # type: ignore[arg-type]
