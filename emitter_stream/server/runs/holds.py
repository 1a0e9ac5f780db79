"""What is held while the database and the workers are brought to say the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Holds:
    """A lock for each thread of messages, and a wait for all of them. It belongs on the event loop.

    One lock for all would let hundreds of runs begin one in a round of the loop.
    """

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: dict[str, int] = {}
        self._count = 0
        self._free = asyncio.Event()
        self._free.set()

    @asynccontextmanager
    async def hold(self, thread_id: str | None) -> AsyncIterator[None]:
        """Hold a thread; None: one that is only being made, which nobody else knows."""
        name = thread_id or ""
        lock = self._locks.setdefault(name, asyncio.Lock()) if thread_id else None
        self._users[name] = self._users.get(name, 0) + 1
        self._count += 1
        self._free.clear()
        try:
            if lock is None:
                yield
            else:
                async with lock:
                    yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name]
                self._locks.pop(name, None)
            self._count -= 1
            if not self._count:
                self._free.set()

    async def none(self) -> None:
        """Wait until nobody holds any, or waits for one."""
        await self._free.wait()
