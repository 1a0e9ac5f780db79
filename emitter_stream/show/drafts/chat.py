"""Chat completions, and runs of tools over them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine.core import Emission
from ...recordings import Recording
from ...streams.chat.core import ChatCore
from ...streams.chat.finals import Parsing
from ...streams.chat.runner import RunnerCore, StreamingRunnerCore
from ..text import text_of
from ..timeline import Call, Lane, Timeline
from .base import Draft, inside, listed

__all__ = ["TEXTS", "ChatDraft"]

# The fields of a delta, or a message, that are text: who says it.
TEXTS = (
    ("reasoning_content", "reasoning"),
    ("reasoning", "reasoning"),
    ("content", "assistant"),
    ("refusal", "refusal"),
)


class ChatDraft(Draft):
    """One completion, or all those of a run of tools with what the functions gave."""

    def __init__(self, timeline: Timeline, recording: Recording) -> None:
        core: ChatCore | RunnerCore = ChatCore()
        if recording.has_rounds:
            core = RunnerCore(Parsing()) if recording.comes_whole else StreamingRunnerCore()
        super().__init__(timeline, core)
        timeline.what = "chat"
        self._has_rounds = recording.has_rounds
        self._comes_whole = recording.comes_whole
        self._request: Lane | None = None
        self._begun = 0.0  # when what came before this request was over
        self._lanes: dict[tuple[str, int], Lane] = {}  # of this completion, by kind and choice
        self._calls: dict[tuple[int, int], Call] = {}  # of this completion, by choice and index
        self._waiting: dict[str, Call] = {}  # for their results, by the calls' ids
        self._tokens = 0

    def connected(self) -> None:
        if self._has_rounds:
            self._request = self.lane("request", None, "", self._begun)
        self.status("in_progress")

    def take(self, calls: Iterable[Emission]) -> None:
        for name, args in calls:
            if name == "connect":  # of another request
                self.connected()
            elif name == "chunk":
                self._chunk(args[0].to_dict())
            elif name == "chatCompletion":
                self._completion(args[0].to_dict())
            elif name == "message":
                self._message(args[0].to_dict())

    def _chunk(self, chunk: dict[str, Any]) -> None:
        self.named(chunk)
        tokens = inside(chunk, "usage", "completion_tokens")
        if isinstance(tokens, int):
            self.tokens(self._tokens + tokens)
        for choice in chunk["choices"]:
            index, delta = choice.get("index"), choice.get("delta")
            for field, who in TEXTS:
                piece = inside(delta, field)
                if isinstance(piece, str) and piece:
                    self._say(who, index, piece)
            for call in listed(inside(delta, "tool_calls")):
                self._call_piece(index, call)
            if choice.get("finish_reason"):
                self._finish(index, text_of(choice["finish_reason"]))

    def _say(self, who: str, index: int, piece: str, start: Any = None) -> None:
        kind, label = ("reasoning", "") if who == "reasoning" else ("message", who)
        lane = self._lanes.get((kind, index))
        if lane is None:
            if label and index:
                label = f"{label}, choice {index + 1}"
            lane = self._lanes[kind, index] = self.lane(kind, None, label, start)
        lane.pieces.append(self.now)
        lane.text += text_of(piece)
        if kind == "message":
            self._thought(index)

    def _thought(self, choice: int) -> None:
        """Take note that reasoning is over, if there was any."""
        lane = self._lanes.get(("reasoning", choice))
        if lane is not None and lane.end is None:
            lane.end, lane.status = self.now, "completed"

    def _call_piece(self, choice: int, piece: dict[str, Any]) -> None:
        place = (choice, piece["index"])
        inner = piece.get("function") or piece.get("custom")
        call = self._calls.get(place)
        if call is None:
            kind = piece.get("type") or "function"
            call = self.call(piece.get("id"), kind, inside(inner, "name"), self._request)
            self._calls[place] = call
            self._thought(choice)
        given = inside(inner, "arguments") or inside(inner, "input")
        if given:
            call.pieces.append(self.now)
            call.input += text_of(given)

    def _finish(self, index: int, reason: str) -> None:
        for (_, choice), lane in self._lanes.items():
            if choice == index and lane.end is None:
                lane.end, lane.status = self.now, reason
        for (choice, _), call in self._calls.items():
            if choice == index:
                call.end = self.now
        if self._request is not None:
            self._request.end, self._request.status = self.now, reason
        self.status(reason)

    def _completion(self, completion: dict[str, Any]) -> None:
        if self._comes_whole:
            self._whole(completion)
        tokens = inside(completion, "usage", "completion_tokens")
        if isinstance(tokens, int):
            self._tokens += tokens
            self.tokens(self._tokens)
        message = inside(completion["choices"][0], "message") if completion["choices"] else None
        for index, call in enumerate(listed(inside(message, "tool_calls"))):
            made = self._calls.get((0, index))
            if made is not None:
                made.id = text_of(inside(call, "id"))
                self._waiting[made.id] = made
        self._lanes.clear()
        self._calls.clear()
        self._begun = self.now

    def _whole(self, completion: dict[str, Any]) -> None:
        """Take an answer that came at once."""
        self.named(completion)
        begun = 0.0 if self._request is None else self._request.start
        for index, choice in enumerate(completion["choices"]):
            message = inside(choice, "message")
            for field, who in TEXTS:
                text = inside(message, field)
                if isinstance(text, str) and text:
                    self._say(who, index, text, begun)
            for number, call in enumerate(listed(inside(message, "tool_calls"))):
                self._call_piece(index, {**call, "index": number})
            self._finish(index, text_of(inside(choice, "finish_reason")) or "stop")

    def _message(self, message: dict[str, Any]) -> None:
        """Take a message; that of a function is its result."""
        call = self._waiting.pop(text_of(message.get("tool_call_id")), None)
        if message.get("role") == "tool":
            self._begun = self.now
            if call is not None:
                call.output = text_of(message.get("content"))
                call.end = self.now
