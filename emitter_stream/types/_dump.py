"""The options with which the official Python SDK's objects are dumped."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Selection", "dump_instances", "select", "to_text"]

Selection = Any
"""Names of fields; or a mapping of names, of indexes in a list, or of ``"__all__"`` for each of its
items, to ``True`` or to what is meant of what stands there. ``None`` is no selection."""


def select(
    value: Any, include: Selection = None, exclude: Selection = None, *, drop_none: bool = False
) -> Any:
    """Return plain ``value`` with what ``include`` names alone and without what ``exclude`` names.

    ``drop_none`` leaves out every field that is ``None``, at any depth.
    """
    items: Any
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return value
    kept = {}
    for key, item in items:
        taken, left = _at(include, key, value), _at(exclude, key, value)
        if (include is not None and taken is _NOTHING) or left is _ALL:
            continue
        if item is None and drop_none and isinstance(value, dict):
            continue
        kept[key] = select(
            item,
            None if taken is _ALL or taken is _NOTHING else taken,
            None if left is _NOTHING else left,
            drop_none=drop_none,
        )
    return kept if isinstance(value, dict) else list(kept.values())


def dump_instances(value: Any, mode: str) -> Any:
    """Return plain ``value``, changed in its place: an instance that was parsed becomes a dict.

    Those are pydantic's models, dataclasses and attrs classes. With ``mode`` ``json`` what stands in
    them is what JSON can say; what is left then is a ``TypeError`` of ``json``.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict or kind is list:
        for key, item in value.items() if kind is dict else enumerate(value):
            if type(item) not in _PLAIN:
                value[key] = dump_instances(item, mode)
        return value
    if hasattr(kind, "model_dump"):
        return value.model_dump(mode=mode)
    if dataclasses.is_dataclass(kind) or attrs.has(kind):
        fields: Any = attrs.fields(kind) if attrs.has(kind) else dataclasses.fields(value)
        return {field.name: _dumped_item(getattr(value, field.name), mode) for field in fields}
    if mode == "json":
        if isinstance(value, enum.Enum):
            return value.value
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if isinstance(value, decimal.Decimal | uuid.UUID):
            return str(value)
    return value


def _dumped_item(value: Any, mode: str) -> Any:
    """Return what stands in an instance, dumped; its dicts and lists are its own, and stay."""
    if isinstance(value, Mapping):
        return {key: _dumped_item(item, mode) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_dumped_item(item, mode) for item in value]
    return dump_instances(value, mode)


_PLAIN = frozenset((str, int, float, bool, type(None)))
_ALL = object()
_NOTHING = object()


def _at(selection: Selection, key: Any, container: Any) -> Any:
    """Return what a selection says of one field or item: all of it, nothing, or a selection."""
    if selection is None:
        return _NOTHING
    keys = [key]
    if isinstance(container, list):
        keys += [key - len(container), "__all__"]
    for name in keys:
        if name in selection:
            below = selection[name] if isinstance(selection, Mapping) else True
            return _ALL if below is True or below is ... else below if below else _NOTHING
    return _NOTHING


def to_text(value: Any, indent: int | None, *, ensure_ascii: bool = False) -> str:
    """Return plain ``value`` as JSON text; without ``indent`` in as few characters as it takes."""
    separators = (",", ":") if indent is None else None
    return json.dumps(value, indent=indent, ensure_ascii=ensure_ascii, separators=separators)
