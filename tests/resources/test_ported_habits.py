"""What Node's programs, and those of the other API, are told when they are written in Python."""

from __future__ import annotations

import dataclasses
import datetime
import json

import attrs
import openai
import pytest
from chat_wire import ASK, calling, saying
from fake_transport import fake_api
from pydantic import BaseModel

from emitter_stream import function_tool, pydantic_function_tool
from emitter_stream.resources import Responses
from emitter_stream.resources.chat import Completions


class Query(BaseModel):
    """Ask a table."""

    table: str


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c, r: c.create(**ASK, toolChoice="auto"), "did you mean 'tool_choice'"),
        (lambda c, r: c.stream(**ASK, responseFormat=Query), "did you mean 'response_format'"),
        (lambda c, r: c.run_tools(**ASK, maxChatCompletions=2), "'max_chat_completions'"),
        (lambda c, r: c.run_tools(**ASK, afterCompletion=print), "did you mean 'after_completion'"),
        (lambda c, r: r.create(input="x", maxOutputTokens=2), "did you mean 'max_output_tokens'"),
        (lambda c, r: r.stream(input="x", textFormat=Query), "did you mean 'text_format'"),
        (lambda c, r: c.stream(**ASK, text_format=Query), "takes a class as response_format="),
        (lambda c, r: r.parse(input="x", response_format=Query), "take a class as text_format="),
        (lambda c, r: c.stream(**ASK, resume=True), "has no resume=: .* responses.stream"),
        (lambda c, r: c.run_tools(**ASK, tools=[], resume=True), "has no resume=: "),
        (lambda c, r: r.create(input="x", stream=True, resume=True), "has no resume=: "),
        (lambda c, r: c.create(**ASK, stream=True, inline=True), "has no inline=: only streams"),
        (lambda c, r: c.create(model="m", messages="hi"), "messages is a list .* not a str"),
        (lambda c, r: c.stream(model="m", messages=ASK["messages"][0]), "not a dict"),
        (lambda c, r: c.run_tools(model="m", messages="hi", tools=[]), "not a str"),
    ],
)
def test_what_to_write(call, words):
    """A name in Node's spelling, or of the other API, is an error that says what to write."""
    api, sent = fake_api()
    with pytest.raises(TypeError, match=words):
        call(Completions(api), Responses(api))
    assert sent == []


def test_other_names_in_camel_case_are_sent():
    """A name that is none of ours goes to the server, however it is spelt."""
    api, sent = fake_api({"choices": []})
    Completions(api).create(**ASK, safetySettings=[1], topK=4)
    assert sent[0].body == {**ASK, "safetySettings": [1], "topK": 4}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda given: given, "no name, so give it one"),
        ({"name": "f", "function": lambda *, city: city}, "must be given by name"),
    ],
)
def test_functions_in_nodes_shape(function, words):
    """A function without a name, or that cannot take the arguments as one, is refused at once."""
    shape = function if isinstance(function, dict) else {"function": function}
    tool = {"type": "function", "function": {"parse": json.loads, **shape}}
    with pytest.raises(TypeError, match=words):
        Completions(fake_api()[0]).run_tools(**ASK, tools=[tool])


@pytest.mark.parametrize("make", [pydantic_function_tool, openai.pydantic_function_tool])
def test_a_class_as_a_tool_of_responses(make):
    """What `pydantic_function_tool` made is sent as Responses takes it, and arguments are parsed."""
    call = {"type": "function_call", "call_id": "c", "name": "Query", "arguments": '{"table": "t"}'}
    api, sent = fake_api({"status": "completed", "output": [call]})
    response = Responses(api).parse(model="m", input="x", tools=[make(Query)])
    (tool,) = sent[0].body["tools"]
    assert (tool["type"], tool["name"], tool["strict"]) == ("function", "Query", True)
    assert tool["parameters"]["required"] == ["table"]
    assert response.output[0].parsed_arguments == Query(table="t")


def get_weather(city: str) -> str:
    """Tell the weather."""
    return city


def test_functions_and_classes_as_tools():
    """A function or a class as a tool of `create` and `stream` is sent as its description."""
    answer = {"choices": [{"message": {"role": "assistant"}, "finish_reason": "stop"}]}
    api, sent = fake_api(answer, {"output": []})
    tools = [get_weather, Query, function_tool(get_weather), {"type": "custom", "name": "x"}]
    Completions(api).parse(**ASK, tools=[Query])
    Responses(api).create(model="m", input="x", tools=tools)
    (of_chat,) = sent[0].body["tools"]
    assert (of_chat["function"]["name"], of_chat["function"]["strict"]) == ("Query", True)
    by_hints, by_class, made, custom = sent[1].body["tools"]
    assert (by_hints["type"], by_hints["name"]) == ("function", "get_weather")
    assert by_hints["description"] == "Tell the weather."
    assert by_hints == made
    assert (by_class["name"], by_class["strict"], custom) == ("Query", True, tools[3])
    api, sent = fake_api(answer)
    Completions(api).create(**ASK, tools=[get_weather])
    assert sent[0].body["tools"] == [function_tool(get_weather)]


def test_objects_of_the_official_sdk_are_sent():
    """Messages and items that the official SDK returned go back as they came, without its extras."""
    function = {"name": "f", "arguments": "{}"}
    call = {"id": "c", "type": "function", "function": {**function, "parsed_arguments": {}}}
    fields = {"role": "assistant", "content": None, "tool_calls": [call]}
    message = openai.types.chat.ChatCompletionMessage.construct(**fields)
    item = openai.types.responses.ResponseFunctionToolCall(
        type="function_call", call_id="c", name="f", arguments="{}"
    )
    answer = {"choices": [{"message": {"role": "assistant"}, "finish_reason": "stop"}]}
    api, sent = fake_api(answer, answer, {"output": []})
    Completions(api).create(model="m", messages=[message])
    Completions(api).parse(model="m", messages=iter([message]))
    Responses(api).create(model="m", input=[item])
    assert sent[0].body == sent[1].body
    assert sent[0].body["messages"][0]["tool_calls"][0]["function"]["name"] == "f"
    assert sent[2].body["input"] == [
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    ]


def test_public_examples_line_for_line(connect):
    """Chained listeners, a loop over the chunks, and the finals, as Node's examples have them."""
    runner = connect(saying("Hel", "lo")).chat.completions.stream(**ASK)
    texts, messages = [], []
    runner.on("message", messages.append).on("content", texts.append)
    chunks = [chunk.choices[0].delta.content for chunk in runner]
    result = runner.final_chat_completion()
    assert (chunks, texts) == (["", "Hel", "lo", None], ["Hel", "lo"])
    assert result.choices[0].message.content == messages[0].content == "Hello"

    def search(given, runner):
        assert len(runner.messages) == 2
        return [given["table"]]

    client = connect(calling(("search", '{"table": "t"}')), saying("ok"))
    function = {"name": "search", "function": search, "parse": json.loads, "parameters": {}}
    heard = []
    run = client.chat.completions.run_tools(
        **ASK, stream=True, tools=[{"type": "function", "function": function}]
    )
    run.on("functionToolCall", lambda call: heard.append(call.name))
    run.on("functionToolCallResult", heard.append)
    assert run.final_content() == "ok"
    assert heard == ["search", '["t"]']


@dataclasses.dataclass
class Visit:
    """A day in a town."""

    town: str
    days: list[datetime.date]


@attrs.frozen
class Trip:
    """Visits."""

    visits: list[Visit]


class Plan(BaseModel):
    """The same, as pydantic has it."""

    visits: list[Visit]


VISIT = {"town": "Oslo", "days": ["2026-11-30"]}
ANSWERS = [(Visit, VISIT), (Trip, {"visits": [VISIT]}), (Plan, {"visits": [VISIT]})]


def answered(value) -> dict:
    """Give a completion with content and a call, both of which are this as JSON."""
    text = json.dumps(value)
    call = {"id": "c", "type": "function", "function": {"name": "plan", "arguments": text}}
    message = {"role": "assistant", "content": text, "tool_calls": [call]}
    return {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@pytest.mark.parametrize(("kind", "value"), ANSWERS)
def test_a_parsed_answer_can_be_dumped(kind, value):
    """An instance in ``parsed`` is a dict in what is dumped, and JSON in its text."""
    api, _ = fake_api(answered(value))
    completion = Completions(api).parse(
        **ASK,
        response_format=kind,
        tools=[pydantic_function_tool(Plan, name="plan")][: kind is Plan],
    )
    assert isinstance(completion.choices[0].message.parsed, kind)
    for text in (completion.to_json(), completion.model_dump_json()):
        message = json.loads(text)["choices"][0]["message"]
        assert message["parsed"] == value
        if kind is Plan:
            assert message["tool_calls"][0]["function"]["parsed_arguments"] == value
    whole = completion.model_dump(mode="json")
    assert whole == json.loads(completion.model_dump_json())
    parsed = completion.choices[0].message.to_dict()["parsed"]
    visit = parsed if kind is Visit else parsed["visits"][0]
    assert visit == {"town": "Oslo", "days": [datetime.date(2026, 11, 30)]}
    assert isinstance(completion.choices[0].message.parsed, kind)

    of_responses = {
        "status": "completed",
        "output": [
            {
                "type": "message",
                "content": [{"type": "output_text", "text": json.dumps(value), "annotations": []}],
            }
        ],
    }
    response = Responses(fake_api(of_responses)[0]).parse(model="m", input="x", text_format=kind)
    dumped = json.loads(response.model_dump_json())
    assert dumped["output"][0]["content"][0]["parsed"] == value
    assert isinstance(response.output_parsed, kind)


@pytest.mark.parametrize(("kind", "value"), ANSWERS)
def test_a_parsed_message_is_sent_again_without_what_was_parsed(kind, value):
    """``create`` and ``parse`` send it as ``stream`` does, and so its calls in a dict of one's own."""
    api, sent = fake_api(answered(value))
    tools = [pydantic_function_tool(Plan, name="plan")] if kind is Plan else []
    completions = Completions(api)
    message = completions.parse(**ASK, response_format=kind, tools=tools).choices[0].message
    mine = {"role": "assistant", "tool_calls": message.tool_calls}
    completions.create(model="m", messages=[message, mine])
    completions.parse(model="m", messages=[message, mine])
    for request in sent[1:]:
        plain = answered(value)["choices"][0]["message"]
        assert request.body["messages"] == [
            plain,
            {"role": "assistant", "tool_calls": plain["tool_calls"]},
        ]


def test_events_of_chat_are_dumped_with_their_type(connect):
    """``model_dump`` of a typed event has its ``type``, as the Python SDK's; ``to_dict`` as Node's."""
    with connect(saying("a")).chat.completions.stream(**ASK) as stream:
        events = list(stream)
    assert [event.model_dump()["type"] for event in events] == [event.type for event in events]
    (delta,) = (event for event in events if event.type == "content.delta")
    assert delta.to_dict() == {"delta": "a", "snapshot": "a"}
    assert delta.model_dump_json(exclude={"parsed"}) == (
        '{"type":"content.delta","delta":"a","snapshot":"a"}'
    )


def test_a_plain_stream_has_its_response(connect):
    """The headers of ``create(stream=True)`` are at ``response``, as in the Python SDK."""
    client = connect(saying("a"))
    with client.chat.completions.create(**ASK, stream=True) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["Content-Type"].startswith("text/event-stream")
        assert stream.response.url.endswith("/chat/completions")
