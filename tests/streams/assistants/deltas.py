"""Events that grow a text or a call's arguments, and their frames."""

from __future__ import annotations

import json

from emitter_stream.streams.assistants.codec import CODEC
from emitter_stream.streams.assistants.events import EACH
from emitter_stream.types._model import ListView, Model


def message_delta(piece: str, index: int = 0, **more: object) -> tuple[str, dict]:
    block = {"index": index, "type": "text", "text": {"value": piece}, **more}
    return "thread.message.delta", {"id": "msg_1", "delta": {"content": [block]}}


def call_delta(piece: str, kind: str = "function", index: int = 0) -> tuple[str, dict]:
    field = "arguments" if kind == "function" else "input"
    call = {"index": index, "type": kind, kind: {field: piece}}
    details = {"type": "tool_calls", "tool_calls": [call]}
    return "thread.run.step.delta", {"id": "step_1", "delta": {"step_details": details}}


MESSAGE = ("thread.message.created", {"id": "msg_1", "content": []})
STEP = (
    "thread.run.step.created",
    {"id": "step_1", "step_details": {"type": "tool_calls", "tool_calls": []}},
)


def frame_of(event: tuple[str, dict]) -> bytes:
    return f"event: {event[0]}\ndata: {json.dumps(event[1])}".encode()


def plain(value: object) -> object:
    return value.to_dict() if isinstance(value, Model | ListView) else value


def plain_call(name: str, args: tuple) -> list:
    """Give the arguments of an emission as JSON, whichever way it took."""
    return list(CODEC.of_emission(args)) if name == EACH else [*map(plain, args)]
