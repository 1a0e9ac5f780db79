"""One thread that reads for many streams, where a thread for each costs more than the reading.

Longer than 500 lines: who reads, who stands by and who is alone take turns out of each other's hands.

A stream begins on one of the threads that open sources (``opening.py``): the request is sent there,
the head of the answer and a listener are waited for. If by then there are more than ``FROM`` streams,
and what comes can be read without waiting, it is handed over, and its thread ends or opens another.
Otherwise the thread is the stream's own from then on.

    leader     waits for all sockets; makes the calls of one stream after another, each a *turn*
    standby    looks from time to time at which turn that is, while there are any
    alone      was the leader; its last turn took long, so it goes on with that stream alone

A turn that is the same at two looks takes long: the standby then takes it out of ``_turn``, becomes the
leader, and starts another standby. The one that made the turn finds it taken, and is alone with that
stream. Who is about to wait within a turn takes it out himself, and wakes the standby (``leave``). A
list of one is what decides between all these: taking its item out succeeds once.

A stream that was slow is read alone until it has been quick for ``ALONE`` seconds.

    who waits             for what                              who wakes it
    the leader            sockets, timeouts                     they do; who hands over
    the standby           a time; a turn to look at; to lead    the leader
    alone                 its socket                            that does; an abort shuts it down
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import os
import selectors
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any, Protocol

from .. import _fork
from .._bell import Bell
from ..exceptions import OpenAIError, as_openai_error
from ..http.errors import late
from .program_end import StreamThread, Threadlike

__all__ = [
    "FROM",
    "Driven",
    "Polled",
    "hand_over",
    "leave",
    "leave_for_stream",
    "live",
    "report",
]

FROM = int(os.environ.get("EMITTER_STREAM_SHARED_FROM", "50"))
"""How many streams are read at once before one that begins is handed over. (Tests set it.)

With 50 threads a paced delta costs what it does by one (120 to 190 us); with 20 it costs less (180 to
280 us, 300 to 340 by one), and with 100 at full speed twice as much (30 to 43 us, 18 by one), and 60 KB a stream.
"""

LOOK = 0.005  # seconds between two looks of the standby
SHORT_LOOK = 0.001  # the same, shortly after a turn that took long: seldom is one alone
RESTLESS = 1.0  # seconds that "shortly" is
IDLE_LOOKS = 100  # without a turn before the standby sleeps until there is one
ALONE = 10.0  # seconds

# Python 3.12.0 and 3.12.1 start no thread once the main thread has ended, so that nobody could take over.
_CAN_START_ALWAYS = not (3, 12, 0) <= sys.version_info[:3] < (3, 12, 2)
# select() itself knows no descriptor beyond a thousand, or on Windows not more than 512 of them.
_IS_ABLE = _CAN_START_ALWAYS and selectors.DefaultSelector.__name__ != "SelectSelector"

_numbers = itertools.count(1)

live: set[object] = set()
"""The streams of this process that are opened or read, on whatever thread; one of each."""


class Polled(Protocol):
    """What tells when a source can be read without waiting."""

    @property
    def patience(self) -> float | None:
        """How many seconds nothing may come; ``None`` for ever."""
        ...

    def fileno(self) -> int:
        """Return what a selector watches."""
        ...

    def has_more(self) -> bool:
        """Return whether there is something that does not show there."""
        ...

    def wait(self, seconds: float | None) -> bool:
        """Wait until there is something, so many seconds at most; return whether it is so."""
        ...


class Driven(Protocol):
    """A stream, as far as who reads for it has to do with it."""

    @property
    def thread(self) -> Threadlike | None:
        """What moves it on; kept up to date by who does."""
        ...

    @thread.setter
    def thread(self, thread: Threadlike | None) -> None: ...

    @property
    def elsewhere(self) -> bool:
        """Whether it lives on in another process."""
        ...

    def step(self) -> bool:
        """Deliver what has come; return whether there may be more. Raises what ends the stream."""
        ...

    def end(self, error: OpenAIError | None) -> None:
        """Close the source and make the last calls."""


class _Task:
    """One stream that is read here."""

    __slots__ = (
        *("stream", "polled", "reader", "descriptor", "failure", "heard_at", "due"),
        *("is_over", "is_queued", "is_watched"),
    )

    def __init__(self, stream: Driven, polled: Polled) -> None:
        self.stream = stream
        self.polled = polled
        self.reader: _SharedReader | None = None
        self.descriptor = polled.fileno()
        self.failure: OpenAIError | None = None  # that it is to end in at its next turn
        self.heard_at = 0.0  # when something came last
        self.due: list[Any] = []  # its entry in the heap
        self.is_over = False
        self.is_queued = False
        self.is_watched = False  # whether the selector knows it

    def turn(self) -> None:
        """Deliver what has come; make the last calls if that was all."""
        error = self.failure
        stream = self.stream
        if error is None:
            try:
                if stream.step():
                    return
            except BaseException as raised:
                if stream.elsewhere and not isinstance(raised, _fork.LeftBehind):
                    raise  # in a child that a listener forked: it is the child's own
                error = as_openai_error(raised)
        self.is_over = True
        if self.reader is not None:  # before the socket is closed: its number may be another's then
            self.reader.forget(self)
        stream.end(error)

    def alone(self) -> None:
        """Be read by this thread, until all is over or has been quick for long enough."""
        polled, generation = self.polled, _fork.generation
        patience = math.inf if polled.patience is None else polled.patience
        self.heard_at = time.monotonic()
        until = self.heard_at + ALONE
        while not self.is_over:
            now = time.monotonic()
            if now >= until:
                if _adopt(self):
                    return
                until = now + ALONE
            late_at = self.heard_at + patience
            if not polled.wait(max(0.0, min(until, late_at) - now)):
                if time.monotonic() < late_at:
                    continue
                self.failure = late(polled.patience)
            begun = time.monotonic()
            _guarded(self.turn)
            if generation != _fork.generation:
                return  # a child, forked by a listener
            self.heard_at = time.monotonic()
            if self.heard_at - begun > LOOK:
                until = self.heard_at + ALONE


class _SharedReader:
    """The threads that read for many streams; there is one of it in a process, or none.

    To whoever asks which thread moves a stream on, it is that.
    """

    ident = 0

    def __init__(self) -> None:
        self._generation = _fork.generation
        self._selector = selectors.DefaultSelector()
        try:
            self._waker, self._wakened = socket.socketpair()
        except BaseException:
            self._selector.close()
            raise
        self._waker.setblocking(False)
        self._wakened.setblocking(False)
        self._selector.register(self._wakened, selectors.EVENT_READ, None)
        self._is_woken = False
        self._lock = threading.RLock()  # of the selector and `_tasks`: taken for a moment
        self._inbox: deque[_Task] = deque()
        self._tasks: set[_Task] = set()  # but for those that are read alone
        self._ready: deque[_Task] = deque()
        self._due: list[list[Any]] = []  # a heap: when to look whether a stream is late
        self._turn: list[_Task] = []
        self._given: list[_Task] = []  # a turn that its maker gave away
        self._leader = self._thread(self._lead)
        self._standby: threading.Thread | None = None
        self._is_looked_at = True  # whether the standby looks, or sleeps until there is a turn
        self._restless_until = 0.0
        self._bell = Bell()
        self._is_closed = False

    # What others ask of it

    def is_alive(self) -> bool:
        return not self._is_closed

    def join(self, timeout: float | None = None) -> None:
        self._bell.wait_for(lambda: self._is_closed, timeout)

    def start(self) -> None:
        """Begin, with a stream in the inbox. Raises ``RuntimeError`` if no thread can be started."""
        try:
            if not self._start_standby():
                raise RuntimeError("no thread can be started")
            self._leader.start()
        except BaseException:
            self._close()
            raise

    def take(self, task: _Task) -> None:
        """Read for a stream from now on."""
        task.reader = self
        task.stream.thread = self
        self._inbox.append(task)
        if not self._is_woken:
            self._is_woken = True
            with contextlib.suppress(OSError):
                self._waker.send(b"\0")

    def forget(self, task: _Task) -> None:
        """Watch a stream's socket no longer; again does nothing."""
        if self._generation != _fork.generation:
            return  # the selector is the parent's
        with self._lock:
            self._tasks.discard(task)
            if task.due:
                task.due[2] = None
            if task.is_watched:
                task.is_watched = False
                with contextlib.suppress(KeyError, ValueError, OSError):
                    self._selector.unregister(task.descriptor)

    def give_turn(self) -> bool:
        """Let another thread read for the others, if this one makes a turn of the leader's.

        Return ``False`` if there is no other and none can be started.
        """
        turn = self._turn  # before the look who leads: once it is another's, we never lead again
        if self._leader.ident != get_ident() or not turn:
            return True
        if self._standby is None and not self._start_standby():
            return False
        try:
            task = turn.pop()
        except IndexError:  # another has taken over just now
            return True
        task.stream.thread = threading.current_thread()
        self._given.append(task)
        self._bell.ring()
        return True

    def close_in_child(self) -> None:
        """Close a child's copies of what is its parent's."""
        self._is_closed = True
        for owned in (self._selector, self._waker, self._wakened):
            with contextlib.suppress(OSError):
                owned.close()

    # The leader

    def _lead(self) -> None:
        try:
            self._read()
        except BaseException as error:
            if self._generation == _fork.generation:
                self._fail(error)
            raise

    def _read(self) -> None:
        """Read for all, until a turn is taken out of our hands."""
        ready = self._ready
        while True:
            for _ in range(len(ready)):
                task = ready.popleft()
                task.is_queued = False
                if task.is_over:
                    continue
                turn = self._turn = [task]
                if not self._is_looked_at:
                    self._is_looked_at = True
                    self._bell.ring()
                try:  # as `_guarded`, without a call for each delta
                    task.turn()
                except BaseException as error:  # noqa: BLE001
                    _report(error, self._generation)
                if self._generation != _fork.generation:
                    return  # a child, forked by a listener
                try:
                    turn.pop()
                except IndexError:
                    task.alone()
                    return
                if not task.is_over and task.polled.has_more():
                    self._queue(task)
            if self._inbox:
                self._admit()
            if not self._tasks and not ready and self._close_if_unused():
                return
            if self._standby is None:
                self._start_standby()
            self._watch()

    def _queue(self, task: _Task) -> None:
        if not task.is_queued:
            task.is_queued = True
            self._ready.append(task)

    def _admit(self) -> None:
        """Take in what was handed over."""
        inbox = self._inbox
        while inbox:
            task = inbox.popleft()
            task.heard_at = task.heard_at or time.monotonic()
            with self._lock:
                self._tasks.add(task)
                try:
                    self._selector.register(task.descriptor, selectors.EVENT_READ, task)
                    task.is_watched = True
                except (OSError, ValueError, KeyError) as error:
                    task.failure = as_openai_error(error)
                if task.polled.patience is not None:
                    task.due = [task.heard_at + task.polled.patience, next(_numbers), task]
                    heapq.heappush(self._due, task.due)
            self._queue(task)  # with what came along with the head of its answer
        if len(self._due) > 2 * len(self._tasks) + 100:  # mostly of streams that are over
            self._due = [entry for entry in self._due if entry[2] is not None]
            heapq.heapify(self._due)

    def _watch(self) -> None:
        """Wait for the sockets; put the streams in line that have something to read, or are late.

        Without waiting, if there is one in line.
        """
        due, ready = self._due, self._ready
        seconds = 0.0 if ready else None
        if due and not ready:
            seconds = max(0.0, due[0][0] - time.monotonic())
        found = self._selector.select(seconds)
        now = time.monotonic()
        for key, _ in found:
            task = key.data
            if task is None:
                with contextlib.suppress(OSError):
                    self._wakened.recv(4096)
                # Between the two: behind the first, or the word of who says so now would be taken
                # away with it; before the look at what was handed over.
                self._is_woken = False
            else:
                task.heard_at = now
                if not task.is_queued:  # as `_queue`, without a call for each delta
                    task.is_queued = True
                    ready.append(task)
        while due and due[0][0] <= now:
            entry = heapq.heappop(due)
            task = entry[2]
            if task is None:
                continue
            entry[0] = task.heard_at + task.polled.patience
            if entry[0] <= now:
                if not task.is_queued:
                    task.failure = late(task.polled.patience)
                    self._queue(task)
                    continue
                entry[0] = now + LOOK
            heapq.heappush(due, entry)

    def _close_if_unused(self) -> bool:
        """Let go of everything if nothing was handed over meanwhile; return whether it is so."""
        global _reader
        with _lock:
            if self._inbox:
                return False
            if _reader is self:
                _reader = None
        self._close()
        return True

    def _close(self) -> None:
        self._is_closed = True
        with self._lock:  # who is read alone may be forgetting its socket
            self._selector.close()
        self._waker.close()
        self._wakened.close()
        self._bell.ring()

    def _fail(self, error: BaseException) -> None:
        """End all streams: reading itself has failed, which nothing is known to lead to."""
        global _reader
        with _lock:
            if _reader is self:
                _reader = None
        for task in [*self._tasks, *self._inbox]:
            task.failure = as_openai_error(error)
            _guarded(task.turn)
        self._close()

    # The standby

    def _stand_by(self) -> None:
        """Look whether a turn takes long, or was given away; then lead."""
        seen: list[_Task] = []
        idle = 0
        while not self._is_closed:
            if self._given:
                self._take_over(self._given.pop())
                return
            turn = self._turn
            if turn is not seen:
                seen, idle = turn, 0
            elif not turn:
                idle += 1
            else:
                leader = self._leader
                try:
                    task = turn.pop()
                except IndexError:  # it is over just now
                    continue
                task.stream.thread = leader
                self._restless_until = time.monotonic() + RESTLESS
                self._take_over(task)
                return
            if idle < IDLE_LOOKS:
                is_restless = time.monotonic() < self._restless_until
                self._bell.wait_for(self._is_wanted, SHORT_LOOK if is_restless else LOOK)
                continue
            idle = 0
            self._is_looked_at = False
            if self._turn is seen:  # looked at after that: who begins one looks the other way round
                self._bell.wait_for(lambda: self._is_looked_at or self._is_wanted())
            self._is_looked_at = True

    def _is_wanted(self) -> bool:
        return bool(self._given) or self._is_closed

    def _take_over(self, task: _Task) -> None:
        """Lead from now on; ``task`` is left to who led before."""
        self._leader = threading.current_thread()
        self._standby = None
        self.forget(task)
        self._start_standby()
        self._lead()

    def _start_standby(self) -> bool:
        """Start a thread that can take over; return whether that was possible."""
        thread = self._thread(self._stand_by)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._standby = thread
        return True

    def _thread(self, run: Callable[[], object]) -> threading.Thread:
        return StreamThread(run, f"emitter-stream-reader-{next(_numbers)}")


_reader: _SharedReader | None = None
_lock = threading.RLock()  # of `_reader`; taken for a moment, or while its threads are started


def hand_over(stream: Driven, poll: Callable[[], Polled | None]) -> bool:
    """Let a stream be read along with others from now on, if there are many.

    ``poll`` makes its source one that does not wait, where that is possible. Called on the thread and in the
    context that it was read in, which has nothing more to do with it where ``True`` comes back.
    """
    if not _IS_ABLE or len(live) <= FROM:
        return False
    polled = poll()
    if polled is None:
        return False
    task = _Task(stream, polled)
    if not _adopt(task):
        task.alone()
    return True


def _adopt(task: _Task) -> bool:
    global _reader
    with _lock:
        if _reader is not None:
            _reader.take(task)
            return True
        thread = task.stream.thread
        try:
            _reader = _SharedReader()
            _reader.take(task)
            _reader.start()  # its first turn may look for it at once, in `leave`
        except (OSError, RuntimeError):  # no descriptor, no thread
            _reader = task.reader = None
            task.stream.thread = thread
            return False
        return True


def leave() -> bool:
    """Be about to wait within a turn: another thread reads for all others from now on.

    Return ``False`` if none can be started, so that they wait as well. On other threads it does nothing.
    """
    reader = _reader
    return reader is None or reader.give_turn()


def leave_for_stream() -> None:
    """Be about to wait for a stream, which may be one that this thread reads for.

    Raises ``OpenAIError`` if nobody can do that meanwhile.
    """
    if not leave():
        raise OpenAIError(
            "A listener cannot wait for a stream here: no thread can be started to read meanwhile."
        )


def _guarded(function: Callable[[], object]) -> None:
    """Call what belongs to one stream: its mistakes are not to end the reading for the others."""
    generation = _fork.generation
    try:
        function()
    except BaseException as error:  # noqa: BLE001
        _report(error, generation)


def _report(error: BaseException, generation: int) -> None:
    if generation != _fork.generation:  # in a child: it is its own
        raise error
    report(error)


def report(error: BaseException) -> None:
    """Hand an exception that nobody hears to ``threading.excepthook``."""
    thread = threading.current_thread()
    hook_args = threading.ExceptHookArgs((type(error), error, error.__traceback__, thread))
    with contextlib.suppress(BaseException):  # a hook that raises must not keep `end` back
        threading.excepthook(hook_args)


def _begin_anew() -> None:
    """Read for nobody, in a child: its streams are its parent's."""
    global _reader, _lock
    _lock = threading.RLock()
    live.clear()
    reader, _reader = _reader, None
    if reader is not None:
        reader.close_in_child()


_fork.renew(_begin_anew)
