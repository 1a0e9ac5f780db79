"""The run engine: starts, continues, cancels and ends runs, one worker for each that is at work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from ..answers.work import Work
from ..files.desk import Desk
from ..files.folder import Bytes, Folder
from ..http.errors import ApiError
from ..http.keys import OWNER
from ..interpreter import Sandbox
from ..journal import note_end, where
from ..models.model import Model
from ..store.objects import Json, new_id
from ..store.store import Database, StorageFailed, ThreadRow, Transaction
from .feed import Feed
from .lifecycle import Disowned, Ending, Lifecycle
from .logs import EVENTS_KEPT, Events, forget_events, read_events, store_pieces
from .pieces import Gatherer
from .tails import Tails, Told
from .worker import Worker

T = TypeVar("T")

logger = logging.getLogger("emitter_stream.server")

RETRY_EVERY = 1.0  # seconds, for what could not be stored
BEAT_EVERY = 15.0  # seconds between two signs of life to who waits for events
GONE = ApiError(410, "The events of this run are not kept any more.", code="events_expired")
SERVER_STOPPING = ApiError(503, "The server is stopping.", type="server_error")
STOPPING = Ending("failed", "The server was stopped in the middle of this run.")


class RunEngine:
    """Starts, continues, cancels and ends runs. All methods belong on the event loop.

    `has_code` says whether code that the model writes is run.
    """

    def __init__(
        self,
        db: Database,
        model: Model,
        lifetime: int = 600,
        *,
        has_code: bool = True,
        stored: Bytes | None = None,
    ) -> None:
        self.db = db
        self.model = model
        self.keeps_limits = bool(getattr(model, "keeps_limits", False))
        self.has_code = has_code
        self.lifetime = lifetime
        self.me = new_id("process")
        self.sandbox = Sandbox()
        self.desk = Desk(self.transact, Folder(None) if stored is None else stored)
        self.gatherer = Gatherer(self._store_pieces)
        self._tails = Tails()
        self._keeper: asyncio.Task[None] | None = None
        self._workers: dict[str, Worker] = {}
        self._closers: set[asyncio.Task[None]] = set()
        self._works: set[Work] = set()
        self._stopping = False
        self._has_said_no_code = False
        # Times are in whole seconds: a run that is not due now is not due within this one.
        self._nothing_due_at: int | None = None
        # Held over "change the status in the database, then start or stop the worker", so that
        # nobody sees the one without the other.
        self._lock = asyncio.Lock()

    def begin(self) -> None:
        """Begin to see to what has to be done from time to time."""
        self._keeper = asyncio.create_task(self._keep(), name="keeper")

    async def transact(
        self, work: Callable[[Lifecycle], T], *, frees: bool = False, feed: Feed | None = None
    ) -> T:
        """Run `work` in one transaction; runs that are past their time are closed first.

        `frees`: it deletes, and so gets through on a full disk where anything can. `feed` is to
        follow the run that `work` tells of. Raises `StorageFailed` if nothing can be read or
        written; what only reads goes on while nothing can be written.
        """
        due: list[tuple[str, Ending]] = []
        owner = OWNER.get()
        wants_reading = False

        def noting(lifecycle: Lifecycle) -> T:
            nonlocal wants_reading
            answer = work(lifecycle)
            wants_reading = lifecycle.wants_reading
            return answer

        def whole(session: Transaction) -> tuple[T, list[Told], list[Json]]:
            now = int(self.db.clock())
            everybodys = Lifecycle(session, now, process=self.me)
            if now != self._nothing_due_at:
                found = everybodys.due(self._workers.__contains__)
                due.extend(found or ())
                for run_id, ending in due:
                    everybodys.close_run(run_id, ending)
                if found is None:
                    self._nothing_due_at = now
            lifecycle = Lifecycle(session, now, owner, process=self.me)
            result = noting(lifecycle)
            told = [*everybodys.told, *lifecycle.told]
            return result, told, [*everybodys.over, *lifecycle.over]

        def alone(session: Transaction) -> tuple[T, list[Told], list[Json]]:
            lifecycle = Lifecycle(session, int(self.db.clock()), owner, process=self.me)
            return noting(lifecycle), lifecycle.told, lifecycle.over

        try:
            result, told, over = await self.db.call(whole, frees=frees)
        except StorageFailed:
            if not due:
                raise
            # What failed may have been the closing of others' runs, which then has to wait.
            result, told, over = await self.db.call(alone, frees=frees)
        if wants_reading:
            self.desk.ingester.wake()
        if feed is not None and told:
            feed.next = feed.first = told[-1].first
            self._tails.follow(told[-1].run_id, feed)
        self._tell(told)
        for run in over:
            spent = self.db.clock() - run["created_at"]
            note_end(run["id"], run["status"], run["usage"], spent)
        return result

    def _tell(self, told: Iterable[Told]) -> None:
        for one in told:
            self._tails.tell(one)

    async def _store_pieces(self, pieces: Mapping[str, Sequence[bytes]]) -> set[str]:
        told = await self.db.call(lambda session: store_pieces(session, self.me, pieces))
        self._tell(told)
        return set(pieces) - {one.run_id for one in told}

    async def create(self, thread_id: str, params: Json, feed: Feed | None) -> Json:
        """Create a run and start it; returns it queued."""

        def work(lifecycle: Lifecycle) -> Json:
            run = lifecycle.create_run(thread_id, params, self.lifetime)
            lifecycle.tell(run["id"], [("thread.run.created", run), ("thread.run.queued", run)])
            return run

        return await self._begin_run(work, feed)

    async def create_with_thread(self, params: Json, feed: Feed | None) -> Json:
        def work(lifecycle: Lifecycle) -> Json:
            thread, run = lifecycle.create_thread_and_run(params, self.lifetime)
            first = [("thread.created", thread), ("thread.run.created", run)]
            lifecycle.tell(run["id"], [*first, ("thread.run.queued", run)])
            return run

        return await self._begin_run(work, feed)

    async def submit(
        self, thread_id: str, run_id: str, outputs: list[Json], feed: Feed | None
    ) -> Json:
        def work(lifecycle: Lifecycle) -> Json:
            step, run = lifecycle.submit_outputs(thread_id, run_id, outputs)
            lifecycle.tell(
                run_id, [("thread.run.step.completed", step), ("thread.run.queued", run)]
            )
            return run

        return await self._begin_run(work, feed)

    async def _begin_run(self, work: Callable[[Lifecycle], Json], feed: Feed | None) -> Json:
        async with self._lock:
            self.refuse_if_stopping()
            run = await self.transact(work, feed=feed)
            self._launch(run, feed)
        return run

    async def attach(self, thread_id: str, run_id: str, after: int) -> Feed | None:
        """Return a feed of a run's events from number `after + 1` on; None if none will come."""
        self.refuse_if_stopping()
        feed = Feed(after + 1, numbered=True)
        feed.catching_up = True

        def read(lifecycle: Lifecycle) -> Events | None:
            lifecycle.find_run(thread_id, run_id)
            return read_events(lifecycle.session, run_id, feed.next - 1)

        self._tails.follow(run_id, feed)
        try:
            while feed.catching_up:
                feed.is_behind = False
                found = await self.transact(read)
                if found is None:
                    raise GONE
                if found.ended_at is not None:
                    if found.ended_at + EVENTS_KEPT <= self.db.clock():
                        raise GONE
                    if found.last <= after:
                        feed.cut()
                        return None
                feed.put(found.first, found.frames)
                # What was told since has found it catching up.
                feed.catching_up = feed.is_behind
                if found.ended_at is not None:
                    feed.catching_up = False
                    feed.end()
        except BaseException:
            feed.cut()
            raise
        finally:
            if not feed.watched:
                self._tails.leave(run_id, feed)
        return feed

    async def cancel(self, thread_id: str, run_id: str) -> Json:
        async with self._lock:
            self.refuse_if_stopping()
            run = await self.transact(lambda s: s.mark_cancelling(thread_id, run_id))
            worker = self._workers.get(run_id)
            if worker is None:  # it waited for tool outputs
                worker = self._launch(run, None)
            worker.interrupt(Ending("cancelled"))
        return run

    async def delete_thread(self, thread_id: str) -> Json:
        """Delete a thread with all that is in it; a run that is active there is ended first."""
        async with self._lock:
            await self.transact(lambda s: s.find(ThreadRow, thread_id))  # it may be another's
            await self._end(
                [w for w in self._workers.values() if w.thread_id == thread_id],
                Ending("cancelled"),
            )
            return await self.transact(lambda s: s.delete_thread(thread_id), frees=True)

    async def stop(self) -> None:
        """End all runs, and with them the streams that show them. It may be called again."""
        async with self._lock:
            self._stopping = True
            await self._end(list(self._workers.values()), STOPPING)
            works = list(self._works)
            for work in works:
                work.cancel(SERVER_STOPPING)
            await asyncio.gather(*(work.task for work in works))
            for closer in self._closers:  # what they did not store, the next start closes
                closer.cancel()
            if self._keeper is not None:
                self._keeper.cancel()
            self._tails.close()
            await self.desk.stop()
            await self._close_model()

    def say_no_code(self) -> None:
        """Warn, once, that runs have a tool which their model is not offered."""
        if not self._has_said_no_code:
            self._has_said_no_code = True
            logger.warning("the code interpreter is off: runs that have it do without it")

    async def _close_model(self) -> None:
        close = getattr(self.model, "aclose", None)
        if close is not None:
            try:
                await close()
            except Exception as exc:  # noqa: BLE001  (it is logged)
                logger.error("the model could not be closed:\n%s", where(exc))

    async def _end(self, workers: list[Worker], ending: Ending) -> None:
        for worker in workers:
            worker.interrupt(ending)
        await asyncio.gather(*(worker.task for worker in workers))

    def accompany(self, work: Work) -> None:
        """End this work too when the engine stops."""
        self._works.add(work)
        work.task.add_done_callback(lambda _: self._works.discard(work))

    def close_later(self, run_id: str, close: Callable[[Lifecycle], object]) -> None:
        """Close a run whose end could not be stored, as soon as it can be.

        Until then it is active, as the database says.
        """

        async def keep_trying() -> None:
            while not self._stopping:
                await asyncio.sleep(RETRY_EVERY)
                try:
                    await self.transact(close)
                except StorageFailed:
                    continue
                except (ApiError, Disowned):
                    pass  # the run was deleted meanwhile, or is another process's
                except Exception as exc:  # noqa: BLE001  (it is logged)
                    logger.error("run %s could not be closed:\n%s", run_id, where(exc))
                return

        closer = asyncio.create_task(keep_trying(), name=f"close {run_id}")
        self._closers.add(closer)
        closer.add_done_callback(self._closers.discard)

    def refuse_if_stopping(self) -> None:
        """Raise `ApiError` 503 if the server is on its way to its end."""
        if self._stopping:
            raise SERVER_STOPPING

    async def _keep(self) -> None:
        """Show those who wait that we live; forget the events of runs that ended long ago."""
        while True:
            await asyncio.sleep(BEAT_EVERY)
            self._tails.beat()
            try:
                await self.db.call(lambda s: forget_events(s, int(self.db.clock())), frees=True)
            except StorageFailed:
                pass  # logged by the database
            except Exception as exc:  # noqa: BLE001  (it is logged)
                logger.error("old events could not be deleted:\n%s", where(exc))

    def _launch(self, run: Json, feed: Feed | None) -> Worker:
        if self._nothing_due_at is not None and run["expires_at"] <= self._nothing_due_at:
            self._nothing_due_at = None
        worker = Worker(self, run, feed)
        self._workers[run["id"]] = worker
        worker.start()
        return worker

    def forget(self, worker: Worker) -> None:
        # After requires_action a new worker may have the run already.
        if self._workers.get(worker.run_id) is worker:
            del self._workers[worker.run_id]
