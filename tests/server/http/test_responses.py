"""`/v1/responses`: both Python packages, Node's, and raw requests."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from answer_programs import ANSWER, ASK, FLAT, Saying, responses, responses_aio, run_async, run_node
from pydantic import TypeAdapter
from server_helpers import BOTH, PATIENCE, RAIN, Raw, read_frames

from emitter_stream import OpenAI
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.server import LocalServer, Text
from emitter_stream.server.models.model import Call, Input, ModelError, Refusal, Stop, Usage

OFFICIAL = TypeAdapter(openai.types.responses.ResponseStreamEvent)
KEY = {"Authorization": "Bearer any"}


def ask(raw: Raw, **params: Any) -> Any:
    """Ask for a response with raw requests."""
    return raw("POST", "/responses", {"model": "m", "input": "Hello?", **params})


def events_of(raw: bytes) -> list[Any]:
    """Give the events of a stream: named by their type, numbered, and as the package has them."""
    found = []
    for number, (name, event) in enumerate(read_frames(raw.decode().splitlines(keepends=True))):
        assert (event["type"], event["sequence_number"]) == (name, number)
        OFFICIAL.validate_python(event)
        found.append(event)
    return found


def stream(raw: Raw, **params: Any) -> list[Any]:
    """Ask for a streamed response; give its events."""
    return events_of(ask(raw, **params, stream=True).raw)


def test_same_program_on_all_packages(server):
    """A program gives the same with all three packages, plain and asyncio."""
    with openai.OpenAI(api_key="any", base_url=server.base_url) as theirs:
        expected = responses(theirs)
    with OpenAI(api_key="any", base_url=server.base_url) as ours:
        assert responses(ours) == expected
    for kind in (openai.AsyncOpenAI, AsyncOpenAI):
        assert run_async(responses_aio, kind, server.base_url) == expected
    status, text, _, types, deltas, final, parsed, call, answer, again, read, later, items = (
        expected
    )
    assert (status, text, deltas, final) == ("completed", ANSWER, ANSWER, ANSWER)
    assert parsed == {"city": "Oslo", "degrees": 17}
    name = FLAT["name"]
    assert call == ["function_call", name, '{"location": "Oslo", "unit": "Celsius"}']
    assert answer == f"Of course. {name} says: 17 degrees."
    assert again == read and 'Before that you said: "Hello?"' in read
    assert later == [[number, kind] for number, kind in enumerate(types)][4:]
    assert items == ["And now?"]


def test_same_program_on_node(server):
    """Node's package gets the same, its stream helper included."""
    with OpenAI(api_key="any", base_url=server.base_url) as client:
        assert run_node("responses", server.base_url) == responses(client)


def test_events(raw):
    """An answer's events are the API's, in its order, each as the official package has it."""
    events = stream(raw)
    kinds = [event["type"].removeprefix("response.") for event in events]
    begin = ["created", "in_progress", "output_item.added", "content_part.added"]
    end = ["output_text.done", "content_part.done", "output_item.done", "completed"]
    assert kinds[:4] == begin and kinds[-4:] == end
    assert set(kinds[4:-4]) == {"output_text.delta"}
    assert "".join(event["delta"] for event in events[4:-4]) == ANSWER == events[-4]["text"]
    whole = events[-1]["response"]
    assert whole["output"] == [events[-2]["item"]]
    openai.types.responses.Response.model_validate(whole, strict=True)
    got = raw("GET", f"/responses/{whole['id']}", None, KEY).body
    assert got == whole and got["status"] == "completed" and got["error"] is None


def test_several_calls(raw):
    """Calls side by side are items of their own, one after the other."""
    rain = {"type": "function", **RAIN["function"]}
    events = stream(raw, input=BOTH, tools=[FLAT, rain])
    kinds = [event["type"].removeprefix("response.") for event in events]
    plain = [kind for kind in kinds if not kind.endswith("delta")]
    item = ["output_item.added", "function_call_arguments.done", "output_item.done"]
    assert plain == ["created", "in_progress", *item, *item, "completed"]
    for index, item in enumerate(events[-1]["response"]["output"]):
        pieces = [e["delta"] for e in events if e.get("output_index") == index and "delta" in e]
        assert "".join(pieces) == item["arguments"]
        assert item["call_id"].startswith("call_") and item["status"] == "completed"


def test_what_a_model_tells(start):
    """Refusals, usage, limits, filters, text before calls and calls that interleave come through."""
    model = Saying(Text("a"), Refusal("No"), Usage(prompt=7, completion=5, cached=3, reasoning=2))
    body = stream(Raw(start(model=model).base_url))[-1]["response"]
    content = body["output"][0]["content"]
    assert [part.get("text", part.get("refusal")) for part in content] == ["a", "No"]
    assert body["usage"]["output_tokens_details"] == {"reasoning_tokens": 2}
    body = stream(Raw(start(model=Saying(Text("x"), Stop("content_filter"))).base_url))[-1]
    assert body["type"] == "response.incomplete"
    assert body["response"]["incomplete_details"] == {"reason": "content_filter"}
    calls = [Call("function", "f", key="a", id="one"), Call("function", "g", key="b", id="two")]
    inputs = [Input("[1", key="a"), Input("[2", key="b"), Input("]", key="a"), Input("]", key="b")]
    model = Saying(Text("So:"), *calls, *inputs)
    output = stream(Raw(start(model=model).base_url))[-1]["response"]["output"]
    assert [one["type"] for one in output] == ["message", "function_call", "function_call"]
    assert [(one["call_id"], one["arguments"]) for one in output[1:]] == [
        ("one", "[1]"),
        ("two", "[2]"),
    ]


def test_limit(raw):
    """A response at its limit is incomplete, and no more is kept of it."""
    body = ask(raw, max_output_tokens=2).body
    assert (body["status"], body["incomplete_details"]) == (
        "incomplete",
        {"reason": "max_output_tokens"},
    )
    assert body["output"][0]["content"][0]["text"] == "Hello!"
    assert body["output"][0]["status"] == "incomplete"


def test_chains(raw):
    """A response goes on from what it names; instructions are of one response alone."""
    jane = "Please address the user as Jane Doe."
    first = ask(raw, instructions=jane).body
    assert first["output"][0]["content"][0]["text"].startswith("Hello, Jane Doe!")
    second = ask(raw, input="Second?", previous_response_id=first["id"]).body
    third = ask(raw, input="Third?", previous_response_id=second["id"]).body
    text = third["output"][0]["content"][0]["text"]
    assert 'Before that you said: "Second?"' in text and "Jane" not in text
    assert 'Our conversation began with: "Hello?"' in text
    unknown = ask(raw, previous_response_id="resp_none")
    assert (unknown.status, unknown.error["code"]) == (400, "previous_response_not_found")


def test_the_whole_dialogue_sent_again(raw):
    """Without the server's memory a client sends the output back as input."""
    asked = ask(raw, input=ASK, tools=[FLAT], store=False).body
    [call] = asked["output"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "17"}
    question = {"role": "user", "content": ASK}
    answer = ask(raw, input=[question, call, output], tools=[FLAT], store=False).body
    assert answer["output"][0]["content"][0]["text"] == f"Of course. {FLAT['name']} says: 17."
    assert raw("GET", f"/responses/{asked['id']}", None, KEY).status == 404
    reply = ask(raw, input=[question, call])
    assert reply.status == 400 and call["call_id"] in reply.error["message"]
    assert ask(raw, input=[question, output]).status == 400


REFUSALS = [
    ({"input": None}, "input"),
    ({"input": 1}, "input"),
    ({"input": [{"type": "computer_call"}]}, "input[0].type"),
    ({"input": [{"role": "nobody", "content": "x"}]}, "input[0].role"),
    ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
        "input[0].content[0].type",
    ),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"background": True, "store": False}, "store"),
]


@pytest.mark.parametrize(("params", "param"), REFUSALS, ids=[param for _, param in REFUSALS])
def test_refusals(raw, params, param):
    """What makes no question is a 400 in the API's form that names the parameter."""
    reply = ask(raw, **params)
    assert (reply.status, reply.error["param"]) == (400, param)


def test_unknown_responses(raw):
    """A response that there is not is a 404, and `starting_after` has to be a number."""
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        reply = raw(method, f"/responses/resp_none{path}", None, KEY)
        assert (reply.status, bool(reply.error["message"])) == (404, True)
    body = ask(raw).body
    path = f"/responses/{body['id']}?stream=true&starting_after="
    assert raw("GET", f"{path}x", None, KEY).error["param"] == "starting_after"
    assert raw("GET", f"{path}999", None, KEY).raw == b""


@pytest.mark.parametrize("kind", [ModelError("rate_limit_exceeded", "Slow down."), RuntimeError()])
def test_models_that_fail(start, kind):
    """A whole response's error is its status; a stream ends `failed`, and that is kept."""
    code = getattr(kind, "code", "server_error")
    raw = Raw(start(model=Saying(Text("one"), error=kind)).base_url)
    reply = ask(raw)
    assert (reply.status, reply.error["code"]) == (429 if code != "server_error" else 500, code)
    last = stream(raw)[-1]
    assert last["type"] == "response.failed" and last["response"]["error"]["code"] == code
    got = raw("GET", f"/responses/{last['response']['id']}", None, KEY).body
    assert got["status"] == "failed" and got["output"][0]["content"][0]["text"] == "one"


def test_background(start, gate):
    """A response in the background goes on alone; its events can be followed from any place."""
    raw = Raw(start(model=gate).base_url)
    body = ask(raw, background=True).body
    assert body["status"] == "queued"
    path = f"/responses/{body['id']}"
    assert gate.waiting.wait(PATIENCE)
    assert raw("GET", path, None, KEY).body["status"] == "in_progress"
    connection = raw.connection()
    connection.request("GET", f"/v1{path}?stream=true&starting_after=1", None, KEY)
    response = connection.getresponse()
    assert response.readline() == b"event: response.in_progress\n"
    gate.open()
    assert b"event: response.completed\n" in response.read()
    connection.close()
    events = events_of(raw("GET", f"{path}?stream=true", None, KEY).raw)
    assert [one["type"] for one in events[:2]] == ["response.created", "response.queued"]
    whole = raw("GET", path, None, KEY).body
    assert whole == events[-1]["response"]
    assert whole["output"][0]["content"][0]["text"] == "one two"
    assert raw("POST", f"{path}/cancel", None, KEY).body == whole


def test_cancel(start, gate):
    """A response in the background can be cancelled, once it is one; the model hears at once."""
    raw = Raw(start(model=gate).base_url)
    body = ask(raw, background=True).body
    assert gate.waiting.wait(PATIENCE)
    cancelled = raw("POST", f"/responses/{body['id']}/cancel", None, KEY).body
    assert gate.closed.is_set() and cancelled["status"] == "cancelled"
    assert cancelled["output"][0]["content"][0]["text"] == "one"
    assert raw("GET", f"/responses/{body['id']}", None, KEY).body == cancelled


def test_cancel_of_others(raw):
    """What is not in the background cannot be cancelled."""
    body = ask(raw).body
    assert raw("POST", f"/responses/{body['id']}/cancel", None, KEY).status == 400


def test_delete_while_at_work(start, gate):
    """A response that is deleted in the middle ends, and is gone."""
    raw = Raw(start(model=gate).base_url)
    body = ask(raw, background=True).body
    assert gate.waiting.wait(PATIENCE)
    gone = raw("DELETE", f"/responses/{body['id']}", None, KEY).body
    assert gone == {"id": body["id"], "object": "response", "deleted": True}
    assert gate.closed.is_set()
    assert raw("GET", f"/responses/{body['id']}", None, KEY).status == 404


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_goes_away(start, gate, streamed):
    """The model hears at once that nobody waits for its answer any more."""
    raw = Raw(start(model=gate).base_url)
    connection = raw.connection()
    body = {"model": "m", "input": "Hello?", "stream": streamed}
    connection.request("POST", "/v1/responses", json.dumps(body), KEY)
    assert gate.waiting.wait(PATIENCE)
    connection.close()
    assert gate.closed.wait(PATIENCE)


def test_a_server_that_stops(tmp_path, gate):
    """A response that a stop ends is `failed`, for its stream and for the next server."""
    path = str(tmp_path / "a.db")
    with LocalServer(model=gate, db=path) as server:
        raw = Raw(server.base_url)
        connection = raw.connection()
        body = {"model": "m", "input": "Hello?", "stream": True, "background": True}
        connection.request("POST", "/v1/responses", json.dumps(body), KEY)
        response = connection.getresponse()
        assert gate.waiting.wait(PATIENCE)
        server.stop()
        last = events_of(response.read())[-1]
        connection.close()
    assert last["type"] == "response.failed"
    with LocalServer(db=path) as server:
        raw = Raw(server.base_url)
        assert (
            raw("GET", f"/responses/{last['response']['id']}", None, KEY).body == last["response"]
        )
        again = ask(raw, input="Again?").body
        events = raw("GET", f"/responses/{again['id']}?stream=true", None, KEY).raw
    with LocalServer(db=path) as server:
        raw = Raw(server.base_url)
        assert raw("GET", f"/responses/{again['id']}?stream=true", None, KEY).raw == events
