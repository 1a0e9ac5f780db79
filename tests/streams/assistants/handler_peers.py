"""What both sides' comparisons with the official Python SDK's handlers share."""

from __future__ import annotations

from parity.transcripts import DONE, answered, called, encode, run, said, started

METHODS = """
on_event on_run_step_created on_run_step_delta on_run_step_done on_message_created on_message_delta
on_message_done on_text_created on_text_delta on_text_done on_image_file_done on_tool_call_created
on_tool_call_delta on_tool_call_done on_exception on_timeout on_end
""".split()  # noqa: SIM905

TEXT = encode(answered("a", "b", "c"))
TOOLS = encode(
    [*started(), *called(1, ["{", "}"], ["[]"]), *said(2, ["x", "y"]), run("completed"), DONE]
)
ERROR = TEXT[: TEXT.index(b"event: thread.message.completed")] + (
    b'event: error\ndata: {"error": {"message": "out of luck", "type": "server_error"}}\n\n'
)


class OwnError(Exception):
    """What a program raises itself."""


class Rerun(BaseException):
    """What a framework raises through everything."""


def grouped(log) -> list:
    """Give the calls of each event as a sorted list; the first group has what was before all."""
    groups: list = [[]]
    for name, value, *_ in log:
        if name in ("on_event", "on_end", "on_exception", "on_timeout"):
            groups.append([(name, value)])
        else:
            groups[-1].append((name, value))
    return [sorted(group) for group in groups if group]


COLLECTED = ("left_early", "body_raises", "from_a_stopped_generator")
"""Programs after which the official stream ends when, and where, the garbage collector comes by."""


def comparable(calls, name) -> list:
    """Leave out what differs by design.

    Where ours end a stream that was left early, with `on_end` at the exit, the official handler
    does so whenever the garbage collector comes by. It calls `on_tool_call_done` again at each
    later step's end. And where a method raises, Node's order decides which others came before.
    """
    left_out = {("on_tool_call_done", "")} if "tools" in name else set()
    if name in COLLECTED:
        left_out.add(("on_end", ""))
    if any(word in name for word in ("raises", "loop, ", "caught, ")):
        left_out.add(("on_message_delta", ""))
    groups = ([call for call in group if call not in left_out] for group in calls)
    return [group for group in groups if group]


def standing_still(exchange) -> None:
    """Send half an answer and then nothing."""
    exchange.head()
    exchange.body(TEXT[: TEXT.index(b"event: thread.message.completed")])
    exchange.wait_for_close()


def broken_off(exchange) -> None:
    """Send half an answer and close the connection."""
    exchange.head()
    exchange.body(TEXT[: TEXT.index(b"event: thread.message.completed")])
    exchange.cut()
