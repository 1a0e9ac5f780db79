"""The requests by which a run's stream goes on: the events of a run, or the run itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .._bell import Flag
from ..engine.codec import WireEvent
from ..engine.resuming import ResumingSource
from ..engine.sources import HTTPSource, Source
from ..exceptions import APIUserAbortError
from ..streams.assistants.core import AssistantCore
from ..streams.assistants.resume import RunResumption, missing_events
from ..types import Message, Run, RunStep
from ._path import url_path
from ._poll import _SETTLED, _wished_interval_ms

if TYPE_CHECKING:
    from ..http.transport import Exchange
    from ._api import Api, Extras

__all__ = ["RunConnection", "resuming"]

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
        return _Polled(self._api, self._extras, ids, core, interrupted)


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


class _Polled:
    """What a core does not know of a run, once the run has settled."""

    opens_at_once = False

    def __init__(
        self,
        api: Api,
        extras: Extras,
        ids: tuple[str, str],
        core: AssistantCore,
        interrupted: Flag,
    ) -> None:
        self._api = api
        self._extras = extras
        self._ids = ids
        self._core = core
        self._interrupted = interrupted
        self._events: Iterable[WireEvent] | None = None

    def open(self) -> None:
        path = url_path("/threads/{}/runs/{}", *self._ids)
        while True:
            run, headers = self._api.fetch_with_headers(Run, "GET", path, extras=self._extras)
            if run.status in _SETTLED:
                break
            if self._interrupted.wait(_wished_interval_ms(headers) / 1000):
                raise APIUserAbortError()
        steps = self._all(RunStep, f"{path}/steps", {})
        messages = self._all(
            Message, url_path("/threads/{}/messages", self._ids[0]), {"run_id": self._ids[1]}
        )
        self._events = missing_events(self._core, run.to_dict(), steps, messages)

    def ready(self, seconds: float) -> bool:
        return True

    def read(self) -> Iterable[WireEvent] | None:
        events, self._events = self._events, None
        return events

    def interrupt(self) -> None:
        """Do nothing: who interrupts says so to all."""

    def close(self) -> None:
        """Do nothing: each request was closed when it was answered."""

    def redact(self, value: Any) -> Any:
        return value

    def _all(self, item: Any, path: str, query: dict[str, object]) -> list[Any]:
        pages = self._api.fetch_page(
            item, path, query={**query, "order": "asc", "limit": 100}, extras=self._extras
        )
        return [one.to_dict() for one in pages]
