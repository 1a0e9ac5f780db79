"""Chat completions and responses of a server that has an upstream: the same models, two more doors."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from canned import (
    HELLO,
    KEY,
    STOP,
    TOOLS,
    Answer,
    Canned,
    called,
    delta,
    error,
    named,
    piece,
    sse,
)
from documents import upload
from server_helpers import PATIENCE, Raw, Reply

from emitter_stream.server import LocalServer, Upstream

SIGNATURE = {"google": {"thought_signature": "c2lnbmF0dXJl"}}
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 50
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@pytest.fixture
def raw(start, canned) -> Raw:
    """A server over the canned upstream."""
    server: LocalServer = start(model=Upstream(canned.url, key=KEY))
    return Raw(server.base_url)


def chat(raw: Raw, *more: dict[str, Any], **fields: Any) -> Reply:
    messages = [{"role": "user", "content": "Hi"}, *more]
    return raw("POST", "/chat/completions", {"model": "m", "messages": messages, **fields})


def respond(raw: Raw, given: Any = "Hi", **fields: Any) -> Reply:
    return raw("POST", "/responses", {"model": "m", "input": given, **fields})


def chunks(reply: Reply) -> list[dict[str, Any]]:
    *frames, last = reply.raw.decode().split("\n\n")[:-1]
    assert last == "data: [DONE]"
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


def events(reply: Reply) -> list[dict[str, Any]]:
    return [json.loads(f.partition("data: ")[2]) for f in reply.raw.decode().split("\n\n")[:-1]]


def flat(tools: Any) -> list[dict[str, Any]]:
    return [{"type": "function", **tool["function"]} for tool in tools]


def test_chat(raw, canned):
    """A completion is what the upstream said, with its usage, streamed and whole."""
    said = sse(delta(content="One "), delta(content="two."), STOP, {"usage": USAGE}, "[DONE]")
    canned.answers = [Answer(said)] * 2
    whole = chat(raw, temperature=0.5).body
    assert whole["choices"][0]["message"]["content"] == "One two."
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["usage"]["total_tokens"] == 10
    found = chunks(chat(raw, stream=True, stream_options={"include_usage": True}))
    pieces = [c["choices"][0]["delta"].get("content") for c in found if c["choices"]]
    assert "".join(filter(None, pieces)) == "One two."
    assert found[-1]["usage"]["prompt_tokens"] == 7
    assert canned.bodies[0]["temperature"] == 0.5 and canned.bodies[0]["stream"] is True


def test_response(raw, canned):
    """A response is, too, and what continues it is asked with what came before."""
    canned.answers = [Answer(HELLO), Answer(HELLO)]
    first = respond(raw, instructions="Be brief.").body
    assert first["output"][0]["content"][0]["text"] == "Hello."
    second = events(respond(raw, "Again", previous_response_id=first["id"], stream=True))
    assert second[-1]["type"] == "response.completed"
    asked = canned.bodies[1]["messages"]
    assert [(m["role"], m["content"]) for m in asked] == [
        ("user", "Hi"),
        ("assistant", "Hello."),
        ("user", "Again"),
    ]


def calls_answer(canned: Canned) -> None:
    """Let the upstream call two functions, each with something that must come back."""
    canned.answers = [
        Answer(
            sse(
                called(piece('{"a"', "weather", index=0, id="w1", extra_content=SIGNATURE)),
                called(piece(":1}", index=0)),
                called(piece("{}", "clock", index=1, id="c1", extra_content={"n": 2})),
                delta("tool_calls"),
                "[DONE]",
            )
        ),
        Answer(HELLO),
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_what_comes_with_a_call_goes_back(raw, canned, stream):
    """A call's opaque field reaches the client of chat completions, and the upstream again."""
    calls_answer(canned)
    reply = chat(raw, tools=list(TOOLS), stream=stream)
    if stream:
        calls: list[dict[str, Any]] = []
        for chunk in chunks(reply):
            for one in chunk["choices"][0]["delta"].get("tool_calls", []):
                if one["index"] == len(calls):
                    calls.append(one)
                else:
                    function = calls[one["index"]]["function"]
                    function["arguments"] += one["function"]["arguments"]
    else:
        calls = reply.body["choices"][0]["message"]["tool_calls"]
    assert [call["extra_content"] for call in calls] == [SIGNATURE, {"n": 2}]
    assert calls[0]["function"] == {"name": "weather", "arguments": '{"a":1}'}
    assert calls[0]["type"] == "function"
    outputs = [{"role": "tool", "tool_call_id": c["id"], "content": "x"} for c in calls]
    chat(raw, {"role": "assistant", "content": None, "tool_calls": calls}, *outputs)
    back = canned.bodies[1]["messages"][1]["tool_calls"]
    assert [call["extra_content"] for call in back] == [SIGNATURE, {"n": 2}]
    assert all(re.fullmatch("[A-Za-z0-9]{9}", call["id"]) for call in back)


@pytest.mark.parametrize("by_id", [False, True])
def test_what_comes_with_a_call_of_a_response_goes_back(raw, canned, by_id):
    """The same holds for responses, given again as items or continued by their id."""
    calls_answer(canned)
    first = respond(raw, tools=flat(TOOLS)).body
    calls = [item for item in first["output"] if item["type"] == "function_call"]
    assert [call["extra_content"] for call in calls] == [SIGNATURE, {"n": 2}]
    assert (calls[0]["name"], calls[0]["arguments"]) == ("weather", '{"a":1}')
    outputs = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": "x"}
        for call in calls
    ]
    if by_id:
        respond(raw, outputs, previous_response_id=first["id"], tools=flat(TOOLS))
    else:
        said = {"role": "user", "content": "Hi"}
        respond(raw, [said, *calls, *outputs], tools=flat(TOOLS))
    back = canned.bodies[1]["messages"][1]["tool_calls"]
    assert [call["extra_content"] for call in back] == [SIGNATURE, {"n": 2}]


def test_a_signature_that_comes_late(raw, canned):
    """A field that comes behind the arguments belongs to the call as well."""
    late = {"index": 0, "extra_content": SIGNATURE}
    answer = sse(called(piece("{}", "clock", index=0, id="c")), called(late), STOP, "[DONE]")
    canned.answers = [Answer(answer), Answer(answer)]
    (call,) = chat(raw, tools=list(TOOLS)).body["choices"][0]["message"]["tool_calls"]
    assert call["extra_content"] == SIGNATURE and call["function"]["arguments"] == "{}"
    (item,) = respond(raw, tools=flat(TOOLS)).body["output"]
    assert item["extra_content"] == SIGNATURE and item["arguments"] == "{}"


def test_images(raw, canned):
    """An image's address goes to the upstream as it is, from either API."""
    url = "https://images.example/cat.png"
    canned.answers = [Answer(HELLO), Answer(HELLO)]
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}]
    chat(raw, {"role": "user", "content": parts})
    parts = [{"type": "input_text", "text": "?"}, {"type": "input_image", "image_url": url}]
    respond(raw, [{"role": "user", "content": parts}])
    for body in canned.bodies:
        assert body["messages"][-1]["content"][-1]["image_url"]["url"] == url


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, {"error": {"message": "Slow down.", "code": "insufficient_quota"}}, 429),
        (400, {"error": {"message": "No.", "type": "invalid_request_error"}}, 400),
        (401, {"error": {"message": f"Bad key {KEY}."}}, 500),
    ],
)
def test_errors(raw, canned, status, body, expected):
    """An error before the first word is the answer's status, in the upstream's words but the key."""
    for ask in (chat, respond):
        canned.answers = [error(status, body)] * 3
        reply = ask(raw)
        if ask is respond and reply.status == 200:
            assert reply.body["status"] == "failed"
            said = reply.body["error"]["message"]
        else:
            assert reply.status == expected
            said = reply.error["message"]
        assert said == body["error"]["message"].replace(KEY, "***")
        assert KEY not in reply.raw.decode()


def test_an_error_in_mid_answer(raw, canned):
    """An error behind the first words is told in the stream, behind these words."""
    broken = sse(delta(content="One "), {"error": {"message": f"Lost {KEY}", "code": 500}})
    canned.answers = [Answer(broken), Answer(broken)]
    said = chat(raw, stream=True).raw.decode()
    assert '"content":"One "' in said and '"message":"Lost ***"' in said
    last = events(respond(raw, stream=True))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["message"] == "Lost ***"
    assert last["response"]["output"][0]["content"][0]["text"] == "One "


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_cut_answers(raw, canned, reason):
    """What cut an answer off is said in the words of each API; the limit is passed on."""
    cut = sse(delta(content="One"), delta(reason), "[DONE]")
    canned.answers = [Answer(cut), Answer(cut)]
    assert chat(raw, max_tokens=5).body["choices"][0]["finish_reason"] == reason
    body = respond(raw, max_output_tokens=16).body
    expected = {"length": "max_output_tokens"}.get(reason, reason)
    assert body["incomplete_details"] == {"reason": expected}
    assert [b["max_tokens"] for b in canned.bodies] == [5, 16]


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
def test_a_client_that_goes(raw, canned, path):
    """When the client goes away the upstream's connection is closed."""
    canned.answers = [Answer(sse(delta(content="One")), stays=True)]
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "input": "Hi"}
    body.pop("input" if "chat" in path else "messages")
    connection = raw.connection()
    headers = {"Authorization": "Bearer any", "Content-Type": "application/json"}
    connection.request("POST", raw.prefix + path, json.dumps({**body, "stream": True}), headers)
    response = connection.getresponse()
    while b"One" not in response.readline():
        pass
    response.close()
    connection.close()
    assert canned.left.wait(PATIENCE)


def test_over_responses(start, canned):
    """Both doors work over an upstream that speaks Responses, too."""
    raw = Raw(start(model=Upstream(canned.url, api="responses")).base_url)
    usage = {"input_tokens": 5, "output_tokens": 2}
    done = {"type": "response.completed", "response": {"status": "completed", "usage": usage}}
    said = named({"type": "response.output_text.delta", "delta": "Hello."}, done)
    canned.answers = [Answer(said), Answer(said)]
    body = chat(raw).body
    assert body["choices"][0]["message"]["content"] == "Hello."
    assert body["usage"]["prompt_tokens"] == 5
    assert respond(raw).body["usage"]["output_tokens"] == 2
    assert canned.paths == ["/v1/responses"] * 2 and canned.bodies[0]["store"] is False


def test_an_image_that_is_a_file(raw, canned):
    """An image that was uploaded goes to the upstream as its bytes; one that is not there is refused."""
    file = upload(raw, "dot.png", PNG, "vision")
    canned.answers = [Answer(HELLO), Answer(HELLO)]
    image = {"type": "input_image", "file_id": file}
    first = respond(raw, [{"role": "user", "content": [image]}]).body
    respond(raw, "And now?", previous_response_id=first["id"])
    for body in canned.bodies:
        url = body["messages"][0]["content"][0]["image_url"]["url"]
        assert base64.b64decode(url.removeprefix("data:image/png;base64,")) == PNG
    asked = [{"role": "user", "content": [{"type": "input_image", "file_id": "file-none"}]}]
    refused = respond(raw, asked)
    assert (refused.status, len(canned.bodies)) == (404, 2)
    calls = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "a", "output": [image]}
    assert respond(raw, [calls, output]).status == 400
