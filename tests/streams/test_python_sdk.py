"""The official Python SDK's typed events beside ours: the same programs, the same streams."""

from __future__ import annotations

import json
from typing import Any, get_args

import openai
import pydantic
import pytest
from openai.lib.streaming.responses import _events as official_events
from parity_chat.compare import load, scripts
from response_wire import answer_in, as_bytes
from scripted_server import PATIENCE, sse

import emitter_stream.types.chat
import emitter_stream.types.responses
from emitter_stream import OpenAI, OpenAIError
from emitter_stream.types._model import Model
from emitter_stream.types.responses import EVENT_CLASSES


class Answer(pydantic.BaseModel):
    """What a structured answer is parsed into."""

    a: str


# Fields


def official_classes() -> list[Any]:
    """Give the official SDK's classes of events, items and completions that we have too, by name."""
    found = []
    for module, ours in (
        (openai.types.responses, emitter_stream.types.responses),
        (openai.types.chat, emitter_stream.types.chat),
    ):
        for name, theirs in vars(module).items():
            our_own = getattr(ours, name, None)
            if (
                isinstance(theirs, type)
                and issubclass(theirs, pydantic.BaseModel)
                and isinstance(our_own, type)
                and issubclass(our_own, Model)
            ):
                found.append(pytest.param(theirs, our_own, id=name))
    return found


@pytest.mark.parametrize(("theirs", "ours"), official_classes())
def test_every_field_is_known(theirs, ours):
    """Each field of the official class is one of ours, so that it reads as None where it is missing."""
    assert [name for name in theirs.model_fields if not hasattr(ours, name)] == []


def test_every_event_is_known():
    """Each event of the official SDK has a class of the same name here."""
    union = get_args(get_args(official_events.ResponseStreamEvent)[0])
    for event in union:
        (tag,) = get_args(event.model_fields["type"].annotation)
        if tag != "error":  # raised, here and there
            assert EVENT_CLASSES[tag].__name__ == event.__name__


# Values


def differences(theirs: Any, ours: Any, path: str = "") -> list[str]:
    """Tell where what a program reads from the official object is not what it reads from ours."""
    if isinstance(theirs, pydantic.BaseModel) and not isinstance(ours, pydantic.BaseModel):
        found = []
        names = [*type(theirs).model_fields]
        names += [name for name in ("output_text", "output_parsed") if hasattr(theirs, name)]
        for name in names:
            try:
                value = getattr(ours, name)
            except AttributeError:
                found.append(f"{path}.{name} is missing")
                continue
            found += differences(getattr(theirs, name), value, f"{path}.{name}")
        return found
    if isinstance(theirs, list):
        if not isinstance(ours, list) or len(theirs) != len(ours):
            return [f"{path}: {theirs!r} != {ours!r}"]
        pairs = enumerate(zip(theirs, ours, strict=True))
        return [line for n, pair in pairs for line in differences(*pair, f"{path}[{n}]")]
    if isinstance(theirs, dict) and hasattr(ours, "to_dict"):
        ours = ours.to_dict()
    return [] if theirs == ours else [f"{path}: {theirs!r} != {ours!r}"]


def both(serve, answers, program):
    """Run a program with both SDKs against the same answers."""
    made = []
    for client_class in (openai.OpenAI, OpenAI):
        server = serve(*answers())
        with client_class(
            base_url=server.url, api_key="sk-test", max_retries=0, timeout=PATIENCE
        ) as client:
            made.append(program(client))
    return made


RESPONSES = [
    *("resp_text", "resp_function_call", "resp_reasoning_summary", "resp_reasoning_text"),
    *("resp_logprobs", "resp_web_search", "resp_image_generation"),
    *("resp_code_interpreter", "resp_shell", "resp_failed_after_items", "resp_custom_call"),
    *("resp_queued", "resp_two_parts", "resp_strict_tool", "resp_obfuscation"),
]


@pytest.mark.parametrize("name", RESPONSES)
def test_responses(serve, name):
    """Each event, and the final response, reads the same from both."""
    scenario = load("scenarios", name)
    params = {key: value for key, value in scenario["params"].items() if key != "stream"}

    def program(client):
        with client.responses.stream(**params) as stream:
            return list(stream)

    theirs, ours = both(serve, lambda: scripts(scenario, None), program)
    assert [event.type for event in ours] == [event.type for event in theirs]
    found = [line for pair in zip(theirs, ours, strict=True) for line in differences(*pair)]
    assert found == []


CHAT = [
    "tool_one",
    "text_plain",
    "text_obfuscation",
    "refusal_schema",
    "compat_n2",
]

# Node's way, which the contract follows: the snapshot has the chunk's `object`, and no `content.delta`
# comes for an empty text.
NODES_WAY = (".snapshot.object", ".message.role: None")


@pytest.mark.parametrize("name", CHAT)
def test_chat(serve, name):
    """Each typed event of a chat stream reads the same from both."""
    scenario = load("scenarios", name)
    params = {key: value for key, value in scenario["params"].items() if key != "stream"}

    def program(client):
        with client.chat.completions.stream(**params) as stream:
            return [e for e in stream if not (e.type == "content.delta" and e.delta == "")]

    theirs, ours = both(serve, lambda: scripts(scenario, None), program)
    assert [event.type for event in ours] == [event.type for event in theirs]
    found = [line for pair in zip(theirs, ours, strict=True) for line in differences(*pair)]
    assert [line for line in found if not any(way in line for way in NODES_WAY)] == []


# Parsed answers


def test_parsed_response(serve):
    """`event.response.output_parsed` and `event.parsed` are the class's objects, in both."""

    def program(client):
        read: list[Any] = []
        with client.responses.stream(model="m", input="x", text_format=Answer) as stream:
            for event in stream:
                if event.type == "response.output_text.done":
                    read.append(event.parsed)
                elif event.type == "response.completed":
                    read += [event.response.output_parsed, event.response.output_text]
                    read.append(event.response.output[0].content[0].parsed)
            read.append(stream.get_final_response().output_parsed)
        return read

    theirs, ours = both(serve, lambda: [sse(as_bytes(answer_in('{"a":', ' "b"}')))], program)
    assert ours == theirs == [Answer(a="b"), Answer(a="b"), '{"a": "b"}', *[Answer(a="b")] * 2]


def test_the_event_itself_stays_as_it_came(connect):
    """What is parsed shows in no `to_dict()` of the event, and nothing is parsed unasked."""
    events = answer_in('{"a": "b"}')
    for options in ({"text_format": Answer}, {}):
        stream = connect(sse(as_bytes(events))).responses.stream(model="m", input="x", **options)
        heard: list[Any] = []
        stream.on("response.completed", heard.append).done()
        (completed,) = heard
        assert completed.to_dict() == events[-1]
        expected = Answer(a="b") if options else None
        assert completed.response.output_parsed == expected
        assert completed.response is completed.response
        assert completed.to_dict() == events[-1]
        assert completed.response.status == "completed"


def test_an_answer_that_does_not_fit(connect):
    """The completed response of an answer that does not fit raises when it is read."""
    stream = connect(sse(as_bytes(answer_in("{}")))).responses.stream(
        model="m", input="x", text_format=Answer
    )
    heard: list[Any] = []
    stream.on("response.completed", heard.append)
    with pytest.raises(OpenAIError):
        stream.done()
    with pytest.raises(OpenAIError):
        heard[0].response  # noqa: B018 - the reading is what raises
    assert heard[0].to_dict()["response"]["status"] == "completed"


def test_parsed_arguments(serve):
    """A strict function's arguments are parsed in the completed response, in both."""
    tool = openai.pydantic_function_tool(Answer)["function"]
    call = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "Answer"}
    done = {**call, "arguments": '{"a": "b"}', "status": "completed"}
    whole = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": [done]}
    place = {"output_index": 0, "item_id": "fc_1"}
    events = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**done, "arguments": ""},
        },
        {"type": "response.function_call_arguments.delta", **place, "delta": '{"a": "b"}'},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": {**whole, "status": "completed"}},
    ]
    tools = [{"type": "function", **tool}]

    def program(client):
        with client.responses.stream(model="m", input="x", tools=tools) as stream:
            (last,) = [event for event in stream if event.type == "response.completed"]
        return json.dumps(last.response.output[0].parsed_arguments)

    theirs, ours = both(serve, lambda: [sse(as_bytes(events))], program)
    assert ours == theirs == '{"a": "b"}'
