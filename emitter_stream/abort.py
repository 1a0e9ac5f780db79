"""AbortController and AbortSignal, as in Node: one switch that ends one stream or many."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["AbortController", "AbortSignal"]


class AbortSignal:
    """The side of an ``AbortController`` that is handed to streams: ``stream(..., signal=s)``."""

    def __init__(self) -> None:
        # Re-entrant: a handler of an operating system signal may abort while its own thread is
        # in here.
        self._lock = threading.RLock()
        self._aborted = False
        self._reason: object = None
        self._callbacks: list[Callable[[], object]] = []

    @property
    def aborted(self) -> bool:
        """Whether ``abort()`` was called."""
        return self._aborted

    @property
    def reason(self) -> object:
        """What ``abort(reason)`` was given, or ``None``."""
        return self._reason

    def add_callback(self, callback: Callable[[], object]) -> None:
        """Call ``callback()`` at the abort, on the aborting thread; at once if that has been."""
        with self._lock:
            if not self._aborted:
                self._callbacks.append(callback)
                return
        callback()

    def remove_callback(self, callback: Callable[[], object]) -> None:
        """Forget a callback; an unknown one is no error."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def __repr__(self) -> str:
        return f"<AbortSignal {'aborted' if self._aborted else 'not aborted'}>"


class AbortController:
    """Aborts every stream that was given its ``signal`` (Node's class of the same name)."""

    def __init__(self) -> None:
        self.signal = AbortSignal()

    def abort(self, reason: object = None) -> None:
        """Abort, from any thread; again does nothing.

        ``reason``, if it is an exception, becomes the ``__cause__`` of each stream's
        ``APIUserAbortError``.
        """
        signal = self.signal
        with signal._lock:
            if signal._aborted:
                return
            signal._reason = reason
            signal._aborted = True
            callbacks, signal._callbacks = signal._callbacks, []
        for callback in callbacks:
            callback()

    def __repr__(self) -> str:
        return f"<AbortController {'aborted' if self.signal.aborted else 'not aborted'}>"
