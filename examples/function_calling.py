"""Function calls: the run stops for their outputs, and goes on as a second stream."""

import json

import _setup

from emitter_stream import AssistantStream, OpenAI
from emitter_stream.types.params import FunctionToolParam


def get_weather(city: str) -> str:
    return f"18 degrees and dry in {city}"


TOOL: FunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def show(stream: AssistantStream) -> AssistantStream:
    return (
        stream.on(
            "toolCallDone", lambda call: print(f"{call.function.name}{call.function.arguments}")
        )
        .on("textDelta", lambda delta: print(delta.value, end="", flush=True))
        .on("textDone", lambda: print())
    )


_setup.use_embedded_server()
client = OpenAI()
assistant = client.beta.assistants.create(model="gpt-4o", tools=[TOOL])
thread = client.beta.threads.create(
    messages=[{"role": "user", "content": "What is the weather in Oslo and Lima?"}]
)
runs = client.beta.threads.runs

run = show(runs.stream(thread.id, assistant_id=assistant.id)).final_run()
while run.required_action:
    outputs = [
        {"tool_call_id": call.id, "output": get_weather(**json.loads(call.function.arguments))}
        for call in run.required_action.submit_tool_outputs.tool_calls
    ]
    stream = runs.submit_tool_outputs_stream(run.id, thread_id=thread.id, tool_outputs=outputs)
    run = show(stream).final_run()
print(run.status)
