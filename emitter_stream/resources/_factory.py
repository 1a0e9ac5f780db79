"""What makes the streams of a client: of threads here, of asyncio in ``aio``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from ..engine.stream import EventStream
from ..streams.assistants.handler import AssistantEventHandler, AssistantStreamManager
from ..streams.assistants.stream import AssistantStream

if TYPE_CHECKING:
    from ..abort import AbortSignal
    from ..engine.core import Core
    from ..engine.sources import Source
    from ..streams.assistants.core import AssistantCore

__all__ = ["StreamFactory", "ThreadStreams"]

_S = TypeVar("_S", bound=EventStream)
_H = TypeVar("_H", bound=AssistantEventHandler)


class StreamFactory(Protocol):
    """Makes streams, all of one kind.

    Resources ask for the plain classes. A factory for asyncio makes the twins of these instead; that
    its methods return twins is declared by the asyncio resources, which alone use it.
    """

    def make(
        self,
        kind: type[_S],
        source: Source,
        core: Core,
        signal: AbortSignal | None,
        *,
        inline: bool,
    ) -> _S:
        """Return the stream of a source, which is under way."""
        ...

    def manage(
        self, source: Source, core: AssistantCore, handler: _H, signal: AbortSignal | None
    ) -> AssistantStreamManager[_H]:
        """Return what starts the stream of a source in a ``with``, for an event handler."""
        ...


class ThreadStreams:
    """Makes streams of threads."""

    def make(
        self,
        kind: type[_S],
        source: Source,
        core: Core,
        signal: AbortSignal | None,
        *,
        inline: bool,
    ) -> _S:
        return kind(source, core, signal=signal, inline=inline)

    def manage(
        self, source: Source, core: AssistantCore, handler: _H, signal: AbortSignal | None
    ) -> AssistantStreamManager[_H]:
        return AssistantStreamManager(
            lambda: AssistantStream(source, core, signal=signal, inline=True), handler
        )
