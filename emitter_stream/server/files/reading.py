"""Reads files into chunks: small texts on a thread, everything else in a child process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from . import extract
from .extract import Unreadable
from .folder import Bytes

SMALL = 256 * 1024  # bytes of a text that needs no process of its own
AT_A_TIME = 64  # chunks


@dataclass(frozen=True)
class ReadingLimits:
    """Seconds and bytes for one file."""

    wall: float = 120.0
    cpu: int = 60
    memory: int = 1024 * 1024 * 1024


class Reader:
    """Yields the chunks of a file, some at a time. Raises `Unreadable`.

    The child is killed when the time is over, and when nobody takes its chunks any more.
    """

    def __init__(self, stored: Bytes, limits: ReadingLimits | None = None) -> None:
        self._stored = stored
        self._limits = limits or ReadingLimits()

    async def chunks(
        self, file_id: str, name: str, size: int, overlap: int
    ) -> AsyncIterator[list[str]]:
        async with self._stored.local(file_id) as path:
            async for some in self._in_child(path, name, size, overlap):
                yield some

    async def small(self, file_id: str, name: str, size: int, overlap: int) -> list[str] | None:
        """Return the chunks of a small text at once; None if it is none."""

        def read(path: Path) -> list[str] | None:
            if os.path.getsize(path) > SMALL or extract.kind_of(str(path), name) != "text":
                return None
            return list(extract.chunks_of(extract.text_of(str(path), name), size, overlap))

        async with self._stored.local(file_id) as path:
            return await self._stored.call(lambda: read(path))

    async def _in_child(
        self, path: Path, name: str, size: int, overlap: int
    ) -> AsyncIterator[list[str]]:
        limits = self._limits
        numbers = (size, overlap, limits.memory, limits.cpu)
        # A file, not a pipe: the child never waits for the database, and the limit on the size of
        # files holds for what it says, too.
        with tempfile.TemporaryFile() as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-B", "-X", "utf8", extract.__file__, str(path), name),
                *map(str, numbers),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.DEVNULL,
                env={key: os.environ[key] for key in ("SYSTEMROOT",) if key in os.environ},
                start_new_session=True,
            )
            try:
                await asyncio.wait_for(process.wait(), limits.wall)
            except asyncio.TimeoutError:
                raise _too_long() from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())
            output.seek(0)
            some: list[str] = []
            for line in output:
                try:
                    value = json.loads(line)
                except ValueError:  # it was killed in the middle of it
                    break
                if isinstance(value, dict):
                    if value:
                        raise Unreadable(value["code"], value["message"])
                    yield some
                    return
                some.append(value)
                if len(some) == AT_A_TIME:
                    yield some
                    some = []
        # It did not get to its end: a limit ended it.
        raise (
            _too_long()
            if process.returncode in (-24, -9)
            else Unreadable("invalid_file", "The file cannot be read: its reader broke off.")
        )


def _too_long() -> Unreadable:
    return Unreadable("invalid_file", "The file takes too long to be read.")
