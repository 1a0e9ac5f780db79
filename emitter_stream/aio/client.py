"""The client for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

import attrs

from ..abort import AbortSignal
from ..client import BaseClient
from ..engine.core import Core
from ..engine.loop.reader import ThreadReader
from ..engine.loop.stream import AsyncEventStream
from ..engine.sources import Source
from ..engine.stream import EventStream
from ..http.transport import Transport
from ..resources import Chat, Files, Models, Responses, Uploads, VectorStores
from ..streams.assistants.aio_handler import AsyncAssistantEventHandler, AsyncAssistantStreamManager
from ..streams.assistants.aio_stream import AsyncAssistantStream
from ..streams.assistants.core import AssistantCore
from ..streams.assistants.handler import AssistantEventHandler, AssistantStreamManager
from ..streams.assistants.stream import AssistantStream
from ..streams.chat.aio_stream import (
    AsyncChatCompletionRunner,
    AsyncChatCompletionStream,
    AsyncChatCompletionStreamingRunner,
)
from ..streams.chat.runner import ChatCompletionRunner, ChatCompletionStreamingRunner
from ..streams.chat.stream import ChatCompletionStream
from ..streams.responses.aio_stream import AsyncResponseStream
from ..streams.responses.stream import ResponseStream
from ..tools.loop_caller import loop_caller
from .calls import InterruptibleTransport, sleep
from .chat import AsyncChat, AsyncModels
from .files import AsyncFiles, AsyncUploads, AsyncVectorStores
from .resources import AsyncBeta
from .responses import AsyncResponses

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncOpenAI"]

_S = TypeVar("_S", bound=EventStream)
_H = TypeVar("_H", bound=AssistantEventHandler)


class AsyncOpenAI(BaseClient):
    """A client for asyncio: ``responses``, ``chat``, ``models``; ``beta`` has Assistants.

    It takes what ``OpenAI`` takes, and the environment fills what is left out in the same way. An
    ``api_key`` that is a function is called on the event loop of the request, and may be a coroutine
    function. Its methods are those of ``OpenAI`` as coroutines, each doing its work on a thread of
    its own; cancelling one ends its request. Those that give a stream are not awaited:
    ``stream(...)`` sends the request and returns an ``AsyncAssistantStream`` at once. A
    ``list(...)`` can be awaited for its first page, or iterated over for every item.

    It can be made anywhere and used on any event loop, on several as well. ``async with`` or
    ``await close()`` closes its connections.
    """

    _transport_class: ClassVar[type[Transport]] = InterruptibleTransport

    def _connect(self, transport: Transport) -> None:
        super()._connect(transport)
        self._api = attrs.evolve(
            self._api, sleep=sleep, streams=LoopStreams(), tool_caller=loop_caller
        )
        self.beta = AsyncBeta(self._api)
        self.chat = AsyncChat(Chat(self._api))
        self.files = AsyncFiles(Files(self._api))
        self.models = AsyncModels(Models(self._api))
        self.responses = AsyncResponses(Responses(self._api))
        self.uploads = AsyncUploads(Uploads(self._api))
        self.vector_stores = AsyncVectorStores(VectorStores(self._api))

    async def close(self) -> None:
        """Close the connections. Streams that are under way are not ended."""
        self._api.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


_TWINS: dict[type[EventStream], type[AsyncEventStream]] = {
    AssistantStream: AsyncAssistantStream,
    ChatCompletionStream: AsyncChatCompletionStream,
    ChatCompletionStreamingRunner: AsyncChatCompletionStreamingRunner,
    ChatCompletionRunner: AsyncChatCompletionRunner,
    ResponseStream: AsyncResponseStream,
}


class LoopStreams:
    """Makes streams of asyncio: the twins of those that it is asked for.

    Its types are those of the plain ones, which the resources name; the methods of the asyncio
    resources, through which everybody gets here, declare the twins.
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
        twin = _TWINS[kind](ThreadReader(source), core, signal=signal, inline=inline)
        return cast("_S", twin)

    def manage(
        self, source: Source, core: AssistantCore, handler: _H, signal: AbortSignal | None
    ) -> AssistantStreamManager[_H]:
        def start() -> AsyncAssistantStream:
            return AsyncAssistantStream(ThreadReader(source), core, signal=signal, inline=True)

        twin = AsyncAssistantStreamManager(start, cast("AsyncAssistantEventHandler", handler))
        return cast("AssistantStreamManager[_H]", twin)
