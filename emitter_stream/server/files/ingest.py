"""Reads the files that were put into vector stores: a queue of rows, a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from array import array
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from ..journal import where
from ..models.model import ModelError
from ..store.records import Records
from ..store.store import StorageFailed
from ..store.vectors import CLAIM, Reading, StoreRecords
from .extract import Unreadable
from .reading import AT_A_TIME, Reader

T = TypeVar("T")
Transact = Callable[[Callable[[Records], T]], Awaitable[T]]

logger = logging.getLogger("emitter_stream.server")

AT_ONCE = 2  # files that are read, each in a process of its own if it is not small
CLAIMED = 64  # files that are taken from the database at a time
RETRY_EVERY = 1.0  # seconds, while the disk or the database fails
LOOK_EVERY = 15.0  # seconds, for what another process has left


class Embedder(Protocol):
    """Turns texts into vectors, all of one length."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


class Ingester:
    """Reads one file after the other until there is none `in_progress`, then waits to be woken.

    What it has not finished when the process ends is read anew at the next start: a file is found
    only once all of it is there.
    """

    def __init__(
        self, transact: Transact[object], reader: Reader, embedder: Embedder | None = None
    ) -> None:
        self._transact = transact
        self._reader = reader
        self._embedder = embedder
        self._unread: list[Reading] = []  # claimed, but not come to an end
        self._more = asyncio.Event()
        self._settled = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._more.set()
        self._task = asyncio.create_task(self._run(), name="read files")

    def wake(self) -> None:
        """Say that there is something to be read."""
        self._more.set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def a_file_ends(self, seconds: float) -> None:
        """Wait until some file has been read or failed, but no longer than so many seconds."""
        with contextlib.suppress(asyncio.TimeoutError):
            async with self._settled:
                await asyncio.wait_for(self._settled.wait(), seconds)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._more.wait(), LOOK_EVERY)
            self._more.clear()
            try:
                while await self._read_some():
                    pass
            except StorageFailed:  # logged by the database
                asyncio.get_running_loop().call_later(RETRY_EVERY, self._more.set)
            except Exception:
                logger.exception("files could not be read")

    async def _read_some(self) -> bool:
        unread = [reading.seq for reading in self._unread]
        readings = await self._call(lambda s: s.claim(CLAIMED, unread))
        self._unread = list(readings)
        holder = asyncio.create_task(self._hold())
        try:
            larger = await self._read_small(readings)
            await self._read_larger(larger)
        finally:
            holder.cancel()
            await asyncio.gather(holder, return_exceptions=True)
        return bool(readings)

    async def _hold(self) -> None:
        """Renew the claims, as long as this process reads on."""
        while True:
            await asyncio.sleep(CLAIM / 3)
            mine = [reading.seq for reading in self._unread]
            with contextlib.suppress(StorageFailed):  # logged by the database
                await self._call(lambda s, mine=mine: s.renew_claims(mine))  # type: ignore[misc]

    async def _read_small(self, readings: Sequence[Reading]) -> list[Reading]:
        """Read small texts, and keep many in one transaction; returns the files that are none."""
        larger: list[Reading] = []
        some: list[tuple[Reading, list[str]]] = []
        for reading in readings:
            try:
                texts = await self._reader.small(*_asked(reading))
            except StorageFailed:
                raise
            except Exception as exc:  # noqa: BLE001 - it is looked at more closely
                await self._fail(reading, exc)
                continue
            if texts is None:
                larger.append(reading)
                continue
            some.append((reading, texts))
            if sum(len(texts) for _, texts in some) >= AT_A_TIME:
                await self._keep_small(some)
                some = []
        await self._keep_small(some)
        return larger

    async def _keep_small(self, some: Sequence[tuple[Reading, list[str]]]) -> None:
        if not some:
            return
        try:
            named = [(reading.name, text) for reading, texts in some for text in texts]
            vectors = iter(await self._vectors(named))
            whole = [(reading, texts, [next(vectors) for _ in texts]) for reading, texts in some]
            await self._call(lambda s: s.add_whole(whole))
        except StorageFailed:
            raise
        except Exception as exc:  # noqa: BLE001 - it is looked at more closely
            if len(some) == 1:
                await self._fail(some[0][0], exc)
            else:  # the others have nothing to do with what is wrong with one
                for one in some:
                    await self._keep_small([one])
            return
        await self._end(*(reading for reading, _ in some))

    async def _read_larger(self, readings: Sequence[Reading]) -> None:
        waiting = iter(readings)

        async def take_turns() -> None:
            for reading in waiting:
                try:
                    await self._read(reading)
                except StorageFailed:
                    raise
                except Exception as exc:  # noqa: BLE001 - it is looked at more closely
                    await self._fail(reading, exc)
                else:
                    await self._end(reading)

        takers = [asyncio.create_task(take_turns()) for _ in range(min(AT_ONCE, len(readings)))]
        try:
            await asyncio.gather(*takers)
        finally:
            for taker in takers:
                taker.cancel()
            await asyncio.gather(*takers, return_exceptions=True)

    async def _fail(self, reading: Reading, exc: Exception) -> None:
        """Say of a file why it could not be read."""
        if isinstance(exc, Unreadable):
            code, message = exc.code, exc.message
        elif isinstance(exc, FileNotFoundError):  # deleted, or else somebody has been at the folder
            code, message = "server_error", "The content of the file is not there any more."
        elif isinstance(exc, ModelError):  # whose message may quote the file: it is no log's
            logger.warning("file %s: the embeddings' model says %s", reading.file_id, exc.code)
            code, message = "server_error", exc.message
        else:
            logger.error("file %s could not be read:\n%s", reading.file_id, where(exc))
            code, message = (
                "server_error",
                f"The file could not be read: {type(exc).__name__}.",
            )
        await self._call(lambda s: s.fail(reading, code, message))
        await self._end(reading)

    async def _end(self, *readings: Reading) -> None:
        for reading in readings:
            self._unread.remove(reading)
        async with self._settled:
            self._settled.notify_all()

    async def _read(self, reading: Reading) -> None:
        first, last = 0, None
        chunks = self._reader.chunks(*_asked(reading))
        try:
            async for texts in chunks:
                if last is not None:
                    kept = await self._keep(reading, first, last)
                    if not kept:  # it was taken out of the store meanwhile
                        return
                    first += len(last)
                last = texts
        finally:
            await chunks.aclose()  # type: ignore[attr-defined]
        rest = last or []
        vectors = await self._vectors([(reading.name, text) for text in rest])

        def finish(stores: StoreRecords) -> None:
            if stores.add_chunks(reading, first, rest, vectors):
                stores.finish(reading)

        await self._call(finish)

    async def _keep(self, reading: Reading, first: int, texts: list[str]) -> bool:
        vectors = await self._vectors([(reading.name, text) for text in texts])
        return await self._call(lambda s: s.add_chunks(reading, first, texts, vectors))

    async def _vectors(self, named: Sequence[tuple[str, str]]) -> list[bytes | None]:
        if self._embedder is None or not named:
            return [None] * len(named)
        # With the name of its file, which often says what a chunk is about and does not name itself.
        texts = [f"{name}\n{text}" for name, text in named]
        return [array("f", vector).tobytes() for vector in await self._embedder.embed(texts)]

    async def _call(self, work: Callable[[StoreRecords], T]) -> T:
        answer: T = await self._transact(lambda records: work(StoreRecords(records)))  # type: ignore[assignment]
        return answer


def _asked(reading: Reading) -> tuple[str, str, int, int]:
    return reading.file_id, reading.name, reading.size, reading.overlap
