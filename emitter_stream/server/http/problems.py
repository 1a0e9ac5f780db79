"""What is wrong with a request body, in the API's words: a table over pydantic's errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .errors import ApiError, bad_request, shorten

ASIDE = "type is "
"""What the tags of unions begin with: pydantic puts them into the path of an error, the API does not."""

_KINDS: dict[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def refusal(error: ValidationError, root: str = "") -> ApiError:
    """Return the error for a body that does not fit: of all that is wrong with it, one thing.

    As the API does: an unknown name before a missing one, these before a wrong value.
    """
    details = error.errors(include_url=False)
    first = min(details, key=lambda detail: _RANKS.get(detail["type"], len(_RANKS)))
    path = root + _path(first["loc"])
    describe = _WORDS.get(first["type"], _wrong_type)
    return describe(path, first)


def _path(steps: Sequence[int | str]) -> str:
    """Write a place in a body as the API does, without what only pydantic puts there."""
    if steps[-1:] == ("[key]",):  # a key that is wrong is told by the object it stands in
        steps = steps[:-2]
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not step.startswith(ASIDE):
            path += f".{shorten(step)}" if path else shorten(step)
    return path


def _context(detail: ErrorDetails) -> Mapping[str, Any]:
    return detail.get("ctx", {})


def _unknown(path: str, detail: ErrorDetails) -> ApiError:
    return bad_request(f"Unknown parameter: '{path}'.", path, "unknown_parameter")


def _missing(path: str, detail: ErrorDetails) -> ApiError:
    return bad_request(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def _wrong_type(path: str, detail: ErrorDetails) -> ApiError:
    return _wrong(path, _EXPECTED.get(detail["type"], "something else"), detail["input"])


def _wrong(path: str, expected: str, value: Any) -> ApiError:
    got = _KINDS[type(value)]
    return bad_request(
        f"Invalid type for '{path}': expected {expected}, but got {got} instead.",
        path,
        "invalid_type",
    )


def _no_such_word(path: str, detail: ErrorDetails) -> ApiError:
    if not isinstance(detail["input"], str):
        return _wrong(path, "a string", detail["input"])
    known = _context(detail)["expected"].replace(" or ", ", ").split(", ")
    return unsupported(path, detail["input"], known)


def unsupported(path: str, value: str, known: Sequence[str]) -> ApiError:
    """Return the error for a word that is none of those `known`, which are in quotes."""
    *others, last = known
    listed = last
    if others:
        listed = ", ".join(others) + ("," if len(others) > 1 else "") + f" and {last}"
    return bad_request(
        f"Invalid value: '{shorten(value)}'. Supported values are: {listed}.", path, "invalid_value"
    )


def _no_such_shape(path: str, detail: ErrorDetails) -> ApiError:
    value = detail["input"]
    tags = str(_context(detail)["expected_tags"]).replace(ASIDE, "").split(", ")
    known = [tag for tag in tags if tag not in ("'a string'", "'an array'")]
    if not isinstance(value, dict) or not known:  # a kind of value that no shape is of
        return _no_shape(path, detail)
    return unsupported(f"{path}.type", value["type"], known)


# What a place may hold that does not hold objects alone, by its last name; see `_no_shape`.
_NO_OBJECTS = {
    "content": "one of a string or array of objects",
    "input": "one of a string or array of objects",
    "query": "one of a string or array of strings",
}
_ALSO_OBJECTS = {
    "response_format": "one of an object or the string 'auto'",
    "tool_choice": "one of a string or object",
}


def _no_shape(path: str, detail: ErrorDetails) -> ApiError:
    """The value is none of a union's shapes, or does not say which."""
    value, name = detail["input"], path.rpartition(".")[2]
    if name in _NO_OBJECTS:
        return _wrong(path, _NO_OBJECTS[name], value)
    if isinstance(value, dict):
        tag = f"{path}.type"
        return _wrong(tag, "a string", value["type"]) if "type" in value else _missing(tag, detail)
    return _wrong(path, _ALSO_OBJECTS.get(name, "an object"), value)


def _too_short(path: str, detail: ErrorDetails) -> ApiError:
    return _length(path, detail, "short", "minimum", "min_length", "below_min_length")


def _too_long(path: str, detail: ErrorDetails) -> ApiError:
    return _length(path, detail, "long", "maximum", "max_length", "above_max_length")


def _length(
    path: str, detail: ErrorDetails, what: str, bound: str, key: str, code: str
) -> ApiError:
    limit, value = _context(detail)[key], detail["input"]
    size = len(value)
    if isinstance(value, dict):
        return bad_request(
            f"Invalid '{path}': too many properties. Expected an object with at most {limit} "
            f"properties, but got an object with {size} properties instead.",
            path,
            "object_above_max_properties",
        )
    kind = _KINDS[type(value)]
    noun = kind.split()[-1]
    return bad_request(
        f"Invalid '{path}': {noun} too {what}. Expected {kind} with {bound} length {limit}, "
        f"but got {kind} with length {size} instead.",
        path,
        f"{noun}_{code}",
    )


def _below(path: str, detail: ErrorDetails) -> ApiError:
    return _bound(path, detail, "below minimum", ">=", "ge", "below_min_value")


def _above(path: str, detail: ErrorDetails) -> ApiError:
    return _bound(path, detail, "above maximum", "<=", "le", "above_max_value")


def _bound(path: str, detail: ErrorDetails, what: str, sign: str, key: str, code: str) -> ApiError:
    bound = _context(detail)[key]
    kind = "integer" if isinstance(bound, int) else "decimal"
    shown = f"{bound:g}" if isinstance(bound, float) else bound
    return bad_request(
        f"Invalid '{path}': {kind} {what} value. Expected a value {sign} {shown}, but got "
        f"{shorten(str(detail['input']))} instead.",
        path,
        f"{kind}_{code}",
    )


def _no_match(path: str, detail: ErrorDetails) -> ApiError:
    return bad_request(
        f"Invalid '{path}': string does not match pattern. Expected a string that "
        f"matches the pattern '{_context(detail)['pattern']}'.",
        path,
        "invalid_value",
    )


def _no_url(path: str, detail: ErrorDetails) -> ApiError:
    return bad_request(
        f"Invalid '{path}'. Expected a valid URL, but got a value with an invalid format.",
        path,
        "invalid_value",
    )


def _wrong_kind(path: str, detail: ErrorDetails) -> ApiError:
    return _wrong(path, _context(detail)["expected"], detail["input"])


def _no_files(path: str, detail: ErrorDetails) -> ApiError:
    return _missing("file_ids", detail)


def _two_stores(path: str, detail: ErrorDetails) -> ApiError:
    return bad_request(
        f"Invalid '{path}': 'vector_store_ids' and 'vector_stores' are mutually exclusive.",
        path,
        "invalid_value",
    )


def _large_overlap(path: str, detail: ErrorDetails) -> ApiError:
    place = f"{path}.chunk_overlap_tokens"
    return bad_request(
        f"Invalid '{place}': the overlap may be at most half of 'max_chunk_size_tokens'.",
        place,
        "invalid_value",
    )


_RANKS = {"extra_forbidden": 0, "missing": 1}
_WORDS: dict[str, Callable[[str, ErrorDetails], ApiError]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "literal_error": _no_such_word,
    "union_tag_invalid": _no_such_shape,
    "union_tag_not_found": _no_shape,
    "string_too_short": _too_short,
    "string_too_long": _too_long,
    "too_short": _too_short,
    "too_long": _too_long,
    "greater_than_equal": _below,
    "less_than_equal": _above,
    "string_pattern_mismatch": _no_match,
    "no_url": _no_url,
    "wrong_kind": _wrong_kind,
    "missing_file_ids": _no_files,
    "two_stores": _two_stores,
    "large_overlap": _large_overlap,
}
