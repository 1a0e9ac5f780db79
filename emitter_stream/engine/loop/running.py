"""The streams that run on event loops: a loop keeps no task alive, and tells nobody that it is closed."""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from typing import Protocol

from ... import _bell, _fork

__all__ = ["OnLoop", "add", "discard"]


class OnLoop(Protocol):
    """A stream, or what reads for one."""

    @property
    def loop(self) -> AbstractEventLoop: ...

    def lose(self) -> None:
        """Take note that the loop is closed (safe); must discard itself."""


class _Running:
    """Those of this process.

    ``asyncio.run`` cancels what runs before it closes its loop, and that ends a stream; a loop that
    is closed by hand is found by a thread that looks.
    """

    PERIOD = 0.5  # seconds

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._bell = _bell.Bell()
        self.streams: set[OnLoop] = set()
        self._thread: threading.Thread | None = None

    def add(self, stream: OnLoop) -> None:
        with self._lock:
            self.streams.add(stream)
            if self._thread is not None:
                return
            thread = self._thread = threading.Thread(
                target=self._watch, name="emitter-stream-aio-watch", daemon=True
            )
        # Not under the lock: this waits for the new thread's first steps, in which the garbage
        # collector may free another stream's task, and that comes by here.
        try:
            thread.start()
        except RuntimeError:  # no more threads: the next one may have more luck
            self._thread = None
            self.streams.discard(stream)
            raise

    def discard(self, stream: OnLoop) -> None:
        self.streams.discard(stream)
        if not self.streams:
            self._bell.ring()

    def _watch(self) -> None:
        while True:
            self._bell.wait_for(lambda: not self.streams, self.PERIOD)
            with self._lock:
                if not self.streams:
                    self._thread = None
                    return
                lost = [one for one in list(self.streams) if one.loop.is_closed()]
            for stream in lost:
                stream.lose()


_running = _Running()
_elsewhere: list[OnLoop] = []  # not let go of: a task that is freed before its end complains


def add(stream: OnLoop) -> None:
    """Keep a stream until its end."""
    _running.add(stream)


def discard(stream: OnLoop) -> None:
    """Forget a stream. No lock is taken: a finalizer comes by here, on whatever thread."""
    _running.discard(stream)


def _begin_anew() -> None:
    """Look after those alone that a child makes itself."""
    global _running
    _elsewhere.extend(_running.streams)
    _running = _Running()


_fork.renew(_begin_anew)
