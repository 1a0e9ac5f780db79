"""Who opens the sources of a loop's streams: a few threads, one source after another.

To open a source is to connect, to send a request and to read the head of the answer. Where servers
answer at once that is work for the processor, and threads that share it take it from the loop as well:
the streams that have begun would be late, and so would be those that wait to be opened. So two threads
begin, and each goes on with the next source when it has opened one. Where they wait for servers
instead, the loop starts more; it looks every few milliseconds while there are sources that wait.

    what a look finds                           threads it starts
    a few sources, and it is the first look     one for each
    the process waits more than it computes     some
    the process computes                        in the place of each that is at one source for long
"""

from __future__ import annotations

import itertools
import threading
import time
import weakref
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable

from ... import _fork

__all__ = ["Job", "open_soon"]

Job = Callable[[BaseException | None], Callable[[], object] | None]
"""Opens a source, or hears why it cannot be; returns what else the thread is needed for, if it is."""

THREADS = 2  # that are started without a look
MORE = 8  # that a look starts
PERIOD = 0.005  # seconds between two looks
BUSY = 0.7  # of one processor
LONG = 0.02  # seconds with one source, at least; more where opening is more work

_numbers = itertools.count(1)


class Openers:
    """The threads of one loop."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: deque[Job] = deque()
        self._since: dict[object, float] = {}  # when each thread began with what it is at
        self._work = 0.0  # seconds of computing, for one source
        self._is_looking = False
        self._looked_at = 0.0
        self._computed = 0.0  # seconds, by then
        self._generation = _fork.generation

    def open_soon(self, job: Job, loop: AbstractEventLoop) -> None:
        """Have a source opened; on the loop."""
        with self._lock:
            self._waiting.append(job)
            is_full = len(self._since) >= THREADS
            begins = is_full and not self._is_looking
            self._is_looking = is_full or self._is_looking
        if begins:
            self._take_the_time()
            loop.call_soon(self._look, loop, True)
        elif not is_full:
            self._start()

    def _start(self) -> None:
        """Start a thread, if a source waits for one."""
        me = object()
        with self._lock:
            if not self._waiting:
                return
            self._since[me] = time.monotonic()
        name = f"emitter-stream-aio-{next(_numbers)}"
        try:
            threading.Thread(target=self._run, args=(me,), name=name, daemon=True).start()
        except RuntimeError as error:  # there are too many
            with self._lock:
                del self._since[me]
                job = None if self._since or not self._waiting else self._waiting.popleft()
            if job is not None:
                job(error)

    def _run(self, me: object) -> None:
        computed = time.thread_time()
        while (job := self._next(me)) is not None:
            rest = job(None)
            del job
            before, computed = computed, time.thread_time()
            self._work += (computed - before - self._work) / 8
            if rest is not None:
                with self._lock:
                    del self._since[me]
                self._start()
                rest()
                return

    def _next(self, me: object) -> Job | None:
        """Take the next source for a thread, if there is one and the threads are not too many."""
        with self._lock:
            del self._since[me]
            if not self._waiting or (self._is_looking and self._at_work() >= THREADS):
                return None
            self._since[me] = time.monotonic()
            return self._waiting.popleft()

    def _at_work(self) -> int:
        """Return how many threads may be computing rather than waiting for a server."""
        # Each of them has its turns, and the loop has.
        limit = time.monotonic() - max(LONG, 4 * (THREADS + 1) * self._work)
        return sum(since > limit for since in self._since.values())

    def _look(self, loop: AbstractEventLoop, is_first: bool = False) -> None:
        if self._generation != _fork.generation:  # what waits is the parent's
            return
        before, computed = self._looked_at, self._computed
        self._take_the_time()
        with self._lock:
            waiting = len(self._waiting)
            self._is_looking = waiting > 0
            count = THREADS - self._at_work()
        if not waiting:
            return
        if is_first and waiting <= MORE:
            count = waiting
        elif self._computed - computed < BUSY * (self._looked_at - before):
            count = max(count, MORE)
        for _ in range(count):
            self._start()
        loop.call_later(PERIOD, self._look, loop)

    def _take_the_time(self) -> None:
        self._looked_at, self._computed = time.monotonic(), time.process_time()


_openers: weakref.WeakKeyDictionary[AbstractEventLoop, Openers] = weakref.WeakKeyDictionary()


def open_soon(job: Job, loop: AbstractEventLoop) -> None:
    """Have a source opened on a thread; on the loop."""
    try:
        openers = _openers.get(loop)
        if openers is None:
            openers = _openers[loop] = Openers()
    except TypeError:  # somebody's loop that cannot be referred to weakly
        openers = Openers()
    openers.open_soon(job, loop)


def _begin_anew() -> None:
    """Forget, in a child, what the parent's threads open."""
    global _openers
    _openers = weakref.WeakKeyDictionary()


_fork.renew(_begin_anew)
