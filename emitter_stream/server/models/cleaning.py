"""Text from an upstream, on its way to the client: whole characters, no thoughts, no secrets."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterable
from typing import Any

MASK = "***"
# Shorter ones ("x", "none", "ollama") stand for no key at all, and are words of their own.
SHORTEST = 8
_OPEN, _CLOSE = "<think>", "</think>"


class Secrets:
    """The strings that must stand nowhere: where an upstream repeats one it becomes `***`."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = sorted({v for v in values if len(v) >= SHORTEST}, key=len, reverse=True)
        _hidden_in_logs.add(self)

    def hide(self, text: str) -> str:
        for value in self.values:
            if value in text:
                text = text.replace(value, MASK)
        return text

    def hide_within(self, value: Any) -> Any:
        """Do the same in all strings of a JSON value."""
        if isinstance(value, str):
            return Cleaner(self).whole(value)
        if isinstance(value, dict):
            return {self.hide_within(name): self.hide_within(v) for name, v in value.items()}
        if isinstance(value, list):
            return [self.hide_within(part) for part in value]
        return value

    def begun_in(self, text: str) -> int:
        """Return how many characters at the end of a text may be the beginning of a secret."""
        longest = 0
        for value in self.values:
            first, start = value[0], max(0, len(text) - len(value) + 1)
            at = text.find(first, start)
            while at >= 0:
                if value.startswith(text[at:]):
                    longest = max(longest, len(text) - at)
                    break
                at = text.find(first, at + 1)
        return longest


class Cleaner:
    """Passes on text that comes in pieces.

    What may go on in the next piece is held back: the beginning of a secret, the first half of a
    character (two escapes in JSON, which some servers cut between). A half alone becomes U+FFFD.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = ""

    def feed(self, piece: str) -> str:
        text = self._held + piece if self._held else piece
        keep = 0
        if not text.isascii():
            if "\ud800" <= text[-1] <= "\udbff":
                keep = 1
            text = _joined(text[:-1]) + text[-1] if keep else _joined(text)
        text = self._secrets.hide(text)
        keep = keep or self._secrets.begun_in(text)
        if not keep:
            self._held = ""
            return text
        self._held = text[-keep:]
        return text[:-keep]

    def end(self) -> str:
        """Return what was held back; of a secret that was cut off, nothing."""
        held, self._held = self._held, ""
        return _joined(held) if len(held) < SHORTEST else MASK

    def whole(self, text: str) -> str:
        return self.feed(text) + self.end() if text else ""


def _joined(text: str) -> str:
    """Make whole characters of their halves."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Thoughts:
    """Takes out what stands within `<think>` at the very beginning, with the blanks around it."""

    def __init__(self) -> None:
        self._held = ""
        self._where = "before"

    def feed(self, piece: str) -> str:
        if self._where == "after":
            return piece
        text = self._held + piece
        if self._where == "before":
            seen = text.lstrip()
            if _OPEN.startswith(seen):
                self._held = text
                return ""
            if not seen.startswith(_OPEN):
                self._where, self._held = "after", ""
                return text
            self._where, text = "within", seen[len(_OPEN) :]
        if self._where == "within":
            end = text.find(_CLOSE)
            if end < 0:
                self._held = text[1 - len(_CLOSE) :]
                return ""
            self._where, text = "behind", text[end + len(_CLOSE) :]
        self._held = ""
        text = text.lstrip()
        if text:
            self._where = "after"
        return text

    def end(self) -> str:
        """Return what was held back and is no thought."""
        held, self._held = self._held, ""
        return held if self._where == "before" else ""


class _LogFilter(logging.Filter):
    """Hides secrets in what the HTTP library logs, which at DEBUG is an upstream's headers."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = message
        for secrets in list(_hidden_in_logs):
            hidden = secrets.hide(hidden)
        if hidden != message:
            record.msg, record.args = hidden, ()
        return True


_hidden_in_logs: weakref.WeakSet[Secrets] = weakref.WeakSet()
_LOGGERS = ("httpx2", *(f"httpcore2.{part}" for part in ("connection", "http11", "proxy", "socks")))


def hide_in_logs() -> None:
    """Put the filter on the loggers of the HTTP library; once is enough."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(present, _LogFilter) for present in logger.filters):
            logger.addFilter(_LogFilter())
