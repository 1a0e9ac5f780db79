"""Requests whose answer is an ``AssistantStream``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, overload

from ..abort import AbortSignal
from ..engine.sources import HTTPSource, Source
from ..streams.assistants.core import AssistantCore
from ..streams.assistants.handler import AssistantEventHandler, AssistantStreamManager
from ..streams.assistants.stream import AssistantStream
from ._api import Api, Extras

__all__ = ["open_source", "open_stream"]

_H = TypeVar("_H", bound=AssistantEventHandler)


@overload
def open_stream(
    api: Api,
    path: str,
    *,
    query: Mapping[str, object] | None = ...,
    body: Mapping[str, object],
    extras: Extras,
    event_handler: None = ...,
    signal: AbortSignal | None = ...,
    inline: bool = ...,
) -> AssistantStream: ...
@overload
def open_stream(
    api: Api,
    path: str,
    *,
    query: Mapping[str, object] | None = ...,
    body: Mapping[str, object],
    extras: Extras,
    event_handler: _H | None,
    signal: AbortSignal | None = ...,
    inline: bool = ...,
) -> AssistantStream | AssistantStreamManager[_H]: ...
def open_stream(
    api: Api,
    path: str,
    *,
    query: Mapping[str, object] | None = None,
    body: Mapping[str, object],
    extras: Extras,
    event_handler: _H | None = None,
    signal: AbortSignal | None = None,
    inline: bool = False,
) -> AssistantStream | AssistantStreamManager[_H]:
    """Post ``body`` with ``"stream": true``, at once or, for an event handler, by its ``with``.

    What is wrong with the arguments is raised here in both cases.
    """
    exchange = api.exchange("POST", path, query=query, body={**body, "stream": True}, extras=extras)
    core = AssistantCore()
    source = HTTPSource(exchange, core)
    return open_source(api, source, core, event_handler=event_handler, signal=signal, inline=inline)


def open_source(
    api: Api,
    source: Source,
    core: AssistantCore,
    *,
    event_handler: _H | None,
    signal: AbortSignal | None,
    inline: bool,
) -> AssistantStream | AssistantStreamManager[_H]:
    """Return the stream of a source, of the client's kind: of threads or of asyncio."""
    if event_handler is None:
        return api.streams.make(AssistantStream, source, core, signal, inline=inline)
    return api.streams.manage(source, core, event_handler, signal)
