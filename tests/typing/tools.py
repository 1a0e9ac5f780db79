"""What type checkers say of the tool loop. Checked by mypy and pyright, never run."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from typing_extensions import assert_type

from emitter_stream import (
    AssistantEventHandler,
    AssistantStream,
    AssistantStreamManager,
    FunctionCall,
    OpenAI,
    function_tool,
)
from emitter_stream.types.params import FunctionToolParam


@dataclasses.dataclass
class Place:
    city: str


def get_weather(city: str, days: int = 1) -> dict[str, str]:
    return {}


def get_time(place: Place) -> None: ...
def on_call(call: FunctionCall) -> None: ...
def on_result(output: str) -> None: ...
def on_number(output: int) -> None: ...
def nothing() -> None: ...


client = OpenAI()
runs = client.beta.threads.runs
tool = function_tool(get_weather)
assert_type(tool, FunctionToolParam)
client.beta.assistants.create(model="m", tools=[tool, {"type": "code_interpreter"}])

# Functions, made tools and other tools, or names of functions.

stream = runs.run_tools("thread_1", assistant_id="a", tools=[get_weather, get_time])
assert_type(stream, AssistantStream)
runs.run_tools("t", assistant_id="a", tools=[get_weather, tool, {"type": "code_interpreter"}])
runs.run_tools("t", assistant_id="a", tools={"weather": get_weather, "time": get_time})
runs.run_tools("t", assistant_id="a", tools={"weather": tool})
runs.run_tools(
    "t",
    assistant_id="a",
    tools=(get_time,),
    parallel=False,
    max_rounds=3,
    on_tool_error="report",
    send_tools=False,
    instructions="i",
    temperature=0.5,
)
runs.run_tools("t", assistant_id="a", tools=[5])  # type: ignore
runs.run_tools("t", assistant_id="a", tools=[], on_tool_error="ignore")  # type: ignore
runs.run_tools("t", assistant_id="a")  # type: ignore


class Handler(AssistantEventHandler):
    pass


manager = runs.run_tools("t", assistant_id="a", tools=[get_time], event_handler=Handler())
assert_type(manager, AssistantStreamManager[Handler])

# The events of the loop.

chained = (
    stream.on("functionToolCall", on_call)
    .on("functionToolCall", lambda call: print(call.id, call.name.upper(), call.arguments))
    .on("functionToolCallResult", on_result)
    .on("functionToolCallResult", lambda output: print(output.upper()))
    .on("functionToolCallResult", nothing)
)
assert_type(chained, AssistantStream)
once: AssistantStream = stream.once("functionToolCall", on_call)
once = stream.once("functionToolCallResult", on_result)
stream.on("functionToolCallResult", on_number)  # type: ignore
stream.on("functionToolCall", on_result)  # type: ignore


@stream.on("functionToolCall")
def decorated(call: FunctionCall) -> str:
    return call.name


kept: Callable[[FunctionCall], str] = decorated
