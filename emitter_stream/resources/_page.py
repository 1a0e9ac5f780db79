"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from ..exceptions import OpenAIError
from ..types import ListView, Model
from ..types._model import received

__all__ = ["CursorPage", "SinglePage", "no_more"]

_T = TypeVar("_T", bound=Model)


class CursorPage(Model, Generic[_T]):
    """One page of a list; iterating over it goes on through all the pages after it.

    The pages after it are fetched when the iteration gets to them.
    """

    __slots__ = ("_depth", "_fetch", "_item_class", "_seen")

    data: ListView[_T]
    has_more: bool | None
    first_id: str | None
    last_id: str | None

    def __init__(
        self,
        data: dict[str, Any],
        item_class: type[_T],
        fetch: Callable[[str], dict[str, Any]],
        *,
        seen: dict[str, int] | None = None,
        depth: int = 0,
    ) -> None:
        """``fetch(cursor)`` gets the page after the item whose id is ``cursor``."""
        super().__init__(data)
        self._item_class = item_class
        self._fetch = fetch
        # For each cursor, how many pages into the list it was first met: shared by all pages.
        self._seen = {} if seen is None else seen
        self._depth = depth

    def __iter__(self) -> Iterator[_T]:
        for page in self.iter_pages():
            yield from page.data or ()

    def iter_pages(self) -> Iterator[CursorPage[_T]]:
        """Iterate over this page and all after it, each fetched when it is its turn."""
        page = self
        yield page
        while page.has_next_page():
            page = page.get_next_page()
            yield page

    def has_next_page(self) -> bool:
        """Whether there is a page after this one, as far as this one tells."""
        return self.has_more is not False and self._cursor() is not None

    def get_next_page(self) -> CursorPage[_T]:
        """Fetch the page after this one.

        Without one, a ``RuntimeError``. A server that gives an earlier page again, which would
        never end, is an ``OpenAIError``.
        """
        cursor = self._cursor() if self.has_next_page() else None
        if cursor is None:
            raise RuntimeError("There is no next page; has_next_page() tells before")
        if self._seen.setdefault(cursor, self._depth) < self._depth:
            raise OpenAIError(f"The server repeats pages of the list: {cursor!r} ends two of them")
        return CursorPage(
            self._fetch(cursor),
            self._item_class,
            self._fetch,
            seen=self._seen,
            depth=self._depth + 1,
        )

    def _cursor(self) -> str | None:
        # By what the server sent: the program may have turned `data` round, or emptied it.
        sent = received(self)
        items = sent.get("data")
        if type(items) is not list or not items:
            return None
        last = items[-1].get("id") if type(items[-1]) is dict else None
        last = last or sent.get("last_id")
        return last if isinstance(last, str) else None

    def _view_class(self, name: str) -> type[Model] | None:
        return self._item_class if name == "data" else super()._view_class(name)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("A page cannot be pickled or copied: it holds on to the client")


class SinglePage(CursorPage[_T]):
    """A list that comes whole, in the form of a page."""

    __slots__ = ()

    def has_next_page(self) -> bool:
        """Whether there is another page: never."""
        return False


def no_more(cursor: str) -> dict[str, Any]:
    """Take the place of what gets the next page of a list that has none."""
    raise AssertionError(f"a list that comes whole was asked for what follows {cursor!r}")
