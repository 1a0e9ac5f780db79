"""The base of all API objects: typed views over the JSON that was received or accumulated.

A view holds the very dict it shows, so nothing is copied, added or dropped on the way: a snapshot's
view grows with its dict, ``to_dict()`` gives back what is there, and a field that this library
does not know still reads as an attribute.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import typing
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, TypeVar, overload

__all__ = ["GrowingText", "ListView", "Model", "plain_copy"]

_T = TypeVar("_T")


class GrowingText:
    """A string in a snapshot that deltas append to; views and copies show it as a ``str``.

    Appending costs the same however long the text is, and so does reading it after each append.
    One thread appends; any may read, and so may the handler of an operating system signal that
    comes upon either: there is no lock, and no moment at which an exception does harm.
    """

    __slots__ = ("_joined", "_parts")

    def __init__(self, text: str) -> None:
        # The text is these, one behind the other: the list grows at its end or is replaced whole.
        self._parts = [text]
        # What was read last, of which list, and how many of its parts that is. It may be missing
        # or out of date, and is never more than a way to read faster.
        self._joined: tuple[str, list[str], int] | None = None

    def append(self, piece: str) -> None:
        """Append ``piece``."""
        parts = self._parts
        parts.append(piece)
        if len(parts) >= 256:
            self._pack(parts)

    def read(self) -> str:
        """Return the text so far."""
        parts = self._parts
        count = len(parts)
        joined = self._joined
        if joined is None or joined[1] is not parts:
            text = "".join(parts[:count])
            if not text.isascii():
                text = _join_halves(text)
        elif joined[2] == count:
            return joined[0]
        else:
            # CPython appends in place, without copying what is there, only to a local variable
            # that holds the only reference; so the object lets go of the text meanwhile. Another
            # reader finds none then, and joins the parts.
            self._joined = None
            text, _, taken = joined
            del joined
            more = parts[taken] if taken + 1 == count else "".join(parts[taken:count])
            if not more.isascii() and _HIGH_HALF(text[-1:] + more):
                text, more = text[:-1], _join_halves(text[-1:] + more)
            text += more
        self._joined = text, parts, count
        return text

    def _pack(self, parts: list[str]) -> None:
        """Keep fewer and longer parts, so that no character is copied often."""
        kept = _LONG_PARTS
        last = "".join(parts[kept:])
        size = len(last)
        while kept and len(parts[kept - 1]) <= size:
            kept -= 1
            size += len(parts[kept])
        packed = [*parts[:kept], "".join(parts[kept:_LONG_PARTS]) + last]
        # Who reads it will read it again; who does not pays for no second copy of the text.
        text = None if self._joined is None else self.read()
        self._parts = packed
        if text is not None:
            self._joined = text, packed, len(packed)


_LONG_PARTS = 32  # more than any text has: each is longer than all behind it together
_HIGH_HALF = re.compile("[\ud800-\udbff]").search
_CUT_CHARACTER = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def _join_halves(text: str) -> str:
    """Join what JavaScript joins: the halves of a character that was cut between two deltas."""
    return _CUT_CHARACTER.sub(
        lambda cut: cut[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text
    )


def plain_copy(value: Any) -> Any:
    """Return a copy of JSON-like ``value`` that shares no list and no dict with it."""
    kind = type(value)
    if kind is dict:
        return {key: plain_copy(item) for key, item in list(value.items())}
    if kind is list:
        return [plain_copy(item) for item in value]
    return value.read() if kind is GrowingText else value


class Model:
    """A read-only view of one JSON object of the API.

    Subclasses declare the API's fields as annotations. Reading one that is absent gives ``None``;
    a key that no annotation names reads as an attribute too; any other name is an
    ``AttributeError``. Objects inside are views of their own, and reading one twice gives the same
    view as long as the same object stands there.
    """

    __slots__ = ("_data", "_views")

    _data: dict[str, Any]
    _views: dict[str, Any] | None
    _field_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._views = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = [name for name in inspect.get_annotations(cls) if name[0] != "_"]
        for name in own:
            setattr(cls, name, property(functools.partial(_read_field, name)))
        inherited = cls._field_names
        cls._field_names = (*inherited, *(name for name in own if name not in inherited))

    def __getattr__(self, name: str) -> Any:
        # Only names that are no declared field come here.
        if name[:2] != "__" and name not in Model.__slots__ and name in self._data:
            return _read_field(name, self)
        raise AttributeError(
            f"{type(self).__name__} has no attribute {name!r}: neither the API's schema nor the "
            f"data that was received has it"
        )

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._data})

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of exactly what was received or accumulated, as plain dicts and lists."""
        copy: dict[str, Any] = plain_copy(self._data)
        return copy

    def to_json(self, *, indent: int | None = None) -> str:
        """Return ``to_dict()`` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def model_dump(self) -> dict[str, Any]:
        """Return ``to_dict()``, by the name that the official Python SDK's objects have for it."""
        return self.to_dict()

    def model_dump_json(self, *, indent: int | None = None) -> str:
        """Return ``to_json()``, by the name that the official Python SDK's objects have for it."""
        return self.to_json(indent=indent)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Model):
            return self.to_dict() == other.to_dict()
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it grows, so it has no lasting hash

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={_short(value)}" for key, value in list(self._data.items()))
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.to_dict(),))

    def _view_class(self, name: str) -> type[Model] | None:
        """Return the class that shows a dict in field ``name``; ``None`` leaves the dict bare."""
        return _view_classes(type(self)).get(name, Model)


class ListView(Sequence[_T]):
    """A read-only view of one JSON array: it grows with the array that it shows."""

    __slots__ = ("_data", "_item_class", "_views")

    def __init__(self, data: list[Any], item_class: type[Model]) -> None:
        self._data = data
        self._item_class = item_class
        self._views: list[Any] = []

    def __len__(self) -> int:
        return len(self._data)

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self._item(i) for i in range(*index.indices(len(self._data)))]
        return self._item(range(len(self._data))[index])

    def __iter__(self) -> Iterator[_T]:
        index = 0
        while index < len(self._data):
            yield self._item(index)
            index += 1

    def _item(self, index: int) -> Any:
        value = self._data[index]
        if type(value) is not dict and type(value) is not list:
            return value
        views = self._views
        if len(views) <= index:
            views.extend([None] * (len(self._data) - len(views)))
        view = views[index]
        if view is None or view._data is not value:
            view = views[index] = _view(value, self._item_class)
        return view

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ListView):
            return self.to_dict() == other.to_dict()
        if isinstance(other, list):
            return list(self) == other
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it grows, so it has no lasting hash

    def __add__(self, other: Sequence[Any]) -> list[Any]:
        return [*self, *other]

    def __radd__(self, other: Sequence[Any]) -> list[Any]:
        return [*other, *self]

    def to_dict(self) -> list[Any]:
        """Return a copy of exactly what the array holds, as plain dicts and lists."""
        copy: list[Any] = plain_copy(self._data)
        return copy

    def __repr__(self) -> str:
        return repr(list(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.to_dict(), self._item_class))


def _read_field(name: str, model: Model) -> Any:
    data = model._data
    value = data.get(name)
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is dict or kind is list:
        views = model._views
        if views is None:
            views = model._views = {}
        view = views.get(name)
        if view is None or view._data is not value:
            view_class = model._view_class(name)
            if view_class is None:
                return plain_copy(value)  # a bare dict could be written to
            view = views[name] = _view(value, view_class)
        return view
    if kind is GrowingText:
        return value.read()
    return value


def _view(value: Any, item_class: type[Model]) -> Any:
    if type(value) is dict:
        return item_class(value)
    return ListView(value, item_class)


def _view_classes(cls: type[Model]) -> dict[str, type[Model] | None]:
    """Return, for each field that can hold objects, the class of their views.

    Read from the annotations when first needed: at class creation the names in them may not exist.
    """
    found = _found_view_classes.get(cls)
    if found is not None:
        return found
    found = {}
    for name, hint in typing.get_type_hints(cls).items():
        view_class = _class_in(hint)
        if view_class is not Model:
            found[name] = view_class
    _found_view_classes[cls] = found  # only when it is whole: other threads read it
    return found


_found_view_classes: dict[type[Model], dict[str, type[Model] | None]] = {}


def _class_in(hint: Any) -> type[Model] | None:
    """Return the ``Model`` subclass in a type hint, ``None`` for a dict left bare, else ``Model``."""
    if typing.get_origin(hint) is None and isinstance(hint, type):
        if issubclass(hint, Model):
            return hint
        return None if hint is dict else Model
    if typing.get_origin(hint) is dict:
        return None
    for argument in typing.get_args(hint):
        view_class = _class_in(argument)
        if view_class is not Model:
            return view_class
    return Model


def _short(value: Any) -> str:
    """Return ``repr(value)``, cut where it gets long."""
    if isinstance(value, GrowingText):
        value = value.read()
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"{value[:57]!r}..."
    if isinstance(value, dict):
        return "{...}" if value else "{}"
    if isinstance(value, list):
        return f"[... {len(value)}]" if value else "[]"
    return repr(value)
