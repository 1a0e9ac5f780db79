"""What type checkers know of events, their listeners and their objects. Checked, never run.

A wrong use is marked with `type: ignore`, and both checkers complain of a mark that is not needed.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from typing_extensions import assert_type

from emitter_stream import APIUserAbortError, FunctionCall, OpenAI, OpenAIError
from emitter_stream.aio import AsyncAssistantStream
from emitter_stream.types import (
    Message,
    MessageContent,
    MessageDelta,
    MessageDeltaEvent,
    Run,
    RunStep,
    RunStepDelta,
    Text,
    TextDelta,
    Thread,
    ThreadMessageDelta,
    ToolCall,
)

client = OpenAI()
stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")

# A listener's arguments are known, also a lambda's, and a misspelt field is an error.

stream.on("textDelta", lambda delta, snapshot: print(delta.value, snapshot.annotations))
stream.on("textDelta", lambda delta: print(delta.valeu))  # type: ignore
stream.on("textDelta", lambda delta, snapshot: print(snapshot.valeu))  # type: ignore
stream.once("thread.run.completed", lambda run: print(run.usage, run.status))
stream.on("thread.run.completed", lambda run: print(run.statsu))  # type: ignore
stream.on("thread.message.delta", lambda event: print(event.delta.content))
stream.on("thread.created", lambda thread: print(thread.metadata))


def on_message(message: Message) -> None: ...
def on_run(run: Run) -> None: ...


stream.on("thread.message.completed", on_message).on("thread.run.failed", on_run)
stream.on("thread.message.completed", on_run)  # type: ignore
stream.once("thread.run.step.delta", on_run)  # type: ignore

# What a listener returns is dropped, but nobody would await a coroutine.

pool = ThreadPoolExecutor()
stream.on("textDelta", lambda delta: pool.submit(print, delta.value)).on("end", pool.shutdown)
stream.on("run", lambda run: run).on("run", lambda run: {"id": run.id}).on("run", lambda run: 1)


def untyped(delta: Any, snapshot: Any = None) -> Any: ...


stream.on("textDelta", untyped).on("textDelta", lambda delta: untyped(delta, 1))


async def awaitable(delta: TextDelta) -> None: ...


stream.on("textDelta", awaitable)  # type: ignore
stream.once("textDelta", awaitable)  # type: ignore
stream.on("textDelta", lambda delta: awaitable(delta))  # type: ignore


@stream.on("textDelta")  # type: ignore
async def decorated_awaitable(delta: TextDelta) -> None: ...


# A decorated function is checked, and stays what it is.


@stream.on("textDelta")
def decorated(delta: TextDelta, snapshot: Text | None = None) -> int:
    return 1


assert_type(decorated(delta=TextDelta(value="x")), int)


@stream.once("run")  # type: ignore
def wrong(run: Message) -> None: ...


@stream.on("end")  # type: ignore
def too_many(error: OpenAIError) -> None: ...


# Waiting and iterating.

assert_type(stream.emitted("textDelta", timeout=1), tuple[TextDelta, Text])
assert_type(stream.emitted("toolCallDone"), ToolCall)
assert_type(stream.emitted("thread.message.delta"), MessageDeltaEvent)
assert_type(stream.emitted("abort"), APIUserAbortError)
assert_type(stream.emitted("end"), None)
for step_delta, step in stream.events("runStepDelta"):
    assert_type(step_delta, RunStepDelta)
    assert_type(step, RunStep)
for (thread,) in stream.events("thread.created"):
    assert_type(thread, Thread)
for (call,) in stream.events("functionToolCall"):
    assert_type(call, FunctionCall)
stream.emitted("text_delta")  # type: ignore
stream.events("text_delta")  # type: ignore

# The name of an event says the class of its data, and so does isinstance.

for event in stream:
    if event.event == "thread.message.delta":
        assert_type(event, ThreadMessageDelta)
        assert_type(event.data.delta, MessageDelta)
        print(event.data.dleta)  # type: ignore
    elif event.event == "thread.run.completed" or event.event == "thread.run.failed":
        assert_type(event.data, Run)
    else:
        print(event.data, event.to_dict())
    if isinstance(event, ThreadMessageDelta):
        assert_type(event.data, MessageDeltaEvent)

# Objects can be changed, lists are lists, and only what the schema has is there.

message = client.beta.threads.messages.list("thread_1").data[0]
message.status = "completed"
message.content[0].text.value = message.content[0].text.value.replace("a", "b")
message.content.reverse()
message.content.append(MessageContent(type="text", text=Text(value="x", annotations=[])))
contents: list[MessageContent] = message.content
message.status = "done"  # type: ignore
message.stauts = "completed"  # type: ignore
print(message.stauts)  # type: ignore
assert_type(message.model_dump(include={"id"}), dict[str, Any])
assert_type(message.model_dump_json(indent=2, exclude_unset=True), str)
assert_type(message.model_copy(update={"id": "x"}), Message)
assert_type(Message.construct(id="x"), Message)


# asyncio: the same events, and listeners may be coroutines.


async def loop(stream: AsyncAssistantStream) -> None:
    stream.on("textDelta", awaitable).on("textDelta", lambda delta: awaitable(delta))
    stream.on("textDelta", lambda delta: print(delta.valeu))  # type: ignore

    @stream.on("messageDone")
    async def done(message: Message) -> None: ...

    @stream.on("messageDone")  # type: ignore
    async def wrong(message: Run) -> None: ...

    text_done: Coroutine[Any, Any, tuple[Text, Message]] = stream.emitted("textDone")
    await text_done
    assert_type(await stream.emitted("thread.run.completed"), Run)
    async for delta, snapshot in stream.events("textDelta"):
        assert_type(delta, TextDelta)
        assert_type(snapshot, Text)
    async for event in stream:
        if event.event == "thread.message.delta":
            assert_type(event.data, MessageDeltaEvent)
