"""Bodies and scripts of chat completions, for the tests of their streams."""

from __future__ import annotations

import json

from scripted_server import answer, sse

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
DONE = b"data: [DONE]\n\n"


def chunk(delta, finish=None, **more) -> bytes:
    """Give one chunk as a server-sent event."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **more}
    return b"data: " + json.dumps({**document, "choices": [choice]}).encode() + b"\n\n"


def chunks(*pieces: str, finish: str | None = "stop", **more) -> bytes:
    """Give a streamed answer that says ``pieces``."""
    body = chunk({"role": "assistant", "content": ""}, **more)
    body += b"".join(chunk({"content": piece}, **more) for piece in pieces)
    return body + (chunk({}, finish, **more) + DONE if finish else b"")


def saying(*pieces: str, finish: str | None = "stop"):
    """Make a script that streams an answer."""
    return sse(chunks(*pieces, finish=finish))


def calling(*calls: tuple[str, str]):
    """Make a script that streams function calls, each a name and its arguments."""
    deltas = [
        {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": a, "arguments": b}}
        for n, (a, b) in enumerate(calls)
    ]
    body = chunk({"role": "assistant", "tool_calls": deltas}) + chunk({}, "tool_calls")
    return sse(body + DONE)


def whole(message, finish="stop"):
    """Make a script that answers with a completion that comes whole."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    return answer(
        200, {"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}
    )


def whole_call(name: str, arguments: str):
    """Make a script that answers with one function call."""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return whole({"content": None, "tool_calls": [call]}, "tool_calls")
