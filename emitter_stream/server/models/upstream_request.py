"""What the requests of both APIs have in common."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from .model import DoneCall, Round, Said, Turn
from .upstream_calls import CODE

Json = dict[str, Any]

CODE_FUNCTION: Json = {
    "name": CODE,
    "description": "Run a Python program and get what it prints.",
    "parameters": {
        "type": "object",
        "properties": {"code": {"type": "string", "description": "The program's source."}},
        "required": ["code"],
    },
}


SEARCH = "file_search"
SEARCH_FUNCTION: Json = {
    "name": SEARCH,
    "description": "Search the user's files. Each text that is found comes behind a mark such as "
    "【0:1†name】; repeat that mark, as it is, right behind what you say from it.",
    "parameters": {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "What is searched for."}},
        "required": ["query"],
    },
}


def has_code(turn: Turn) -> bool:
    """Whether the model is offered to write code."""
    return any(tool["type"] == "code_interpreter" for tool in turn.tools)


def instructions(turn: Turn) -> str:
    """Return the instructions, and which files code can read."""
    if not turn.files or not has_code(turn):
        return turn.instructions
    names = "\n".join(f"- /mnt/data/{file_id} ({name})" for file_id, name in turn.files)
    told = (
        f"Python programs can read these files:\n{names}\nFiles that they write to /mnt/data are "
        f"given to the user; name one as sandbox:/mnt/data/NAME."
    )
    return f"{turn.instructions}\n\n{told}" if turn.instructions else told


def functions(turn: Turn, *, strict: bool) -> list[Json]:
    """Return the tools as functions; none if the model is to call none and has called none."""
    if turn.tool_choice == "none" and not any(isinstance(i, Round) for i in turn.history):
        return []
    offered: list[Json] = []
    for tool in turn.tools:
        if tool["type"] == "code_interpreter":
            offered.append(CODE_FUNCTION)
        elif tool["type"] == "file_search" and not any(
            one["type"] == "function" and one["function"]["name"] == SEARCH for one in turn.tools
        ):
            offered.append(SEARCH_FUNCTION)
        elif tool["type"] == "function":
            function = {n: v for n, v in tool["function"].items() if v is not None}
            if not (strict and function.get("strict") is True):
                function.pop("strict", None)
            offered.append(function)
    return offered


def tool_choice(turn: Turn, offered: list[Json]) -> str | tuple[str] | None:
    """Return the choice to be sent: a word, a function's name (alone in a tuple), or None.

    A call is asked for before the first round only: after it the model would have to call for ever.
    """
    choice = turn.tool_choice
    if choice == "none":
        return "none"
    if choice == "auto" or turn.rounds:
        return None
    if isinstance(choice, dict):
        name = choice["function"]["name"] if choice["type"] == "function" else choice["type"]
        return (name,) if any(function["name"] == name for function in offered) else None
    return str(choice)


def call_name(call: DoneCall) -> str:
    if call.kind == "file_search":
        return SEARCH
    return call.name if call.kind == "function" else CODE


def call_arguments(call: DoneCall) -> str:
    if call.kind != "code_interpreter":
        return call.input
    return json.dumps({"code": call.input}, ensure_ascii=False)


def without_older_half(turn: Turn) -> Turn | None:
    """Drop the older half of what was said before; None if only the last question is left.

    What this run has said and called stays: without it the model would not know what it is doing.
    """
    asked = [
        number
        for number, item in enumerate(turn.history)
        if isinstance(item, Said) and item.role == "user"
    ]
    last = asked[-1] if asked else 0
    if last == 0:
        return None
    return replace(turn, history=turn.history[(last + 1) // 2 :])
