"""Programs for a real model, for the official Python package and for this one.

`programs.mjs` has the same for the Node package. Each returns what it has found as plain JSON: texts,
reasons, the names of errors; no ids and no times.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import openai
from node_script import run_node_script
from scripted_server import PATIENCE

HELLO: list[Any] = [{"role": "user", "content": "Say hello to Ada."}]
EXACT = {"temperature": 0}
WEATHER = {
    "name": "get_weather",
    "description": "Tell the weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
TOOL = {"type": "function", "function": WEATHER}
FORMAT = {
    "name": "person",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"enum": [7, 8]}},
        "required": ["name", "age"],
        "additionalProperties": False,
    },
}


def shots() -> list[Any]:
    """Give a conversation after which the small model calls the function for Paris."""
    messages: list[Any] = []
    for city in ("Rome", "Oslo"):
        call = json.dumps({"name": "get_weather", "arguments": {"city": city}})
        messages += [
            {"role": "user", "content": f"Weather in {city}?"},
            {"role": "assistant", "content": f"<tool_call>\n{call}\n</tool_call>"},
        ]
    return [*messages, {"role": "user", "content": "Weather in Paris?"}]


def shots_as_items() -> list[Any]:
    """Give the same as Responses takes it; this server wants an assistant's message in full."""
    items: list[Any] = []
    for number, message in enumerate(shots()):
        content: Any = message["content"]
        item = {"type": "message", "role": message["role"], "content": content}
        if message["role"] == "assistant":
            part = {"type": "output_text", "text": content, "annotations": []}
            item |= {"content": [part], "id": f"msg_{number}", "status": "completed"}
        items.append(item)
    return items


GIVEN = {
    "HELLO": HELLO,
    "EXACT": EXACT,
    "TOOL": TOOL,
    "FORMAT": FORMAT,
    "SHOTS": shots(),
    "ITEMS": shots_as_items(),
    "LONG": "word " * 900,
}


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"4 degrees in {city}"


def failure(call: Any) -> list[Any]:
    """Give the class of the error that a call raises, with its status and type."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whichever it is
        return [type(error).__name__, getattr(error, "status_code", None)]
    return ["no error"]


# Chat


def chat_text(client: Any) -> list[Any]:
    """Ask for an answer whole, in chunks, and by the helper."""
    completions = client.chat.completions
    ask = {"model": "m", "messages": HELLO, "max_tokens": 12, **EXACT}
    whole = completions.create(**ask).choices[0]
    chunks = completions.create(**ask, stream=True, stream_options={"include_usage": True})
    pieces, tokens = [], None
    for chunk in chunks:
        pieces += [c.delta.content for c in chunk.choices if c.delta.content]
        tokens = chunk.usage.completion_tokens if chunk.usage else tokens
    deltas = []
    # The official Python package's error, also where nothing is to be parsed.
    with (
        contextlib.suppress(openai.LengthFinishReasonError),
        completions.stream(**ask) as stream,
    ):
        deltas += [e.delta for e in stream if e.type == "content.delta" and e.delta]
    return [whole.message.content, whole.finish_reason, pieces, tokens, deltas]


def chat_json(client: Any) -> list[Any]:
    """Ask for JSON by a schema, whole and cut short."""
    completions = client.chat.completions
    ask = {"model": "m", "messages": HELLO, **EXACT}
    ask["response_format"] = {"type": "json_schema", "json_schema": FORMAT}
    with completions.stream(**ask, max_tokens=40) as stream:
        list(stream)
    text = stream.get_final_completion().choices[0].message.content
    cut = completions.create(**ask, max_tokens=3).choices[0]
    return [json.loads(text), cut.finish_reason]


def chat_tools(client: Any) -> list[Any]:
    """Let the model call a function and answer from its result."""
    completions = client.chat.completions
    ask = {"model": "m", "max_tokens": 40, **EXACT}
    messages = shots()
    if hasattr(completions, "run_tools"):
        called: list[Any] = []
        runner = completions.run_tools(
            **ask, messages=messages, tools=[runnable()], max_chat_completions=2, stream=True
        )
        runner.on("functionToolCall", lambda call: called.append([call.name, call.arguments]))
        last = runner.final_content()
        return [called[0], runner.final_function_tool_call_result(), last]
    ask["tools"] = [TOOL]
    with completions.stream(**ask, messages=messages) as stream:
        list(stream)
    message = stream.get_final_completion().choices[0].message
    (call,) = message.tool_calls
    result = get_weather(**json.loads(call.function.arguments))
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": result}]
    last = completions.create(**ask, messages=messages).choices[0].message.content
    return [[call.function.name, call.function.arguments], result, last]


def runnable() -> dict[str, Any]:
    """Give the function as Node's runTools takes it, so that the same is sent."""
    function = {**WEATHER, "parse": json.loads, "function": lambda given: get_weather(**given)}
    return {"type": "function", "function": function}


def chat_abort(client: Any) -> list[Any]:
    """Break an answer off after a few pieces; the server has time for the next request."""
    completions = client.chat.completions
    heard: list[str] = []
    ask = {"model": "m", "messages": [{"role": "user", "content": "Count to 300."}], **EXACT}
    with completions.stream(**ask, max_tokens=300) as stream:
        for event in stream:
            if event.type == "content.delta" and event.delta:
                heard.append(event.delta)
            if len(heard) == 3:
                break
    after = completions.create(**{**ask, "messages": HELLO}, max_tokens=3).choices[0]
    return [len(heard), after.finish_reason]


def chat_overflow(client: Any) -> list[Any]:
    """Send more than the model's context holds."""
    ask = {"model": "m", "messages": [{"role": "user", "content": GIVEN["LONG"]}]}
    completions = client.chat.completions
    return [
        failure(lambda: completions.create(**ask)),
        failure(lambda: list(completions.create(**ask, stream=True))),
    ]


# Responses


def responses_text(client: Any) -> list[Any]:
    """Ask for a response whole and by its events."""
    ask = {"model": "m", "input": "Say hello to Ada.", "max_output_tokens": 12, **EXACT}
    whole = client.responses.create(**ask)
    events = list(client.responses.create(**ask, stream=True))
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    kinds = sorted({event.type for event in events})
    return [whole.output_text, deltas, kinds, events[-1].response.usage.output_tokens]


def responses_tools(client: Any) -> list[Any]:
    """Let the model call a function by Responses."""
    ask = {"model": "m", "input": shots_as_items(), "max_output_tokens": 40, **EXACT}
    tools = [{"type": "function", **WEATHER, "strict": False}]
    calls = [
        [item.name, item.arguments]
        for item in client.responses.create(**ask, tools=tools).output
        if item.type == "function_call"
    ]
    events = client.responses.create(**ask, tools=tools, stream=True)
    pieces = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
    return [calls, "".join(pieces)]


def responses_overflow(client: Any) -> list[Any]:
    """Send more than the model's context holds."""
    return [failure(lambda: client.responses.create(model="m", input=GIVEN["LONG"]))]


# Assistants, by the embedded server over the model


def assistants(client: Any) -> list[Any]:
    """Run an assistant: what the reference programs do, on a real model."""
    assistant = client.beta.assistants.create(model="m", temperature=0, instructions="Be short.")
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(thread.id, role="user", content="Say hello to Ada.")
    with client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, max_completion_tokens=256
    ) as stream:
        stream.until_done()
    run = stream.get_final_run()
    (message,) = stream.get_final_messages()
    return [run.status, message.content[0].text.value, run.usage.completion_tokens]


PROGRAMS = [
    *(chat_text, chat_json, chat_tools, chat_abort, chat_overflow),
    *(responses_text, responses_tools, responses_overflow),
]


def in_node(program: str, url: str) -> Any:
    """Run a program with the Node package."""
    script = Path(__file__).with_name("programs.mjs")
    return run_node_script(script, url, program, json.dumps(GIVEN), seconds=10 * PATIENCE)
