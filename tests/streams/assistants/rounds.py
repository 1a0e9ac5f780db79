"""Runs that ask for calls, and servers that play their rounds."""

from __future__ import annotations

from parity.transcripts import DONE, answered, encode, run, started

LOOP_NAMES = ("functionToolCall", "functionToolCallResult")


def asks(*calls, **more) -> tuple:
    """Make the event of a run that requires these calls, each (id, name, arguments)."""
    required = [
        {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call, name, arguments in calls
    ]
    return asks_for(
        {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": required}}
    )


def asks_for(action) -> tuple:
    """Make the event of a run that requires this action."""
    return run("requires_action", required_action=action)


def asking(*calls) -> bytes:
    """Make the stream of a run that requires these calls."""
    return encode([*started(), asks(*calls), DONE])


ANSWERED = encode(answered("That", " is", " it"))


def outputs(request) -> list[str]:
    """Give the outputs that a request submits."""
    return [output["output"] for output in request.json()["tool_outputs"]]


def echo(x: int = 0) -> str:
    return f"echo {x}"


class Broken(Exception):
    pass
