"""``with_raw_response`` and ``with_streaming_response`` for asyncio: see ``..resources._raw``."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from .._names import PythonNames
from ..engine.plain import Stream
from ..resources import CursorPage
from ..resources._content import BinaryContent
from ..resources._raw import (
    Facts,
    RawMethods,
    RawResponse,
    StreamedResponse,
    StreamingMethods,
)
from .calls import each_in_thread, in_thread
from .pages import AsyncCursorPage
from .plain import AsyncStream

__all__ = [
    "AsyncRawMethods",
    "AsyncResponseManager",
    "AsyncStreamedResponse",
    "AsyncStreamingMethods",
]

_T = TypeVar("_T")


def _turned(answer: Any) -> Any:
    """Return what stands for the answer of a plain method on a loop."""
    from .files import AsyncBinaryContent  # late: it builds on what has these methods

    if isinstance(answer, Stream):
        return AsyncStream(answer)
    if isinstance(answer, CursorPage):
        return AsyncCursorPage(answer)
    return AsyncBinaryContent(answer._exchange) if isinstance(answer, BinaryContent) else answer


class AsyncStreamedResponse(Facts, PythonNames):
    """A ``StreamedResponse`` whose methods are coroutines and asynchronous iterators."""

    def __init__(self, response: StreamedResponse) -> None:
        super().__init__(response._exchange)
        self._response = response

    async def read(self) -> bytes:
        """Return the whole body; again the same."""
        return await self._call(self._response.read)

    async def text(self) -> str:
        """Return the whole body as text in UTF-8."""
        return await self._call(self._response.text)

    async def json(self) -> Any:
        """Return what the whole body says as JSON."""
        return await self._call(self._response.json)

    async def parse(self) -> Any:
        """Return what the method itself returns."""
        return _turned(await self._call(self._response.parse))

    def iter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Iterate over the body as it comes, or in pieces of ``chunk_size``."""
        return each_in_thread(self._response.iter_bytes(chunk_size), self._exchange)

    def iter_text(self, chunk_size: int | None = None) -> AsyncIterator[str]:
        """Iterate over the text, which is in UTF-8."""
        return each_in_thread(self._response.iter_text(chunk_size), self._exchange)

    def iter_lines(self) -> AsyncIterator[str]:
        """Iterate over the lines of the text, without their ends."""
        return each_in_thread(self._response.iter_lines(), self._exchange)

    async def close(self) -> None:
        """Give up what has not been read; again does nothing."""
        self._response.close()

    async def _call(self, function: Callable[[], _T]) -> _T:
        return await in_thread(function, self._exchange)


class AsyncResponseManager:
    """Sends the request in an ``async with``, which gives the response and closes it."""

    def __init__(self, send: Callable[[], StreamedResponse]) -> None:
        self._send = send
        self._response: AsyncStreamedResponse | None = None

    async def __aenter__(self) -> AsyncStreamedResponse:
        self._response = AsyncStreamedResponse(await in_thread(self._send))
        return self._response

    async def __aexit__(self, *exception: object) -> None:
        if self._response is not None:
            await self._response.close()


class AsyncRawMethods:
    """The methods of a group, as coroutines; each returns a ``RawResponse``."""

    def __init__(self, plain: RawMethods) -> None:
        self._plain = plain

    if TYPE_CHECKING:

        def __getattr__(
            self, name: str
        ) -> Callable[..., Coroutine[Any, Any, RawResponse[Any]]]: ...
    else:

        def __getattr__(self, name):
            plain = getattr(self._plain, name)
            if isinstance(plain, RawMethods):  # of a group in the group
                return AsyncRawMethods(plain)

            @functools.wraps(plain)
            async def call(*args, **kwargs):
                return (await in_thread(functools.partial(plain, *args, **kwargs))).turned(_turned)

            return call


class AsyncStreamingMethods:
    """The methods of a group; each is for an ``async with``, which gives the response."""

    def __init__(self, plain: StreamingMethods) -> None:
        self._plain = plain

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., AsyncResponseManager]: ...
    else:

        def __getattr__(self, name):
            plain = getattr(self._plain, name)
            if isinstance(plain, StreamingMethods):
                return AsyncStreamingMethods(plain)

            @functools.wraps(plain)
            def call(*args, **kwargs):
                return AsyncResponseManager(plain(*args, **kwargs).send)

            return call
