"""A toy API for the engine's tests: words that add up to a line, and a core and a codec for them.

A frame's data is a word in JSON, under any name; a frame without data is a heartbeat; the object
`{"error": ...}` is the server's error. `word` passes each word and the line so far, `line` the line.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from emitter_stream.engine.codec import Codec, WireEvent
from emitter_stream.engine.core import Core, Emission
from emitter_stream.engine.growth import Path
from emitter_stream.engine.wire import check_error, loads
from emitter_stream.exceptions import OpenAIError


class ToyCodec:
    api = "toy"
    whole = "word"
    padding = ""
    number = ""

    def from_frame(self, name: str | None, text: str) -> WireEvent | None:
        return self.from_object(loads(text)) if text else None

    def from_object(self, value: Any) -> WireEvent:
        check_error(None, value, "\n")
        return None, value

    def of_emission(self, args: tuple[Any, ...]) -> WireEvent:
        return None, args[0]

    def to_object(self, event: WireEvent) -> Any:
        return event[1]


class ToyCore:
    codec: Codec = ToyCodec()
    events: Mapping[str, int] = {"word": 2, "line": 1}
    open_prefix = "toy."
    aliases: Container[str] = ()
    made: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.wanted: Container[str] = self.events
        self.listened: Container[str] = self.events
        self.line = ""

    @property
    def current_event(self) -> object:
        return self.line or None

    def feed(self, event: Any, data: Any) -> Iterator[Emission]:
        if not isinstance(data, str):
            raise OpenAIError(f"no word: {data!r}")
        self.line = f"{self.line} {data}".strip()
        yield "word", (data, self.line)
        if data.startswith(self.open_prefix):
            yield data, (self.line,)

    def finish(self) -> Iterator[Emission]:
        if not self.line:
            raise OpenAIError("no words")
        yield "line", (self.line,)

    def growth(self) -> Path | None:
        return None  # each frame is parsed

    def grown(self, piece: str) -> WireEvent:
        raise NotImplementedError


core: Core = ToyCore()  # mypy looks whether anything is missing
