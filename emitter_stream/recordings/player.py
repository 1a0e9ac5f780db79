"""Playing a recording: its entries when their time has come, as the source of a stream."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .._bell import Flag
from ..engine.codec import WireEvent
from ..exceptions import (
    APIUserAbortError,
    OpenAIError,
)
from .format import Entry

__all__ = ["Player", "ReplaySource", "check_speed"]


class Player:
    """Gives the entries of a recording when their time has come.

    ``speed`` is how many times as fast as they came; ``None`` waits for nothing. ``clock`` and
    ``wait`` (seconds -> whether it was interrupted) are there for tests. Time runs from the first
    ``next()``: somebody who begins to listen late does not find everything overdue.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        speed: float | None = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.speed = check_speed(speed)
        self._entries = iter(entries)
        self._first: Entry | None = None  # read by connect(), not given yet
        self._clock = clock
        self._interrupted = Flag()
        self._wait = wait or self._interrupted.wait
        self._start: float | None = None
        self._connected_at = 0.0

    def connect(self) -> None:
        """Wait until the answer began; raises the error of a request that failed."""
        self._start = self._clock()
        entry = next(self._entries, None)
        if entry is None:
            raise OpenAIError("The recording breaks off before the answer began.")
        if entry.kind == "event":
            self._first = entry
        else:
            self._wait_for(entry)
            if entry.error is not None:
                raise entry.error
            self._connected_at = entry.t
            if entry.kind == "end":
                self._first = entry
        self._start = None  # and begin anew at the first next()

    def next(self) -> Entry | None:
        """Wait for the next event and return it, ``None`` at the end; raises a recorded error."""
        self._begin()
        entry, self._first = self._next_entry(), None
        if entry is None:
            return None
        self._wait_for(entry)
        if entry.error is not None:
            raise entry.error
        return entry if entry.kind == "event" else None

    def ready(self, seconds: float) -> bool:
        """Wait until ``next`` would not wait, so many seconds at most; return whether it is so."""
        if self.speed is None:
            return True
        self._begin()
        entry = self._first = self._next_entry()
        if entry is None or self._interrupted.is_set():
            return True
        left = self._due(entry) - self._clock()
        return left <= 0 or self._wait(min(left, seconds)) or left <= seconds

    def interrupt(self) -> None:
        """Wake who waits, from any thread: that raises ``APIUserAbortError``, as does all after."""
        self._interrupted.set()

    def _begin(self) -> None:
        if self._start is None:
            self._start = self._clock() - self._connected_at / (self.speed or 1.0)

    def _next_entry(self) -> Entry | None:
        entry = self._first or next(self._entries, None)
        while entry is not None and entry.kind == "connect":
            entry = next(self._entries, None)
        return entry

    def _due(self, entry: Entry) -> float:
        assert self._start is not None
        return self._start + entry.t / (self.speed or 1.0)

    def _wait_for(self, entry: Entry) -> None:
        if self.speed is not None and self._start is not None:
            due = self._due(entry)
            while (left := due - self._clock()) > 0:
                if self._wait(min(left, threading.TIMEOUT_MAX)):
                    break
        if self._interrupted.is_set():
            raise APIUserAbortError()


def check_speed(speed: float | None) -> float | None:
    """Return ``speed``; raises ``ValueError`` for one that cannot be played at."""
    if speed is not None and not 0 < speed < math.inf:
        raise ValueError(f"speed must be a number above 0, or None for no pauses; not {speed!r}")
    return speed


class ReplaySource:
    """The events of a recording.

    ``made`` gives, for the name of an event that the recorded stream made itself, the name under
    which the core takes it.
    """

    def __init__(self, player: Player, made: Mapping[str, str] | None = None) -> None:
        self._player = player
        self._made = made or {}

    opens_at_once = False

    def open(self) -> None:
        self._player.connect()

    def ready(self, seconds: float) -> bool:
        return self._player.ready(seconds)

    def read(self) -> Iterable[WireEvent] | None:
        if self._player.speed is None:
            return self._rest()
        entry = self._player.next()
        return None if entry is None else (self._event(entry),)

    def _rest(self) -> Iterator[WireEvent] | None:
        entry = self._player.next()
        if entry is None:
            return None
        return self._from(entry)

    def _from(self, entry: Entry | None) -> Iterator[WireEvent]:
        while entry is not None:
            yield self._event(entry)
            entry = self._player.next()

    def _event(self, entry: Entry) -> WireEvent:
        return self._made.get(entry.name, entry.name) if entry.made else entry.name, entry.data

    def interrupt(self) -> None:
        self._player.interrupt()

    def close(self) -> None:
        """Do nothing: the file was read and closed before."""

    def redact(self, value: Any) -> Any:
        """Return ``value``: a recording has no key in it."""
        return value
