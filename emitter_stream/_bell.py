"""Waiting until something is so, without a lock that anybody could come upon.

``threading.Condition`` and ``Event`` hold a lock while they wait and wake. The handler of an operating system
signal that rings while its own thread is in there would wait for itself; an exception out of it
may leave the lock taken; so may a fork.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from . import _fork

__all__ = ["Bell", "Flag"]


class Bell:
    """What threads wait at until something is so; whoever changes something rings."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        # A lock for each waiter, which it has taken and waits to take again.
        self._waiting: list[threading.Lock] = []

    def wait_for(self, is_so: Callable[[], object], timeout: float | None = None) -> bool:
        """Wait until ``is_so()``, looking at each ring; return whether that came in time."""
        if is_so():
            return True
        deadline = None if timeout is None else time.monotonic() + timeout
        waiter = threading.Lock()
        waiter.acquire()
        self._waiting.append(waiter)
        _waited_at[waiter] = self
        try:
            # Looked at anew, for who changed something just before does not know of the waiter.
            while not is_so():
                left = -1.0 if deadline is None else max(deadline - time.monotonic(), 0.0)
                if not waiter.acquire(timeout=left):
                    return bool(is_so())
            return True
        finally:
            self._waiting.remove(waiter)
            _waited_at.pop(waiter, None)

    def ring(self) -> None:
        """Wake everybody, to look again: after what they wait for was changed."""
        for waiter in tuple(self._waiting):
            with contextlib.suppress(RuntimeError):  # it was woken already, and has not looked yet
                waiter.release()


class Flag(Bell):
    """What is raised once, from any thread or handler; threads can wait for it.

    A wait that is under way when its own thread forks ends in the child: nobody would wake it.
    """

    __slots__ = ("_generation", "raised")

    def __init__(self) -> None:
        super().__init__()
        self._generation = _fork.generation
        self.raised = False  # to be looked at where `is_set()` would be a call for each delta

    def is_set(self) -> bool:
        return self.raised

    def set(self) -> None:
        self.raised = True
        self.ring()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; return whether it came within ``timeout`` seconds."""
        self.wait_for(lambda: self.raised or self._generation != _fork.generation, timeout)
        return self.raised


_waited_at: dict[threading.Lock, Bell] = {}  # where each waits who does, by its lock


def _ring_all() -> None:
    """Let who waits in a child (its forker's copy, a greenlet) see what became of it."""
    bells = [*_waited_at.values()]
    _waited_at.clear()
    for bell in bells:
        bell.ring()


_fork.renew(_ring_all)
