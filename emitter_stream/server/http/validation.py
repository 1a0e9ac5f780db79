"""Small checks that say what is wrong with a request body in the API's words.

A check is a function `(value, path) -> value`; it raises `ApiError` 400 with `param` = path. Checks
are put together into the shapes of `schemas.py`, so each rule about types and limits stands once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ApiError, bad_request, shorten

Check = Callable[[Any, str], Any]

_KINDS: dict[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def wrong_type(path: str, expected: str, value: Any) -> ApiError:
    got = _KINDS[type(value)]
    return bad_request(
        f"Invalid type for '{path}': expected {expected}, but got {got} instead.",
        path,
        "invalid_type",
    )


def string(*, low: int = 0, high: int | None = None, pattern: str | None = None) -> Check:
    """A string of `low` to `high` characters that matches all of `pattern`."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str):
            raise wrong_type(path, "a string", value)
        size = len(value)
        if size < low:
            raise bad_request(
                f"Invalid '{path}': string too short. Expected a string with minimum length "
                f"{low}, but got a string with length {size} instead.",
                path,
                "string_below_min_length",
            )
        if high is not None and size > high:
            raise bad_request(
                f"Invalid '{path}': string too long. Expected a string with maximum length "
                f"{high}, but got a string with length {size} instead.",
                path,
                "string_above_max_length",
            )
        if pattern is not None and not re.fullmatch(pattern, value):
            raise bad_request(
                f"Invalid '{path}': string does not match pattern. Expected a string that "
                f"matches the pattern '^{pattern}$'.",
                path,
                "invalid_value",
            )
        return value

    return check


def _between(value: float, path: str, kind: str, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        raise bad_request(
            f"Invalid '{path}': {kind} below minimum value. Expected a value >= {low}, but got "
            f"{shorten(str(value))} instead.",
            path,
            f"{kind}_below_min_value",
        )
    if high is not None and value > high:
        raise bad_request(
            f"Invalid '{path}': {kind} above maximum value. Expected a value <= {high}, but got "
            f"{shorten(str(value))} instead.",
            path,
            f"{kind}_above_max_value",
        )


def integer(low: int | None = None, high: int | None = None) -> Check:
    def check(value: Any, path: str) -> Any:
        # bool is a subclass of int in Python, not in JSON.
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_type(path, "an integer", value)
        _between(value, path, "integer", low, high)
        return value

    return check


def number(low: float | None = None, high: float | None = None) -> Check:
    def check(value: Any, path: str) -> Any:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise wrong_type(path, "a number", value)
        _between(value, path, "decimal", low, high)
        return float(value)

    return check


def boolean(value: Any, path: str) -> Any:
    if not isinstance(value, bool):
        raise wrong_type(path, "a boolean", value)
    return value


def any_object(value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    return value


def anything(value: Any, path: str) -> Any:
    return value


def one_of(*values: str) -> Check:
    """One of a few words."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str):
            raise wrong_type(path, "a string", value)
        if value not in values:
            known = ", ".join(f"'{word}'" for word in values)
            raise bad_request(
                f"Invalid value: '{shorten(value)}'. Supported values are: {known}.",
                path,
                "invalid_value",
            )
        return value

    return check


def nullable(inner: Check) -> Check:
    return lambda value, path: None if value is None else inner(value, path)


def array(inner: Check, *, low: int = 0, high: int | None = None) -> Check:
    """An array of `low` to `high` items, each passing `inner`."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, list):
            raise wrong_type(path, "an array", value)
        size = len(value)
        if size < low:
            raise bad_request(
                f"Invalid '{path}': array too short. Expected an array with minimum length "
                f"{low}, but got an array with length {size} instead.",
                path,
                "array_below_min_length",
            )
        if high is not None and size > high:
            raise bad_request(
                f"Invalid '{path}': array too long. Expected an array with maximum length "
                f"{high}, but got an array with length {size} instead.",
                path,
                "array_above_max_length",
            )
        return [inner(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return check


def record(
    required: Mapping[str, Check] | None = None, optional: Mapping[str, Check] | None = None
) -> Check:
    """An object with these fields and no others; absent optional fields stay absent."""
    needed = dict(required or {})
    known = {**needed, **(optional or {})}

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        prefix = f"{path}." if path else ""
        for name in value:
            if name not in known:
                full = prefix + shorten(name)
                raise bad_request(f"Unknown parameter: '{full}'.", full, "unknown_parameter")
        for name in needed:
            if name not in value:
                full = prefix + name
                raise bad_request(
                    f"Missing required parameter: '{full}'.", full, "missing_required_parameter"
                )
        return {name: known[name](item, prefix + name) for name, item in value.items()}

    return check


def tagged(variants: Mapping[str, Check]) -> Check:
    """An object whose `type` says which of several shapes it has."""
    pick = one_of(*variants)

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        if "type" not in value:
            full = f"{path}.type"
            raise bad_request(
                f"Missing required parameter: '{full}'.", full, "missing_required_parameter"
            )
        return variants[pick(value["type"], f"{path}.type")](value, path)

    return check


def by_type(expected: str, variants: Mapping[type, Check]) -> Check:
    """A value whose JSON type says which check it must pass."""

    def check(value: Any, path: str) -> Any:
        inner = variants.get(type(value))
        if inner is None:
            raise wrong_type(path, expected, value)
        return inner(value, path)

    return check


def metadata(value: Any, path: str) -> Any:
    """At most 16 pairs; keys of up to 64 characters, values of up to 512."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    if len(value) > 16:
        raise bad_request(
            f"Invalid '{path}': too many properties. Expected an object with at most 16 "
            f"properties, but got an object with {len(value)} properties instead.",
            path,
            "object_above_max_properties",
        )
    for key, item in value.items():
        if len(key) > 64:
            raise bad_request(
                f"Invalid '{path}': key too long. Expected a key with at most 64 characters, but "
                f"got a key with {len(key)} characters instead.",
                path,
                "string_above_max_length",
            )
        string(high=512)(item, f"{path}.{key}")
    return value
