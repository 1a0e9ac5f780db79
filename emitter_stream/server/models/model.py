"""What the run engine asks of a language model: the port between the two.

A model is one method: given the conversation so far, stream what comes next. `Upstream` puts any
endpoint behind the server; to put something else there, write a class that has this method and
pass an instance as `LocalServer(model=...)`.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

CallKind = Literal["code_interpreter", "file_search", "function"]
ErrorCode = Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]


@dataclass(frozen=True)
class Image:
    """An image in a message: by its address, or a file of the server's; never fetched by it."""

    url: str = ""
    file_id: str = ""
    detail: str = "auto"


@dataclass(frozen=True)
class Said:
    """One message. `content` is its text, or texts and images in their order."""

    role: str
    content: str | tuple[str | Image, ...]

    @property
    def parts(self) -> tuple[str | Image, ...]:
        return (self.content,) if isinstance(self.content, str) else self.content

    @property
    def text(self) -> str:
        """The texts, a line each; images are left out."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join([part for part in self.content if isinstance(part, str)])


@dataclass(frozen=True)
class DoneCall:
    """A tool call that has its output. `name` is empty for the code interpreter and file search.

    `call_id` is the server's; `id` and `extra` are what the model gave with its `Call`.
    """

    kind: CallKind
    name: str
    input: str
    output: str
    call_id: str = ""
    id: str = ""
    extra: Any = None


@dataclass(frozen=True)
class Round:
    """The calls of one answer, side by side, with their outputs."""

    calls: tuple[DoneCall, ...]


@dataclass(frozen=True)
class Turn:
    """All that a model may look at.

    `history` is in order, oldest first: what was said in the thread, then what this run has said and
    called so far. A text right before a round belongs to the same answer as its calls. `limit` is
    how many tokens the run may still complete; None: any number. `finds` is false if it is known that
    file search has nothing on the last question. `files` are the ids and names of those that code
    finds at `/mnt/data/ID`.
    """

    model: str
    instructions: str
    history: tuple[Said | Round, ...]
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: Any = "auto"
    parallel_tool_calls: bool = True
    response_format: Any = "auto"
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: str | None = None
    limit: int | None = None
    finds: bool = True
    files: tuple[tuple[str, str], ...] = ()

    @cached_property
    def messages(self) -> tuple[Said, ...]:
        """What was said, without the calls."""
        return tuple(item for item in self.history if isinstance(item, Said))

    @cached_property
    def rounds(self) -> tuple[tuple[DoneCall, ...], ...]:
        """The calls since the user spoke last, oldest first."""
        rounds: list[tuple[DoneCall, ...]] = []
        for item in self.history:
            if isinstance(item, Round):
                rounds.append(item.calls)
            elif item.role == "user":
                rounds.clear()
        return tuple(rounds)


@dataclass(frozen=True)
class Text:
    """A piece of the assistant's message."""

    piece: str


@dataclass(frozen=True)
class Refusal:
    """A piece of the assistant's message, in which it says why it does not answer."""

    piece: str


@dataclass(frozen=True)
class Call:
    """The beginning of a tool call; `Input` pieces for it follow.

    `key` is what these pieces name it by. `id` and `extra` (anything that JSON has) mean nothing to
    the server: it stores them and gives them back in `DoneCall`.
    """

    kind: CallKind
    name: str = ""
    key: str = ""
    id: str = ""
    extra: Any = None


@dataclass(frozen=True)
class Input:
    """A piece of a call's input: Python source, or JSON arguments.

    `key` is that of its call; empty: the latest call. An `extra` takes the place of the call's.
    """

    piece: str
    key: str = ""
    extra: Any = None


@dataclass(frozen=True)
class Usage:
    """What the answer cost, in tokens; the last one of an answer counts. Without one the server guesses."""

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Stop:
    """The answer was cut off here, by its length or by a filter; only a `Usage` may follow."""

    reason: Literal["length", "content_filter"]


Part = Text | Refusal | Call | Input | Usage | Stop


class Model(Protocol):
    """What answers.

    Optional: `keeps_limits`, true if `turn.limit` is kept without the server's help (else an answer
    is cut off after as many pieces); `runs_code`, false if its code is run only where the server was
    told `code_interpreter="local"`; `aclose()`, awaited when the server stops; `words`, what it is,
    for people.
    """

    def respond(self, turn: Turn) -> AsyncIterator[Part]:
        """Stream one answer: text, or one or more calls (side by side), or text and then calls.

        After calls the engine gets their outputs and asks again with one more round in `turn`;
        after text alone the run is complete. `ModelError` fails the run with its code and message,
        any other exception with its type, and so does a part that `check_part` refuses.

        The input of a `code_interpreter` call is run, if the server was told to run code, in
        the strongest cage that its machine has (see `server/interpreter.py`).
        """
        ...


class ModelError(Exception):
    """The model's own failure, told to the client: `message` stands in the run's `last_error`."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BadPart(Exception):
    """A model's part that cannot be passed on; the message says what it is, not what is in it."""


def check_part(part: object) -> None:
    """Raise `BadPart` for what is no part: another type, half a character, a call of nothing.

    Half a character (a surrogate without its other half, from text cut in another encoding) has no
    bytes in UTF-8, and so could neither be sent nor be read back.
    """
    if isinstance(part, (Text, Refusal)):
        _check_text(part.piece)
    elif isinstance(part, Input):
        _check_text(part.piece)
        _check_text(part.key)
        _check_extra(part.extra)
    elif isinstance(part, Call):
        for text in (part.name, part.key, part.id):
            _check_text(text)
        _check_extra(part.extra)
        if part.kind not in ("code_interpreter", "file_search", "function"):
            raise BadPart("a call of an unknown kind")
        if part.kind == "function" and not part.name:
            raise BadPart("a call of a function without a name")
    elif isinstance(part, Usage):
        for count in (part.prompt, part.completion, part.cached, part.reasoning):
            if type(count) is not int or not 0 <= count <= _MOST_TOKENS:
                raise BadPart("a usage that is no number of tokens")
    elif isinstance(part, Stop):
        if part.reason not in ("length", "content_filter"):
            raise BadPart("a stop for an unknown reason")
    else:
        raise BadPart(f"a part of type {type(part).__name__}")


class Heard:
    """What an answer has told beside its pieces, and how many these were."""

    def __init__(self) -> None:
        self.reported: Usage | None = None
        self.stop: Stop | None = None  # what cut it off
        self.pieces = 0
        self.is_full = False  # one piece more came than it may have: nothing is to be read on

    def take(self, part: object, most: int | None) -> Text | Refusal | Call | Input | None:
        """Take the next part; return it if there is something in it to pass on.

        Raises `BadPart` for what is no part, and for one behind the end.
        """
        check_part(part)
        if isinstance(part, Usage):
            self.reported = part
        elif self.stop is not None:
            raise BadPart("more after it stopped")
        elif isinstance(part, Stop):
            self.stop = part
        elif isinstance(part, Call):
            return part
        elif isinstance(part, (Text, Refusal, Input)) and (
            part.piece or (isinstance(part, Input) and part.extra)
        ):
            if self.pieces != most:
                self.pieces += 1
                return part
            self.stop = Stop("length")
            self.is_full = True
        return None


_MOST_TOKENS = 2**53 - 1  # what every JSON reader takes exactly


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise BadPart(f"text of type {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadPart("text with half a character") from None


def _check_extra(extra: object) -> None:
    if extra is None:
        return
    try:
        json.dumps(extra, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise BadPart("an extra that JSON does not have") from None


_PIECES = re.compile(r"\s*[\w'\u2019]+|\s*[^\w\s]|\s+")


def pieces(text: str) -> list[str]:
    """Cut text into words and marks, spaces in front; joined they give the text again."""
    return _PIECES.findall(text)


# What each character of ASCII is to `_PIECES`: part of a word, space, or a mark by itself.
_KINDS = bytes(
    ord("w") if chr(n).isalnum() or chr(n) in "_'" else ord(" " if chr(n).isspace() else "m")
    for n in range(128)
).ljust(256)


def count_tokens(text: str) -> int:
    """Count the pieces of a text, this server's idea of a token; a guess if it is very long."""
    if len(text) > 50_000:
        return len(text) // 4
    if not text.isascii():
        return len(_PIECES.findall(text))
    # A tenth of the time. A piece is a word, that is, a beginning of one; a mark; or space at the end.
    kinds = text.encode().translate(_KINDS)
    words = kinds.startswith(b"w") + kinds.count(b" w") + kinds.count(b"mw")
    return words + kinds.count(b"m") + kinds.endswith(b" ")
