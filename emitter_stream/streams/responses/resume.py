"""How a response's stream goes on after its connection broke: behind the last event, or by asking."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ..._bell import Flag
from ...engine.codec import WireEvent
from ...engine.growth import GROWTH
from ...engine.sources import Source
from ...exceptions import APIError
from .core import ResponseCore

__all__ = ["Connection", "ResponseResumption"]

_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))


class Connection(Protocol):
    """What a resumption asks of the client."""

    def streamed(self, response_id: str, after: int) -> Source:
        """Return the events of a response behind number ``after``."""
        ...

    def polled(self, response_id: str, last: int | None, interrupted: Flag) -> Source:
        """Return what the stream has not been told of a response, once that is over.

        ``last`` is the number of the last event that it was told.
        """
        ...


class ResponseResumption:
    """What is known of one stream.

    A server that numbers its events is asked for those behind the last one. Where it refuses, or
    nothing comes, the response itself is asked for.
    """

    def __init__(self, core: ResponseCore, connection: Connection) -> None:
        self._core = core
        self._connection = connection
        self._last: int | None = None
        self._streams = True
        self._is_over = False

    def passed(self, event: WireEvent) -> bool:
        number = _number_of(event)
        if number is not None:
            self._last = number
        data = event[1]
        self._is_over = isinstance(data, dict) and data.get("type") in _ENDS
        return self._is_over

    def is_over(self) -> bool:
        return self._is_over

    def following(self, interrupted: Flag) -> Source | None:
        snapshot = self._core.snapshot
        response_id = None if snapshot is None else snapshot.to_dict().get("id")
        if not isinstance(response_id, str):
            return None
        last = self._last
        if self._streams and last is not None:
            return _Behind(self._connection.streamed(response_id, last), last)
        self._streams = False
        return self._connection.polled(response_id, last, interrupted)

    def refused(self, error: APIError) -> bool:
        return self._leave_streams()

    def was_told_nothing(self) -> None:
        self._leave_streams()  # as where it was cancelled, which no event says

    def _leave_streams(self) -> bool:
        streamed, self._streams = self._streams, False
        return streamed


class _Behind:
    """The events of a source behind a number: some servers give all, whatever they are asked for."""

    opens_at_once = False

    def __init__(self, source: Source, after: int) -> None:
        self._source = source
        self._after = after
        self.open, self.ready = source.open, source.ready
        self.interrupt, self.close, self.redact = source.interrupt, source.close, source.redact

    def read(self) -> Iterable[WireEvent] | None:
        events = self._source.read()
        return None if events is None else filter(self._is_new, events)

    def _is_new(self, event: WireEvent) -> bool:
        number = _number_of(event)
        return number is None or number > self._after


def _number_of(event: WireEvent) -> int | None:
    """Return the number of an event, also of one that is recognised by its bytes."""
    name, data = event
    if name is GROWTH:
        number = data[2] if type(data) is tuple and len(data) == 3 else None
    else:
        number = data.get("sequence_number") if isinstance(data, dict) else None
    return number if isinstance(number, int) else None
