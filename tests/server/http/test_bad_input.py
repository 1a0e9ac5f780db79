"""Bad input of every kind: the API's status and error body, and never a 500."""

from __future__ import annotations

import json
import socket
from urllib.parse import quote

import pytest
from documents import upload
from server_helpers import BOTH, HEADERS, RAIN, WEATHER, Raw

OK = {"assistant_id": "ASSISTANT"}
SAY = {"role": "user", "content": "Hello"}

# method, path, body, status, param, code; T, A and R stand for ids that exist.
TABLE = [
    ("GET", "/threads/thread_none", None, 404, None, None),
    ("POST", "/threads/thread_none", {}, 404, None, None),
    ("DELETE", "/threads/thread_none", None, 404, None, None),
    ("GET", "/assistants/asst_none", None, 404, None, None),
    ("POST", "/assistants/asst_none", {}, 404, None, None),
    ("DELETE", "/assistants/asst_none", None, 404, None, None),
    ("GET", "/threads/T/messages/msg_none", None, 404, None, None),
    ("POST", "/threads/T/messages/msg_none", {}, 404, None, None),
    ("DELETE", "/threads/T/messages/msg_none", None, 404, None, None),
    ("GET", "/threads/thread_none/messages", None, 404, None, None),
    ("POST", "/threads/thread_none/messages", SAY, 404, None, None),
    ("GET", "/threads/thread_none/runs", None, 404, None, None),
    ("GET", "/threads/T/runs/run_none", None, 404, None, None),
    ("POST", "/threads/T/runs/run_none", {}, 404, None, None),
    ("POST", "/threads/T/runs/run_none/cancel", None, 404, None, None),
    ("GET", "/threads/T/runs/run_none/steps", None, 404, None, None),
    ("GET", "/threads/T/runs/run_none/steps/step_none", None, 404, None, None),
    ("GET", "/threads/T/runs/R/steps/step_none", None, 404, None, None),
    ("GET", "/threads/U/runs/R", None, 404, None, None),
    ("POST", "/threads/thread_none/runs", OK, 404, None, None),
    ("POST", "/threads/T/runs", {"assistant_id": "asst_none"}, 404, None, None),
    ("POST", "/threads/T/runs", {"assistant_id": "asst_none", "stream": True}, 404, None, None),
    ("POST", "/threads/runs", {"assistant_id": "asst_none", "stream": True}, 404, None, None),
    # types
    ("POST", "/assistants", {}, 400, "model", "missing_required_parameter"),
    ("POST", "/assistants", {"model": 1}, 400, "model", "invalid_type"),
    ("POST", "/assistants", {"model": "m", "what": 1}, 400, "what", "unknown_parameter"),
    ("POST", "/assistants", {"model": "m", "tools": {}}, 400, "tools", "invalid_type"),
    ("POST", "/assistants", {"model": "m", "tools": [{"type": "x"}]}, 400, "tools[0].type", "invalid_value"),
    ("POST", "/assistants", {"model": "m", "tools": [{}]}, 400, "tools[0].type", "missing_required_parameter"),
    ("POST", "/assistants", {"model": "m", "tools": [{"type": "function", "function": {"name": "a b"}}]}, 400, "tools[0].function.name", "invalid_value"),
    ("POST", "/assistants", {"model": "m", "tools": [WEATHER] * 129}, 400, "tools", "array_above_max_length"),
    ("POST", "/assistants", {"model": "m", "name": "n" * 257}, 400, "name", "string_above_max_length"),
    ("POST", "/assistants", {"model": "m", "instructions": "n" * 256_001}, 400, "instructions", "string_above_max_length"),
    ("POST", "/assistants", {"model": "m", "temperature": 3}, 400, "temperature", "decimal_above_max_value"),
    ("POST", "/assistants", {"model": "m", "temperature": True}, 400, "temperature", "invalid_type"),
    ("POST", "/assistants", {"model": "m", "top_p": -1}, 400, "top_p", "decimal_below_min_value"),
    ("POST", "/assistants", {"model": "m", "response_format": "json"}, 400, "response_format", "invalid_value"),
    ("POST", "/assistants", {"model": "m", "response_format": {"type": "json_schema"}}, 400, "response_format.json_schema", "missing_required_parameter"),
    ("POST", "/threads", {"metadata": {str(n): "v" for n in range(17)}}, 400, "metadata", "object_above_max_properties"),
    ("POST", "/threads", {"metadata": {"k" * 65: "v"}}, 400, "metadata", "string_above_max_length"),
    ("POST", "/threads", {"metadata": {"k": "v" * 513}}, 400, "metadata.k", "string_above_max_length"),
    ("POST", "/threads", {"metadata": {"k": 1}}, 400, "metadata.k", "invalid_type"),
    ("POST", "/threads", {"messages": [SAY] * 513}, 400, "messages", "array_above_max_length"),
    ("POST", "/threads", {"messages": [{"role": "user"}]}, 400, "messages[0].content", "missing_required_parameter"),
    ("POST", "/threads", {"tool_resources": {"file_search": {"vector_store_ids": ["v"], "vector_stores": [{}]}}}, 400, "tool_resources.file_search", "invalid_value"),
    ("POST", "/vector_stores", {"chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 51}}}, 400, "chunking_strategy.static.chunk_overlap_tokens", "invalid_value"),
    ("POST", "/threads/T/messages", {"content": "x"}, 400, "role", "missing_required_parameter"),
    ("POST", "/threads/T/messages", {"role": "system", "content": "x"}, 400, "role", "invalid_value"),
    ("POST", "/threads/T/messages", {"role": "user", "content": ""}, 400, "content", "string_below_min_length"),
    ("POST", "/threads/T/messages", {"role": "user", "content": []}, 400, "content", "array_below_min_length"),
    ("POST", "/threads/T/messages", {"role": "user", "content": 5}, 400, "content", "invalid_type"),
    ("POST", "/threads/T/messages", {"role": "user", "content": [{"type": "text"}]}, 400, "content[0].text", "missing_required_parameter"),
    ("POST", "/threads/T/messages", {"role": "user", "content": "x" * 256_001}, 400, "content", "string_above_max_length"),
    ("POST", "/threads/T/runs", {}, 400, "assistant_id", "missing_required_parameter"),
    ("POST", "/threads/T/runs", {"assistant_id": None}, 400, "assistant_id", "invalid_type"),
    ("POST", "/threads/T/runs", {**OK, "stream": "yes"}, 400, "stream", "invalid_type"),
    ("POST", "/threads/T/runs", {**OK, "max_completion_tokens": 0}, 400, "max_completion_tokens", "integer_below_min_value"),
    ("POST", "/threads/T/runs", {**OK, "tool_choice": "maybe"}, 400, "tool_choice", "invalid_value"),
    ("POST", "/threads/T/runs", {**OK, "tool_choice": "required"}, 400, "tool_choice", "invalid_value"),
    ("POST", "/threads/T/runs", {**OK, "tool_choice": {"type": "function", "function": {"name": "f"}}}, 400, "tool_choice", "invalid_value"),
    ("POST", "/threads/T/runs", {**OK, "truncation_strategy": {"type": "last_messages"}}, 400, "truncation_strategy.last_messages", "missing_required_parameter"),
    ("POST", "/threads/T/runs/R/submit_tool_outputs", {}, 400, "tool_outputs", "missing_required_parameter"),
    ("POST", "/threads/T/runs/R/submit_tool_outputs", {"tool_outputs": [{"tool_call_id": "c"}]}, 400, None, None),
    ("POST", "/threads/T/runs/R/cancel", None, 400, None, None),
    # lists
    ("GET", "/threads/T/messages?limit=abc", None, 400, "limit", "invalid_type"),
    ("GET", "/threads/T/messages?limit=", None, 400, "limit", "invalid_type"),
    ("GET", "/threads/T/messages?limit=1_0", None, 400, "limit", "invalid_type"),
    ("GET", "/threads/T/messages?limit=0", None, 400, "limit", "integer_below_min_value"),
    ("GET", "/threads/T/messages?limit=-1", None, 400, "limit", "integer_below_min_value"),
    ("GET", "/threads/T/messages?limit=101", None, 400, "limit", "integer_above_max_value"),
    ("GET", "/threads/T/messages?limit=" + "9" * 5000, None, 400, "limit", "invalid_type"),
    ("GET", "/threads/T/messages?order=up", None, 400, "order", "invalid_value"),
    ("GET", "/threads/T/messages?after=msg_none", None, 400, "after", "invalid_value"),
    ("GET", "/assistants?before=%00';--", None, 400, "before", "invalid_value"),
    # routes
    ("GET", "/engines", None, 404, None, None),
    ("GET", "/../threads/T", None, 404, None, None),
    ("GET", "/threads", None, 405, None, "method_not_supported"),
    ("PUT", "/threads/T", {}, 405, None, "method_not_supported"),
    ("DELETE", "/threads/T/runs/R", None, 405, None, "method_not_supported"),
]  # fmt: skip

BODIES = [
    b"{",
    b"[]",
    b'"text"',
    b"null",
    b"\xff\xfe",
    b"{'a': 1}",
    b'{"metadata": NaN}',
    b'{"metadata": {"a": "\\ud800"}}',
    b'{"tool_resources": 1e999}',
    b"[" * 200_000,
    b'{"a":' * 200_000,
    b"1" * 5_000,
]

HOSTILE = [
    "../",
    "..",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "thread_%00",
    "'; DROP TABLE threads; --",
    '" OR 1=1 --',
    "%ff%fe",
    "😀",
    "\u202e",
    "x" * 4000,
    "{thread_id}",
    "%",
    "a b",
    "<script>",
]


@pytest.fixture
def known(raw) -> dict[str, str]:
    """Ids that exist: a thread T with a finished run R, another thread U, an assistant A."""
    assistant, thread = raw.assistant(), raw.thread("Hello")
    body = {"assistant_id": assistant, "stream": True}
    run = raw("POST", f"/threads/{thread}/runs", body).events()[0][1]["id"]
    return {"T": thread, "U": raw.thread(), "R": run, "ASSISTANT": assistant}


def filled(text: str, known: dict[str, str]) -> str:
    for short, real in known.items():
        text = text.replace(f"/{short}/", f"/{real}/").replace(f'"{short}"', f'"{real}"')
        if text.endswith(f"/{short}"):
            text = text[: -len(short)] + real
    return text


def test_refusals(raw, known):
    """Every row of the table gets its status, param and code in the API's error form."""
    for method, path, body, status, param, code in TABLE:
        sent = json.loads(filled(json.dumps(body), known))
        reply = raw(method, filled(path.replace("?", "/?"), known).replace("/?", "?"), sent)
        error = reply.error
        case = (method, path[:80], str(body)[:80], error)
        assert reply.status == status, case
        assert (error["param"], error["code"]) == (param, code), case
        assert error["type"] == "invalid_request_error" and error["message"], case
        assert len(error["message"]) < 1000, case
        assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]))
def test_not_a_json_object(raw, body):
    """A body that is not a strict JSON object is a 400."""
    reply = raw("POST", "/threads", body)
    assert reply.status == 400 and reply.error["message"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_hostile_ids(raw, known, hostile):
    """Whatever stands in the place of an id is just an unknown id or an unknown address."""
    part = quote(hostile, safe="%")
    for path in (
        f"/threads/{part}",
        f"/threads/{known['T']}/messages/{part}",
        f"/assistants/{part}",
    ):
        for method, body in (("GET", None), ("POST", {}), ("DELETE", None)):
            reply = raw(method, path, body)
            assert reply.status in (404, 405), (method, path)
            assert reply.error["message"]
    assert raw("GET", f"/threads/{known['T']}").status == 200


def test_huge_body(raw):
    """A body over the limit is a 413, not read to its end, and the server goes on."""
    connection = raw.connection()
    connection.putrequest("POST", "/v1/threads")
    for name, value in HEADERS.items():
        connection.putheader(name, value)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    chunk = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
    try:
        for _ in range(300):
            connection.send(chunk)
        connection.send(b"0\r\n\r\n")
        response = connection.getresponse()
        assert response.status == 413 and json.loads(response.read())["error"]
    except ConnectionError:
        pass  # closed while we were still sending: as good
    finally:
        connection.close()
    assert raw("POST", "/threads", {}).status == 200


def nested(levels: int) -> bytes:
    """Give an assistant whose body is so many levels deep."""
    head = b'{"model":"m","tools":[{"type":"function","function":{"name":"f","parameters":'
    inner = levels - 4
    return head + b'{"a":' * (inner - 1) + b"{}" + b"}" * (inner - 1) + b"}}]}"


@pytest.mark.parametrize("levels", [101, 500, 960, 970, 1500, 100_000])
def test_bodies_nested_too_deeply(raw, levels):
    """JSON deeper than the fixed limit is a 400, and nothing of it is kept."""
    reply = raw("POST", "/assistants", nested(levels))
    assert reply.status == 400
    assert "nested too deeply" in reply.error["message"]
    assert raw("GET", "/assistants").status == 200
    assert raw("POST", "/threads", b"[" * levels).status == 400


def test_bodies_nested_to_the_limit(raw):
    """JSON as deep as allowed is stored, listed, and runs."""
    made = raw("POST", "/assistants", nested(100))
    assert made.status == 200
    assert made.body in raw("GET", "/assistants").body["data"]
    run = {"assistant_id": made.body["id"], "stream": True, "tool_choice": "required"}
    events = raw("POST", f"/threads/{raw.thread('Hello')}/runs", run).events()
    assert "thread.run.requires_action" in dict(events)


def test_garbage_instead_of_http(raw):
    """Bytes that are not HTTP do no harm."""
    with socket.create_connection((raw.host, raw.port), timeout=120) as connection:
        connection.sendall(b"\x16\x03\x01\x00\r\n\r\n")
        connection.recv(1000)
    assert raw("POST", "/threads", {}).status == 200


def test_key_and_beta_header(raw):
    """Without a bearer token it is a 401, without the beta header a 400, on every route alike."""
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic abc"}):
        reply = raw("POST", "/threads", {}, {**HEADERS, "Authorization": "", **headers})
        assert reply.status == 401 and "API key" in reply.error["message"]
    for beta in ("", "assistants=v1"):
        reply = raw("POST", "/threads", {}, {**HEADERS, "OpenAI-Beta": beta})
        assert reply.status == 400 and reply.error["code"] == "invalid_beta"
        assert "'OpenAI-Beta: assistants=v2'" in reply.error["message"]
    reply = raw("POST", "/threads", {}, {**HEADERS, "OpenAI-Beta": "x=1, assistants=v2"})
    assert reply.status == 200
    twice = {**HEADERS, "OpenAI-Beta": "x=1", "openai-beta": "assistants=v2"}
    assert raw("POST", "/threads", {}, twice).status == 200


def test_an_active_run_locks_its_thread(gated, gate):
    """A second run, or a message, on a thread with an active run is the API's 400."""
    thread, assistant = gated.thread("Hello"), gated.assistant()
    body = {"assistant_id": assistant}
    with gated.stream(f"/threads/{thread}/runs", body) as stream:
        run = stream.until("thread.run.created")["id"]
        second = gated("POST", f"/threads/{thread}/runs", body)
        assert second.status == 400
        expected = f"Thread {thread} already has an active run {run}."
        assert second.error["message"] == expected
        message = gated("POST", f"/threads/{thread}/messages", SAY)
        assert message.status == 400
        expected = f"Can't add messages to {thread} while a run {run} is active."
        assert message.error["message"] == expected
        gate.open()
        stream.until("thread.run.completed")
        assert gated("POST", f"/threads/{thread}/messages", SAY).status == 200


def test_wrong_tool_outputs(raw):
    """Outputs must be for all the calls, each once, and only theirs; then they are taken once."""
    run = dict(raw.run(BOTH, [WEATHER, RAIN]).events())["thread.run.requires_action"]
    ids = [c["id"] for c in run["required_action"]["submit_tool_outputs"]["tool_calls"]]
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs"

    def submit(*call_ids: str) -> int:
        outputs = [{"tool_call_id": call_id, "output": "1"} for call_id in call_ids]
        reply = raw("POST", path, {"tool_outputs": outputs})
        if reply.status != 200:
            assert reply.error["message"]
        return reply.status

    for wrong in (ids[:1], [*ids, "call_x"], ["call_x", "call_y"], [ids[0]] * 2, [*ids, ids[0]]):
        assert submit(*wrong) == 400
    assert submit(*reversed(ids)) == 200
    assert submit(*ids) == 400


def test_pagination(raw):
    """Cursors walk a list forward and backward in both orders, and say whether there is more."""
    thread = raw.thread(*[str(n) for n in range(7)])

    def page(query: str) -> tuple[list[str], bool]:
        body = raw("GET", f"/threads/{thread}/messages?{query}").body
        assert list(body) == ["object", "data", "first_id", "last_id", "has_more"]
        ids = [message["id"] for message in body["data"]]
        assert [body["first_id"], body["last_id"]] == ([ids[0], ids[-1]] if ids else [None, None])
        return [m["content"][0]["text"]["value"] for m in body["data"]], body["has_more"]

    ids = [m["id"] for m in raw("GET", f"/threads/{thread}/messages?order=asc").body["data"]]
    assert page("") == (["6", "5", "4", "3", "2", "1", "0"], False)
    assert page("limit=3") == (["6", "5", "4"], True)
    assert page(f"limit=3&after={ids[4]}") == (["3", "2", "1"], True)
    assert page(f"limit=3&after={ids[1]}") == (["0"], False)
    assert page(f"limit=3&before={ids[1]}") == (["4", "3", "2"], True)
    assert page(f"limit=3&before={ids[4]}") == (["6", "5"], False)
    assert page(f"order=asc&limit=2&after={ids[2]}") == (["3", "4"], True)
    assert page(f"order=asc&limit=2&before={ids[2]}") == (["0", "1"], False)
    assert page(f"order=asc&after={ids[1]}&before={ids[4]}") == (["2", "3"], False)
    assert page(f"after={ids[0]}") == ([], False)
    other = raw.thread("x")
    assert raw("GET", f"/threads/{other}/messages?after={ids[0]}").status == 400


def test_messages_of_a_run(raw):
    """The list of messages can be limited to one run's."""
    created = raw.run("Hello").events()[0][1]
    path = f"/threads/{created['thread_id']}/messages"
    assert len(raw("GET", path).body["data"]) == 2
    (message,) = raw("GET", f"{path}?run_id={created['id']}").body["data"]
    assert message["role"] == "assistant"


def test_settings_are_echoed(raw):
    """What a run is created with is stored and read back; the rest comes from the assistant."""
    assistant = raw.assistant(instructions="Be brief.", tools=[WEATHER], temperature=0.5)
    thread = raw.thread()
    given = {
        "assistant_id": assistant,
        "model": "gpt-4.1",
        "additional_instructions": "Be kind.",
        "additional_messages": [SAY],
        "metadata": {"k": "v"},
        "top_p": 0.25,
        "max_prompt_tokens": 1000,
        "max_completion_tokens": 2000,
        "truncation_strategy": {"type": "last_messages", "last_messages": 3},
        "response_format": {"type": "text"},
        "tool_choice": "none",
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
    }
    path = f"/threads/{thread}/runs?include[]=step_details.tool_calls[*].file_search.results[*].content"
    run = raw("POST", path.replace("[", "%5B").replace("]", "%5D"), given).body
    for key, value in given.items():
        if not key.startswith("additional"):
            assert run[key] == value
    assert run["instructions"] == "Be brief.\nBe kind."
    assert run["temperature"] == 0.5 and run["tools"][0]["function"]["strict"] is False
    assert Raw.__call__(raw, "GET", f"/threads/{thread}/runs/{run['id']}").body["id"] == run["id"]
    update = raw("POST", f"/threads/{thread}/runs/{run['id']}", {"metadata": {"n": "1"}})
    assert update.body["metadata"] == {"n": "1"}


def test_kinds_of_content(raw):
    """Text, image file and image url parts, and attachments, are kept as they were sent."""
    thread, image = raw.thread(), upload(raw, "a.png", b"x", "vision")
    content = [
        {"type": "text", "text": "Look 😀 \x00"},
        {"type": "image_file", "image_file": {"file_id": image, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    attachments = [{"file_id": upload(raw, "a.txt", b"x"), "tools": [{"type": "file_search"}]}]
    body = {"role": "user", "content": content, "attachments": attachments}
    message = raw("POST", f"/threads/{thread}/messages", body).body
    read = raw("GET", f"/threads/{thread}/messages/{message['id']}").body
    assert read == message
    assert read["content"][0]["text"] == {"value": "Look 😀 \x00", "annotations": []}
    assert read["content"][1] == content[1]
    assert read["content"][2]["image_url"]["url"] == "https://example.com/a.png"
    assert read["attachments"] == attachments
