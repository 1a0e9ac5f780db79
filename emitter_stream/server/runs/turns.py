"""From a run's stored objects to one question for the model, within the run's token limits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ..models.model import DoneCall, Image, Round, Said, Turn, count_tokens
from ..store.objects import Json
from .lifecycle import Context
from .searching import shown_to_model

IMAGE_TOKENS = 85  # a guess: what an image costs at low detail


def build_turn(context: Context, *, has_code: bool, finds: bool = True) -> Turn | None:
    """Return the turn; None if the prompt limit leaves no room for it.

    As on the hosted API the oldest messages are left out first; the last one always stays, and so
    does all that this run has said and done. Without `has_code` the model is offered no code
    interpreter.
    """
    run = context.run
    said = [one for body in context.messages if (one := _said(body)).content]
    so_far = _so_far(context)
    truncation = run["truncation_strategy"]
    if truncation["type"] == "last_messages":
        said = said[-truncation["last_messages"] :]
    instructions = run["instructions"]
    limit = run["max_prompt_tokens"]
    if limit is not None:
        fixed = count_tokens(instructions) + sum(_size(item) for item in so_far)
        sizes = [_size(one) for one in said]
        left = limit - context.used["prompt_tokens"] - fixed
        while len(sizes) > 1 and sum(sizes) > left:
            sizes.pop(0)
        if sum(sizes) > left:
            return None
        said = said[-len(sizes) :] if sizes else []
    most = run["max_completion_tokens"]
    return Turn(
        model=run["model"],
        instructions=instructions,
        history=(*said, *so_far),
        tools=tuple(t for t in run["tools"] if has_code or t["type"] != "code_interpreter"),
        tool_choice=run["tool_choice"],
        parallel_tool_calls=run["parallel_tool_calls"],
        response_format=run["response_format"],
        temperature=run["temperature"],
        top_p=run["top_p"],
        reasoning_effort=run["reasoning_effort"],
        limit=None if most is None else most - context.used["completion_tokens"],
        finds=finds,
        files=context.files if has_code else (),
    )


def prompt_tokens(turn: Turn) -> int:
    """Guess what a question costs."""
    return count_tokens(turn.instructions) + sum(map(_size, turn.history))


def _said(body: Json) -> Said:
    content = body["content"]
    if len(content) == 1 and content[0]["type"] == "text":  # nearly every one
        text = content[0]["text"]["value"]
        return Said(body["role"], (text,) if text else ())
    parts: list[str | Image] = []
    for part in content:
        if part["type"] == "text" and part["text"]["value"]:
            parts.append(part["text"]["value"])
        elif part["type"] == "image_url":
            image = part["image_url"]
            parts.append(Image(url=image["url"], detail=image["detail"]))
        elif part["type"] == "image_file":
            image = part["image_file"]
            parts.append(Image(file_id=image["file_id"], detail=image["detail"]))
    return Said(body["role"], tuple(parts))


def _so_far(context: Context) -> list[Said | Round]:
    """Return what the run has said and called, in the order of its steps."""
    own = {body["id"]: body for body in context.own}
    items: list[Said | Round] = []
    searches = itertools.count()
    for step in context.steps:
        details = step["step_details"]
        if step["status"] != "completed":
            continue
        if step["type"] == "tool_calls":
            items.append(
                Round(tuple(_done(call, context, searches) for call in details["tool_calls"]))
            )
        else:
            # The client may have deleted the message since.
            body = own.get(details["message_creation"]["message_id"])
            if body is not None and (said := _said(body)).content:
                items.append(said)
    return items


def _size(item: Said | Round) -> int:
    if isinstance(item, Round):
        return sum(count_tokens(call.input) + count_tokens(call.output) for call in item.calls)
    size = 0
    for part in item.parts:
        size += count_tokens(part) if isinstance(part, str) else IMAGE_TOKENS
    return size


def _done(call: Json, context: Context, searches: Iterator[int]) -> DoneCall:
    aside = context.asides.get(call["id"], {})
    back = (call["id"], aside.get("id", ""), aside.get("extra"))
    if call["type"] == "function":
        function = call["function"]
        name, text = function["name"], function["arguments"]
        return DoneCall("function", name, text, function["output"], *back)
    if call["type"] == "file_search":
        found = shown_to_model(call["file_search"].get("results") or (), next(searches))
        return DoneCall("file_search", "", aside.get("input", "{}"), found, *back)
    code = call["code_interpreter"]
    logs = "".join(output["logs"] for output in code["outputs"] if output["type"] == "logs")
    return DoneCall("code_interpreter", "", code["input"], logs, *back)
