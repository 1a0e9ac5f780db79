"""Programs for chat completions and responses that run unchanged on both Python packages.

Each returns what it has found, so that the two, the plain client and the asyncio one, and Node's
package (`node_answers.mjs` has the same programs) can be compared.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from node_script import run_node_script
from pydantic import BaseModel
from server_helpers import WEATHER

from emitter_stream.server import Turn

HELLO = [{"role": "user", "content": "Hello?"}]
ASK = "What is the current temperature in Oslo, in Celsius?"
FLAT = {"type": "function", **WEATHER["function"], "strict": False}


class Reading(BaseModel):
    city: str
    degrees: int


ANSWER = 'Hello! You asked: "Hello?". I am a scripted model, so this is all I can say.'
FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "reading",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
            "required": ["city", "degrees"],
            "additionalProperties": False,
        },
    },
}
READ = "In Oslo it is 17 degrees."


def told(chunks: list[Any]) -> list[Any]:
    """Give what a list of chunks says, without ids and times."""
    found = []
    for chunk in chunks:
        for choice in chunk.choices:
            found.append([choice.index, choice.delta.content, choice.finish_reason])
        if chunk.usage is not None:
            found.append(chunk.usage.total_tokens)
    return found


def chat(client: Any) -> list[Any]:
    """Whole, in chunks, by the helper, parsed, with tools, and several choices."""
    completions = client.chat.completions
    found: list[Any] = [completions.create(model="m", messages=HELLO).choices[0].message.content]
    usage = {"include_usage": True}
    found.append(
        told(list(completions.create(model="m", messages=HELLO, stream=True, stream_options=usage)))
    )
    with completions.stream(model="m", messages=HELLO) as stream:
        # The official package tells of the first, empty piece too.
        found.append([event.type for event in stream if getattr(event, "delta", True)])
    found.append(stream.get_final_completion().choices[0].message.content)
    parsed = completions.parse(
        model="m", messages=[{"role": "user", "content": READ}], response_format=Reading
    )
    found.append(parsed.choices[0].message.parsed.model_dump())
    messages: list[Any] = [{"role": "user", "content": ASK}]
    first = completions.create(model="m", messages=messages, tools=[WEATHER]).choices[0]
    call = first.message.tool_calls[0]
    found.append([first.finish_reason, call.function.name, call.function.arguments])
    messages += [first.message, {"role": "tool", "tool_call_id": call.id, "content": "17 degrees"}]
    found.append(
        completions.create(model="m", messages=messages, tools=[WEATHER]).choices[0].message.content
    )
    several = completions.create(model="m", messages=HELLO, n=3).choices
    found.append([[one.index, one.message.content] for one in several])
    return found


async def chat_aio(client: Any) -> list[Any]:
    """The same as `chat`."""
    completions = client.chat.completions
    whole = await completions.create(model="m", messages=HELLO)
    found: list[Any] = [whole.choices[0].message.content]
    usage = {"include_usage": True}
    chunks = await completions.create(model="m", messages=HELLO, stream=True, stream_options=usage)
    found.append(told([chunk async for chunk in chunks]))
    async with completions.stream(model="m", messages=HELLO) as stream:
        found.append([event.type async for event in stream if getattr(event, "delta", True)])
    final = await stream.get_final_completion()
    found.append(final.choices[0].message.content)
    parsed = await completions.parse(
        model="m", messages=[{"role": "user", "content": READ}], response_format=Reading
    )
    found.append(parsed.choices[0].message.parsed.model_dump())
    messages: list[Any] = [{"role": "user", "content": ASK}]
    first = (await completions.create(model="m", messages=messages, tools=[WEATHER])).choices[0]
    call = first.message.tool_calls[0]
    found.append([first.finish_reason, call.function.name, call.function.arguments])
    messages += [first.message, {"role": "tool", "tool_call_id": call.id, "content": "17 degrees"}]
    answer = await completions.create(model="m", messages=messages, tools=[WEATHER])
    found.append(answer.choices[0].message.content)
    several = (await completions.create(model="m", messages=HELLO, n=3)).choices
    found.append([[one.index, one.message.content] for one in several])
    return found


def responses(client: Any) -> list[Any]:
    """Whole, by events, by the helper, parsed, with tools, continued, and read again."""
    responses = client.responses
    first = responses.create(model="m", input="Hello?")
    found: list[Any] = [first.status, first.output_text, first.usage.total_tokens]
    found.append([e.type for e in responses.create(model="m", input="Hello?", stream=True)])
    with responses.stream(model="m", input="Hello?") as stream:
        found.append("".join(e.delta for e in stream if e.type == "response.output_text.delta"))
    found.append(stream.get_final_response().output_text)
    parsed = responses.parse(model="m", input=READ, text_format=Reading)
    found.append(parsed.output_parsed.model_dump())
    asked = responses.create(model="m", input=ASK, tools=[FLAT])
    call = asked.output[0]
    found.append([call.type, call.name, call.arguments])
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "17 degrees"}
    answer = responses.create(
        model="m", input=[output], previous_response_id=asked.id, tools=[FLAT]
    )
    found.append(answer.output_text)
    again = responses.create(model="m", input="And now?", previous_response_id=first.id)
    found += [again.output_text, responses.retrieve(again.id).output_text]
    later = responses.retrieve(first.id, stream=True, starting_after=3)
    found.append([[e.sequence_number, e.type] for e in later])
    found.append([item.content[0].text for item in responses.input_items.list(again.id)])
    responses.delete(again.id)
    return found


async def responses_aio(client: Any) -> list[Any]:
    """The same as `responses`."""
    responses = client.responses
    first = await responses.create(model="m", input="Hello?")
    found: list[Any] = [first.status, first.output_text, first.usage.total_tokens]
    events = await responses.create(model="m", input="Hello?", stream=True)
    found.append([e.type async for e in events])
    async with responses.stream(model="m", input="Hello?") as stream:
        deltas = [e.delta async for e in stream if e.type == "response.output_text.delta"]
    found.append("".join(deltas))
    found.append((await stream.get_final_response()).output_text)
    parsed = await responses.parse(model="m", input=READ, text_format=Reading)
    found.append(parsed.output_parsed.model_dump())
    asked = await responses.create(model="m", input=ASK, tools=[FLAT])
    call = asked.output[0]
    found.append([call.type, call.name, call.arguments])
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "17 degrees"}
    answer = await responses.create(
        model="m", input=[output], previous_response_id=asked.id, tools=[FLAT]
    )
    found.append(answer.output_text)
    again = await responses.create(model="m", input="And now?", previous_response_id=first.id)
    found += [again.output_text, (await responses.retrieve(again.id)).output_text]
    later = await responses.retrieve(first.id, stream=True, starting_after=3)
    found.append([[e.sequence_number, e.type] async for e in later])
    items = responses.input_items.list(again.id)
    found.append([item.content[0].text async for item in items])
    await responses.delete(again.id)
    return found


def run_async(program: Any, kind: type[Any], base_url: str) -> list[Any]:
    """Run a program of coroutines with an asyncio client of this class."""

    async def main() -> list[Any]:
        async with kind(api_key="any", base_url=base_url) as client:
            return await program(client)

    return asyncio.run(main())


def run_node(program: str, base_url: str) -> list[Any]:
    """Run a program of `node_answers.mjs`; skip where Node or its SDK is missing."""
    given = json.dumps({"WEATHER": WEATHER, "FLAT": FLAT, "FORMAT": FORMAT})
    script = Path(__file__).with_name("node_answers.mjs")
    found: list[Any] = run_node_script(script, base_url, program, given)
    return found


class Saying:
    """A model that says these parts, and then raises, if there is something to raise."""

    def __init__(self, *parts: Any, error: BaseException | None = None) -> None:
        self.parts, self.error = parts, error

    async def respond(self, turn: Turn) -> AsyncIterator[Any]:
        for part in self.parts:
            yield part
        if self.error is not None:
            raise self.error
