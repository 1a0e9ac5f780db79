"""The run engine: starts, continues, cancels and ends runs, one worker for each that is at work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from ..answers.work import Work
from ..http.errors import ApiError
from ..http.keys import OWNER
from ..interpreter import Sandbox
from ..models.model import Model
from ..store.objects import Json
from ..store.store import Database, StorageFailed, ThreadRow, Transaction
from .feed import Feed
from .lifecycle import Ending, Event, Lifecycle
from .worker import Worker

T = TypeVar("T")

logger = logging.getLogger("emitter_stream.server")

RETRY_EVERY = 1.0  # seconds, for what could not be stored
SERVER_STOPPING = ApiError(503, "The server is stopping.", type="server_error")
STOPPING = Ending("failed", "The server was stopped in the middle of this run.")


class RunEngine:
    """Starts, continues, cancels and ends runs. All methods belong on the event loop.

    `has_code` says whether code that the model writes is run.
    """

    def __init__(
        self, db: Database, model: Model, lifetime: int = 600, *, has_code: bool = True
    ) -> None:
        self.db = db
        self.model = model
        self.keeps_limits = bool(getattr(model, "keeps_limits", False))
        self.has_code = has_code
        self.lifetime = lifetime
        self.sandbox = Sandbox()
        self._workers: dict[str, Worker] = {}
        self._closers: set[asyncio.Task[None]] = set()
        self._works: set[Work] = set()
        self._stopping = False
        self._has_said_no_code = False
        # Held over "change the status in the database, then start or stop the worker", so that
        # nobody sees the one without the other.
        self._lock = asyncio.Lock()

    async def transact(self, work: Callable[[Lifecycle], T], *, frees: bool = False) -> T:
        """Run `work` in one transaction; runs that are past their time are closed first.

        `frees`: it deletes, and so gets through on a full disk where anything can. Raises
        `StorageFailed` if nothing can be read or written; what only reads goes on while nothing
        can be written.
        """
        due: list[tuple[str, Ending]] = []

        owner = OWNER.get()

        def whole(session: Transaction) -> T:
            now = int(self.db.clock())
            lifecycle = Lifecycle(session, now)  # everybody's runs
            due.extend(lifecycle.due(self._workers.__contains__))
            for run_id, ending in due:
                lifecycle.close_run(run_id, ending)
            return work(Lifecycle(session, now, owner))

        def alone(session: Transaction) -> T:
            return work(Lifecycle(session, int(self.db.clock()), owner))

        try:
            return await self.db.call(whole, frees=frees)
        except StorageFailed:
            if not due:
                raise
        # What failed may have been the closing of others' runs, which then has to wait.
        return await self.db.call(alone, frees=frees)

    async def create(self, thread_id: str, params: Json, feed: Feed | None) -> Json:
        """Create a run and start it; returns it queued."""
        async with self._lock:
            self.refuse_if_stopping()
            run = await self.transact(lambda s: s.create_run(thread_id, params, self.lifetime))
            first: list[Event] = [("thread.run.created", run), ("thread.run.queued", run)]
            self._launch(run, feed, first)
        return run

    async def create_with_thread(self, params: Json, feed: Feed | None) -> Json:
        async with self._lock:
            self.refuse_if_stopping()
            thread, run = await self.transact(
                lambda s: s.create_thread_and_run(params, self.lifetime)
            )
            first: list[Event] = [
                ("thread.created", thread),
                ("thread.run.created", run),
                ("thread.run.queued", run),
            ]
            self._launch(run, feed, first)
        return run

    async def submit(
        self, thread_id: str, run_id: str, outputs: list[Json], feed: Feed | None
    ) -> Json:
        async with self._lock:
            self.refuse_if_stopping()
            step, run = await self.transact(lambda s: s.submit_outputs(thread_id, run_id, outputs))
            first: list[Event] = [
                ("thread.run.step.completed", step),
                ("thread.run.queued", run),
            ]
            self._launch(run, feed, first)
        return run

    async def cancel(self, thread_id: str, run_id: str) -> Json:
        async with self._lock:
            self.refuse_if_stopping()
            run = await self.transact(lambda s: s.mark_cancelling(thread_id, run_id))
            worker = self._workers.get(run_id)
            if worker is None:  # it waited for tool outputs
                worker = self._launch(run, None, [])
            worker.publish("thread.run.cancelling", run)
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
            return await self.transact(
                lambda s: s.delete(ThreadRow, "thread", thread_id), frees=True
            )

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
            except Exception:
                logger.exception("the model could not be closed")

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
                except ApiError:
                    pass  # the run was deleted meanwhile
                except Exception:
                    logger.exception("run %s could not be closed", run_id)
                return

        closer = asyncio.create_task(keep_trying(), name=f"close {run_id}")
        self._closers.add(closer)
        closer.add_done_callback(self._closers.discard)

    def refuse_if_stopping(self) -> None:
        """Raise `ApiError` 503 if the server is on its way to its end."""
        if self._stopping:
            raise SERVER_STOPPING

    def _launch(self, run: Json, feed: Feed | None, first: list[Event]) -> Worker:
        worker = Worker(self, run, feed)
        self._workers[run["id"]] = worker
        for event, data in first:
            worker.publish(event, data)
        worker.start()
        return worker

    def forget(self, worker: Worker) -> None:
        # After requires_action a new worker may have the run already.
        if self._workers.get(worker.run_id) is worker:
            del self._workers[worker.run_id]
