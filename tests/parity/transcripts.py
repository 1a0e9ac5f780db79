"""Small event streams, built from the API's shapes, for tests to send and to spoil."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Frame = tuple[str, Any]

DONE: Frame = ("done", "[DONE]")


def run(status: str, **more: Any) -> Frame:
    """Make a run event."""
    data = {"id": "run_1", "object": "thread.run", "thread_id": "thread_1", "status": status}
    return f"thread.run.{status}", {**data, **more}


def started() -> list[Frame]:
    """Make the run events before the first step."""
    return [("thread.run.created", run("queued")[1]), run("queued"), run("in_progress")]


def step(number: int, what: str, details: dict[str, Any] | None = None, **more: Any) -> Frame:
    """Make a step event; without `details` it is the step of message `number`."""
    if details is None:
        message_creation = {"message_id": f"msg_{number}"}
        details = {"type": "message_creation", "message_creation": message_creation}
    status = "in_progress" if what in ("created", "in_progress") else what
    data = {
        "id": f"step_{number}",
        "object": "thread.run.step",
        "run_id": "run_1",
        "type": details.get("type"),
        "status": status,
        "step_details": details,
    }
    return f"thread.run.step.{what}", {**data, **more}


def step_delta(number: int, *tool_calls: dict[str, Any]) -> Frame:
    """Make a delta of a tool step."""
    return "thread.run.step.delta", {
        "id": f"step_{number}",
        "object": "thread.run.step.delta",
        "delta": {"step_details": {"type": "tool_calls", "tool_calls": list(tool_calls)}},
    }


def message(number: int, what: str, content: Iterable[Any] = (), **more: Any) -> Frame:
    """Make a message event."""
    status = "in_progress" if what in ("created", "in_progress") else what
    data = {
        "id": f"msg_{number}",
        "object": "thread.message",
        "role": "assistant",
        "status": status,
        "content": list(content),
    }
    return f"thread.message.{what}", {**data, **more}


def message_delta(number: int, *content: Any) -> Frame:
    """Make a delta of a message."""
    return "thread.message.delta", {
        "id": f"msg_{number}",
        "object": "thread.message.delta",
        "delta": {"content": list(content)},
    }


def text_delta(number: int, value: str, index: Any = 0, first: bool = False) -> Frame:
    """Make a text delta of one block."""
    text = {"value": value, "annotations": []} if first else {"value": value}
    return message_delta(number, {"index": index, "type": "text", "text": text})


def text(value: str) -> dict[str, Any]:
    """Make a whole text block."""
    return {"type": "text", "text": {"value": value, "annotations": []}}


def said(number: int, pieces: Iterable[str], whole: str | None = None) -> list[Frame]:
    """Make a message step whose text comes in these pieces."""
    pieces = list(pieces)
    whole = "".join(pieces) if whole is None else whole
    deltas = [text_delta(number, piece, first=at == 0) for at, piece in enumerate(pieces)]
    return [
        *(step(number, "created"), step(number, "in_progress")),
        *(message(number, "created"), message(number, "in_progress")),
        *deltas,
        message(number, "completed", [text(whole)] if pieces else []),
        step(number, "completed", usage={"total_tokens": len(pieces)}),
    ]


def answered(*pieces: str) -> list[Frame]:
    """Make a whole run that says this, in these pieces."""
    return [*started(), *said(1, pieces), run("completed"), DONE]


def function_call(index: int, arguments: Iterable[str]) -> list[dict[str, Any]]:
    """Make the tool call deltas of one function call."""
    name = {"name": f"f{index}", "arguments": "", "output": None}
    first = {"index": index, "id": f"call_{index}", "type": "function", "function": name}
    pieces = ({"index": index, "type": "function", "function": {"arguments": a}} for a in arguments)
    return [first, *pieces]


def called(number: int, *calls: Iterable[str], completed: bool = True) -> list[Frame]:
    """Make a tool step of function calls whose arguments come in these pieces."""
    empty = {"type": "tool_calls", "tool_calls": []}
    frames = [step(number, "created", empty), step(number, "in_progress", empty)]
    whole = []
    for index, arguments in enumerate(map(list, calls)):
        frames += [step_delta(number, delta) for delta in function_call(index, arguments)]
        function = {"name": f"f{index}", "arguments": "".join(arguments), "output": None}
        whole.append({"id": f"call_{index}", "type": "function", "function": function})
    if completed:
        frames.append(step(number, "completed", {"type": "tool_calls", "tool_calls": whole}))
    return frames


def encode(frames: Iterable[Frame], end: str = "\n") -> bytes:
    """Write frames as a server does. A str as data is sent as it is; a None name is left out."""
    out = []
    for name, data in frames:
        if name is not None:
            out.append(f"event: {name}{end}")
        body = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
        out.append(f"data: {body}{end}{end}")
    return "".join(out).encode("utf-8", "surrogatepass")
