"""A source that is opened before anybody waits for it: the request of an inline stream.

Its answer is read by whoever waits. But the request is to be sent at once, and only a thread can
wait for the headers meanwhile.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import itertools
import threading
from collections.abc import Iterable
from typing import Any

from .._bell import Flag
from .._fork import LeftBehind
from ..exceptions import APIUserAbortError
from .codec import WireEvent
from .sources import Source

__all__ = ["OpenedAhead"]

_numbers = itertools.count(1)


class OpenedAhead:
    """A source that a thread of its own has begun to open; ``open`` waits for that.

    The thread ends when the source is open, or could not be opened. It is a daemon: a program
    that nobody waits in any more has no use for the answer.
    """

    opens_at_once = False

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.RLock()  # re-entrant: see abort.py
        self._is_opening = True
        self._is_left = False  # closed while it was being opened
        self._is_interrupted = False
        self._error: BaseException | None = None
        self._turned = Flag()  # open, failed or interrupted
        name = f"emitter-stream-open-{next(_numbers)}"
        try:
            # What hooks into the request, a tracer say, sees the caller's context.
            run = functools.partial(contextvars.copy_context().run, self._open)
            threading.Thread(target=run, name=name, daemon=True).start()
        except RuntimeError:  # none starts any more at the end of the program
            self._open()

    def open(self) -> None:
        if not self._turned.wait():
            raise LeftBehind("stream")
        if self._is_interrupted:
            raise APIUserAbortError()
        if self._error is not None:
            raise self._error

    def ready(self, seconds: float) -> bool:
        if self._turned.is_set() and not self._is_opening and self._error is None:
            return self._source.ready(seconds)
        return self._turned.wait(seconds)

    def read(self) -> Iterable[WireEvent] | None:
        return self._source.read()

    def interrupt(self) -> None:
        self._is_interrupted = True
        self._source.interrupt()
        self._turned.set()  # it may sit where nothing wakes it: in a connect

    def close(self) -> None:
        with self._lock:
            self._is_left = True
            if self._is_opening:
                return  # the thread closes it when it comes back
        self._source.close()

    def redact(self, value: Any) -> Any:
        return self._source.redact(value)

    def _open(self) -> None:
        try:
            self._source.open()
        except BaseException as error:  # noqa: BLE001 - who waits is told
            self._error = error
        with self._lock:
            self._is_opening = False
            is_left = self._is_left
        self._turned.set()
        if is_left:
            with contextlib.suppress(Exception):
                self._source.close()
