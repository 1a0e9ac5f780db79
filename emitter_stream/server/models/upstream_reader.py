"""What the answers of both APIs have in common: text, calls, usage, and how they end."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

from .cleaning import Cleaner, Secrets, Thoughts
from .model import ModelError, Part, Refusal, Stop, Text, Usage
from .upstream_calls import Calls
from .upstream_errors import failure_of, read_failure

logger = logging.getLogger("emitter_stream.server")

_MOST_TOKENS = 2**53 - 1


class AnswerReader:
    """Turns the events of one answer into a model's parts.

    `limit` is the one that was sent. `begun` says whether any event has come, `over` whether the
    answer has come to its end and nothing more needs to be read.
    """

    def __init__(self, secrets: Secrets, has_code: bool, limit: int | None) -> None:
        self.begun = False
        self.over = False
        self.finish = ""
        self.calls = Calls(secrets, has_code)
        self.usage: Usage | None = None
        self._secrets = secrets
        self._limit = limit
        self._thoughts = Thoughts()
        self._text = Cleaner(secrets)
        self._refusal = Cleaner(secrets)
        self._has_said_late = False

    # An event comes with its name and data, a whole answer as JSON.

    def feed(self, event: str, data: str) -> Iterator[Part]:
        """Take one event. Raises `Failure` if it is, or has, an error."""
        if data == "[DONE]":
            self.begun = self.over = True
            return
        if not data.strip():
            return
        self.begun = True
        if event == "error":
            raise read_failure(None, data, self._secrets)
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            if self.finish:  # the answer has all come
                return
            raise ModelError(
                "server_error", "The upstream sent an event that is not JSON."
            ) from None
        if isinstance(value, dict):
            self._check(value)
            yield from self._take(event, value)
            self._learn(data, value)

    def _learn(self, data: str, value: dict[str, Any]) -> None:
        """Look at an event that has been taken, to know the next of its kind by its letters."""

    def whole(self, body: bytes) -> Iterator[Part]:
        """Take an answer that came as one JSON object."""
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ModelError("server_error", "The upstream's answer is not a JSON object.")
        self._check(value)
        yield from self._take_whole(value)
        self.over = self.begun

    def _check(self, value: dict[str, Any]) -> None:
        if value.get("error") or value.get("object") == "error" or value.get("type") == "error":
            raise failure_of(None, value, self._secrets)

    def _take(self, event: str, value: dict[str, Any]) -> Iterator[Part]:
        raise NotImplementedError

    def _take_whole(self, value: dict[str, Any]) -> Iterator[Part]:
        raise NotImplementedError

    # Pieces

    def _say(self, piece: str) -> Iterator[Part]:
        if self.calls.all:
            yield from self._say_late(piece)
            return
        piece = self._thoughts.feed(piece)
        if piece and (piece := self._text.feed(piece)):
            yield Text(piece)

    def _refuse(self, piece: str) -> Iterator[Part]:
        if self.calls.all:
            yield from self._say_late(piece)
            return
        yield from self._end_text()
        if piece := self._refusal.feed(piece):
            yield Refusal(piece)

    def _say_late(self, piece: str) -> Iterator[Part]:
        """Text behind a call has no place in a run: its calls wait for their outputs already."""
        if piece.strip() and not self._has_said_late:
            self._has_said_late = True
            logger.warning("the upstream sent text after a tool call, which is left out")
        yield from ()

    def _end_text(self, before_calls: bool = False) -> Iterator[Part]:
        """Let go of the text that was held back; blanks alone are no message beside calls."""
        held = self._thoughts.end()
        if before_calls and not held.strip():
            held = ""
        held = (self._text.feed(held) if held else "") + self._text.end()
        if held:
            yield Text(held)
        if refused := self._refusal.end():
            yield Refusal(refused)

    def _call(
        self, id: str, index: int | None, name: str, arguments: str, extra: dict[str, Any]
    ) -> Iterator[Part]:
        if not self.calls.all:
            yield from self._end_text(before_calls=True)
        yield from self.calls.delta(id, index, name, arguments, extra)

    def _count(self, value: Any) -> None:
        """Take a usage, in either API's words; the last one counts."""
        if not isinstance(value, dict):
            return
        prompt = _tokens(value, "prompt_tokens", "input_tokens")
        completion = _tokens(value, "completion_tokens", "output_tokens")
        if prompt is None and completion is None:
            return
        inputs = value.get("prompt_tokens_details") or value.get("input_tokens_details")
        outputs = value.get("completion_tokens_details") or value.get("output_tokens_details")
        cached = _tokens(inputs, "cached_tokens")
        if cached is None:
            cached = _tokens(value, "prompt_cache_hit_tokens")
        reasoning = _tokens(outputs, "reasoning_tokens")
        self.usage = Usage(prompt or 0, completion or 0, cached or 0, reasoning or 0)

    # The end

    def flush(self) -> Iterator[Part]:
        """Yield the text that was held back, for an answer that ends in an error."""
        yield from self._end_text(before_calls=bool(self.calls.all))

    def end(self) -> Iterator[Part]:
        """Yield what is left when no more comes, and say how it ended; raises if it ended badly."""
        yield from self.flush()
        if self.usage is not None:
            yield self.usage
        if not self.begun:
            raise ModelError("server_error", "The upstream's answer is empty.")
        if not self.over and not self.finish:
            raise ModelError("server_error", "The upstream's answer was cut off.")
        too_long = self.finish == "length" or (
            self._limit is not None
            and self.usage is not None
            and self.usage.completion >= self._limit
        )
        broken = self.calls.broken(cut=too_long)
        if self.calls.all and broken is None:
            yield from self.calls.end()
        elif too_long:
            yield Stop("length")
        elif self.finish == "content_filter":
            yield Stop("content_filter")
        elif broken is not None:
            name = self._secrets.hide_within(broken.name)[:100] or "a function without a name"
            raise ModelError(
                "server_error",
                f"The model called {name} with arguments that are not a JSON object.",
            )


def _tokens(value: Any, *names: str) -> int | None:
    """Return the first of these counts that is a number of tokens."""
    if isinstance(value, dict):
        for name in names:
            count = value.get(name)
            if isinstance(count, float) and count.is_integer():
                count = int(count)
            if type(count) is int and 0 <= count <= _MOST_TOKENS:
                return count
    return None


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or parts of which the texts count."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return ""
    pieces = []
    for part in content:
        if isinstance(part, str):
            pieces.append(part)
        elif isinstance(part, dict) and part.get("type", "text") in ("text", "output_text"):
            text = part.get("text")
            if isinstance(text, dict):
                text = text.get("value")
            pieces.append(text if isinstance(text, str) else "")
    return "".join(pieces)


def text_in(value: dict[str, Any], name: str) -> str:
    """Return a field if it is text, else none."""
    text = value.get(name)
    return text if isinstance(text, str) else ""


def number_in(value: dict[str, Any], name: str) -> int | None:
    number = value.get(name)
    return number if type(number) is int else None


def arguments_in(value: dict[str, Any]) -> str:
    """Return a call's arguments; servers that send the object itself mean its JSON."""
    arguments = value.get("arguments")
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else json.dumps(arguments, ensure_ascii=False)
