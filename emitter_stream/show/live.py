"""A stream as text, as it comes: what is said, what the tools are given and what they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .text import text_of
from .timeline import input_of, outputs_of

if TYPE_CHECKING:
    from ..streams.assistants.stream import AssistantStream

__all__ = ["write_live"]


def write_live(stream: AssistantStream, write: Callable[[str], object]) -> None:
    """Attach listeners that hand each piece of text to ``write``."""
    writer = _Writer(write)
    stream.on("textCreated", lambda: writer.begin("assistant > "))
    stream.on("textDelta", lambda delta: writer.go_on(text_of(delta.value)))
    stream.on("imageFileDone", lambda image: writer.line(f"image > {text_of(image.file_id)}"))
    stream.on("toolCallCreated", lambda call: writer.call(call.to_dict()))
    stream.on("toolCallDelta", lambda delta: writer.delta(delta.to_dict()))
    stream.on("runStepDone", lambda step: writer.step(step.to_dict()))
    stream.on("event", lambda event: writer.run(event.event, event.data))
    stream.on("end", writer.finish)


class _Writer:
    """Knows whether a line is open, and which outputs have been written."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._open = False
        self._shown: set[str] = set()

    def begin(self, text: str) -> None:
        self.finish()
        self.go_on(text)

    def go_on(self, text: str) -> None:
        if text:
            self._write(text)
            self._open = not text.endswith("\n")

    def line(self, text: str) -> None:
        self.begin(f"{text}\n")

    def finish(self) -> None:
        if self._open:
            self._write("\n")
            self._open = False

    def call(self, call: dict[str, Any]) -> None:
        function = call.get("function")
        name = text_of(function.get("name")) if isinstance(function, dict) else ""
        self.begin(f"{text_of(call.get('type'))} > {name}{' ' if name else ''}{input_of(call)}")

    def delta(self, delta: dict[str, Any]) -> None:
        self.go_on(input_of(delta))
        outputs = list(outputs_of(delta))
        for output in outputs:
            self.line(f"output > {output}")
        if outputs:
            self._shown.add(str(delta.get("index")))

    def step(self, step: dict[str, Any]) -> None:
        """Write the outputs of functions, which come when all is done."""
        details = step.get("step_details")
        calls = details.get("tool_calls") if isinstance(details, dict) else None
        for index, call in enumerate(calls if isinstance(calls, list) else ()):
            if str(index) not in self._shown:
                for output in outputs_of(call):
                    self.line(f"output > {output}")
        self._shown.clear()

    def run(self, event: Any, data: Any) -> None:
        if isinstance(event, str) and event in _RUN_ENDS:
            self.line(f"run > {event.removeprefix('thread.run.').replace('_', ' ')}")


_RUN_ENDS = tuple(
    f"thread.run.{verb}"
    for verb in ("requires_action", "completed", "incomplete", "failed", "cancelled", "expired")
)
