"""What type checkers say of natural uses of the library. Checked by mypy and pyright, never run.

A wrong use is marked with `type: ignore`, and both checkers complain of a mark that is not needed.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from typing_extensions import assert_type

import emitter_stream
from emitter_stream import (
    AbortController,
    APIError,
    APIStatusError,
    APIUserAbortError,
    AssistantEventHandler,
    AssistantStream,
    AssistantStreamManager,
    OpenAI,
    OpenAIError,
    override,
)
from emitter_stream.server import Call as ServerCall
from emitter_stream.server import Input, LocalServer, Model, Text, Turn
from emitter_stream.types import (
    AssistantStreamEvent,
    ImageFile,
    Message,
    MessageDelta,
    Run,
    RunStep,
    RunStepDelta,
    TextContentBlock,
    TextDelta,
    ThreadRunCompleted,
    ToolCall,
    ToolCallDelta,
)
from emitter_stream.types import (
    Text as TextBlock,
)

client = OpenAI()
stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
assert_type(stream, AssistantStream)

# A listener of each event, with all its arguments.


def nothing() -> None: ...
def on_error(error: OpenAIError) -> None: ...
def on_abort(error: APIUserAbortError) -> None: ...
def on_event(event: AssistantStreamEvent) -> None: ...
def on_run(run: Run) -> None: ...
def on_message(message: Message) -> None: ...
def on_message_delta(delta: MessageDelta, snapshot: Message) -> None: ...
def on_step(step: RunStep) -> None: ...
def on_step_delta(delta: RunStepDelta, snapshot: RunStep) -> None: ...
def on_step_done(step: RunStep, snapshot: RunStep) -> None: ...
def on_call(call: ToolCall) -> None: ...
def on_call_delta(delta: ToolCallDelta, snapshot: ToolCall) -> None: ...
def on_text(text: TextBlock) -> None: ...
def on_text_delta(delta: TextDelta, snapshot: TextBlock) -> None: ...
def on_text_done(text: TextBlock, message: Message) -> None: ...
def on_image(image: ImageFile, message: Message) -> None: ...


chained = (
    stream.on("connect", nothing)
    .on("event", on_event)
    .on("run", on_run)
    .on("messageCreated", on_message)
    .on("messageDelta", on_message_delta)
    .on("messageDone", on_message)
    .on("runStepCreated", on_step)
    .on("runStepDelta", on_step_delta)
    .on("runStepDone", on_step_done)
    .on("toolCallCreated", on_call)
    .on("toolCallDelta", on_call_delta)
    .on("toolCallDone", on_call)
    .on("textCreated", on_text)
    .on("textDelta", on_text_delta)
    .on("textDone", on_text_done)
    .on("imageFileDone", on_image)
    .on("error", on_error)
    .on("abort", on_abort)
    .on("end", nothing)
    .on("thread.run.completed", on_run)
    .on("thread.message.completed", on_message)
)
assert_type(chained, AssistantStream)

once: AssistantStream = stream.once("textDelta", on_text_delta)
once = stream.once("end", nothing)
assert_type(stream.off("textDelta", on_text_delta), AssistantStream)

# A listener may take fewer arguments, or wider ones, and may return anything.


def on_anything(*args: object) -> int:
    return len(args)


def on_delta_with_default(delta: TextDelta, snapshot: TextBlock | None = None) -> None: ...
def on_delta_with_more(delta: TextDelta, snapshot: TextBlock, more: int = 0) -> None: ...
def on_any_error(error: Exception) -> None: ...


class Listener:
    def on_text_delta(self, delta: TextDelta, snapshot: TextBlock) -> None: ...

    def on_delta(self, delta: TextDelta) -> None: ...

    @staticmethod
    def on_end() -> None: ...

    def __call__(self, delta: TextDelta) -> str:
        return delta.value or ""


stream.on("textDelta", nothing).on("textDelta", on_anything).on("end", on_anything)
stream.on("textDelta", on_delta_with_default).on("textDelta", on_delta_with_more)
stream.on("error", on_any_error).on("abort", on_any_error).on("abort", on_error)
stream.on("textDelta", Listener().on_text_delta).on("textDelta", Listener().on_delta)
stream.on("end", Listener.on_end).on("textDelta", Listener())
stream.on("textDelta", print).on("end", print).on("error", print)
stream.on("textDelta", functools.partial(print, end="", flush=True))
pieces: list[TextDelta] = []
stream.on("textDelta", pieces.append).off("textDelta", pieces.append)

# Lambdas may do so as well.

stream.on("textDelta", lambda delta, snapshot: print(delta.value, snapshot.value))
stream.on("textDelta", lambda delta: print(delta.value, end="", flush=True))
stream.on("textDelta", lambda: print()).on("textDelta", lambda *args: print(*args))
stream.on("run", lambda run: print(run.status)).on("end", lambda: print("the end"))
stream.on("toolCallDelta", lambda delta: print(delta.type)).on("error", lambda error: print(error))
for number in range(2):
    stream.on("abort", lambda error, number=number: print(number, error))
stream.once("textDone", lambda text: print(text.value)).once("end", lambda: stream.abort())

# Decorators give the function back.


@stream.on("textDelta")
def show(delta: TextDelta, snapshot: TextBlock) -> int:
    return len(snapshot.value)


@stream.on("end")
def stop() -> str:
    return "the end"


assert_type(stop(), str)
counted: Callable[[TextDelta, TextBlock], int] = show

# Wrong ones are found.

stream.on("text_delta", on_text_delta)  # type: ignore[call-overload]
stream.on("thread.run.complete", on_run)  # type: ignore[call-overload]
stream.on("textDelta", on_call_delta)  # type: ignore[call-overload]
stream.on("textCreated", on_text_delta)  # type: ignore[call-overload]
stream.on("end", on_error)  # type: ignore[call-overload]
stream.on("end", lambda error: None)  # type: ignore[call-overload]
stream.on("run", lambda run, more: None)  # type: ignore[call-overload]
stream.on("textDelta", 1)  # type: ignore[call-overload]
stream.on("textdelta")  # type: ignore[call-overload]
stream.off("textDelta")  # type: ignore[call-arg]

# Waiting, iterating, state.

assert_type(stream.start(), AssistantStream)
assert_type(stream.final_run(), Run)
assert_type(stream.final_run(timeout=1.5), Run)
assert_type(stream.final_messages(1), list[Message])
assert_type(stream.final_run_steps(), list[RunStep])
assert_type(stream.get_final_run(), Run)
assert_type(stream.current_run(), Run | None)
assert_type(stream.current_event(), AssistantStreamEvent | None)
assert_type(stream.current_message_snapshot(), Message | None)
assert_type(stream.current_run_step_snapshot(), RunStep | None)
assert_type(stream.ended, bool)
assert_type(stream.errored, bool)
assert_type(stream.aborted, bool)
assert_type(stream.controller, AbortController)
assert_type(stream.text_deltas, Iterator[str])
assert_type(stream.to_readable_stream(), Iterator[bytes])
stream.emitted("textDelta", timeout=1)
stream.done(timeout=1)
stream.until_done()
stream.abort()

for event in stream:
    assert_type(event, AssistantStreamEvent)
    if isinstance(event, ThreadRunCompleted):
        assert_type(event.data, Run)
for args in stream.events("end"):
    assert_type(args, tuple[()])
for delta, snapshot in stream.events("textDelta"):
    print(delta.value, snapshot.value)
with stream as entered:
    assert_type(entered, AssistantStream)
with stream.events("textDelta") as deltas:
    assert_type(next(deltas), tuple[TextDelta, TextBlock])

stream.final_run("soon")  # type: ignore[arg-type]
stream.ended = True  # type: ignore[misc]

# Other ways to a stream.

assert_type(AssistantStream.from_readable_stream([b"{}\n"]), AssistantStream)
assert_type(AssistantStream.from_events([{"event": "thread.created", "data": {}}]), AssistantStream)
AssistantStream.from_readable_stream("text")  # type: ignore[arg-type]
controller = AbortController()
runs = client.beta.threads.runs
assert_type(
    client.beta.threads.create_and_run_stream(
        assistant_id="asst_1",
        thread={"messages": [{"role": "user", "content": "Hello"}]},
        tools=[{"type": "code_interpreter"}],
        signal=controller.signal,
        timeout=(5, 60),
    ),
    AssistantStream,
)
run = stream.final_run()
if run.required_action is not None:
    again = runs.submit_tool_outputs_stream(
        run.id,
        thread_id=run.thread_id,
        tool_outputs=[
            {"tool_call_id": call.id, "output": call.function.arguments}
            for call in run.required_action.submit_tool_outputs.tool_calls
        ],
    )
    assert_type(again, AssistantStream)
assert_type(runs.create_and_poll("thread_1", assistant_id="asst_1"), Run)
assert_type(runs.create("thread_1", assistant_id="asst_1"), Run)
assert_type(runs.create("thread_1", assistant_id="asst_1", stream=True), AssistantStream)
runs.stream("thread_1")  # type: ignore[call-overload]
runs.stream("thread_1", assistant_id="asst_1", assistant="asst_2")  # type: ignore[call-overload]
runs.stream("thread_1", assistant_id="asst_1", signal=controller)  # type: ignore[call-overload]
runs.run_tools("thread_1", assistant_id="asst_1")  # type: ignore[call-overload]
runs.create_and_poll("thread_1", assistant_id="asst_1", assistant="x")  # type: ignore[call-arg]
runs.list("thread_1", limit="1")  # type: ignore[arg-type]
client.beta.threads.create(message=[])  # type: ignore[call-arg]
client.beta.assistants.create(name="n")  # type: ignore[call-arg]

# Handlers.


class Handler(AssistantEventHandler):
    answer = ""

    @override
    def on_text_delta(self, delta: TextDelta, snapshot: TextBlock) -> None:
        assert_type(self.current_run, Run | None)
        self.answer += delta.value or ""

    @override
    def on_tool_call_delta(self, delta: ToolCallDelta, snapshot: ToolCall) -> None:
        if delta.type == "code_interpreter" and delta.code_interpreter:
            assert_type(delta.code_interpreter.input, str | None)

    @override
    def on_exception(self, exception: Exception) -> None: ...


class WrongHandler(AssistantEventHandler):
    @override
    def on_text_deltas(self, delta: TextDelta) -> None: ...  # type: ignore[misc]

    @override
    def on_run_step_done(self, run_step: Message) -> None: ...  # type: ignore[override]


manager = runs.stream("thread_1", assistant_id="asst_1", event_handler=Handler())
assert_type(manager, AssistantStreamManager[Handler])
with manager as handler:
    assert_type(handler, Handler)
    assert_type(handler.answer, str)
    assert_type(handler.text_deltas, Iterator[str])
    for event in handler:
        assert_type(event, AssistantStreamEvent)
    handler.until_done()
    assert_type(handler.get_final_run(), Run)
    assert_type(handler.get_final_messages(), list[Message])
    assert_type(handler.get_final_run_steps(), list[RunStep])
runs.stream("thread_1", assistant_id="asst_1", event_handler=print)  # type: ignore[call-overload]

# Objects.

for message in client.beta.threads.messages.list("thread_1"):
    assert_type(message, Message)
    for block in message.content:
        if isinstance(block, TextContentBlock):
            assert_type(block.text.value, str)
assert_type(run.to_dict(), dict[str, Any])

# Errors.

try:
    stream.done()
except APIUserAbortError as error:
    assert_type(error.message, str)
except APIStatusError as error:
    assert_type(error.status_code, int)
    assert_type(error.response.json(), Any)
    assert_type(error.request_id, str | None)
except APIError as error:
    assert_type(error.body, object)
    assert_type(error.code, str | None)
except OpenAIError as error:
    assert_type(error, OpenAIError)
caught: type[OpenAIError] = emitter_stream.NotFoundError

# The server.


class Parrot:
    async def respond(self, turn: Turn) -> AsyncIterator[Text | ServerCall | Input]:
        yield Text(turn.messages[-1].text)
        yield ServerCall("function", "get_weather")
        yield Input("{}")


parrot: Model = Parrot()
with LocalServer(model=parrot, tokens_per_second=30) as server:
    OpenAI("any", base_url=server.base_url, timeout=None, max_retries=0)
