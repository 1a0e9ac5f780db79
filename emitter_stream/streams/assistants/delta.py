"""Merging deltas into snapshots, as the Node SDK does it.

Strings are appended, numbers added, objects merged, arrays merged by their elements' ``index``;
``index`` and ``type`` are replaced, and ``null`` in the snapshot is replaced by anything. What a
delta brings in is copied, so that no delta changes after it was handed out.
"""

from __future__ import annotations

import itertools
from typing import Any

from ...exceptions import OpenAIError
from ...types._model import GrowingText, plain_copy

__all__ = ["accumulate", "check_index", "growing", "merge_element", "refuse_unsafe_keys"]

# As in Node: how far beyond an array's end one delta may write, and how long an array may get.
MAX_GROWTH = 1024
MAX_LENGTH = 65_536

_UNSAFE_KEYS = frozenset(("__proto__", "constructor", "prototype"))


def growing(container: Any, key: str) -> GrowingText | None:
    """Return the string ``container[key]`` as one that can be appended to, made so if need be.

    ``None`` if there is no string: a listener may have put in anything.
    """
    text = container.get(key) if type(container) is dict else None
    if type(text) is str:
        text = container[key] = GrowingText(text)
    return text if type(text) is GrowingText else None


def accumulate(snapshot: dict[str, Any], delta: Any) -> None:
    """Merge ``delta`` into ``snapshot``.

    Raises ``OpenAIError`` where the two do not fit: other types, ``null`` over a value, an index
    that is none.
    """
    if type(delta) is not dict:
        raise OpenAIError(f"The server sent a delta that is no object: {_kind(delta)}.")
    for key, value in delta.items():
        old = snapshot.get(key)
        if old is None or key == "index" or key == "type":
            snapshot[key] = plain_copy(value)
        elif type(value) is str and type(old) is GrowingText:
            if not old.append(value):  # a program is just writing to an object around it
                snapshot[key] = old.read() + value
        elif type(value) is str and type(old) is str:
            snapshot[key] = text = GrowingText(old)
            text.append(value)
        elif type(old) is dict and type(value) is dict:
            accumulate(old, value)
        elif type(old) is list and type(value) is list:
            _accumulate_list(old, value)
        elif type(old) in (int, float) and type(value) in (int, float):
            number: Any = old
            snapshot[key] = number + value
        else:
            raise OpenAIError(
                f"The server sent a delta that does not fit what came before: "
                f"{_kind(value)} for {key!r}, which is {_kind(old)}."
            )


def _accumulate_list(old: list[Any], delta: list[Any]) -> None:
    # Chained, not joined: of an array of objects only the first is looked at, and nothing copied.
    if all(type(item) in (str, int, float) for item in itertools.chain(delta, old)):
        old.extend(delta)
        return
    length = len(old)
    for element in delta:
        if type(element) is not dict:
            raise OpenAIError(f"The server sent a delta with {_kind(element)} in an array.")
        merge_element(old, check_index(element, length), element)


def check_index(element: dict[str, Any], length: int) -> int:
    """Return the ``index`` of a delta's array element as an ``int``.

    ``length`` is the array's length before the delta. Raises ``OpenAIError`` for what is no whole
    number, is negative, or lies too far beyond the end.
    """
    index = element.get("index")
    if type(index) is float and index.is_integer():
        index = int(index)  # JSON's 1.0 is JavaScript's 1
    if type(index) is not int or not 0 <= index < min(length + MAX_GROWTH, MAX_LENGTH):
        what = "no index" if "index" not in element else f"the index {_brief(element['index'])}"
        raise OpenAIError(
            f"The server sent a delta whose array element has {what}; the array has {length} "
            f"elements, and an index is a whole number less than {MAX_GROWTH} beyond that."
        )
    return index


def merge_element(array: list[Any], index: int, element: dict[str, Any]) -> bool:
    """Merge a delta's element into ``array[index]``; return whether it is a new one."""
    if index < len(array) and array[index] is not None:
        old = array[index]
        if type(old) is not dict:
            raise OpenAIError(
                f"The server sent a delta for array element {index}, which is {_kind(old)}."
            )
        accumulate(old, element)
        return False
    _place(array, index, plain_copy(element))
    return True


def _place(array: list[Any], index: int, value: Any) -> None:
    """Set ``array[index]``, with ``None`` for the elements that have not come yet."""
    if index >= len(array):
        array.extend([None] * (index + 1 - len(array)))
    array[index] = value


def refuse_unsafe_keys(value: Any) -> None:
    """Raise ``OpenAIError`` for a key that would reach an object's prototype in JavaScript.

    Nothing here minds it, but a stream that Node refuses must not be good here and bad there.
    """
    items = value
    if type(value) is dict:
        if not _UNSAFE_KEYS.isdisjoint(value):
            key = next(key for key in value if key in _UNSAFE_KEYS)
            raise OpenAIError(f"The server sent a delta with the unsafe property {key!r}.")
        items = value.values()
    elif type(value) is not list:
        return
    for item in items:
        if type(item) is dict or type(item) is list:
            refuse_unsafe_keys(item)


def _kind(value: Any) -> str:
    """Return what JSON calls the type of ``value``."""
    names = {dict: "an object", list: "an array", bool: "a boolean"}
    names |= {str: "a string", GrowingText: "a string"}
    return "null" if value is None else names.get(type(value), "a number")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
