"""What JavaScript makes of a value that is missing or of another kind, where a stream depends on it."""

from __future__ import annotations

from typing import Any

from ...types._model import GrowingText

__all__ = ["append", "as_index", "field", "is_number", "own_text"]

_MAX_SAFE_INTEGER = 2**53 - 1


def as_index(value: Any) -> int | None:
    """Return a whole number from 0 on as an ``int``, ``None`` for anything else."""
    if type(value) is float and value.is_integer():
        value = int(value)  # JSON's 1.0 is JavaScript's 1
    if type(value) is not int or not 0 <= value <= _MAX_SAFE_INTEGER:
        return None
    return value


def is_number(value: Any) -> bool:
    """Return whether JavaScript's ``typeof`` says ``number``."""
    return type(value) in (int, float)


def field(value: Any, name: str) -> Any:
    """Return ``value.name``: ``None`` of what has no fields; ``null`` and nothing raise."""
    if value is None:
        raise TypeError(f"null has no {name}")
    return value.get(name) if type(value) is dict else None


def append(container: dict[str, Any], key: str, source: dict[str, Any], name: str) -> None:
    """Do ``container[key] += source[name]``.

    What is no string becomes one, as JavaScript has it: ``null`` is appended as ``null``.
    """
    piece = source.get(name)
    if type(piece) is not str:
        piece = _as_text(piece, name in source)
    text = container.get(key)
    if type(text) is GrowingText:
        if text.append(piece):
            return
        text = container[key]  # somebody has written to the snapshot: it stands here as it is
    if type(text) is not str:
        text = _as_text(text, key in container)
    growing = container[key] = GrowingText(text)
    growing.append(piece)


def own_text(message: dict[str, Any]) -> str:
    """Return the text of a message's parts, joined."""
    pieces = []
    if type(message["content"]) not in (list, str):
        raise TypeError("a message's content is an array")
    for part in message["content"]:
        if field(part, "type") == "output_text":
            text = part.get("text")
            if type(text) is GrowingText:
                text = text.read()
            pieces.append(text if type(text) is str else _as_text(text, "text" in part))
    return "".join(pieces)


def _as_text(value: Any, is_there: bool) -> str:
    if value is None:
        return "null" if is_there else "undefined"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if type(value) is list:
        return ",".join("" if item is None else _as_text(item, True) for item in value)
    return "[object Object]" if type(value) is dict else str(value)
