"""What an upstream says when it fails: which kind of error it is, and in which words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .cleaning import Secrets
from .model import ErrorCode, ModelError

MOST_WORDS = 1000  # characters of a message
_RATE = re.compile(r"rate.?limit|quota|too.?many.?requests|insufficient_credits")
_CONTEXT = re.compile(
    r"context.?(length|size|window)|maximum context|n_ctx|exceeds? the context"
    r"|(prompt|input|request) is too (long|large)|too many (input |prompt )?tokens"
    r"|reduce the length|exceed_context"
)
_INVALID = re.compile(r"invalid.?request|invalid.?prompt|bad.?request")
_ACCESS = re.compile(r"api.?key|auth|permission|forbidden")
_EVENT = re.compile(r"\s*(?:data|event):")
_MARKUP = re.compile(
    r"(?i)<!doctype|</?(html|head|body|title|h[1-6]|p|div|span|center|script|style|pre|hr|br|a|b|i"
    r"|ul|li|table|tr|td|meta|link|form|img)\b[^>]*>"
)


@dataclass(eq=False)
class Failure(Exception):
    """An error as the upstream told it. `status` is HTTP's, or the one that stands in the body."""

    status: int | None
    message: str
    kind: str = ""
    code: str = ""
    fields: str = ""  # where it names what it does not like
    may_pass: bool = False  # asking again may help, in so many seconds
    retry_after: float | None = None

    @property
    def words(self) -> str:
        return f"{self.kind} {self.code}".lower()

    @property
    def is_about_context(self) -> bool:
        """Whether what was asked is too long."""
        return self._says(_CONTEXT) and not _RATE.search(self.words) and self.status != 429

    @property
    def has_no_quota(self) -> bool:
        return "insufficient_quota" in self.words

    def error(self) -> ModelError:
        return ModelError(self._code(), self.message)

    def _code(self) -> ErrorCode:
        if self.status == 429 or _RATE.search(self.words):
            return "rate_limit_exceeded"
        if self.status in (400, 413, 422) or self.is_about_context:
            return "invalid_prompt"
        if self.status is None:
            if _INVALID.search(self.words) and not _ACCESS.search(self.words):
                return "invalid_prompt"
            if _RATE.search(self.message.lower()):
                return "rate_limit_exceeded"
        return "server_error"

    def _says(self, pattern: re.Pattern[str]) -> bool:
        return pattern.search(f"{self.words} {self.message.lower()}") is not None

    def names(self, field: str, *, quoted: bool) -> bool:
        """Whether it names a field of the request; `quoted`: only as one, for it is a plain word."""
        word = re.escape(field)
        begins = r"(?:^|\s|body\.|tools\S*\.)" if quoted else r"(?<!\w)"
        if re.search(rf"{begins}{word}(?!\w)", self.fields):
            return True
        form = rf"['\"`]{word}(\.\w+)*['\"`]" if quoted else rf"(?<!\w){word}(?!\w)"
        return re.search(form, self.message) is not None


def read_failure(status: int | None, body: bytes | str, secrets: Secrets) -> Failure:
    """Read an error in any of the forms that there are: OpenAI's, flat, `detail`, a list, text."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    if _EVENT.match(text):  # told as an event, whatever the status
        lines = [line[5:] for line in text.splitlines() if line.startswith("data:")]
        text = lines[0] if lines else ""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return failure_of(status, value, secrets)


def failure_of(status: int | None, value: Any, secrets: Secrets) -> Failure:
    """Read an error that is a JSON value already."""
    value = secrets.hide_within(value)
    while isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]
    inner = value
    if isinstance(value, dict):
        inner = value.get("error") or value
    found: dict[str, Any] = inner if isinstance(inner, dict) else {}
    kind, code = _word(found.get("type")), _word(found.get("code"))
    if status is None:
        numbers = (found.get("status"), found.get("code"))
        status = next((n for n in map(_number, numbers) if n is not None), None)
    message = _words_of(inner)
    if not message and isinstance(value, dict):
        message = _words_of(value)
    fields = " ".join(_fields_in(value))
    return Failure(status, _plain(message, status), kind, code, fields)


def _word(value: Any) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _number(value: Any) -> int | None:
    """Return an HTTP status that is given as a number or in digits."""
    text = _word(value)
    return int(text) if re.fullmatch("[1-5][0-9][0-9]", text) else None


def _words_of(value: Any) -> str:
    """Return what an error says, wherever it says it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, map(_words_of, value)))
    if isinstance(value, dict):
        for name in ("message", "msg", "detail", "error", "title"):
            said = _words_of(value.get(name))
            if said:
                where = value.get("loc")
                if isinstance(where, list):
                    return f"{'.'.join(map(str, where))}: {said}"
                return said
    return ""


def _fields_in(value: Any) -> Iterator[str]:
    """Yield the names in `param` and `loc`, at any depth."""
    if isinstance(value, list):
        for part in value:
            yield from _fields_in(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name == "param" and isinstance(part, str):
                yield part
            elif name == "loc" and isinstance(part, list):
                yield ".".join(map(str, part))
            else:
                yield from _fields_in(part)


def _plain(message: str, status: int | None) -> str:
    text = " ".join(message.split())
    if not text or _MARKUP.search(text):
        answered = f" with status {status}" if status is not None else " with an error"
        return f"The upstream answered{answered}."
    return text if len(text) <= MOST_WORDS else text[: MOST_WORDS - 3] + "..."
