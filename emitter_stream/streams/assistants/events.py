"""The events of Assistants streams: their names, and the classes of what they pass, once.

``listeners.py`` is made of them, for type checkers, by ``python tests/write_listeners.py``.
"""

from __future__ import annotations

from typing import Final

from ...types import EVENT_DATA

__all__ = ["EACH", "EVENTS", "LOOP_SIGNATURES", "PIECE", "SIGNATURES"]

SIGNATURES: Final[dict[str, tuple[str, ...]]] = {
    "event": ("AssistantStreamEvent",),
    "run": ("Run",),
    "messageCreated": ("Message",),
    "messageDelta": ("MessageDelta", "Message"),
    "messageDone": ("Message",),
    "runStepCreated": ("RunStep",),
    "runStepDelta": ("RunStepDelta", "RunStep"),
    "runStepDone": ("RunStep", "RunStep"),
    "toolCallCreated": ("ToolCall",),
    "toolCallDelta": ("ToolCallDelta", "ToolCall"),
    "toolCallDone": ("ToolCall",),
    "textCreated": ("Text",),
    "textDelta": ("TextDelta", "Text"),
    "textDone": ("Text", "Message"),
    "imageFileDone": ("ImageFile", "Message"),
    **{name: (data.__name__,) for name, data in EVENT_DATA.items() if name != "error"},
}
"""What the core emits: each event's name and the classes of the arguments that it passes."""

EACH: Final = "*"
"""The name under which each event is emitted once more, unmade, ahead of its `event`: by its name and
its data, or as a growth and the piece. For the stream's own iterators, which make it when it is taken."""

PIECE: Final = "*piece"
"""The name under which the piece of text of a `textDelta` is emitted ahead of that, if it is not empty."""

EVENTS: Final[dict[str, int]] = {
    **{name: len(classes) for name, classes in SIGNATURES.items()},
    EACH: 2,
    PIECE: 1,
}
"""What the core emits: each event's name and how many arguments it passes."""

LOOP_SIGNATURES: Final[dict[str, tuple[str, ...]]] = {
    "functionToolCall": ("FunctionCall",),
    "functionToolCallResult": ("str",),
}
"""What the streams of ``run_tools`` emit besides."""
