"""``client.responses``: what is sent, and what comes back."""

from __future__ import annotations

import json

import pytest
from scripted_server import answer, hang, sse

from emitter_stream import (
    AbortController,
    APIError,
    APIUserAbortError,
    BadRequestError,
    OpenAIError,
    ResponseStream,
    Stream,
)
from emitter_stream.types.responses import (
    Response,
    ResponseInputMessageItem,
    ResponseOutputMessage,
    ResponseTextDeltaEvent,
)

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
}
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "output": [MESSAGE]}
EVENTS = [
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}},
    {"type": "response.output_text.delta", "delta": "Hi"},  # nothing says where: not repaired
    {"type": "response.completed", "response": RESPONSE},
]
BODY = "".join(f"data: {json.dumps(event)}\n\n" for event in EVENTS).encode()


def sent(connect):
    """Give the last request as its method, target and body."""
    request = connect.server.requests[-1]
    return request.method, request.target, request.json() if request.body else None


def test_create_sends_what_is_given(connect):
    """Known keywords and unknown ones; what is NOT_GIVEN is left out, `None` is null."""
    client = connect(answer(200, RESPONSE))
    response = client.responses.create(
        model="m", input="hi", store=None, brand_new=[1], extra_body={"more": True}
    )
    assert isinstance(response, Response)
    assert (response.output_text, response.to_dict()) == ("Hi", RESPONSE)
    body = {"model": "m", "input": "hi", "store": None, "brand_new": [1], "more": True}
    assert sent(connect) == ("POST", "/v1/responses", body)


def test_create_with_stream_gives_the_events_as_they_come(connect):
    """A plain stream: iterable once, nothing repaired, closed by `with`."""
    client = connect(sse(BODY))
    with client.responses.create(model="m", input="hi", stream=True) as stream:
        assert isinstance(stream, Stream)
        events = list(stream)
        assert list(stream) == []
    assert [event.to_dict() for event in events] == EVENTS
    assert isinstance(events[1], ResponseTextDeltaEvent)
    assert sent(connect)[2]["stream"] is True


def test_a_plain_stream_raises_what_the_server_says(connect):
    """At the call for an HTTP status, in the iteration for an error event."""
    error = {"error": {"message": "No", "code": "bad"}}
    client = connect(answer(400, error), sse(b"data: " + json.dumps(error).encode() + b"\n\n"))
    with pytest.raises(BadRequestError, match="No"):
        client.responses.create(model="m", input="hi", stream=True)
    with pytest.raises(APIError, match="No"):
        list(client.responses.create(model="m", input="hi", stream=True))


def test_a_plain_stream_ends_by_close_and_by_its_signal(connect):
    """`close()` from its own thread ends it quietly; the signal with its reason."""
    client = connect(hang(BODY[: BODY.index(b"\n\n") + 2]))
    stream = client.responses.create(model="m", input="hi", stream=True)
    assert next(stream).type == "response.created"
    stream.close()
    stream.close()
    assert list(stream) == []
    controller, reason = AbortController(), ValueError("enough")
    stream = client.responses.create(model="m", input="hi", stream=True, signal=controller.signal)
    assert next(stream).type == "response.created"
    controller.abort(reason)
    with pytest.raises(APIUserAbortError) as caught:
        next(stream)
    assert caught.value.__cause__ is reason


def test_an_aborted_signal_ends_any_call(connect):
    """Before anything is sent; the reason is the cause."""
    client = connect(answer(200, RESPONSE))
    controller, reason = AbortController(), ValueError("enough")
    controller.abort(reason)
    for call in (
        lambda: client.responses.create(model="m", input="hi", signal=controller.signal),
        lambda: client.responses.retrieve("resp_1", signal=controller.signal),
        lambda: client.responses.create(
            model="m", input="hi", stream=True, signal=controller.signal
        ),
    ):
        with pytest.raises(APIUserAbortError) as caught:
            call()
        assert caught.value.__cause__ is reason


def test_stream_gives_the_listeners_stream(connect):
    """`stream=True` given to it is no mistake."""
    stream = connect(sse(BODY.replace(b"output_text.delta", b"new"))).responses.stream(
        model="m", input="hi", stream=True
    )
    assert isinstance(stream, ResponseStream)
    assert stream.final_response(20).output_text == "Hi"
    assert sent(connect)[2] == {"model": "m", "input": "hi", "stream": True}


def test_parse_gives_what_the_text_became(connect):
    """And raises for a text that does not fit."""
    text = {**MESSAGE["content"][0], "text": '{"a": 1}'}
    whole = {**RESPONSE, "output": [{**MESSAGE, "content": [text]}]}
    client = connect(answer(200, whole), answer(200, RESPONSE))
    schema = {"type": "json_schema", "name": "x", "schema": {"type": "object"}}
    response = client.responses.parse(model="m", input="hi", text_format=schema)
    assert response.output_parsed == {"a": 1}
    assert response.output[0].content[0].parsed == {"a": 1}
    with pytest.raises(OpenAIError, match="is no JSON"):
        client.responses.parse(model="m", input="hi", text={"format": schema})
    with pytest.raises(TypeError, match="not both"):
        client.responses.parse(model="m", input="hi", text={"format": schema}, text_format=schema)


def test_the_other_methods_ask_the_api_s_paths(connect):
    """retrieve (also as a stream), cancel, delete, and the items of the input."""
    items = {"object": "list", "data": [{"id": "i", "type": "message", "role": "user"}, MESSAGE]}
    client = connect(
        answer(200, RESPONSE), sse(BODY), answer(200, RESPONSE), answer(200, {}), answer(200, items)
    )
    assert client.responses.retrieve("resp_1", include=["a"]).id == "resp_1"
    assert sent(connect) == ("GET", "/v1/responses/resp_1?include%5B%5D=a", None)
    events = list(client.responses.retrieve("resp_1", stream=True, starting_after=2))
    assert [event.type for event in events] == [event["type"] for event in EVENTS]
    assert sent(connect) == ("GET", "/v1/responses/resp_1?starting_after=2&stream=true", None)
    assert client.responses.cancel("resp_1").status == "completed"
    assert sent(connect)[:2] == ("POST", "/v1/responses/resp_1/cancel")
    client.responses.delete("resp_1")
    assert sent(connect)[:2] == ("DELETE", "/v1/responses/resp_1")
    page = client.responses.input_items.list("resp_1", limit=2, order="asc")
    assert sent(connect)[1] == "/v1/responses/resp_1/input_items?limit=2&order=asc"
    assert isinstance(page.data[0], ResponseInputMessageItem)
    assert isinstance(page.data[1], ResponseOutputMessage)


def test_what_only_helpers_add_is_not_sent_back(connect):
    """`input=response.output` goes as the API gave it; a field of the user's own stays."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    whole = {**RESPONSE, "output": [MESSAGE, call]}
    client = connect(answer(200, whole))
    tool = {"type": "function", "name": "f", "strict": True}
    tool["parameters"] = {"type": "object", "properties": {"parsed": {"type": "string"}}}
    response = client.responses.parse(model="m", input="hi", tools=[tool])
    assert response.output[1].parsed_arguments == {}
    client.responses.create(model="m", input=[*response.output, {"parsed": 1}], tools=[tool])
    assert sent(connect)[2]["input"] == [MESSAGE, call, {"parsed": 1}]
    assert sent(connect)[2]["tools"] == [tool]
    client.responses.create(model="m", input=response.output, metadata={"r": response})
    assert sent(connect)[2]["input"] == [MESSAGE, call]
    assert sent(connect)[2]["metadata"]["r"] == whole
