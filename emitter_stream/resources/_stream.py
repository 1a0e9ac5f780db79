"""Requests whose answer is an ``AssistantStream``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from ..abort import AbortSignal
from ..engine.sources import HTTPSource, Source
from ..streams.assistants.core import AssistantCore
from ..streams.assistants.handler import AssistantEventHandler, AssistantStreamManager
from ..streams.assistants.stream import AssistantStream
from ._api import Api, Extras
from ._resume import resuming

__all__ = ["open_source", "open_stream", "waits_itself"]

_H = TypeVar("_H", bound=AssistantEventHandler)


def open_stream(
    api: Api,
    path: str,
    *,
    query: Mapping[str, object] | None = None,
    body: Mapping[str, object],
    extras: Extras,
    event_handler: _H | None,
    signal: AbortSignal | None,
    inline: bool,
    resume: bool,
    ids: tuple[str, str] | None = None,
) -> AssistantStream | AssistantStreamManager[_H]:
    """Post ``body`` with ``"stream": true``, at once or, for an event handler, by its ``with``.

    What is wrong with the arguments is raised here in both cases. With ``resume`` it goes on when
    its connection breaks; ``ids`` are the thread and the run, where they are known.
    """
    exchange = api.exchange("POST", path, query=query, body={**body, "stream": True}, extras=extras)
    core = AssistantCore()
    source: Source = HTTPSource(exchange, core)
    if resume:
        is_inline = waits_itself(api, inline, event_handler)
        source = resuming(api, extras, core, exchange, ids=ids, inline=is_inline)
    return open_source(api, source, core, event_handler=event_handler, signal=signal, inline=inline)


def waits_itself(api: Api, inline: bool, event_handler: object) -> bool:
    """Return whether who waits for the stream reads it, and may leave at any time."""
    return api.tool_caller is None and (inline or event_handler is not None)


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
