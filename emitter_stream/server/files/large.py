"""The bytes of files as large objects of PostgreSQL, which all servers on one database see."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO, TypeVar

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from ..store.file_rows import BytesRow
from ..store.postgres import PostgresDatabase
from ..store.store import StorageFailed
from ..store.threads import WorkThreads
from .folder import PieceWriter, call_disk

T = TypeVar("T")

PIECE = 1024 * 1024  # bytes of a transaction

_BEGIN = text(
    "INSERT INTO file_bytes (name, number, touched_at) VALUES (:name, lo_create(0), :now)"
)
_PUT = text("SELECT lo_put(number, :place, :data) FROM file_bytes WHERE name = :name")
_GET = text("SELECT lo_get(number, :place, :size) FROM file_bytes WHERE name = :name")


class LargeObjects:
    """Bytes in the database: a row each, which names a large object.

    A row without a file is one that is still being written, or was left by a server that was killed.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._thread = WorkThreads("assistants-files")

    def writer(self, name: str) -> LargeWriter:
        return LargeWriter(self, name)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        place = 0
        while data := await self._get(name, place):
            yield data
            place += len(data)

    async def _get(self, name: str, place: int) -> bytes:
        given = {"name": name, "place": place, "size": PIECE}
        row = await self._database.call(lambda s: s.execute(_GET, given).one_or_none())
        if row is None:
            raise FileNotFoundError(name)
        return bytes(row[0])

    @contextlib.asynccontextmanager
    async def local(self, name: str) -> AsyncIterator[Path]:
        file: IO[bytes] = await self.call(
            lambda: tempfile.NamedTemporaryFile(prefix="emitter-stream-file-")  # noqa: SIM115
        )
        try:
            pieces = self.read(name)
            async with contextlib.aclosing(pieces):  # type: ignore[type-var]
                async for data in pieces:
                    await self.call(lambda data=data: file.write(data))  # type: ignore[misc]
            await self.call(file.flush)
            yield Path(file.name)
        finally:
            file.close()

    async def delete(self, *names: str) -> None:
        for name in names:
            await self._database.call(lambda s, name=name: _drop(s, name), frees=True)  # type: ignore[misc]

    async def sweep(self, keep: Callable[[str], bool], age: float = 0.0) -> None:
        before = int(self._database.clock() - age)
        query = select(BytesRow.name).where(BytesRow.touched_at <= before)
        names = await self._database.call(lambda s: list(s.scalars(query)))
        await self.delete(*(name for name in names if not keep(name)))

    async def put(self, name: str, place: int, data: bytes) -> None:
        """Write some bytes of a file, the first of which make it."""
        now = int(self._database.clock())

        def work(session: Session) -> bool:
            if place == 0:
                session.execute(_BEGIN, {"name": name, "now": now})
            else:
                touched = update(BytesRow).where(BytesRow.name == name)
                session.execute(touched.values(touched_at=now))
            given = {"name": name, "place": place, "data": data}
            return session.execute(_PUT, given).one_or_none() is not None

        if not await self._database.call(work):
            raise StorageFailed("what was written of a file is gone")

    async def call(self, function: Callable[[], T]) -> T:
        return await call_disk(self._thread, function)

    def close(self) -> None:
        self._thread.stop()


def _drop(session: Session, name: str) -> None:
    gone = session.scalars(delete(BytesRow).where(BytesRow.name == name).returning(BytesRow.number))
    for number in gone.all():
        session.execute(select(func.lo_unlink(number)))


class LargeWriter(PieceWriter):
    """A file on its way into the database, in a transaction for each piece."""

    def __init__(self, objects: LargeObjects, name: str) -> None:
        super().__init__(PIECE)
        self._objects = objects
        self._name = name
        self._place = 0

    async def _keep(self, data: bytes) -> None:
        await self._objects.call(lambda: self.md5.update(data))
        place, self._place = self._place, self._place + len(data)
        await self._objects.put(self._name, place, data)

    async def commit(self) -> None:
        if self._buffer or not self._place:
            await self._flush()

    async def discard(self) -> None:
        """Remove what there is of it, also when it was whole already."""
        # Shielded: a client that has gone away cancels, and the bytes must go all the same.
        await asyncio.shield(self._objects.delete(self._name))
