"""Recordings of chat and of Responses, written by hand: an event each 0.1 s."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HEADER = {"format": "emitter-stream-recording", "version": 2, "created": "2026-01-31T12:00:00Z"}


def write(
    path: Path,
    api: str,
    events: Iterable[Any],
    error: dict[str, Any] | None = None,
    stream: str = "run",
) -> Path:
    """Write a recording; an event is its data, or a pair of a name that was made and its data."""
    lines: list[dict[str, Any]] = [{**HEADER, "api": api, "stream": stream}]
    lines.append({"t": 0.1, "connect": True})
    for event in events:
        made = isinstance(event, tuple)
        name, data = event if made else (event.get("type") if api == "responses" else None, event)
        line = {"t": round(0.1 * len(lines), 6), "event": name, "data": data}
        lines.append({**line, "made": True} if made else line)
    lines.append({"t": round(0.1 * len(lines), 6), "end": True, "error": error})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> Any:
    """Give a chunk of one choice."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    document = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**document, "choices": [choice], **more}


def called(name: str, *pieces: str, index: int = 0, identifier: str = "call_1") -> list[Any]:
    """Give the chunks of a function call, its arguments in these pieces."""
    call = {"index": index, "id": identifier, "type": "function"}
    first = {**call, "function": {"name": name, "arguments": ""}}
    return [
        chunk({"role": "assistant", "tool_calls": [first]}),
        *(
            chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
            for piece in pieces
        ),
    ]


def said(*pieces: str, finish: str = "stop") -> list[Any]:
    """Give the chunks of an answer."""
    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": piece}) for piece in pieces),
        chunk({}, finish),
    ]


def tool_result(text: str, identifier: str = "call_1") -> Any:
    """Give the result of a function in a run."""
    message = {"role": "tool", "tool_call_id": identifier, "content": text}
    return ("functionToolCallResult", message)


def run_of_tools() -> list[Any]:
    """Give a run of tools with two rounds."""
    return [
        *called("get_weather", '{"city":', '"Oslo"}'),
        chunk({}, "tool_calls"),
        ("roundEnd", None),
        tool_result("4 degrees"),
        ("connected", None),
        *said("It is ", "4 degrees."),
        ("roundEnd", None),
    ]


def whole_run() -> list[Any]:
    """Give a run of tools whose answers came whole."""
    function = {"name": "get_weather", "arguments": '{"city":"Oslo"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    asks = {"role": "assistant", "content": None, "tool_calls": [call]}
    return [
        ("answer", whole(asks, "tool_calls", 5)),
        tool_result("4 degrees"),
        ("connected", None),
        ("answer", whole({"role": "assistant", "content": "It is 4 degrees."}, "stop", 7)),
    ]


def whole(message: dict[str, Any], finish: str, tokens: int) -> dict[str, Any]:
    """Give a completion."""
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"completion_tokens": tokens, "prompt_tokens": 1, "total_tokens": tokens + 1}
    document = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return {**document, "choices": [choice], "usage": usage}


def item_events(index: int, item: dict[str, Any], *between: dict[str, Any]) -> list[Any]:
    """Give the events of an output item: added, what comes between, done."""
    empty = {"content": [], "summary": [], "arguments": "", "code": "", "outputs": None}
    added = {**item, **{name: empty[name] for name in item if name in empty}}
    place = {"output_index": index, "item_id": item["id"]}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": added},
        *({**event, **place} for event in between),
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def response(status: str, **more: Any) -> dict[str, Any]:
    """Give an event that brings the response as a whole."""
    made = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": []}
    kind = "created" if status == "created" else status
    status = "in_progress" if status == "created" else status
    return {"type": f"response.{kind}", "response": {**made, "status": status, **more}}


def full_response(*texts: str, status: str = "completed", **more: Any) -> list[Any]:
    """Give a response that thinks, calls a function, searches and answers."""
    thought = {"id": "rs_1", "type": "reasoning", "summary": []}
    call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "get_weather"}
    call |= {"arguments": '{"city":"Oslo"}', "status": "completed"}
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
    search |= {"action": {"type": "search", "query": "Oslo"}}
    part = {"type": "output_text", "text": "".join(texts), "annotations": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": status}
    message |= {"content": [part]}
    summary = {"summary_index": 0}
    content = {"content_index": 0}
    output = [thought, call, search, message]
    return [
        response("created"),
        response("in_progress"),
        *item_events(
            0,
            thought,
            {
                "type": "response.reasoning_summary_part.added",
                **summary,
                "part": {"type": "summary_text", "text": ""},
            },
            {"type": "response.reasoning_summary_text.delta", **summary, "delta": "Well, "},
            {"type": "response.reasoning_summary_text.delta", **summary, "delta": "Oslo."},
        ),
        *item_events(
            1,
            call,
            {"type": "response.function_call_arguments.delta", "delta": '{"city":'},
            {"type": "response.function_call_arguments.delta", "delta": '"Oslo"}'},
            {"type": "response.function_call_arguments.done", "arguments": '{"city":"Oslo"}'},
        ),
        *item_events(2, search, {"type": "response.web_search_call.searching"}),
        *item_events(
            3,
            message,
            {"type": "response.content_part.added", **content, "part": {**part, "text": ""}},
            *(
                {"type": "response.output_text.delta", **content, "delta": text, "logprobs": []}
                for text in texts
            ),
            {"type": "response.output_text.done", **content, "text": "".join(texts)},
            {"type": "response.content_part.done", **content, "part": part},
        ),
        response(status, output=output, usage={"output_tokens": 9}, **more),
    ]
