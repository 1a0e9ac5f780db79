"""Threads for what waits for a disk or a database, beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class WorkThreads:
    """Threads that do what they are given, in order as far as there is one only.

    Not an executor: these take no more work once the interpreter waits for its threads, and a
    stream that runs on at the end of a script still needs its in-process server.

    `patience`: seconds for which an event loop waits for the one thread, for work that needs the
    interpreter nearly all the time. Two threads that both do take it from each other at each call
    of the system, which costs more than the calls. So what tasks want in one round of the loop
    is handed over together, and the loop goes on when it is done, or that takes too long.
    """

    def __init__(self, name: str, count: int = 1, patience: float = 0.0) -> None:
        self._patience = patience
        self._done = 0  # pieces of work
        self._stuck_at = -1  # how many were done when one took too long
        self._idle = threading.Event()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._answers: _Answers | None = None
        self.pending = 0  # what event loops wait for
        self._threads = [
            threading.Thread(target=self._run, name=name, daemon=True) for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._work.put(partial(_do, future, function))
        return future

    async def call(self, function: Callable[[], T]) -> T:
        """Run it on a thread, and wait; who is cancelled before it has begun, cancels it."""
        loop = asyncio.get_running_loop()
        answers = self._answers
        if answers is None or answers.loop is not loop:
            answers = self._answers = _Answers(loop)
        waiting: asyncio.Future[T] = loop.create_future()
        work = partial(answers.find, waiting, function)
        if self._patience:
            answers.wanted.append(work)
            if len(answers.wanted) == 1:
                loop.call_soon(self._hand_over, answers)
        else:
            self._work.put(work)
        self.pending += 1
        try:
            return await waiting
        finally:
            self.pending -= 1

    def stop(self) -> None:
        """Do what was given before, then end the threads."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def _hand_over(self, answers: _Answers) -> None:
        wanted, answers.wanted = answers.wanted, []
        done = self._done
        waits = done != self._stuck_at
        if waits:
            answers.is_awaited = True
            self._idle.clear()
        for work in wanted:
            self._work.put(work)
        if waits:
            try:
                self._idle.wait(self._patience)
            finally:
                self._stuck_at = done if self._done == done else -1
                answers.give()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            self._done += 1
            if self._work.empty():
                self._idle.set()


class _Answers:
    """What threads have done for an event loop: it is woken once for all that is ready then.

    Each wake-up is a system call, by which the threads lose the interpreter to each other.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.wanted: list[Callable[[], None]] = []  # what is to be handed over next
        self.is_awaited = False  # the loop looks for what is ready by itself
        self._ready: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._is_woken = False

    def find(self, waiting: asyncio.Future[Any], function: Callable[[], Any]) -> None:
        """Do what somebody waits for; on a thread."""
        if waiting.cancelled():
            return
        try:
            self._ready.append((waiting, function(), None))
        except BaseException as error:  # noqa: BLE001 - it belongs to who waits
            self._ready.append((waiting, None, error))
        if not self.is_awaited and not self._is_woken:
            self._is_woken = True
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(self.give)

    def give(self) -> None:
        # Before the look: what comes behind it wakes anew.
        self._is_woken = self.is_awaited = False
        while self._ready:
            waiting, result, error = self._ready.popleft()
            if waiting.done():  # who waited was cancelled
                continue
            if error is None:
                waiting.set_result(result)
            else:
                waiting.set_exception(error)


def _do(future: Future[T], function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # noqa: BLE001 - it belongs to who waits for the future
        future.set_exception(error)
