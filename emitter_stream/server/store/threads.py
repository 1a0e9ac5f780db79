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
    """

    def __init__(self, name: str, count: int = 1) -> None:
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
        self._work.put(partial(answers.find, waiting, function))
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

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


class _Answers:
    """What threads have done for an event loop: it is woken once for all that is ready then.

    Each wake-up is a system call, by which the threads lose the interpreter to each other.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
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
        if not self._is_woken:
            self._is_woken = True
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(self._give)

    def _give(self) -> None:
        self._is_woken = False  # before the look: what comes behind it wakes anew
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
