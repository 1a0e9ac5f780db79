"""Who opens the sources of streams: a few threads, and more where servers take their time.

To open a source is to connect, to send a request and to read the head of the answer. Where servers
answer at once that is work for the processor, and threads that share it take it from who reads:
the streams that have begun would be late, and so would be those that wait to be opened. So of many
sources a few threads begin, and two go on, each with the next source when it has opened one. Where they
wait for servers instead there are more; a thread looks every few milliseconds while sources wait to be
opened.

    what a look finds                           threads it starts
    the process waits more than it computes     some
    the process computes                        in the place of each that is at one source for long
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable

from .. import _fork
from .._bell import Bell
from . import shared
from .program_end import StreamThread

__all__ = ["Job", "Openers", "for_loops", "for_threads"]

Job = Callable[[], "Callable[[], object] | None"]
"""Opens a source; returns what else the thread is needed for, if it is."""

THREADS = 2  # that may be computing while others wait
MORE = 8  # that begin without a look, and that a look starts
PERIOD = 0.005  # seconds between two looks
BUSY = 0.7  # of one processor
LONG = 0.02  # seconds with one source, at least; more where opening is more work

_numbers = itertools.count(1)


class Openers:
    """The threads that open the sources of one kind of streams; a few streams have one each.

    To whoever asks which thread moves a stream on they are that, until one of them has its turn.

    who waits       for what                            who wakes it
    who looks       a time, while sources wait          that does
    join()          that nothing is opened              the thread that opened last
    """

    ident = 0

    def __init__(self, kind: Callable[[Callable[[], object], str], threading.Thread], name: str):
        self._kind = kind
        self._name = name
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget, in a child, what the parent's threads open."""
        self._lock = threading.RLock()  # taken for a moment
        self._waiting: deque[Job] = deque()
        self._since: dict[object, float] = {}  # when each thread began with what it is at
        self._work = 0.0  # seconds of computing, for one source
        self._is_looking = False
        self._bell = Bell()

    def is_alive(self) -> bool:
        return bool(self._waiting or self._since)

    def join(self, timeout: float | None = None) -> None:
        self._bell.wait_for(lambda: not self.is_alive(), timeout)

    def open_soon(self, job: Job) -> None:
        """Have a source opened.

        Raises ``RuntimeError`` if no thread can be started for it, and none is about to come back.
        """
        with self._lock:
            self._waiting.append(job)
            is_full = len(self._since) >= MORE
            begins = is_full and not self._is_looking
            self._is_looking = is_full or self._is_looking
        try:
            if begins:
                StreamThread(self._look, f"{self._name}-look").start()
            elif not is_full:
                self._start()
        except RuntimeError:
            with self._lock:
                if begins:
                    self._is_looking = False
                if self._since or job not in self._waiting:
                    return  # who comes back takes it, or has
                self._waiting.remove(job)
            raise

    def _start(self) -> None:
        """Start a thread, if a source waits for one. Raises ``RuntimeError`` if that cannot be."""
        me = object()
        with self._lock:
            if not self._waiting:
                return
            self._since[me] = time.monotonic()
        try:
            self._kind(functools.partial(self._run, me), f"{self._name}-{next(_numbers)}").start()
        except RuntimeError:
            with self._lock:
                del self._since[me]
            raise

    def _run(self, me: object) -> None:
        generation = _fork.generation
        is_new = True
        while (job := self._next(me, is_new)) is not None:
            is_new = False
            computed = time.thread_time()
            try:
                rest = job()
                self._work += (time.thread_time() - computed - self._work) / 8
                if rest is not None:
                    self._leave(me)
                    rest()
            except BaseException as error:
                if generation != _fork.generation:  # in a child that a listener forked: its own
                    raise
                shared.report(error)
            if generation != _fork.generation:
                return
            job = rest = None  # what a thread is at last may be the last to hold it

    def _leave(self, me: object) -> None:
        """Open nothing more for now; another may go on."""
        with self._lock:
            self._since.pop(me, None)
        with contextlib.suppress(RuntimeError):  # the next look tries again; or we come back
            self._start()
        self._bell.ring()

    def _next(self, me: object, is_new: bool) -> Job | None:
        """Take the next source for a thread, if there is one and the threads are not too many.

        A new one is not: who started it knew how many there are.
        """
        with self._lock:
            self._since.pop(me, None)
            is_one_too_many = not is_new and self._is_looking and self._at_work() >= THREADS
            if self._waiting and not is_one_too_many:
                self._since[me] = time.monotonic()
                return self._waiting.popleft()
        self._bell.ring()
        return None

    def _at_work(self) -> int:
        """Return how many threads may be computing rather than waiting for a server."""
        # Each of them has its turns, and who reads has.
        limit = time.monotonic() - max(LONG, 4 * (THREADS + 1) * self._work)
        return sum(since > limit for since in self._since.values())

    def _look(self) -> None:
        """Start threads as they are needed, until no source waits."""
        generation = _fork.generation
        while generation == _fork.generation:
            began, computed = time.monotonic(), time.process_time()
            time.sleep(PERIOD)
            with self._lock:
                self._is_looking = bool(self._waiting)
                if not self._is_looking:
                    return
                count = THREADS - self._at_work()
            if time.process_time() - computed < BUSY * (time.monotonic() - began):
                count = max(count, MORE)
            with contextlib.suppress(RuntimeError):  # there are too many: again at the next look
                for _ in range(count):
                    self._start()


def _daemon(run: Callable[[], object], name: str) -> threading.Thread:
    return threading.Thread(target=run, name=name, daemon=True)


for_threads = Openers(StreamThread, "emitter-stream")
for_loops = Openers(_daemon, "emitter-stream-aio")  # a program without a loop has no use for them


def _begin_anew() -> None:
    for_threads.begin_anew()
    for_loops.begin_anew()


_fork.renew(_begin_anew)
