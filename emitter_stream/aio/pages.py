"""Lists that come in pages, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Generic, TypeVar

from .._names import PythonNames
from ..resources import CursorPage
from ..types import ListView, Model
from .calls import in_thread

__all__ = ["AsyncCursorPage", "AsyncPaginator"]

_T = TypeVar("_T", bound=Model)


class AsyncCursorPage(PythonNames, Generic[_T]):
    """One page of a list; ``async for`` goes on through all the pages after it.

    The pages after it are fetched when the iteration gets to them.
    """

    def __init__(self, page: CursorPage[_T]) -> None:
        self._page = page

    @property
    def data(self) -> ListView[_T]:
        """The items of this page."""
        return self._page.data

    @property
    def has_more(self) -> bool | None:
        """Whether the server says that there are pages after this one."""
        return self._page.has_more

    @property
    def first_id(self) -> str | None:
        """The id of the first item."""
        return self._page.first_id

    @property
    def last_id(self) -> str | None:
        """The id of the last item."""
        return self._page.last_id

    def to_dict(self) -> dict[str, Any]:
        """Return the page as it was received."""
        return self._page.to_dict()

    async def __aiter__(self) -> AsyncIterator[_T]:
        async for page in self.iter_pages():
            for item in page.data or ():
                yield item

    async def iter_pages(self) -> AsyncIterator[AsyncCursorPage[_T]]:
        """Iterate over this page and all after it, each fetched when it is its turn."""
        page = self
        yield page
        while page.has_next_page():
            page = await page.get_next_page()
            yield page

    def has_next_page(self) -> bool:
        """Whether there is a page after this one, as far as this one tells."""
        return self._page.has_next_page()

    async def get_next_page(self) -> AsyncCursorPage[_T]:
        """Fetch the page after this one; raises what ``CursorPage.get_next_page`` raises."""
        return AsyncCursorPage(await in_thread(self._page.get_next_page))

    def __repr__(self) -> str:
        return f"Async{self._page!r}"


class AsyncPaginator(PythonNames, Generic[_T]):
    """What ``list()`` returns: ``await`` gives the first page, ``async for`` every item."""

    def __init__(self, fetch: Callable[[], CursorPage[_T]]) -> None:
        self._fetch = fetch

    def __await__(self) -> Generator[Any, None, AsyncCursorPage[_T]]:
        return self._first().__await__()

    async def __aiter__(self) -> AsyncIterator[_T]:
        async for item in await self._first():
            yield item

    async def _first(self) -> AsyncCursorPage[_T]:
        return AsyncCursorPage(await in_thread(self._fetch))
