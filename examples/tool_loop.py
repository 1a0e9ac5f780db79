"""The tool loop: the run calls Python functions until it can answer, all on one stream."""

from typing import Annotated, Literal, TypedDict

import _setup

from emitter_stream import FunctionCall, OpenAI, function_tool


class Weather(TypedDict):
    city: str
    degrees: float
    sky: str


def get_weather(
    city: Annotated[str, "The city, such as Oslo"],
    unit: Literal["celsius", "fahrenheit"] = "celsius",
) -> Weather:
    """Get the current weather in a city."""
    return {"city": city, "degrees": 18 if unit == "celsius" else 64.4, "sky": "clear"}


def get_time(city: str) -> str:
    """Get the local time in a city."""
    return f"noon in {city}"


def called(call: FunctionCall) -> None:
    print("calling", call.name, call.arguments)


_setup.use_embedded_server()
client = OpenAI()
assistant = client.beta.assistants.create(
    model="gpt-4o", tools=[function_tool(get_weather), function_tool(get_time)]
)
thread = client.beta.threads.create(
    messages=[
        {"role": "user", "content": "What is the weather in Oslo and Lima, then the time in Oslo?"}
    ]
)

run = (
    client.beta.threads.runs.run_tools(
        thread.id, assistant_id=assistant.id, tools=[get_weather, get_time]
    )
    .on("functionToolCall", called)
    .on("functionToolCallResult", lambda output: print("->", output))
    .on("textDelta", lambda delta: print(delta.value, end="", flush=True))
    .on("textDone", lambda: print())
)
print(run.final_run().status, len(run.final_run_steps()), "steps")
