"""Responses streams for tests: their events, their bytes, and a stream that reads them."""

from __future__ import annotations

import json
from typing import Any

from emitter_stream import ResponseStream

ITEM = {"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant"}
PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}


def response(status: str = "in_progress", output: Any = (), **more: Any) -> dict[str, Any]:
    """Give a response as the API sends it, as far as streams look at it."""
    made = {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m"}
    return {**made, "output": list(output), **more}


def part(text: str = "") -> dict[str, Any]:
    """Give a text part."""
    return {"type": "output_text", "text": text, "annotations": []}


def message(text: str, status: str = "completed") -> dict[str, Any]:
    """Give a whole message."""
    return {**ITEM, "status": status, "content": [part(text)]}


def opening(**more: Any) -> list[dict[str, Any]]:
    """Give the events before the first delta of a text."""
    return [
        {"type": "response.created", "response": response(**more)},
        {"type": "response.output_item.added", "output_index": 0, "item": {**ITEM, "content": []}},
        {"type": "response.content_part.added", **PLACE, "part": part()},
    ]


def delta(text: str, **more: Any) -> dict[str, Any]:
    """Give a delta of the text."""
    return {"type": "response.output_text.delta", **PLACE, "delta": text, **more}


def closing(text: str, status: str = "completed") -> list[dict[str, Any]]:
    """Give the events behind the last delta of a text."""
    whole = message(text, status)
    return [
        {"type": "response.output_text.done", **PLACE, "text": text},
        {"type": "response.content_part.done", **PLACE, "part": part(text)},
        {"type": "response.output_item.done", "output_index": 0, "item": whole},
        {"type": f"response.{status}", "response": response(status, [whole])},
    ]


def answer_in(*pieces: str, status: str = "completed") -> list[dict[str, Any]]:
    """Give all events of an answer whose text comes in these pieces."""
    return [*opening(), *map(delta, pieces), *closing("".join(pieces), status)]


def as_bytes(events: list[dict[str, Any]]) -> bytes:
    """Give events as a server sends them."""
    return "".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events
    ).encode()


def trace_of(stream: ResponseStream, *names: str) -> list[tuple[str, Any]]:
    """Hear these events to the end; give each call's name and argument as plain JSON."""
    calls: list[tuple[str, Any]] = []

    def hear(name: str) -> None:
        stream.on(name, lambda event: calls.append((name, event.to_dict())))

    for name in names:
        hear(name)
    stream.done(20)
    return calls
