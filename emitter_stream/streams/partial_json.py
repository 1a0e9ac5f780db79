"""JSON texts that arrive in pieces: their value so far, and when it is worth taking.

The value of an unfinished text is that of the Node SDK's partial parser: strings may be cut, a word
like ``tr`` is taken for what it begins, a number at the very end is left out, and an error inside an
object or an array gives what stood before it. ``parse_whole`` is for texts that are complete, and
strict. Both are linear in the text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from ..exceptions import OpenAIError

__all__ = ["GrowingJSON", "JSONBudget", "MalformedJSON", "parse_partial", "parse_whole"]

MAX_BYTES = 16 * 1024 * 1024
MAX_FRAGMENTS = 65_536
MAX_DEPTH = 128
MAX_WORK = 64 * 1024 * 1024  # bytes given to the parser, all texts of a stream together
EAGER_BYTES = 1024  # up to this length each piece makes the value anew


class MalformedJSON(ValueError):
    """A text that is no JSON, nor the beginning of any."""


def parse_whole(text: str) -> Any:
    """Return the value of JSON ``text``; ``MalformedJSON`` for anything else, ``NaN`` included."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise MalformedJSON("The text nests too deep to be read as JSON.") from None
    except json.JSONDecodeError as error:
        raise MalformedJSON(str(error)) from error
    except ValueError as error:
        if "Exceeds the limit" in str(error):  # Python reads no integer beyond 4,300 digits
            return _LONG_NUMBERS.decode(text)
        raise MalformedJSON(str(error)) from error


def parse_partial(text: str) -> Any:
    """Return the value of what there is of a JSON text.

    ``MalformedJSON`` if it is none from its first character on, if a string that is the whole value
    is broken, if there is nothing but white space, or if it nests deeper than 128 levels.
    """
    trimmed = text.strip(_JS_SPACE)
    if not trimmed:
        raise MalformedJSON("There is no JSON in the text yet.")
    return _PartialParser(trimmed).value(0)


class JSONBudget:
    """What the texts of one stream may take together: pieces, bytes, and work for the parser."""

    __slots__ = ("bytes", "fragments", "work")

    def __init__(self) -> None:
        self.fragments = 0
        self.bytes = 0
        self.work = 0


class GrowingJSON:
    """One JSON text as it arrives: how deep it is, and whether its value is worth taking again.

    The text itself is kept by whoever calls this. ``root`` is the first character that is not JSON's
    white space, ``""`` before it came: a text whose root is ``{`` or ``[`` always has a value.
    """

    __slots__ = (
        "_budget",
        "_bytes",
        "_closers",
        "_due_at",
        "_half",
        "_in_string",
        "_work",
        "fragments",
        "root",
    )

    def __init__(self, budget: JSONBudget) -> None:
        self._budget = budget
        self._bytes = 0
        self._closers: list[str] = []  # what would close the objects and arrays that are open
        self._in_string = False
        self._due_at = EAGER_BYTES  # how long the text is when its value is worth taking again
        self._work = 0
        self._half = ""  # "\\" if the next character is escaped, or the first half of a character
        self.fragments = 0
        self.root = ""

    def add(self, piece: str) -> bool:
        """Take in the next piece; return whether the value is to be taken now.

        ``OpenAIError`` at a limit: 65,536 pieces and 16 MiB for all texts of the stream, 128 levels.
        """
        budget = self._budget
        if budget.fragments >= MAX_FRAGMENTS:
            raise OpenAIError(f"Structured JSON came in more than {MAX_FRAGMENTS:,} pieces.")
        ascii_only = piece.isascii()
        size = len(piece) if ascii_only else self._size(piece)
        if budget.bytes + size > MAX_BYTES:
            raise OpenAIError("Structured JSON grew beyond 16 MiB.")
        closed = False
        if self._half:
            closed = self._scan(piece)
        elif self._in_string:
            if '"' in piece or "\\" in piece:
                closed = self._scan(piece)
        elif _BRACKET(piece) is not None:
            closed = self._scan(piece)
        if not ascii_only and piece[-1] >= "\ud800":
            self._half = piece[-1] if piece[-1] <= "\udbff" else ""
        if not self.root:
            self.root = piece.lstrip(_JSON_SPACE)[:1]
        self._bytes += size
        self.fragments += 1
        budget.bytes += size
        budget.fragments += 1
        if not size or not self.root:
            return False
        if EAGER_BYTES < self._bytes < self._due_at and not closed:
            return False
        return self._reserve()

    @property
    def is_open(self) -> bool:
        """Whether a string, an object or an array has begun and not ended."""
        return self._in_string or bool(self._closers)

    def value(self, text: str) -> Any:
        """Return the value of ``text``, which is what the pieces are together.

        ``OpenAIError`` where the text is no JSON from its beginning.
        """
        closers, text = self._closers, text.strip(_JS_SPACE)
        if closers and (self._in_string or text[-1:] in _ENDS) and not _ODD_ARRAY(text):
            # In the middle of a string, or behind a value: closed by hand it is whole JSON, which
            # takes a twentieth of the time. (In a key it is none; a number there may go on.)
            quote = '"' if self._in_string else ""
            closed = f"{text}{quote}{''.join(reversed(closers))}"
            try:
                value, end = _SCAN(closed, 0)
                if end == len(closed):
                    return value
            except (ValueError, StopIteration):
                pass
        try:
            return parse_partial(text)
        except MalformedJSON as error:
            raise OpenAIError(f"The answer is no JSON: {error}") from error

    def withdraw(self) -> None:
        """Take this text out of the stream's budget: it turned out not to be parsed."""
        self._budget.bytes -= self._bytes
        self._budget.fragments -= self.fragments
        self._budget.work -= self._work

    def _reserve(self) -> bool:
        """Charge one parse; at the limit of work values are no longer made, without an error."""
        budget = self._budget
        if budget.work + self._bytes > MAX_WORK:
            return False
        budget.work += self._bytes
        self._work += self._bytes
        self._due_at = self._bytes + max(EAGER_BYTES, self._bytes // 2)
        return True

    def _size(self, piece: str) -> int:
        """Return the piece's length in UTF-8; the two halves of one character count four bytes."""
        size = len(piece.encode("utf-8", "surrogatepass"))
        if self._half and self._half != "\\" and "\udc00" <= piece[0] <= "\udfff":
            return size - 2
        return size

    def _scan(self, piece: str) -> bool:
        """Follow strings and brackets through a piece; return whether an outermost one closed."""
        if not piece:
            return False
        position, closed = 1 if self._half == "\\" else 0, False
        self._half = ""
        closers = self._closers
        while position < len(piece):
            mark = (_STRING_MARK if self._in_string else _BRACKET)(piece, position)
            if mark is None:
                break
            position = mark.end()
            character = mark[0]
            if character == '"':
                self._in_string = not self._in_string
                closed = closed or not (self._in_string or closers)
            elif character == "\\":
                if position == len(piece):
                    self._half = "\\"
                position += 1
            elif character in "{[":
                if len(closers) == MAX_DEPTH:
                    raise OpenAIError(f"Structured JSON nests deeper than {MAX_DEPTH} levels.")
                closers.append("}" if character == "{" else "]")
            elif closers:
                closers.pop()
                closed = closed or not closers
        return closed


class _PartialParser:
    """Reads the value at a position of a text that may end, or go wrong, anywhere.

    ``position`` stays where an error was met: the containers around it go on from there.
    """

    __slots__ = ("_length", "_text", "_tried", "position")

    def __init__(self, text: str) -> None:
        self._text = text
        # Characters that were read in vain by the fast way, at most.
        self._tried: float = math.inf if _ODD_ARRAY(text) else 0
        self._length = len(text)
        self.position = 0

    def value(self, depth: int) -> Any:
        self._skip_space()
        text, position = self._text, self.position
        first = text[position : position + 1]
        if not first:
            raise MalformedJSON("The text ends where a value should be.")
        if first == '"':
            return self._string()
        if first == "{" or first == "[":
            if depth == MAX_DEPTH:
                raise OpenAIError(f"Structured JSON nests deeper than {MAX_DEPTH} levels.")
            if self._tried <= 2 * self._length:
                try:
                    value, self.position = _SCAN(text, position)
                    return value
                except (ValueError, StopIteration, RecursionError):
                    self._tried += self._length - position  # or each level would read it again
            return self._object(depth + 1) if first == "{" else self._array(depth + 1)
        for word, value in _WORDS:
            if text.startswith(word, position) or (
                self._length - position < len(word)
                and word.startswith(text[position:])
                and text[position:] != "-"
            ):
                self.position += len(word)
                return value
        return self._number()

    def _skip_space(self) -> None:
        self.position = _SPACE(self._text, self.position).end()  # type: ignore[union-attr]

    def _string(self) -> str:
        """Read a string, or what there is of one; a key is read so whatever it begins with."""
        text, start = self._text, self.position
        if text[start] == '"':
            try:
                value, self.position = _SCAN_STRING(text, start + 1, True)
                return value
            except ValueError:
                pass  # it is broken, or has not ended
        end = _STRING_END(text, start + 1)
        if end is not None:
            self.position = end.end()
            raise MalformedJSON("A string is broken.")
        self.position = self._length
        backslashes = self._length - len(text.rstrip("\\"))
        try:
            return self._unquoted(text[start : self._length - backslashes % 2] + '"')
        except MalformedJSON:
            # Perhaps an escape that is not whole yet.
            cut = text.rfind("\\", start)
            if cut < 0:
                raise
            return self._unquoted(text[start:cut] + '"')

    @staticmethod
    def _unquoted(quoted: str) -> str:
        if quoted[:1] == '"':
            try:
                value, end = _SCAN_STRING(quoted, 1, True)
            except ValueError as error:
                raise MalformedJSON(str(error)) from None
            if end == len(quoted):
                return value
        raise MalformedJSON("There is no string where one should be.")

    def _object(self, depth: int) -> dict[str, Any]:
        self.position += 1
        found: dict[str, Any] = {}
        try:
            self._skip_space()
            while self._text[self.position : self.position + 1] != "}":
                self._skip_space()
                if self.position >= self._length:
                    return found
                key = self._string()
                self._skip_space()
                self.position += 1  # the colon
                found[key] = self.value(depth)
                self._skip_comma()
        except MalformedJSON:
            return found
        self.position += 1
        return found

    def _array(self, depth: int) -> list[Any]:
        self.position += 1
        found: list[Any] = []
        try:
            while self._text[self.position : self.position + 1] != "]":
                found.append(self.value(depth))
                self._skip_comma()
        except MalformedJSON:
            return found
        self.position += 1
        return found

    def _skip_comma(self) -> None:
        self._skip_space()
        if self._text[self.position : self.position + 1] == ",":
            self.position += 1

    def _number(self) -> Any:
        text, start = self._text, self.position
        if start == 0:
            # The whole text is the value: nothing shows that a number in it has ended.
            return _number(text)
        end = _NUMBER_END(text, start)
        self.position = self._length if end is None else end.start()
        if end is None:
            raise MalformedJSON("A number may go on.")
        number = text[start : self.position]
        try:
            return _number(number)
        except MalformedJSON:
            exponent = number.rfind("e")
            if exponent < 0:
                raise
            return _number(number[:exponent])


def _number(text: str) -> int | float:
    found = _NUMBER(text)
    if found is None:
        raise MalformedJSON(f"There is no value in {text:.40}.")
    if found[1] is None and found[2] is None:
        return _integer(found[0].rstrip(_JSON_SPACE))
    return float(found[0])


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # Python reads no integer beyond 4,300 digits
        return math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def _refuse_constant(name: str) -> Any:
    raise MalformedJSON(f"{name} is no JSON")


_JSON_SPACE = " \n\r\t"
# What JavaScript's trim() takes away; Python's strip() takes other characters.
_JS_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_WORDS: tuple[tuple[str, Any], ...] = (
    ("null", None),
    ("true", True),
    ("false", False),
    ("Infinity", math.inf),
    ("-Infinity", -math.inf),
    ("NaN", math.nan),
)
_SPACE = re.compile(r"[ \n\r\t]*").match
_STRING_END = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL).match
_NUMBER_END = re.compile(r"[,\]}]").search
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?[ \n\r\t]*").fullmatch
_STRING_MARK = re.compile(r'["\\]').search
_BRACKET = re.compile(r'["{}\[\]]').search
_SCAN_STRING: Callable[[str, int, bool], tuple[str, int]] = vars(json.decoder)["scanstring"]
# An array with nothing but white space in it, which Node's partial parser takes for an error.
_ODD_ARRAY = re.compile(r"\[[ \n\r\t]+\]").search
_ENDS = ('"', "}", "]")
_SCAN: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())["scan_once"]
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_LONG_NUMBERS = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_integer)
