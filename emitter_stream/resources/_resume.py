"""The requests by which a stream goes on: the events of a run or a response, or the object itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from .._bell import Flag
from ..abort import AbortController
from ..engine.codec import WireEvent
from ..engine.resuming import ResumingSource
from ..engine.sources import HTTPSource, Source
from ..exceptions import APIUserAbortError
from ..streams.assistants.core import AssistantCore
from ..streams.assistants.resume import RunResumption, missing_events
from ..streams.responses.core import ResponseCore
from ..streams.responses.missing import missing_events as missing_of_response
from ..streams.responses.resume import ResponseResumption
from ..types import Message, Run, RunStep
from ..types.responses import Response
from ._path import url_path
from ._poll import _SETTLED, _wished_interval_ms

if TYPE_CHECKING:
    from ..http.transport import Exchange
    from ._api import Api, Extras

__all__ = ["ResponseConnection", "RunConnection", "resuming", "resuming_response"]

_M = TypeVar("_M")

_AT_WORK = ("queued", "in_progress")
_FIRST = "emitter-stream-first-event"  # the header of a server that can be attached to


class RunConnection:
    """Gets what a stream is missing, with the options of the call that it began with."""

    def __init__(self, api: Api, extras: Extras, core: AssistantCore) -> None:
        self._api = api
        self._extras = extras.without_body()
        self._core = core

    def attached(self, ids: tuple[str, str], after: int) -> Source:
        path = url_path("/threads/{}/runs/{}/events", *ids)
        query = {"after": after}
        exchange = self._api.exchange("GET", path, query=query, extras=self._extras)
        return HTTPSource(exchange, self._core)

    def polled(self, ids: tuple[str, str], core: AssistantCore, interrupted: Flag) -> Source:
        path = url_path("/threads/{}/runs/{}", *ids)

        def fetch(extras: Extras) -> tuple[Run, Mapping[str, str]]:
            return self._api.fetch_with_headers(Run, "GET", path, extras=extras)

        def missing(run: Run, extras: Extras) -> Iterable[WireEvent]:
            steps = self._all(RunStep, f"{path}/steps", {}, extras)
            messages = url_path("/threads/{}/messages", ids[0])
            said = self._all(Message, messages, {"run_id": ids[1]}, extras)
            return missing_events(core, run.to_dict(), steps, said)

        def is_settled(run: Run) -> bool:
            return run.status in _SETTLED

        return _Polled(fetch, is_settled, missing, self._extras, interrupted)

    def _all(self, item: Any, path: str, query: dict[str, object], extras: Extras) -> list[Any]:
        pages = self._api.fetch_page(
            item, path, query={**query, "order": "asc", "limit": 100}, extras=extras
        )
        return [one.to_dict() for one in pages]


def resuming(
    api: Api,
    extras: Extras,
    core: AssistantCore,
    exchange: Exchange,
    *,
    ids: tuple[str, str] | None = None,
    first: Callable[[], int | None] | None = None,
    inline: bool,
) -> Source:
    """Return the events of an exchange, which go on by themselves where its connection breaks."""

    def said() -> int | None:
        text = exchange.headers.get(_FIRST, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

    connection = RunConnection(api, extras, core)
    plan = RunResumption(core, connection, first or said, ids, whole=first is not None)
    return ResumingSource(HTTPSource(exchange, core), plan, inline=inline)


class ResponseConnection:
    """Gets what a stream of a response is missing, with the options of the call that it began with.

    ``query`` goes with each request.
    """

    def __init__(
        self, api: Api, extras: Extras, core: ResponseCore, query: Mapping[str, object]
    ) -> None:
        self._api = api
        self._extras = extras.without_body()
        self._core = core
        self._query = query

    def streamed(self, response_id: str, after: int) -> Source:
        path = url_path("/responses/{}", response_id)
        query = {**self._query, "stream": True, "starting_after": after}
        exchange = self._api.exchange("GET", path, query=query, extras=self._extras)
        return HTTPSource(exchange, self._core)

    def polled(self, response_id: str, last: int | None, interrupted: Flag) -> Source:
        path = url_path("/responses/{}", response_id)

        def fetch(extras: Extras) -> tuple[Response, Mapping[str, str]]:
            return self._api.fetch_with_headers(
                Response, "GET", path, query=self._query, extras=extras
            )

        def is_settled(response: Response) -> bool:
            return response.status not in _AT_WORK

        def missing(response: Response, extras: Extras) -> Iterable[WireEvent]:
            return missing_of_response(self._core, response.to_dict(), last)

        return _Polled(fetch, is_settled, missing, self._extras, interrupted)


def resuming_response(
    api: Api,
    extras: Extras,
    core: ResponseCore,
    exchange: Exchange,
    *,
    query: Mapping[str, object],
    inline: bool,
) -> Source:
    """Return the events of a response's exchange, which go on by themselves; see ``resuming``."""
    plan = ResponseResumption(core, ResponseConnection(api, extras, core, query))
    return ResumingSource(HTTPSource(exchange, core), plan, inline=inline)


class _Polled(Generic[_M]):
    """What is ``missing`` of an object, once it is settled; ``fetch`` gets it, with the headers.

    Both are given the options of their requests, with a signal that ends these at an interrupt.
    """

    opens_at_once = False

    def __init__(
        self,
        fetch: Callable[[Extras], tuple[_M, Mapping[str, str]]],
        is_settled: Callable[[_M], bool],
        missing: Callable[[_M, Extras], Iterable[WireEvent]],
        extras: Extras,
        interrupted: Flag,
    ) -> None:
        self._fetch = fetch
        self._is_settled = is_settled
        self._missing = missing
        self._abort = AbortController()
        self._extras = attrs.evolve(extras, signal=self._abort.signal)
        self._interrupted = interrupted
        self._events: Iterable[WireEvent] | None = None

    def open(self) -> None:
        while True:
            found, headers = self._fetch(self._extras)
            if self._is_settled(found):
                break
            if self._interrupted.wait(_wished_interval_ms(headers) / 1000):
                raise APIUserAbortError()
        self._events = self._missing(found, self._extras)

    def ready(self, seconds: float) -> bool:
        return True

    def read(self) -> Iterable[WireEvent] | None:
        events, self._events = self._events, None
        return events

    def interrupt(self) -> None:
        self._abort.abort()  # who waits between two requests is told by the flag

    def close(self) -> None:
        """Do nothing: each request was closed when it was answered."""

    def redact(self, value: Any) -> Any:
        return value
