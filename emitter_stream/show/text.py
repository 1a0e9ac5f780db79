"""Text from recordings, which is anybody's, made fit to be shown."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["brief", "is_bad", "is_good", "seconds", "text_of", "visible"]

_GOOD = ("completed", "stop", "tool_calls", "function_call")
_BAD = ("failed", "expired", "incomplete", "cancelled", "length", "content_filter")

# Control characters move the cursor and rename the window; those for the direction of writing
# show a text as another one; half a character cannot be encoded.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ufeff\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """Return ``text`` with whatever could do more than be read replaced; lines and tabs stay."""
    return _UNSAFE.sub(_stand_in, text.replace("\r\n", "\n"))


def _stand_in(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # the character that shows it: ESC as one sign
    return "\u2421" if code == 0x7F else "\ufffd"


def text_of(value: Any) -> str:
    """Return a JSON value as text to be shown: a string is itself, ``None`` is nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return visible(value)
    try:
        return visible(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return "\u2026"


def brief(text: str, limit: int) -> str:
    """Return ``text`` cut to ``limit`` characters, saying how many more there are."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\u2026 ({len(text) - limit:,} more characters)"


def seconds(value: float | None) -> str:
    """Return a duration in seconds as people write it."""
    if value is None:
        return "\u2013"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 100:
        return f"{value:.2f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min" if whole < 10**9 else f"{value:.3g} s"


def is_good(status: str) -> bool:
    """Tell whether a status is a good end: of a run, of a response, of a completion."""
    return status in _GOOD


def is_bad(status: str) -> bool:
    """Tell whether a status is an end that nobody wished for."""
    return status in _BAD
