"""From a run's stored objects to one question for the model, within the run's token limits."""

from __future__ import annotations

from ..models.model import DoneCall, Said, Turn, count_tokens
from ..store.objects import Json
from .lifecycle import Context


def build_turn(context: Context) -> tuple[Turn, int] | None:
    """Return the turn and its prompt tokens; None if the prompt limit leaves no room for it.

    As on the hosted API the oldest messages are left out first; the last one always stays.
    """
    run = context.run
    said = [Said(body["role"], message_text(body)) for body in context.messages]
    said = [one for one in said if one.text]
    truncation = run["truncation_strategy"]
    if truncation["type"] == "last_messages":
        said = said[-truncation["last_messages"] :]
    rounds = tuple(
        tuple(_done(call) for call in step["step_details"]["tool_calls"])
        for step in context.steps
        if step["type"] == "tool_calls" and step["status"] == "completed"
    )
    instructions = run["instructions"]
    fixed = count_tokens(instructions) + sum(
        count_tokens(call.input) + count_tokens(call.output) for calls in rounds for call in calls
    )
    sizes = [count_tokens(one.text) for one in said]
    limit = run["max_prompt_tokens"]
    if limit is not None:
        left = limit - context.used["prompt_tokens"] - fixed
        while len(sizes) > 1 and sum(sizes) > left:
            sizes.pop(0)
        if sum(sizes) > left:
            return None
        said = said[-len(sizes) :] if sizes else []
    turn = Turn(
        model=run["model"],
        instructions=instructions,
        messages=tuple(said),
        tools=tuple(run["tools"]),
        tool_choice=run["tool_choice"],
        parallel_tool_calls=run["parallel_tool_calls"],
        response_format=run["response_format"],
        temperature=run["temperature"],
        top_p=run["top_p"],
        rounds=rounds,
    )
    return turn, fixed + sum(sizes)


def message_text(body: Json) -> str:
    """Return a message's text; parts that are not text are left out."""
    parts = [part["text"]["value"] for part in body["content"] if part["type"] == "text"]
    return "\n".join(parts)


def _done(call: Json) -> DoneCall:
    if call["type"] == "function":
        function = call["function"]
        return DoneCall("function", function["name"], function["arguments"], function["output"])
    code = call["code_interpreter"]
    logs = "".join(output["logs"] for output in code["outputs"])
    return DoneCall("code_interpreter", "", code["input"], logs)
