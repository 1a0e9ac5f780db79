"""Chunks that bring one more piece of the text that the chunk before brought.

What they lead to is known in advance, so it is not looked for again. ``engine/growth.py`` recognises
many by their bytes, and gives the piece alone; ``piece_in`` recognises the others (OpenAI's own,
which are padded with ``obfuscation``) by comparing them with the one before.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Container, Iterator
from typing import Any, ClassVar

import attrs

from ...engine.growth import Path, with_piece
from ...types._model import GrowingText
from ...types.chat import (
    ChatCompletionChunk,
    ContentDeltaEvent,
    FunctionToolCallArgumentsDeltaEvent,
    ParsedChatCompletionSnapshot,
)
from ..partial_json import GrowingJSON, parse_partial
from .listeners import EVERYTHING

__all__ = ["ArgumentsGrowth", "ContentGrowth", "Growth", "Kept"]

Emission = tuple[str, tuple[Any, ...]]

Kept = tuple[str, int, bool, Any]
"""What a chunk is made again from: its piece, the length of the text with it, whether the text's
value was made then, and the chunk's padding."""

_PADDING = "obfuscation"


@attrs.define(eq=False)
class Growth:
    """A text that grows, after a chunk that brought ``piece`` to it and nothing else.

    ``chunk`` is that chunk, as it is shown; ``received`` is the same as it came. ``container`` is
    the object of the snapshot that the text stands in, ``json`` follows the text if it is parsed.
    """

    names: ClassVar[tuple[str, ...]]
    counted: ClassVar[int] = 2
    field: ClassVar[str]
    value_field: ClassVar[str]

    path: Path
    chunk: dict[str, Any]
    received: dict[str, Any]
    piece: str
    container: dict[str, Any]
    json: GrowingJSON | None
    view: ParsedChatCompletionSnapshot

    def piece_in(self, data: Any) -> str | None:
        """Return the piece that a chunk brings, ``None`` if it may bring anything else."""
        if type(data) is not dict or self.received is not self.chunk:
            return None
        try:
            holder = functools.reduce(operator.getitem, self.path[:-1], data)
            piece = holder[self.path[-1]]
        except (KeyError, IndexError, TypeError):
            return None
        if type(piece) is not str:
            return None
        # Put in for the time of one comparison, which is quicker than leaving two keys out.
        holder[self.path[-1]] = self.piece
        padding = data.get(_PADDING)
        if padding is not None and _PADDING in self.received:
            data[_PADDING] = self.received[_PADDING]
            same = data == self.received
            data[_PADDING] = padding
        else:
            same = data == self.received
        holder[self.path[-1]] = piece
        return piece if same else None

    def append(self, piece: str) -> bool:
        """Append a piece to the text; return whether the text's value was made."""
        container, field = self.container, self.field
        text = container[field]
        if type(text) is not GrowingText:  # somebody has set it
            text = container[field] = GrowingText(text)
        json = self.json
        if json is None:
            text.append(piece)
            return False
        due = json.add(piece)
        text.append(piece)
        if due:
            container[self.value_field] = json.value(text.read())
        elif piece:
            self.forget_value()
        return due

    def forget_value(self) -> None:
        """Take note that the text has gone beyond its value."""
        raise NotImplementedError

    def data(self, piece: str, padding: Any = None) -> dict[str, Any]:
        """Return the chunk with ``piece`` in it."""
        made: dict[str, Any] = with_piece(self.chunk, self.path, piece)
        if padding is not None:
            made[_PADDING] = padding
        return made

    def read(self) -> str:
        """Return the text so far."""
        text = self.container[self.field]
        return text.read() if type(text) is GrowingText else text

    def again(self, kept: Kept) -> Iterator[Emission]:
        """Yield every call that a chunk led to, for a listener that came late."""
        piece, length, due, padding = kept
        text = self.read()[:length]
        value = parse_partial(text) if due else None
        chunk = ChatCompletionChunk(self.data(piece, padding))
        for call in (("chunk", (chunk, self.view)), *self.deltas(piece, text, value)):
            yield call
            yield EVERYTHING, call

    def calls(self, piece: str, data: Any, listened: Container[str]) -> Iterator[Emission]:
        """Yield the calls for a chunk that was appended; ``data`` is the chunk, if it came whole."""
        raise NotImplementedError

    def deltas(self, piece: str, text: str, value: Any) -> Iterator[Emission]:
        """Yield the calls that a chunk leads to, behind that for the chunk itself."""
        raise NotImplementedError


class ContentGrowth(Growth):
    """The content of a message."""

    __slots__ = ()

    names: ClassVar[tuple[str, ...]] = ("chunk", "content", "content.delta", EVERYTHING)
    field: ClassVar[str] = "content"
    value_field: ClassVar[str] = "parsed"

    def forget_value(self) -> None:
        self.container["parsed"] = None

    def calls(self, piece: str, data: Any, listened: Container[str]) -> Iterator[Emission]:
        if "chunk" in listened or EVERYTHING in listened:
            yield "chunk", (ChatCompletionChunk(data or self.data(piece)), self.view)
        if "content" in listened:
            yield "content", (piece, self.read())
        if "content.delta" in listened or EVERYTHING in listened:
            event = {"delta": piece, "snapshot": self.read()}
            if self.json is not None:
                event["parsed"] = self.container["parsed"]
            yield "content.delta", (ContentDeltaEvent(event),)

    def deltas(self, piece: str, text: str, value: Any) -> Iterator[Emission]:
        yield "content", (piece, text)
        event = {"delta": piece, "snapshot": text}
        if self.json is not None:
            event["parsed"] = value
        yield "content.delta", (ContentDeltaEvent(event),)


_ARGUMENTS = "tool_calls.function.arguments.delta"


class ArgumentsGrowth(Growth):
    """The arguments of a function call."""

    __slots__ = ()

    names: ClassVar[tuple[str, ...]] = ("chunk", _ARGUMENTS, EVERYTHING)
    field: ClassVar[str] = "arguments"
    value_field: ClassVar[str] = "parsed_arguments"

    def forget_value(self) -> None:
        self.container.pop("parsed_arguments", None)

    def calls(self, piece: str, data: Any, listened: Container[str]) -> Iterator[Emission]:
        if "chunk" in listened or EVERYTHING in listened:
            yield "chunk", (ChatCompletionChunk(data or self.data(piece)), self.view)
        if _ARGUMENTS in listened or EVERYTHING in listened:
            value = self.container.get("parsed_arguments")
            yield from self.deltas(piece, self.read(), value)

    def deltas(self, piece: str, text: str, value: Any) -> Iterator[Emission]:
        index = self.chunk["choices"][0]["delta"]["tool_calls"][0]["index"]
        event = {"name": self.container["name"], "index": index, "arguments": text}
        if value is not None:
            event["parsed_arguments"] = value
        event["arguments_delta"] = piece
        yield _ARGUMENTS, (FunctionToolCallArgumentsDeltaEvent(event),)
