"""An answer at work: a task that writes frames, and whoever follows them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import Request

from ..http.errors import ApiError, storage_failed
from ..journal import where
from ..store.store import StorageFailed

T = TypeVar("T")

logger = logging.getLogger("emitter_stream.server")


class Work:
    """One answer on its way. `frames` is what was sent so far; readers may come at any time.

    There is no bound on it: a reader that is slow must not slow the model down, and an answer has
    an end.
    """

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.failure: ApiError | None = None
        self.cancelled: ApiError | None = None
        # Its end is being stored, which is seen through: the outcome would be unknown otherwise.
        self.is_ending = False
        self.task: asyncio.Task[None]
        self._more = asyncio.Event()

    def start(
        self,
        work: Callable[[], Coroutine[Any, Any, None]],
        failed: Callable[[ApiError], Awaitable[None]],
    ) -> Work:
        """Begin. What ends it before its time is its `failure`, and `failed` may still say so."""
        self.task = asyncio.create_task(self._run(work, failed), name="answer")
        return self

    async def _run(
        self,
        work: Callable[[], Awaitable[None]],
        failed: Callable[[ApiError], Awaitable[None]],
    ) -> None:
        try:
            await work()
        except ApiError as exc:
            self.failure = exc
        except asyncio.CancelledError:
            told = "The model failed: it was cancelled, and not by this server."
            self.failure = self.cancelled or ApiError(500, told, type="server_error")
        except StorageFailed as exc:  # logged once, by the database
            self.failure = storage_failed(exc.full)
        except Exception as exc:  # noqa: BLE001  (it is logged, and told)
            logger.error("an answer failed:\n%s", where(exc))
            told = "The server had an error while processing your request."
            self.failure = ApiError(500, told, type="server_error")
        if self.failure is not None:
            self.is_ending = True
            try:
                await failed(self.failure)
            except StorageFailed:
                pass
            except Exception as exc:  # noqa: BLE001  (it is logged)
                logger.error("the end of an answer failed:\n%s", where(exc))
        self._wake()

    def cancel(self, why: ApiError) -> None:
        """End it before its time, if it is not about to end; the first reason counts."""
        if self.cancelled is None and not self.is_ending and not self.task.done():
            self.cancelled = why
            self.task.cancel()

    def put(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._wake()

    def _wake(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()

    async def begun(self) -> None:
        """Wait for the first frame; raise what came instead of it."""
        while not self.frames and not self.task.done():
            await self._wait()
        if not self.frames and self.failure is not None:
            raise self.failure

    async def follow(self, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the frames from number `start` on, to the end."""
        while True:
            while start < len(self.frames):
                yield self.frames[start]
                start += 1
            if self.task.done():
                return
            await self._wait()

    async def _wait(self) -> None:
        """Wait for a frame or the end."""
        more = asyncio.ensure_future(self._more.wait())
        try:
            await asyncio.wait({more, self.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            more.cancel()

    async def follow_or_cancel(self) -> AsyncIterator[bytes]:
        """The same for the one reader that the answer is for: without it there is no answer."""
        try:
            async for frame in self.follow():
                yield frame
        finally:
            self.cancel(GONE)

    async def end(self, request: Request) -> None:
        """Wait for the end, and raise the `failure`; without its client there is no answer."""
        gone = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait({self.task, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            self.cancel(GONE)
        await asyncio.wait({self.task})
        if self.failure is not None:
            raise self.failure


GONE = ApiError(400, "The client went away before the answer was complete.")
CANCELLED = ApiError(400, "The response was cancelled.")


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def merged(streams: list[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """Iterate over several streams side by side; yield each item with its stream's number.

    The first error of one is raised, and ends the others.
    """
    if len(streams) == 1:
        async with aclosing(streams[0]) as only:
            async for item in only:
                yield 0, item
        return
    queue: asyncio.Queue[tuple[int, T] | None] = asyncio.Queue()

    async def pump(number: int, stream: AsyncGenerator[T, None]) -> None:
        async for item in stream:
            queue.put_nowait((number, item))

    pumps = [asyncio.create_task(pump(number, one)) for number, one in enumerate(streams)]
    everything = asyncio.gather(*pumps)
    everything.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (numbered := await queue.get()) is not None:
            yield numbered
        await everything
    finally:
        for one in pumps:
            one.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
