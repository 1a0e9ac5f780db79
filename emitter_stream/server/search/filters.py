"""Filters on the attributes of files: a comparison, or several joined by and, or."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def fits(filters: Json | None, attributes: Mapping[str, Any] | None) -> bool:
    """Whether a file with these attributes is one that is asked for; one without the key never is,
    but for `ne` and `nin`."""
    if filters is None:
        return True
    kind = filters["type"]
    if kind == "and":
        return all(fits(part, attributes) for part in filters["filters"])
    if kind == "or":
        return any(fits(part, attributes) for part in filters["filters"])
    wanted = filters["value"]
    has = filters["key"] in (attributes or {})
    value = (attributes or {}).get(filters["key"])
    if kind in ("ne", "nin"):
        return not has or not _holds("eq" if kind == "ne" else "in", value, wanted)
    return has and _holds(kind, value, wanted)


def _holds(kind: str, value: Any, wanted: Any) -> bool:
    if kind == "in":
        return isinstance(wanted, list) and any(_equal(value, one) for one in wanted)
    if kind == "eq":
        return _equal(value, wanted)
    if _kind(value) != _kind(wanted) or _kind(value) not in ("number", "string"):
        return False
    holds: bool = {
        "gt": lambda: value > wanted,
        "gte": lambda: value >= wanted,
        "lt": lambda: value < wanted,
        "lte": lambda: value <= wanted,
    }[kind]()
    return holds


def _equal(value: Any, wanted: Any) -> bool:
    # In JSON true is not 1.
    return _kind(value) == _kind(wanted) and bool(value == wanted)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return (
        "number"
        if isinstance(value, (int, float))
        else type(value).__name__.replace("str", "string")
    )
