"""The lists inside API objects: lists like any other, and those of an object that still grows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["ListView", "LiveList"]

_T = TypeVar("_T")


class ListView(list[_T]):
    """A list of what one JSON array holds: its objects are views, all else is as it came.

    It belongs to the object that it was read from, whose ``to_dict()`` follows what is done to it.
    """

    __slots__ = ()

    def to_dict(self) -> list[Any]:
        """Return a copy as plain dicts and lists."""
        from ._model import plain_copy

        copy: list[Any] = plain_copy(list(self))
        return copy


class LiveList(ListView[_T]):
    """A list in an object that grows: it follows an array that the stream appends to.

    What is done to the list is done to the array. ``show`` makes the view of an array's element;
    ``hold`` returns what stands in an array for an item of the list; ``settle`` is told of the array
    before it is changed.
    """

    __slots__ = ("_data", "_hold", "_settle", "_show")

    def __init__(
        self,
        array: list[Any],
        show: Callable[[Any], Any],
        hold: Callable[[Any], Any],
        settle: Callable[[Any], None],
    ) -> None:
        super().__init__(map(show, array))
        self._data = array
        self._show = show
        self._hold = hold
        self._settle = settle

    def follow(self) -> None:
        """Take in what the array has more. It costs no more than that, however long it is.

        C code that looks into a list without asking it (``json.dumps``, ``str.join``) sees what is
        there then; so it is called whenever the list is read from its object.
        """
        more = self._data[list.__len__(self) :]
        if more:
            list.extend(self, map(self._show, more))

    def _follow_wholly(self) -> None:
        """Take in also the elements that came in the place of a ``None``, as their turn was later."""
        self.follow()
        for index, item in enumerate(self._data):
            if item is not None and list.__getitem__(self, index) is None:
                list.__setitem__(self, index, self._show(item))

    def __len__(self) -> int:
        self.follow()
        return list.__len__(self)

    def __getitem__(self, index: Any) -> Any:
        self.follow()
        if isinstance(index, slice):
            self._follow_wholly()
        item: Any = list.__getitem__(self, index)
        if item is None and self._data[index] is not None:
            item = self._show(self._data[index])
            list.__setitem__(self, index, item)
        return item

    def __reduce_ex__(self, protocol: Any) -> Any:
        return ListView, (list(self),)


def _reading(name: str) -> Callable[..., Any]:
    method = getattr(list, name)

    @functools.wraps(method)
    def read(self: LiveList[Any], *args: Any) -> Any:
        self._follow_wholly()
        return method(self, *(list(arg) if type(arg) is LiveList else arg for arg in args))

    return read


def _changing(name: str) -> Callable[..., Any]:
    method = getattr(list, name)

    @functools.wraps(method)
    def change(self: LiveList[Any], *args: Any, **options: Any) -> Any:
        self._follow_wholly()
        self._settle(self._data)
        result = method(self, *args, **options)
        held = [self._hold(item) for item in list.__iter__(self)]
        shown = [
            item if getattr(item, "_data", None) is raw else self._show(raw)
            for item, raw in zip(list.__iter__(self), held, strict=True)
        ]
        self._data[:] = held
        list.__setitem__(self, slice(None), shown)
        return result

    return change


for _name in (
    *("__iter__", "__reversed__", "__contains__", "__eq__", "__ne__", "__lt__"),
    *("__le__", "__gt__", "__ge__", "__add__", "__mul__", "__rmul__", "__repr__"),
    *("copy", "count", "index"),
):
    setattr(LiveList, _name, _reading(_name))
for _name in (
    *("__setitem__", "__delitem__", "__iadd__", "__imul__", "append", "clear", "extend"),
    *("insert", "pop", "remove", "reverse", "sort"),
):
    setattr(LiveList, _name, _changing(_name))
