"""The Responses stream: the Node SDK's ``ResponseStream``, which also is the Python SDK's."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...engine.stream import EventIterator
from ...exceptions import OpenAIError
from ...types._model import untouched
from ...types.responses import Response, ResponseStreamEvent
from ..base import Api, ApiStream
from .codec import CODEC
from .core import ResponseCore
from .listeners import ResponseListeners

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["API", "ResponseSnapshots", "ResponseStream", "checked_complete", "passed_event"]


API = Api(CODEC, lambda recording: ResponseCore(), of_events=ResponseCore, of_lines=ResponseCore)


class ResponseSnapshots:
    """What the streams of threads and of asyncio know of their response so far."""

    _core: ResponseCore

    @property
    def current_response_snapshot(self) -> Response | None:
        """The response so far, which grows; ``None`` before the first event."""
        return self._core.snapshot

    @property
    def repairs(self) -> Counter[str]:
        """How often each rule for what real servers leave out was needed, by its name (``R4``)."""
        return Counter(self._core.repairs)


class ResponseStream(ResponseListeners, ResponseSnapshots, ApiStream):
    """The events of a response, with the listeners of the Node SDK's class of the same name.

    Events: ``connect event error abort end``, and each of the API's by its name:
    ``response.output_text.delta``, ``response.completed``, ``keepalive``. They pass one event.

    Iterating gives every event. As a context manager it gives itself, and its end waits for the
    stream's; if it was iterated in the block, the end closes what is left, as in the Python SDK.
    Without ``with``, leaving the loop early aborts the request.
    """

    _api = API
    _core: ResponseCore
    _own: EventIterator[ResponseStreamEvent] | None = None  # what the stream itself is
    _in_block = False

    # Iterating

    def __iter__(self) -> Iterator[ResponseStreamEvent]:
        """Iterate over every event; leaving early aborts the request, but in a ``with``."""
        if self._in_block:
            return self._itself()
        return self._iterator(EventIterator, "event", passed_event, abort_on_leave=True)

    def __next__(self) -> ResponseStreamEvent:
        """Return the next event, as the Python SDK's stream does."""
        return next(self._itself())

    def _itself(self) -> EventIterator[ResponseStreamEvent]:
        """Return the one iterator that goes on where any loop over the stream stopped."""
        if self._own is None:
            self._own = self._iterator(EventIterator, "event", passed_event)
        return self._own

    def __enter__(self) -> Self:
        self._in_block = True
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Wait for the end and raise the stream's error; close what is left if it was iterated."""
        self._in_block = False
        if self._own is None:
            super().__exit__(kind, *rest)
        else:
            self.close()

    def close(self) -> None:
        """End the request, if it has not ended, and wait for the listeners; no error is raised."""
        own, self._own = self._own, None
        self.abort()
        if own is not None:
            own.close()
        if not self._delivery.inside():
            with contextlib.suppress(OpenAIError):
                self.done()

    # Finals

    def final_response(self, timeout: float | None = None) -> Response:
        """Wait for the end and return the response, with what was to be parsed.

        It is what there is: see its ``status``. Raises what ``done`` raises. Node:
        ``finalResponse``.
        """
        self.done(timeout)
        assert self._core.final is not None
        return self._core.final

    def get_final_response(self, timeout: float | None = None) -> Response:
        """Return ``final_response()``; a ``RuntimeError`` unless ``response.completed`` came.

        The official Python SDK's name for it.
        """
        self.done(timeout)
        return checked_complete(self._core)


def checked_complete(core: ResponseCore) -> Response:
    """Return the final response of a stream that has ended; see ``get_final_response``."""
    assert core.final is not None
    if not core.completed:
        raise RuntimeError(
            f"The stream ended without response.completed; the response's status is "
            f"{core.final.status!r}. final_response() returns what there is."
        )
    return core.final


def passed_event(args: tuple[Any, ...]) -> ResponseStreamEvent:
    """Return the event that an emission of ``event`` passed."""
    event: ResponseStreamEvent = untouched(args[0])
    return event
