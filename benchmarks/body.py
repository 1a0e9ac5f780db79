"""The prepared streams: frames as the Assistants API sends them (ids and shapes of its length)."""

from __future__ import annotations

import json
from typing import Any

RUN, THREAD, ASSISTANT = (
    "run_vTjp2ichhvmAcs8OfKVGjRLd",
    "thread_SkB4C5yOG0mpvmUuXXULFo06",
    "asst_qtgI42SHEl4Tc0GVq4fBoyVX",
)
MESSAGE, STEP, CALL = (
    "msg_JCSTgSDq1vYBuf5ADq6k4ORd",
    "step_3p0EMo9k3hWCNo5t80GaLtYK",
    "call_rtg558sfBLq8xQ1dgFsK02EF",
)
# Five characters on the average, a line end and a quotation mark among them.
WORDS = [" the", " stream", ",", " of", " words", ".\n", ' "as', " tokens", " come", " and", " go"]

DELTA_MARK = b"event: thread.message.delta\n"


def frame(event: str, data: dict[str, Any]) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


DONE = b"event: done\ndata: [DONE]\n\n"


def run(status: str, action: dict[str, Any] | None = None) -> bytes:
    data = {
        "id": RUN,
        "object": "thread.run",
        "created_at": 1761862020,
        "assistant_id": ASSISTANT,
        "thread_id": THREAD,
        "status": "queued" if status == "created" else status,
        "started_at": None if status in ("created", "queued") else 1761862021,
        "expires_at": None if status == "completed" else 1761862620,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": 1761862030 if status == "completed" else None,
        "required_action": action,
        "last_error": None,
        "model": "gpt-4o",
        "instructions": None,
        "tools": [],
        "tool_resources": {},
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "reasoning_effort": None,
        "max_completion_tokens": None,
        "max_prompt_tokens": None,
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "incomplete_details": None,
        "usage": None,
        "response_format": "auto",
        "tool_choice": "auto",
        "parallel_tool_calls": True,
    }
    return frame(f"thread.run.{status}", data)


def step(verb: str, details: dict[str, Any]) -> bytes:
    data = {
        "id": STEP,
        "object": "thread.run.step",
        "created_at": 1761862022,
        "run_id": RUN,
        "assistant_id": ASSISTANT,
        "thread_id": THREAD,
        "type": details["type"],
        "status": "completed" if verb == "completed" else "in_progress",
        "cancelled_at": None,
        "completed_at": 1761862029 if verb == "completed" else None,
        "expires_at": 1761862620,
        "failed_at": None,
        "last_error": None,
        "step_details": details,
        "usage": None,
    }
    return frame(f"thread.run.step.{verb}", data)


def message(verb: str, text: str | None = None) -> bytes:
    content = [] if text is None else [text_part(text)]
    data = {
        "id": MESSAGE,
        "object": "thread.message",
        "created_at": 1761862022,
        "assistant_id": ASSISTANT,
        "thread_id": THREAD,
        "run_id": RUN,
        "status": "completed" if verb == "completed" else "in_progress",
        "incomplete_details": None,
        "incomplete_at": None,
        "completed_at": 1761862029 if verb == "completed" else None,
        "role": "assistant",
        "content": content,
        "attachments": [],
        "metadata": {},
    }
    return frame(f"thread.message.{verb}", data)


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": {"value": text, "annotations": []}}


def text_delta(value: str) -> bytes:
    part = {"index": 0, "type": "text", "text": {"value": value}}
    data = {"id": MESSAGE, "object": "thread.message.delta", "delta": {"content": [part]}}
    return frame("thread.message.delta", data)


def call_delta(call: dict[str, Any]) -> bytes:
    details = {"type": "tool_calls", "tool_calls": [call]}
    data = {"id": STEP, "object": "thread.run.step.delta", "delta": {"step_details": details}}
    return frame("thread.run.step.delta", data)


def arguments_delta(piece: str) -> bytes:
    return call_delta({"index": 0, "type": "function", "function": {"arguments": piece}})


CREATION = {"type": "message_creation", "message_creation": {"message_id": MESSAGE}}


def text_head() -> bytes:
    """Everything before the first text delta."""
    steps = step("created", CREATION) + step("in_progress", CREATION)
    messages = message("created") + message("in_progress")
    return run("created") + run("queued") + run("in_progress") + steps + messages


def text_tail(text: str) -> bytes:
    """Everything after the last text delta."""
    return message("completed", text) + step("completed", CREATION) + run("completed") + DONE


def words(count: int) -> str:
    """The text that ``count`` deltas make."""
    whole, rest = divmod(count, len(WORDS))
    return "".join(WORDS) * whole + "".join(WORDS[:rest])


def repeat(frames: list[bytes], count: int) -> bytes:
    whole, rest = divmod(count, len(frames))
    return b"".join(frames) * whole + b"".join(frames[:rest])


def text(count: int) -> bytes:
    """A whole run that answers with ``count`` text deltas."""
    deltas = repeat([text_delta(word) for word in WORDS], count)
    return text_head() + deltas + text_tail(words(count))


def varied(count: int) -> bytes:
    """The same run, but no two deltas alike: each has a field of its own that nobody knows."""
    before, after = text_delta("@").split(b"@")
    words_in_json = [json.dumps(word)[1:-1].encode() for word in WORDS]
    deltas = [
        b'%b%b%b,"nonce":"%08x"}\n\n'
        % (before, words_in_json[at % len(WORDS)], after.removesuffix(b"}\n\n"), at)
        for at in range(count)
    ]
    return text_head() + b"".join(deltas) + text_tail(words(count))


def tools(count: int) -> bytes:
    """A run that stops for one function call whose arguments came in ``count`` deltas."""
    function = {"name": "product", "arguments": "", "output": None}
    first = {"index": 0, "id": CALL, "type": "function", "function": function}
    details: dict[str, Any] = {"type": "tool_calls", "tool_calls": []}
    head = run("created") + run("queued") + run("in_progress")
    head += step("created", details) + step("in_progress", details) + call_delta(first)
    deltas = repeat([arguments_delta(word) for word in WORDS], count)
    call = {
        "id": CALL,
        "type": "function",
        "function": {"name": "product", "arguments": words(count)},
    }
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    return head + deltas + run("requires_action", action) + DONE
