"""The run engine: starts, continues, cancels and ends runs, one worker for each that is at work."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..answers.work import CANCELLED, Work
from ..files.desk import Desk
from ..files.folder import Bytes, Folder
from ..files.ingest import Embedder
from ..http.errors import ApiError
from ..http.keys import OWNER
from ..interpreter import Sandbox
from ..journal import note_end, where
from ..models.model import Model
from ..search.postgres import PostgresWords
from ..store.bus import Message
from ..store.objects import Json, new_id, shown_step
from ..store.store import Database, StorageFailed, ThreadRow, Transaction
from .feed import Feed
from .holds import Holds
from .lifecycle import Context, Disowned, Ending, Event, LeaseOver, Lifecycle
from .logs import EVENTS_KEPT, Events, forget_events, read_events, store_pieces
from .pace import Pace
from .peers import Peers
from .pieces import Gatherer
from .tails import Tails, Told
from .worker import Worker

if TYPE_CHECKING:
    from ..store.postgres import PostgresDatabase

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
        db: Database | PostgresDatabase,
        model: Model,
        lifetime: int = 600,
        *,
        has_code: bool = True,
        stored: Bytes | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self.db = db
        # Where it is only one process's, nobody is to be told of anything.
        self._shared = None if isinstance(db, Database) else db
        self.model = model
        self.keeps_limits = bool(getattr(model, "keeps_limits", False))
        self.has_code = has_code
        self.lifetime = lifetime
        self.me = new_id("process")
        self.sandbox = Sandbox()
        words = None if self._shared is None else PostgresWords()
        self.desk = Desk(
            self.transact,
            Folder(None) if stored is None else stored,
            words=words,
            embedder=embedder,
            is_alone=self._shared is None,
        )
        self.gatherer = Gatherer(self._store_pieces)
        self.tails = Tails()
        self.pace = Pace(lambda: db.is_busy)
        self._peers: Peers | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.with_content: set[str] = set()  # runs whose events have the content of search results
        self._workers: dict[str, Worker] = {}
        self._closers: set[asyncio.Task[None]] = set()
        self._closing: set[str] = set()
        self._works: dict[str, Work] = {}
        self._stopping = False
        self._has_said_no_code = False
        # Times are in whole seconds: a run that is not due now is not due within this one.
        self._nothing_due_at: int | None = None
        # Held over "change the status in the database, then start or stop the worker", so that
        # nobody sees the one without the other.
        self._holds = Holds()
        self._stop_lock = asyncio.Lock()

    async def begin(self) -> None:
        """Begin to see to what has to be done from time to time."""
        if self._shared is not None:
            self._peers = Peers(self, self._shared)
            with contextlib.suppress(StorageFailed):  # then before the first run
                await self._peers.register()
        self._keeper = asyncio.create_task(self._keep(), name="keeper")

    async def transact(
        self,
        work: Callable[[Lifecycle], T],
        *,
        frees: bool = False,
        feed: Feed | None = None,
        everybodys: bool = False,
    ) -> T:
        """Run `work` in one transaction; runs that are past their time are closed first.

        `frees`: it deletes, and so gets through on a full disk where anything can. `feed` is to
        follow the run that `work` tells of. `everybodys`: it sees what belongs to any
        key. Raises `StorageFailed` if nothing can be read or written; what only reads goes on while
        nothing can be written.
        """
        owner = None if everybodys else OWNER.get()
        wants_reading = False
        due: list[str] = []

        def noting(lifecycle: Lifecycle) -> T:
            nonlocal wants_reading
            answer = work(lifecycle)
            wants_reading = lifecycle.wants_reading
            return answer

        def whole(session: Transaction) -> tuple[T, list[Told], list[Json]]:
            now = int(self.db.clock())
            told: list[Told] = []
            over: list[Json] = []
            if now != self._nothing_due_at:
                everything = Lifecycle(session, now, process=self.me, at_work=self.knows)
                if not everything.close_due(due):
                    self._nothing_due_at = now
                told, over = everything.told, everything.over
            lifecycle = Lifecycle(session, now, owner, process=self.me, at_work=self.knows)
            result = noting(lifecycle)
            told += lifecycle.told
            self._say(session, told)
            return result, told, over + lifecycle.over

        def alone(session: Transaction) -> tuple[T, list[Told], list[Json]]:
            lifecycle = Lifecycle(session, int(self.db.clock()), owner, process=self.me)
            return noting(lifecycle), lifecycle.told, lifecycle.over

        try:
            result, told, over = await self._under_lease(whole, frees=frees)
        except StorageFailed:
            if not due:
                raise
            # What failed may have been the closing of others' runs, which then has to wait.
            result, told, over = await self.db.call(alone, frees=frees)
        if wants_reading:
            self.desk.ingester.wake()
        if feed is not None and told:
            feed.next = feed.first = told[-1].first
            self.tails.follow(told[-1].run_id, feed)
        self._tell(told)
        for run in over:
            spent = self.db.clock() - run["created_at"]
            note_end(run["id"], run["status"], run["usage"], spent)
        return result

    async def _under_lease(self, work: Callable[[Transaction], T], *, frees: bool) -> T:
        """Run `work`; once more under another lease if it needs one and ours is over."""
        try:
            return await self.db.call(work, frees=frees)
        except LeaseOver:
            if self._peers is not None:
                await self._peers.renew()
        try:
            return await self.db.call(work, frees=frees)
        except LeaseOver:
            raise StorageFailed("this server's lease is over") from None

    def _say(self, session: Transaction, told: Sequence[Told]) -> None:
        """Let the other processes know, once the transaction is over, of which runs something is told."""
        if self._shared is not None and told:
            runs = tuple(dict.fromkeys(one.run_id for one in told))
            self._shared.say(session, [Message(self.me, "events", runs)])

    def _tell(self, told: Iterable[Told]) -> None:
        for one in told:
            worker = self._workers.get(one.run_id)
            if worker is not None:
                worker.told_up_to = one.first + len(one.frames) - 1
            if not self.tails.tell(one) and self._peers is not None:
                self._peers.read([one.run_id])

    async def _store_pieces(self, pieces: Mapping[str, Sequence[bytes]]) -> set[str]:
        def work(session: Transaction) -> list[Told]:
            told = store_pieces(session, self.me, pieces)
            self._say(session, told)
            return told

        told = await self.db.call(work)
        self._tell(told)
        return set(pieces) - {one.run_id for one in told}

    async def create(
        self, thread_id: str, params: Json, feed: Feed | None, *, with_content: bool = False
    ) -> Json:
        """Create a run and start it; returns it queued.

        `with_content`: its events have the content of what file search finds.
        """

        def work(lifecycle: Lifecycle) -> tuple[Json, list[Event]]:
            run = lifecycle.create_run(thread_id, params, self.lifetime)
            if with_content:
                self.with_content.add(run["id"])
            return run, [("thread.run.created", run)]

        return await self._begin_run(thread_id, work, feed)

    async def create_with_thread(self, params: Json, feed: Feed | None) -> Json:
        def work(lifecycle: Lifecycle) -> tuple[Json, list[Event]]:
            thread, run = lifecycle.create_thread_and_run(params, self.lifetime)
            return run, [("thread.created", thread), ("thread.run.created", run)]

        return await self._begin_run(None, work, feed)

    async def submit(
        self, thread_id: str, run_id: str, outputs: list[Json], feed: Feed | None
    ) -> Json:
        def work(lifecycle: Lifecycle) -> tuple[Json, list[Event]]:
            step, run = lifecycle.submit_outputs(thread_id, run_id, outputs)
            return run, [("thread.run.step.completed", shown_step(step))]

        return await self._begin_run(thread_id, work, feed)

    async def _begin_run(
        self,
        thread_id: str | None,
        work: Callable[[Lifecycle], tuple[Json, list[Event]]],
        feed: Feed | None,
    ) -> Json:
        """Queue a run, and let it begin in the same transaction: nobody else would come between.

        `work` queues it, and says what is to be told of that. Returns it queued.
        """

        def begin(lifecycle: Lifecycle) -> tuple[Json, Context, int]:
            run, events = work(lifecycle)
            context = lifecycle.start_run(run["id"])
            events += [("thread.run.queued", run), ("thread.run.in_progress", context.run)]
            lifecycle.tell(run["id"], events)
            log = lifecycle.log(run["id"])
            return run, context, log.last if log is not None else 0

        async with self._holds.hold(thread_id):
            self.refuse_if_stopping()
            if self._peers is not None:
                await self._peers.register()
            run, context, told = await self.transact(begin, feed=feed)
            self._launch(run, feed, context).told_up_to = told
        return run

    async def attach(self, thread_id: str, run_id: str, after: int) -> Feed | None:
        """Return a feed of a run's events from number `after + 1` on; None if none will come."""
        self.refuse_if_stopping()
        feed = Feed(after + 1, numbered=True)
        feed.catching_up = True

        def read(lifecycle: Lifecycle) -> Events | None:
            lifecycle.find_run(thread_id, run_id)
            return read_events(lifecycle.session, run_id, feed.next - 1)

        self.tails.follow(run_id, feed)
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
                self.tails.leave(run_id, feed)
        return feed

    async def cancel(self, thread_id: str, run_id: str) -> Json:
        async with self._holds.hold(thread_id):
            self.refuse_if_stopping()
            run, is_ours = await self.transact(self._mark_cancelling(thread_id, run_id))
            if is_ours:
                worker = self._workers.get(run_id)
                if worker is None:  # it waited for tool outputs
                    worker = self._launch(run, None)
                worker.interrupt(Ending("cancelled"))
        return run

    def _mark_cancelling(
        self, thread_id: str, run_id: str
    ) -> Callable[[Lifecycle], tuple[Json, bool]]:
        def work(lifecycle: Lifecycle) -> tuple[Json, bool]:
            run = lifecycle.mark_cancelling(thread_id, run_id)
            log = lifecycle.log(run_id)
            is_ours = log is None or log.process == self.me
            if not is_ours:
                self.cancel_elsewhere(lifecycle, run_id)
            return run, is_ours

        return work

    def cancel_elsewhere(self, lifecycle: Lifecycle, object_id: str) -> None:
        """Let who works on a run or a response know, once this transaction is over, that it is to end."""
        if self._shared is not None:
            self._shared.say(lifecycle.session, [Message(self.me, "cancel", (object_id,))])

    def interrupt(self, object_ids: Iterable[str]) -> None:
        """Cancel runs and responses that are at work here: another process has marked them."""
        for object_id in object_ids:
            worker, work = self._workers.get(object_id), self._works.get(object_id)
            if worker is not None:
                worker.interrupt(Ending("cancelled"))
            if work is not None:
                work.cancel(CANCELLED)

    @property
    def is_shared(self) -> bool:
        """Whether other processes have the same database."""
        return self._shared is not None

    @property
    def at_work(self) -> int:
        """How many runs are at work here."""
        return len(self._workers)

    def knows(self, run_id: str) -> bool:
        """Return whether somebody here works on a run, or tries to close it."""
        return run_id in self._workers or run_id in self._closing

    def disown(self) -> None:
        """End the work on all runs without a word, since they are not ours any more."""
        self.me = new_id("process")
        for worker in list(self._workers.values()):
            worker.disown()

    def let_go(self, run_id: str, feed: Feed | None) -> None:
        """See to those who follow a run that is another process's now, or was deleted."""
        if self._peers is not None:
            self._peers.read([run_id])
        elif feed is not None and feed.watched:
            feed.end()

    async def delete_thread(self, thread_id: str) -> Json:
        """Delete a thread with all that is in it; a run that is active there is ended first."""
        async with self._holds.hold(thread_id):
            await self.transact(lambda s: s.find(ThreadRow, thread_id))  # it may be another's
            await self._end(
                [w for w in self._workers.values() if w.thread_id == thread_id],
                Ending("cancelled"),
            )
            return await self.transact(lambda s: s.delete_thread(thread_id), frees=True)

    async def stop(self) -> None:
        """End all runs, and with them the streams that show them. It may be called again."""
        async with self._stop_lock:
            self._stopping = True
            await self._holds.none()
            await self._end(list(self._workers.values()), STOPPING)
            works = list(self._works.values())
            for work in works:
                work.cancel(SERVER_STOPPING)
            await asyncio.gather(*(work.task for work in works))
            for closer in self._closers:  # what they did not store, the next start closes
                closer.cancel()
            if self._keeper is not None:
                self._keeper.cancel()
            if self._peers is not None:
                self._peers.close()
                await self._peers.leave()
            self.tails.close()
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

    def accompany(self, answer_id: str, work: Work) -> None:
        """End this work too when the engine stops, or another process wants it to end."""
        self._works[answer_id] = work
        work.task.add_done_callback(lambda _: self._works.pop(answer_id))

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
        self._closing.add(run_id)

        def closed(closer: asyncio.Task[None]) -> None:
            self._closers.discard(closer)
            self._closing.discard(run_id)

        closer.add_done_callback(closed)

    def refuse_if_stopping(self) -> None:
        """Raise `ApiError` 503 if the server is on its way to its end."""
        if self._stopping:
            raise SERVER_STOPPING

    async def _keep(self) -> None:
        """Show those who wait that we live; forget the events of runs that ended long ago."""
        while True:
            await asyncio.sleep(BEAT_EVERY)
            self.tails.beat()
            try:
                await self.db.call(lambda s: forget_events(s, int(self.db.clock())), frees=True)
            except StorageFailed:
                pass  # logged by the database
            except Exception as exc:  # noqa: BLE001  (it is logged)
                logger.error("old events could not be deleted:\n%s", where(exc))

    def _launch(self, run: Json, feed: Feed | None, context: Context | None = None) -> Worker:
        if self._nothing_due_at is not None and run["expires_at"] <= self._nothing_due_at:
            self._nothing_due_at = None
        worker = Worker(self, run, feed, context)
        self._workers[run["id"]] = worker
        worker.start()
        return worker

    def forget(self, worker: Worker) -> None:
        # After requires_action a new worker may have the run already.
        if self._workers.get(worker.run_id) is worker:
            del self._workers[worker.run_id]
