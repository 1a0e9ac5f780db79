"""The bytes of files, each a file of a folder, written and read on a thread of their own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import io
import math
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..store.store import StorageFailed
from ..store.threads import WorkThreads

T = TypeVar("T")

PIECE = 256 * 1024  # bytes that are read or written at a time
_UNFINISHED = ".part"


class Bytes(Protocol):
    """Where the bytes of files are kept, by names of the server's making."""

    def writer(self, name: str) -> Writer:
        """Return what takes the bytes of a new file."""
        ...

    def read(self, name: str) -> AsyncIterator[bytes]:
        """Stream the bytes of a file; `FileNotFoundError` if there is none."""
        ...

    def local(self, name: str) -> contextlib.AbstractAsyncContextManager[Path]:
        """Give, for a `with`, where another process can read the file."""
        ...

    async def call(self, function: Callable[[], T]) -> T:
        """Run what waits for a disk, beside the event loop."""
        ...

    async def delete(self, *names: str) -> None:
        """Remove files; those that are not there are gone already."""
        ...

    async def sweep(self, keep: Callable[[str], bool], age: float = 0.0) -> None:
        """Remove what nobody knows and nobody has written to for so many seconds."""
        ...

    def close(self) -> None: ...


class Writer(Protocol):
    """A file on its way. It is there once `commit` has returned; else `discard` it."""

    size: int
    md5: Any

    async def write(self, data: bytes) -> None: ...

    async def commit(self) -> None: ...

    async def discard(self) -> None: ...


class Folder:
    """Bytes in a folder; without a name one that goes away at the end.

    Raises `OSError` if it cannot be made.
    """

    def __init__(self, path: str | None) -> None:
        self._is_temporary = path is None
        self._path = Path(
            tempfile.mkdtemp(prefix="emitter-stream-files-") if path is None else path
        )
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread = WorkThreads("assistants-files")
        self._is_closed = False

    def writer(self, name: str) -> FolderWriter:
        return FolderWriter(self, name)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        opened: list[io.FileIO] = []

        def read() -> bytes | None:
            if not opened:
                opened.append(io.FileIO(self._path / name))
            return opened[0].read(PIECE)

        def close() -> None:
            for file in opened:
                file.close()

        try:
            while data := await self.call(read):
                yield data
        finally:
            # Behind what the thread may be at for a reader that was cancelled: it opens, or reads.
            if self._is_closed:
                close()
            else:
                self._thread.submit(close)

    @contextlib.asynccontextmanager
    async def local(self, name: str) -> AsyncIterator[Path]:
        yield self._path / name

    async def delete(self, *names: str) -> None:
        def remove() -> None:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path / name)

        await self.call(remove)

    async def sweep(self, keep: Callable[[str], bool], age: float = 0.0) -> None:
        def remove() -> None:
            before = self._now() - age if age else math.inf
            for entry in os.scandir(self._path):
                if entry.is_file(follow_symlinks=False) and not keep(entry.name):
                    with contextlib.suppress(OSError):  # another server may be quicker
                        if entry.stat().st_mtime <= before:
                            os.unlink(entry.path)

        await self.call(remove)

    def _now(self) -> float:
        """Return the time as the folder has it: several hosts may share it, and have their own."""
        with tempfile.NamedTemporaryFile(dir=self._path, prefix="now-") as probe:
            return os.fstat(probe.fileno()).st_mtime

    async def call(self, function: Callable[[], T]) -> T:
        return await call_disk(self._thread, function)

    def place(self, name: str) -> Path:
        return self._path / name

    def close(self) -> None:
        self._is_closed = True
        self._thread.stop()
        if self._is_temporary:
            shutil.rmtree(self._path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # one that was never needed goes again
                self._path.rmdir()


async def call_disk(thread: WorkThreads, function: Callable[[], T]) -> T:
    """Run `function` on the files' thread; what the disk does not do is `StorageFailed`."""
    try:
        return await thread.call(function)
    except FileNotFoundError:  # it was deleted meanwhile
        raise
    except OSError as exc:
        full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else exc.strerror or type(exc).__name__
        raise StorageFailed(reason) from exc


class PieceWriter:
    """Gathers the bytes of a file into pieces of at least so many bytes, and counts them."""

    def __init__(self, piece: int) -> None:
        self.size = 0
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._piece = piece
        self._buffer = bytearray()

    async def write(self, data: bytes) -> None:
        self.size += len(data)
        self._buffer += data
        if len(self._buffer) >= self._piece:
            await self._flush()

    async def _flush(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        await self._keep(data)

    async def _keep(self, data: bytes) -> None:
        """Put the next piece, which is also to go into `md5`, where it belongs."""
        raise NotImplementedError


class FolderWriter(PieceWriter):
    """A file that gets its name when it is whole, and on the disk."""

    def __init__(self, folder: Folder, name: str) -> None:
        super().__init__(PIECE)
        self._folder = folder
        self._name = name
        self._file: Any = None

    async def _keep(self, data: bytes) -> None:
        await self._folder.call(lambda: self._put(data))

    def _put(self, data: bytes) -> None:
        if self._file is None:
            path = self._folder.place(self._name + _UNFINISHED)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = io.FileIO(descriptor, "wb")
        self.md5.update(data)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    async def commit(self) -> None:
        await self._flush()
        await self._folder.call(self._finish)

    def _finish(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
        path = self._folder.place(self._name)
        os.replace(f"{path}{_UNFINISHED}", path)
        if os.name == "posix":  # the name, too, is to be on the disk
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    async def discard(self) -> None:
        """Remove what there is of it, also when it was whole already."""

        def remove() -> None:
            if self._file is not None:
                self._file.close()
            path = self._folder.place(self._name)
            for name in (f"{path}{_UNFINISHED}", path):
                with contextlib.suppress(OSError):
                    os.unlink(name)

        # Shielded: a client that has gone away cancels, and the bytes must go all the same.
        await asyncio.shield(self._folder.call(remove))
