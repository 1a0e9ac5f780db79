"""A source that goes on in another request when its connection breaks.

    first request  ... broken      next request  ... broken      next request ... the end
                       GoingOn: again and again, until one is open

What the next request is knows a ``Resumption``, of the API; when to make one is known here. Listeners
hear of nothing: the events go on where they were.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from .._bell import Flag
from ..exceptions import (
    APIConnectionError,
    APIError,
    APIUserAbortError,
    InternalServerError,
    OpenAIError,
)
from .ahead import OpenedAhead
from .codec import WireEvent
from .sources import Source, origin_of

__all__ = ["ResumingSource", "Resumption"]

_TRIES = 8  # in a row that lead to no event
_SHORTEST, _LONGEST = 0.25, 8.0  # seconds between two of them


class Resumption(Protocol):
    """How the events of one answer go on; it is asked by one thread at a time."""

    def passed(self, event: WireEvent) -> bool:
        """Take note of an event that was read; return whether a request that goes on ends here."""
        ...

    def is_over(self) -> bool:
        """Return whether the answer has been told to its end."""
        ...

    def following(self, interrupted: Flag) -> Source | None:
        """Return what goes on behind the last event; ``None`` if nobody knows what it belongs to.

        Waits in its ``open`` end when ``interrupted`` is set.
        """
        ...

    def refused(self, error: APIError) -> bool:
        """Take the server's refusal of the last ``following``; return whether there is another way."""
        ...

    def was_told_nothing(self) -> None:
        """Take note that the last ``following`` came to its end without an event."""
        ...


class ResumingSource:
    """The events of ``first`` and of what goes on where it breaks. ``inline`` as for a stream."""

    opens_at_once = False

    def __init__(self, first: Source, plan: Resumption, *, inline: bool = False) -> None:
        self._plan = plan
        self._source = first
        self._redact = first.redact
        self._inline = inline
        self._interrupted = Flag()
        self._goes_on = False  # it is not the first any more
        self._is_closed = True  # what goes on is still to be opened
        self._has_told = False  # an event came from what is read now
        self._tries = 0

    @property
    def origin(self) -> tuple[str, int] | None:
        """The host and the port that it reads from."""
        return origin_of(self._source)

    def open(self) -> None:
        self._source.open()
        self._is_closed = False

    def ready(self, seconds: float) -> bool:
        return self._source.ready(seconds)

    def read(self) -> Iterable[WireEvent] | None:
        plan = self._plan
        if self._goes_on and plan.is_over():
            return None
        failure: OpenAIError | None = None
        try:
            if self._is_closed:
                self.open()
                return ()
            events = self._source.read()
            if events is not None:
                return self._passed(events)
            if self._goes_on and not self._has_told:
                plan.was_told_nothing()
        except APIConnectionError as error:
            failure = error
        if plan.is_over():
            return None
        if self._interrupted.is_set():
            raise failure or APIUserAbortError()
        following = GoingOn(plan, self._interrupted, self._tries)
        if self._tries >= _TRIES or not following.has_way():
            if failure is not None:
                raise failure
            return None  # the core knows what is missing
        self._tries += 1
        with contextlib.suppress(Exception):
            self._source.close()
        self._source = OpenedAhead(following) if self._inline else following
        self._goes_on = self._is_closed = True
        self._has_told = False
        if self._interrupted.is_set():
            self._source.interrupt()
        return ()

    def interrupt(self) -> None:
        self._interrupted.set()
        self._source.interrupt()

    def close(self) -> None:
        self._source.close()

    def redact(self, value: Any) -> Any:
        return self._redact(value)

    def _passed(self, events: Iterable[WireEvent]) -> Iterator[WireEvent]:
        passed = self._plan.passed
        for event in events:
            self._tries = 0
            self._has_told = True
            ends = passed(event)
            yield event
            if ends and self._goes_on:
                return


class GoingOn:
    """Opens what goes on: after a pause that grows with ``tries``, until the server is there."""

    opens_at_once = False

    def __init__(self, plan: Resumption, interrupted: Flag, tries: int) -> None:
        self._plan = plan
        self._interrupted = interrupted
        self._tries = tries
        self._source = plan.following(interrupted)

    def has_way(self) -> bool:
        """Return whether there is a way to go on."""
        return self._source is not None

    def open(self) -> None:
        while True:
            # The first time at once: what broke was mostly the connection alone.
            pause = min(_LONGEST, _SHORTEST * 2 ** (self._tries - 1)) if self._tries else 0.0
            if self._interrupted.wait(pause):
                raise APIUserAbortError()
            self._tries += 1
            source = self._source
            assert source is not None
            try:
                source.open()
            except (APIConnectionError, InternalServerError):
                self._close()
                if self._tries >= _TRIES or self._interrupted.is_set():
                    raise
            except APIUserAbortError:
                raise
            except APIError as error:
                self._close()
                if not self._plan.refused(error):
                    raise
            else:
                return
            self._source = self._plan.following(self._interrupted)

    def ready(self, seconds: float) -> bool:
        return self._source is None or self._source.ready(seconds)

    def read(self) -> Iterable[WireEvent] | None:
        assert self._source is not None
        return self._source.read()

    def interrupt(self) -> None:
        if self._source is not None:
            self._source.interrupt()

    def close(self) -> None:
        if self._source is not None:
            self._source.close()

    def redact(self, value: Any) -> Any:
        return value if self._source is None else self._source.redact(value)

    def _close(self) -> None:
        with contextlib.suppress(Exception):
            self.close()
