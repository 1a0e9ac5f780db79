"""What a stream keeps of its deliveries for listeners that come late: the first 1,024, and compactly.

Most are never asked for, and 500 streams that have just begun keep them all at once. Each object
kept is one more that the garbage collector looks at while every stream waits for it, so a core
may hand an event over unmade: under the name ``KEEP``, as a recipe and what that needs.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol

import attrs

from ..types._model import untouched
from .emitter import Registration

__all__ = ["KEEP", "History", "Late", "Recipe"]

KEEP: Final = ""
"""The name of an emission that calls nobody: its arguments are a ``Recipe`` and an ingredient."""

LIMIT = 1024  # deliveries

Args = tuple[Any, ...]


class Recipe(Protocol):
    """Makes deliveries again, which are then not kept themselves."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the deliveries that it makes."""
        ...

    @property
    def counted(self) -> int:
        """How many of ``names`` are no aliases."""
        ...

    def again(self, ingredient: Any) -> Iterable[tuple[str, Args]]:
        """Make the deliveries, in their order."""
        ...


class History:
    """The first deliveries of a stream. One thread at a time.

    ``full`` changes in ``end_event`` alone, so that an event is kept whole or not at all.
    """

    def __init__(self) -> None:
        # A name and its arguments, or a recipe and its ingredient. Two lists and not one of pairs,
        # each of which would be an object more.
        self._keys: list[str | Recipe] = []
        self._values: list[Any] = []
        self._count = 0
        self.full = False
        self.unkept: Counter[str] = Counter()
        """How many deliveries of each name came when it was full."""

    def keep(self, name: str, args: Args, *, counts: bool) -> None:
        """Keep a delivery as it is; ``counts`` is whether it is no alias."""
        self._add(name, args, (name,), counts)

    def keep_recipe(self, recipe: Recipe, ingredient: Any) -> None:
        """Keep what ``recipe`` makes of ``ingredient``."""
        self._add(recipe, ingredient, recipe.names, recipe.counted)

    def cut_short(self, recipe: Recipe, ingredient: Any, last: str) -> None:
        """Take back what was just kept of deliveries behind ``last``, which never took place."""
        behind = recipe.names[recipe.names.index(last) + 1 :]
        if self.full:
            self.unkept.subtract(behind)
            return
        self._keys.pop()
        self._values.pop()
        made = recipe.again(ingredient)
        for name, args in itertools.takewhile(lambda call: call[0] not in behind, made):
            self._keys.append(name)
            self._values.append(args)

    def end_event(self) -> None:
        """Take note that the deliveries of one event are over."""
        self.full = self._count >= LIMIT

    def of(self, event: str) -> Iterator[Args]:
        """Yield the arguments of each delivery of ``event``, in their order."""
        for key, value in zip(self._keys, self._values, strict=True):
            if key == event:
                yield tuple(map(untouched, value))  # a listener before may have written to it
            elif not isinstance(key, str) and event in key.names:
                yield from (args for name, args in key.again(value) if name == event)

    def _add(self, key: str | Recipe, value: Any, names: tuple[str, ...], counted: int) -> None:
        if self.full:
            self.unkept.update(names)
            return
        self._count += counted
        self._keys.append(key)
        self._values.append(value)


@attrs.define(eq=False)
class Late:
    """A listener that came after the beginning, and is still to be given what it missed.

    As long as everything is kept, it is attached once it has been given that. Later deliveries are
    kept no longer, so then it is attached at once, and what comes meanwhile is held for it.
    """

    registration: Registration
    call: Callable[..., object]
    held: deque[tuple[Any, ...]] = attrs.field(factory=deque)

    def hold(self, *args: Any) -> None:
        """Stand in for the listener."""
        self.held.append(args)

    def is_wanted(self) -> bool:
        """Return whether the listener has not been taken away, perhaps by itself."""
        return self.registration.call == self.hold
