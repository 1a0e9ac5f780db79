"""A stream as text, as it comes: what is said, what the tools are given and what they give."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from ..engine.stream import EventStream
from ..exceptions import OpenAIError
from ..recordings import FilePath, Recording
from ..streams.assistants.stream import AssistantStream
from ..streams.chat.runner import ChatCompletionRunner, ChatCompletionStreamingRunner
from ..streams.chat.stream import ChatCompletionStream
from ..streams.responses.stream import ResponseStream
from .drafts.assistants import input_of, outputs_of
from .drafts.base import inside, listed
from .drafts.chat import TEXTS
from .drafts.responses import GIVEN, SAID, gave, given_to
from .text import text_of

__all__ = ["replayed", "write_live"]

Write = Callable[[str], object]


def replayed(path: FilePath, speed: float | None) -> EventStream:
    """Return the stream of a recording, of the class that it is of."""
    recording = Recording.load(path)
    if recording.api == "assistants":
        return AssistantStream.replay(path, speed)
    if recording.api == "responses":
        return ResponseStream.replay(path, speed)
    if recording.api != "chat":
        raise OpenAIError(f"The recording is of the API {recording.api!r:.40}, unknown here.")
    if not recording.has_rounds:
        return ChatCompletionStream.replay(path, speed)
    if recording.comes_whole:
        return ChatCompletionRunner.replay(path, speed)
    return ChatCompletionStreamingRunner.replay(path, speed)


def write_live(stream: EventStream, write: Write, quiet: Container[str] = ()) -> None:
    """Attach listeners that hand each piece of text to ``write``.

    ``quiet`` are the ends (``completed``, ``stop``, ...) that are not worth a line.
    """
    if isinstance(stream, AssistantStream):
        _attach_to_run(stream, _Writer(write, quiet))
    elif isinstance(stream, ChatCompletionStream):
        _attach_to_chat(stream, _ChatWriter(write, quiet))
    elif isinstance(stream, ChatCompletionRunner):
        whole = _ChatWriter(write, quiet)
        stream.on("chatCompletion", lambda completion: whole.completion(completion.to_dict()))
        stream.on("message", lambda message: whole.message(message.to_dict()))
        stream.on("end", whole.finish)
    elif isinstance(stream, ResponseStream):
        response = _ResponseWriter(write, quiet)
        stream.on("event", lambda event: response.event(event.to_dict()))
        stream.on("end", response.finish)


def _attach_to_run(stream: AssistantStream, writer: _Writer) -> None:
    stream.on("textCreated", lambda: writer.begin("assistant > "))
    stream.on("textDelta", lambda delta: writer.go_on(text_of(delta.value)))
    stream.on("imageFileDone", lambda image: writer.line(f"image > {text_of(image.file_id)}"))
    stream.on("toolCallCreated", lambda call: writer.call(call.to_dict()))
    stream.on("toolCallDelta", lambda delta: writer.delta(delta.to_dict()))
    stream.on("runStepDone", lambda step: writer.step(step.to_dict()))
    stream.on("event", lambda event: writer.run(event.event, event.data))
    stream.on("end", writer.finish)


def _attach_to_chat(stream: ChatCompletionStream, writer: _ChatWriter) -> None:
    stream.on("chunk", lambda chunk: writer.chunk(chunk.to_dict()))
    stream.on("message", lambda message: writer.message(message.to_dict()))
    stream.on("end", writer.end)


class _Lines:
    """Knows whether a line is open, and of what."""

    def __init__(self, write: Write, quiet: Container[str] = ()) -> None:
        self._write = write
        self._quiet = quiet
        self._open = False
        self._what: object = None

    def begin(self, text: str) -> None:
        self.finish()
        self.go_on(text)

    def go_on(self, text: str) -> None:
        if text:
            self._write(text)
            self._open = not text.endswith("\n")

    def line(self, text: str) -> None:
        self.begin(f"{text}\n")

    def ended(self, title: str, status: str, reason: str = "") -> None:
        """Write how it ended, if that is worth a line."""
        if status not in self._quiet:
            self.line(f"{title} > {status}{': ' if reason else ''}{reason}")

    def finish(self) -> None:
        self._what = None
        if self._open:
            self._write("\n")
            self._open = False

    def say(self, what: object, title: str, text: str) -> None:
        """Write a piece of ``what``, with its title if something else came before it."""
        if what != self._what:
            self.begin(f"{title} > ")
            self._what = what
        self.go_on(text)


class _ChatWriter(_Lines):
    """Writes the chunks of chat completions, or completions that come whole.

    Of several choices that come side by side each is written when the one before has ended.
    """

    def __init__(self, write: Write, quiet: Container[str] = ()) -> None:
        super().__init__(write, quiet)
        self._choice: Any = None  # the one that is being written
        self._waiting: dict[Any, list[dict[str, Any]]] = {}

    def chunk(self, chunk: dict[str, Any]) -> None:
        for choice in chunk["choices"]:
            self._take(choice)

    def _take(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        if self._choice is None:
            self._choice = index
        if index != self._choice:
            self._waiting.setdefault(index, []).append(choice)
            return
        self._delta(index, choice.get("delta"))
        if choice.get("finish_reason"):
            self.ended("finish", text_of(choice["finish_reason"]))
            self._next_choice()

    def _next_choice(self) -> None:
        self._choice = None
        if self._waiting:
            for choice in self._waiting.pop(min(self._waiting)):
                self._take(choice)

    def end(self) -> None:
        while self._waiting:
            self._next_choice()
        self.finish()

    def _delta(self, choice: Any, delta: Any) -> None:
        more = f" {choice + 1}" if choice else ""
        for field, title in TEXTS:
            piece = inside(delta, field)
            if isinstance(piece, str) and piece:
                self.say((choice, field), f"{title}{more}", text_of(piece))
        for call in listed(inside(delta, "tool_calls")):
            kind = "custom" if call.get("custom") else "function"
            inner = call.get(kind)
            what = (choice, call.get("index"))
            if inside(inner, "name"):
                self.say(what, f"{kind}{more}", f"{text_of(inside(inner, 'name'))} ")
            given = inside(inner, "arguments") or inside(inner, "input")
            if given:
                self.say(what, f"{kind}{more}", text_of(given))

    def completion(self, completion: dict[str, Any]) -> None:
        for choice in completion["choices"]:
            index = choice.get("index")
            message = choice.get("message") or {}
            calls = [
                {**call, "index": number}
                for number, call in enumerate(listed(message.get("tool_calls")))
            ]
            self._delta(index, {**message, "tool_calls": calls})
            self.ended("finish", text_of(choice.get("finish_reason")))

    def message(self, message: dict[str, Any]) -> None:
        if message.get("role") == "tool":
            self.line(f"output > {text_of(message.get('content'))}")


class _ResponseWriter(_Lines):
    """Writes the events of a response."""

    def __init__(self, write: Write, quiet: Container[str] = ()) -> None:
        super().__init__(write, quiet)
        self._tools: dict[Any, str] = {}  # what has been written of each, by its place

    def event(self, event: dict[str, Any]) -> None:
        kind = text_of(event.get("type")).removeprefix("response.")
        place = event.get("output_index")
        what = kind.removesuffix(".delta")
        is_delta = what != kind and isinstance(event.get("delta"), str)
        if is_delta and what in SAID:
            part = event.get("content_index", event.get("summary_index"))
            self.say((place, kind, part), SAID[what], text_of(event["delta"]))
        elif is_delta and what in GIVEN:
            self.say(place, self._tools.get(place, "tool"), text_of(event["delta"]))
        elif kind == "output_item.added":
            self._add(place, event["item"])
        elif kind == "output_item.done":
            self._done(place, event["item"])
        elif kind in _RESPONSE_ENDS:
            reason = text_of(inside(event, "response", "incomplete_details", "reason"))
            reason = reason or text_of(inside(event, "response", "error", "message"))
            self.ended("response", kind, reason)

    def _add(self, place: Any, item: dict[str, Any]) -> None:
        kind = text_of(item.get("type"))
        if kind in ("message", "reasoning"):
            return
        title = kind.removesuffix("_call").replace("_", " ")
        self._tools[place] = title
        name = text_of(item.get("name"))
        self.say(place, title, f"{name} " if name else "")
        if kind not in _WITH_DELTAS:
            self._tools[place] = ""

    def _done(self, place: Any, item: dict[str, Any]) -> None:
        if self._tools.pop(place, None) == "":
            title = text_of(item.get("type")).removesuffix("_call").replace("_", " ")
            self.say(place, title, given_to(item))
        for output in gave(item):
            self.line(f"output > {output}")


_WITH_DELTAS = ("function_call", "mcp_call", "custom_tool_call", "code_interpreter_call")
_RESPONSE_ENDS = ("completed", "incomplete", "failed")


class _Writer(_Lines):
    """Writes a run of an assistant, and knows which outputs have been written."""

    def __init__(self, write: Write, quiet: Container[str] = ()) -> None:
        super().__init__(write, quiet)
        self._shown: set[str] = set()

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
            self.ended("run", event.removeprefix("thread.run.").replace("_", " "))


_RUN_ENDS = tuple(
    f"thread.run.{verb}"
    for verb in ("requires_action", "completed", "incomplete", "failed", "cancelled", "expired")
)
