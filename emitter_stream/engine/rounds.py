"""A source that goes on in a next request, with work between the two that the client does itself.

    round: a source that is read to its end    work: its outcomes    round ...

What a round is, which work it asks for, and what is sent next, a subclass says (streams/).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterable
from typing import Any, Protocol

from ..exceptions import APIUserAbortError
from .ahead import OpenedAhead
from .codec import WireEvent
from .sources import Source, origin_of

__all__ = ["Rounds", "Steps", "Work"]

Steps = Generator[Iterable[WireEvent], None, None]
"""What is read piece by piece. An empty piece comes before what may wait."""


class Work(Protocol):
    """Things that are done side by side, each with an outcome."""

    def start(self) -> None:
        """Begin."""

    def has_outcome(self, index: int, seconds: float) -> bool:
        """Wait for an outcome so many seconds at most; return whether ``outcome`` would not."""
        ...

    def outcome(self, index: int) -> Any:
        """Wait for an outcome; ``APIUserAbortError`` once dismissed."""
        ...

    def dismiss(self) -> None:
        """End all waits, from any thread."""


class Rounds:
    """The events of several sources and what comes between them, as one source.

    ``first`` is what is opened first, ``None`` if no request is sent at all. Of an ``inline`` stream
    the later ones are opened ahead: who waits can leave, also while the server is silent.
    """

    opens_at_once = False

    def __init__(self, first: Source | None, *, inline: bool = False) -> None:
        self._inline = inline
        # No lock: who interrupts says so before it looks what there is, and what is put there looks
        # afterwards whether that was said.
        self._interrupted = False
        self._source = first
        self._work: Work | None = None
        self._ready: Callable[[float], bool] = _at_once if first is None else first.ready
        self._steps = self._rounds()

    def _rounds(self) -> Steps:
        """Read all rounds, from the first, which is open."""
        raise NotImplementedError

    def _round(self) -> Steps:
        """Read the round to its end. The reader comes back when the core has taken all there was."""
        assert self._source is not None
        while (events := self._source.read()) is not None:
            yield events
        self._source.close()

    def _go_on(self, following: Source) -> Steps:
        """Open the next round's source."""
        if self._inline:
            following = OpenedAhead(following)
        self._source = following
        if self._interrupted:
            following.interrupt()
            raise APIUserAbortError()
        self._ready = following.ready
        yield ()
        following.open()

    def _begin(self, work: Work) -> None:
        """Start the work between two rounds."""
        self._work = work
        if self._interrupted:
            raise APIUserAbortError()
        work.start()

    def _outcome(self, work: Work, index: int) -> Generator[Iterable[WireEvent], None, Any]:
        """Wait for an outcome of the work that was begun, and return it."""
        self._ready = functools.partial(work.has_outcome, index)
        yield ()
        outcome = work.outcome(index)
        self._ready = _at_once
        return outcome

    @property
    def origin(self) -> tuple[str, int] | None:
        """The host and the port that it reads from."""
        return None if self._source is None else origin_of(self._source)

    def open(self) -> None:
        """Send the first request."""
        if self._source is not None:
            self._source.open()

    def ready(self, seconds: float) -> bool:
        """Wait, so many seconds at most, for the server, or for an outcome."""
        return self._ready(seconds)

    def read(self) -> Iterable[WireEvent] | None:
        """Read on in this round, wait for work, or go on to the next round."""
        return next(self._steps, None)

    def interrupt(self) -> None:
        """End the exchange, or the wait for the work; what is under way is left to itself."""
        self._interrupted = True
        source, work = self._source, self._work
        if work is not None:
            work.dismiss()
        if source is not None:
            source.interrupt()

    def close(self) -> None:
        """Close the exchange."""
        self._steps.close()
        if self._work is not None:
            self._work.dismiss()
        if self._source is not None:
            self._source.close()

    def redact(self, value: Any) -> Any:
        """Return JSON-like ``value`` without the API key."""
        return value if self._source is None else self._source.redact(value)


def _at_once(seconds: float) -> bool:
    """Say that nothing is waited for."""
    return True
