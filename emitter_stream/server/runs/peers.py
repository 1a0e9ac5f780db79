"""What a process does among others that serve the same database.

    who owns     what                        until
    a process    a run that is at work       its lease is over: it stopped, or stands still
    nobody       a run that waits for its    somebody submits the outputs, cancels it, or it expires
                 client, or is over
    the run's    its events; they are only   an hour after the run's end
    log          added in a transaction that holds the log
    whoever      a wake-up: it carries ids   it is lost: then everybody looks by himself, soon
    said it

Nothing here is needed for what is stored to be right: that the database sees to. It is needed for
somebody to do what is to be done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..http.errors import ApiError
from ..store.bus import Message
from ..store.store import StorageFailed
from .lifecycle import Ending, Lifecycle
from .logs import read_new_events
from .pieces import EVERY
from .tails import Told

if TYPE_CHECKING:
    from ..store.postgres import PostgresDatabase
    from .runs import RunEngine

logger = logging.getLogger("emitter_stream.server")

LEASE = 8.0  # seconds that a process may stand still
LOOK_EVERY = 2.0  # seconds


class Peers:
    """Keeps the lease of this process, ends what others left, hears what they say."""

    def __init__(self, engine: RunEngine, db: PostgresDatabase) -> None:
        self._engine = engine
        self._db = db
        self._loop = asyncio.get_running_loop()
        self._wanted: set[str] = set()  # runs whose events are to be read
        self._reader: asyncio.Task[None] | None = None
        self._strays: set[str] = set()  # runs of ours that nobody works on
        self._registered = False
        self._task = asyncio.create_task(self._keep(), name="peers")
        db.listen(self._heard)

    async def register(self) -> None:
        """Begin the lease: before the first run."""
        if not self._registered:
            me = self._engine.me
            await self._db.call(lambda s: self._db.register(s, me, LEASE))
            self._registered = True

    async def renew(self) -> None:
        """Renew the lease; where it is lost, let go of all runs and begin another."""
        await self.register()
        me = self._engine.me
        if await self._db.call(lambda s: self._db.renew(s, me, LEASE)):
            return
        if self._engine.me == me:  # nobody else has found so meanwhile
            logger.warning("this server was not heard of for too long: others ended its runs")
            self._registered = False
            self._engine.disown()
        await self.register()

    def close(self) -> None:
        self._task.cancel()
        if self._reader is not None:
            self._reader.cancel()

    async def leave(self) -> None:
        """End the lease: what is left of ours is anybody's."""
        me = self._engine.me
        with contextlib.suppress(StorageFailed):  # then it ends by itself
            await self._db.call(lambda s: self._db.renew(s, me, -1.0))

    def read(self, run_ids: Iterable[str]) -> None:
        """Read, soon, what was told of runs that are followed here."""
        self._wanted.update(run_id for run_id in run_ids if self._engine.tails.of(run_id))
        if self._wanted and self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="reader")

    async def _read(self) -> None:
        try:
            while self._wanted:
                wanted, self._wanted = self._wanted, set()
                try:
                    await self._read_events(wanted)
                    await asyncio.sleep(EVERY)  # what is told meanwhile goes together
                except StorageFailed:
                    return  # the next look will come
                except Exception:
                    logger.exception("events could not be read")
        finally:
            self._reader = None

    async def _read_events(self, run_ids: Iterable[str]) -> None:
        tails = self._engine.tails
        nexts = {
            run_id: min(feed.next for feed in feeds)
            for run_id in run_ids
            if (feeds := tails.of(run_id))
        }
        for run_id, found in await self._db.call(lambda s: list(read_new_events(s, nexts))):
            if found is None:  # it was deleted
                tails.tell(Told(run_id, 1, (), ended=True))
            else:
                tails.tell(Told(run_id, found.first, found.frames, found.ended_at is not None))

    def _heard(self, message: Message | None) -> None:
        """Take what a process said, on the thread that heard it."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._hear, message)

    def _hear(self, message: Message | None) -> None:
        if message is None:
            self.read(self._engine.tails.followed())
        elif message.process != self._engine.me:
            if message.kind == "events":
                self.read(message.runs)
            else:
                self._engine.interrupt(message.runs)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self._look()
            except StorageFailed:
                pass  # logged by the database
            except Exception:
                logger.exception("looking after the runs failed")

    async def _look(self) -> None:
        engine, db = self._engine, self._db
        await self.renew()
        await db.call(db.bury)
        for run_id in await engine.transact(Lifecycle.orphans, everybodys=True):
            await self._close(run_id)
        engine.interrupt(await engine.transact(Lifecycle.to_cancel, everybodys=True))
        # What was stored, but whose storing seemed to fail: nobody works on it.
        ours = await engine.transact(Lifecycle.ours, everybodys=True)
        strays = {run_id for run_id in ours if not engine.knows(run_id)}
        for run_id in strays & self._strays:
            await self._close(run_id, of_ours=True)
        self._strays = strays
        self.read(engine.tails.followed())

    async def _close(self, run_id: str, *, of_ours: bool = False) -> None:
        def work(lifecycle: Lifecycle) -> None:
            if of_ours:
                lifecycle.own(run_id)
                lifecycle.close_run(run_id, Ending("failed", "The server's storage failed."))
            else:
                lifecycle.close_orphan(run_id)

        with contextlib.suppress(ApiError):  # it was deleted meanwhile
            await self._engine.transact(work, everybodys=True)
