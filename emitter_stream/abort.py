"""AbortController and AbortSignal, as in Node: one switch that ends one stream or many."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

__all__ = ["AbortController", "AbortSignal"]


class AbortSignal:
    """The side of an ``AbortController`` that is handed to streams: ``stream(..., signal=s)``."""

    # Each step is one operation on a list, and there is no lock: an abort may come in a
    # handler of an operating system signal, in a child, and in the middle of any of these.

    def __init__(self) -> None:
        self._reasons: list[object] = []  # of each abort(): the first counts
        self._callbacks: list[Callable[[], object]] = []

    @property
    def aborted(self) -> bool:
        """Whether ``abort()`` was called."""
        return bool(self._reasons)

    @property
    def reason(self) -> object:
        """What ``abort(reason)`` was given, or ``None``."""
        return self._reasons[0] if self._reasons else None

    def add_callback(self, callback: Callable[[], object]) -> None:
        """Call ``callback()`` at the abort, on the aborting thread; at once if that has been.

        If ``abort()`` is called again meanwhile it may be called again, too.
        """
        self._callbacks.append(callback)
        if self._reasons:  # the abort may have looked before: one of us finds it there
            self._call_back()

    def remove_callback(self, callback: Callable[[], object]) -> None:
        """Forget a callback; an unknown one is no error."""
        with contextlib.suppress(ValueError):
            self._callbacks.remove(callback)

    def _abort(self, reason: object) -> None:
        if not self._reasons:
            self._reasons.append(reason)
        self._call_back()  # also at a later abort: the first may have been broken off

    def _call_back(self) -> None:
        while callbacks := self._callbacks[:1]:
            callbacks[0]()
            # Only now: an exception that comes in between, a second Ctrl-C, leaves it to the next.
            self.remove_callback(callbacks[0])

    def __repr__(self) -> str:
        return f"<AbortSignal {'aborted' if self.aborted else 'not aborted'}>"


class AbortController:
    """Aborts every stream that was given its ``signal`` (Node's class of the same name)."""

    def __init__(self) -> None:
        self.signal = AbortSignal()

    def abort(self, reason: object = None) -> None:
        """Abort, from any thread; again does nothing.

        ``reason``, if it is an exception, becomes the ``__cause__`` of each stream's
        ``APIUserAbortError``.
        """
        self.signal._abort(reason)

    def __repr__(self) -> str:
        return f"<AbortController {'aborted' if self.signal.aborted else 'not aborted'}>"
