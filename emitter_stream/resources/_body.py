"""From arguments to what is sent: a JSON body, a query, headers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .._not_given import NOT_GIVEN
from ..http.secrets import hide_headers
from ..types import Model

__all__ = ["json_body", "merge_headers", "query_parameters"]


def json_body(fields: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of a request: the fields that are given, then the caller's extra ones.

    ``None`` becomes null. Objects of ``emitter_stream.types``, pydantic's (so the official SDK's),
    mappings and iterables may stand anywhere. What JSON cannot say is a ``TypeError`` or ``ValueError`` that names its place.
    """
    return {
        name: _json_value(value, name)
        for name, value in {**fields, **(extra or {})}.items()
        if value is not NOT_GIVEN
    }


def _json_value(value: Any, place: str) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{place} is {value!r}, which JSON cannot say")
        return value
    if isinstance(value, Model):
        return _as_received(value)
    if isinstance(value, Mapping):
        return _json_object(value, place)
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):  # pydantic's, the official SDK's objects
        excluded = getattr(value, "__api_exclude__", None)  # what its helpers have added
        return _json_value(dump(mode="json", exclude_unset=True, exclude=excluded), place)
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview):
        return [_json_value(item, f"{place}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{place} is a {type(value).__name__}, which cannot be sent as JSON")


def _as_received(model: Model) -> dict[str, Any]:
    """Return an object of the API as it is sent: without what only helpers add to it."""
    added: frozenset[str] = getattr(type(model), "_added_by_helpers", frozenset())
    return {name: _json_value(value, name) for name, value in model if name not in added}


def _json_object(mapping: Mapping[Any, Any], place: str) -> dict[str, Any]:
    result = {}
    for key, value in mapping.items():
        if not isinstance(key, str):
            raise TypeError(f"{place} has the key {key!r}, but keys of JSON objects are str")
        if value is not NOT_GIVEN:
            result[key] = _json_value(value, f"{place}.{key}")
    return result


def query_parameters(*queries: Mapping[str, Any] | None) -> dict[str, str | list[str]]:
    """Return the query of a request, later mappings over earlier ones, in the API's notation.

    Lists become ``name[]``, mappings ``name[key]``; ``None`` and ``NOT_GIVEN`` are left out.
    """
    merged: dict[str, Any] = {}
    for query in queries:
        merged.update(query or {})
    result: dict[str, str | list[str]] = {}
    for name, value in merged.items():
        if isinstance(value, Mapping):
            nested = {f"{name}[{key}]": item for key, item in value.items()}
            result.update(query_parameters(nested))
        elif isinstance(value, Iterable) and not isinstance(value, str):
            if items := [_query_text(item) for item in value]:
                result[f"{name}[]"] = items
        elif value is not None and value is not NOT_GIVEN:
            result[name] = _query_text(value)
    return result


def _query_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def merge_headers(*several: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """Return all headers, later ones over earlier ones whatever the case of their names.

    ``None`` stays: it takes away what would be sent otherwise.
    """
    merged: dict[str, tuple[str, str | None]] = {}
    for headers in several:
        for name, value in (headers or {}).items():
            merged[str(name).lower()] = (name, value)
    return hide_headers(dict(merged.values()))
