"""The threads that run the functions of one round side by side."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .. import _fork
from .._bell import Bell
from ..exceptions import APIUserAbortError

__all__ = ["Crew", "in_own_context"]

_A = TypeVar("_A")
_T = TypeVar("_T")

MOST_THREADS = 32
BEGIN_WITHIN = 0.05  # seconds that a dismissal waits for jobs whose threads have been started


def in_own_context(function: Callable[[_A], _T], argument: _A) -> Callable[[], _T]:
    """Return a job that calls ``function`` in a copy of its own of the context that this is made in."""
    context = contextvars.copy_context()
    return lambda: context.run(function, argument)


class Crew:
    """Threads that work off the function calls of one round, and their outcomes.

    They are daemons, so that a function that goes on after an abort does not keep the process.
    Where no thread starts any more (an interpreter that shuts down starts none), the functions
    run on the thread that calls ``start``. Jobs return what they like but ``None``.
    """

    def __init__(self, jobs: Sequence[Callable[[], Any]]) -> None:
        self._jobs = list(jobs)
        self._outcomes: list[Any] = [None] * len(jobs)
        self._unbegun = list(range(len(jobs)))
        self._beginning: set[int] = set()  # jobs whose threads have been started
        self._dismissed = False
        self._changed = Bell()
        self._generation = _fork.generation

    def start(self) -> None:
        """Begin: as many jobs as there may be threads are begun, whatever happens meanwhile."""
        firsts = self._unbegun[:MOST_THREADS]
        del self._unbegun[:MOST_THREADS]
        self._beginning = set(firsts)
        for number, first in enumerate(firsts):
            thread = threading.Thread(
                target=self._work, args=(first,), name="emitter-stream-tool", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                self._unbegun[:0] = firsts[number:]
                self._beginning.difference_update(firsts[number:])
                if not number:
                    self._work(self._unbegun.pop(0))
                return

    def has_outcome(self, index: int, seconds: float) -> bool:
        """Wait for an outcome so many seconds at most; return whether it came, or the dismissal."""
        outcomes = self._outcomes
        return self._changed.wait_for(
            lambda: self._dismissed or outcomes[index] is not None or self._is_elsewhere(), seconds
        )

    def outcome(self, index: int) -> Any:
        """Wait for a job's result or exception; ``APIUserAbortError`` once dismissed."""
        outcomes = self._outcomes
        self._changed.wait_for(
            lambda: self._dismissed or outcomes[index] is not None or self._is_elsewhere()
        )
        if self._is_elsewhere():
            raise _fork.LeftBehind("stream")
        outcome = outcomes[index]
        if self._dismissed or outcome is None:
            raise APIUserAbortError()
        return outcome

    def wait(self) -> None:
        """Wait for all outcomes."""
        for index in range(len(self._jobs)):
            self.outcome(index)

    def dismiss(self) -> None:
        """Begin no more jobs and end all waits, from any thread.

        Those that were about to begin do so before, within reason: functions that a model calls
        side by side begin together, and none of them is to be missing because of another.
        """
        self._changed.wait_for(lambda: not self._beginning, BEGIN_WITHIN)
        self._dismissed = True
        self._changed.ring()

    def _is_elsewhere(self) -> bool:
        return self._generation != _fork.generation

    def _work(self, index: int) -> None:
        while True:
            self._beginning.discard(index)
            self._changed.ring()
            try:
                outcome = self._jobs[index]()
            except BaseException as error:
                if self._is_elsewhere():  # in a child that the function forked
                    raise
                outcome = error
            if self._is_elsewhere():  # the parent goes on with the others
                return
            self._outcomes[index] = outcome
            self._changed.ring()
            if self._dismissed:
                return
            try:
                index = self._unbegun.pop(0)
            except IndexError:  # all are begun
                return
