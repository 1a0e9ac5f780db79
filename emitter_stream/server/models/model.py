"""What the run engine asks of a language model.

A model is one method: given the conversation so far, stream what comes next. To put a real
endpoint behind the server, write one more file with a class that has this method and pass an
instance as `LocalServer(model=...)`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

CallKind = Literal["code_interpreter", "function"]


@dataclass(frozen=True)
class Said:
    """One earlier message of the thread, text only."""

    role: str
    text: str


@dataclass(frozen=True)
class DoneCall:
    """A tool call of this run that has its output. `name` is empty for the code interpreter."""

    kind: CallKind
    name: str
    input: str
    output: str


@dataclass(frozen=True)
class Turn:
    """All that a model may look at. `rounds` are this run's finished tool steps, oldest first."""

    model: str
    instructions: str
    messages: tuple[Said, ...]
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: Any = "auto"
    parallel_tool_calls: bool = True
    response_format: Any = "auto"
    temperature: float | None = None
    top_p: float | None = None
    rounds: tuple[tuple[DoneCall, ...], ...] = ()


@dataclass(frozen=True)
class Text:
    """A piece of the assistant's message."""

    piece: str


@dataclass(frozen=True)
class Call:
    """The beginning of a tool call; `Input` pieces for it follow."""

    kind: CallKind
    name: str = ""


@dataclass(frozen=True)
class Input:
    """A piece of the latest call's input: Python source, or JSON arguments."""

    piece: str


Part = Text | Call | Input


class Model(Protocol):
    def respond(self, turn: Turn) -> AsyncIterator[Part]:
        """Stream one turn: text, or one or more calls (side by side), or text and then calls.

        After calls the engine gets their outputs and asks again with one more round in `turn`;
        after text alone the run is complete. Any exception fails the run, and so does a part that
        `check_part` refuses.

        The input of a `code_interpreter` call is run, by a sandbox that guards against accidents,
        not attackers: do not pass on code that a language model wrote.
        """
        ...


class BadPart(Exception):
    """A model's part that cannot be passed on; the message says what it is, not what is in it."""


def check_part(part: object) -> None:
    """Raise `BadPart` for what is no part: another type, half a character, a call of nothing.

    Half a character (a surrogate without its other half, from text cut in another encoding) has no
    bytes in UTF-8, and so could neither be sent nor be read back.
    """
    if isinstance(part, (Text, Input)):
        _check_text(part.piece)
    elif isinstance(part, Call):
        _check_text(part.name)
        if part.kind not in ("code_interpreter", "function"):
            raise BadPart("a call of an unknown kind")
        if part.kind == "function" and not part.name:
            raise BadPart("a call of a function without a name")
    else:
        raise BadPart(f"a part of type {type(part).__name__}")


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise BadPart(f"text of type {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadPart("text with half a character") from None


_PIECES = re.compile(r"\s*[\w'\u2019]+|\s*[^\w\s]|\s+")


def pieces(text: str) -> list[str]:
    """Cut text into words and marks, spaces in front; joined they give the text again."""
    return _PIECES.findall(text)


def count_tokens(text: str) -> int:
    """Count the pieces of a text, this server's idea of a token; a guess if it is very long."""
    if len(text) > 50_000:
        return len(text) // 4
    return sum(1 for _ in _PIECES.finditer(text))
