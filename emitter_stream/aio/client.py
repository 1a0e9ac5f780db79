"""The client for asyncio."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from ..abort import AbortSignal
from ..client import BaseClient
from ..engine.loop.reader import ThreadReader
from ..engine.sources import Source
from ..http.transport import Transport
from ..resources import Chat, Models, Responses
from ..streams.assistants.aio_handler import AsyncAssistantEventHandler, AsyncAssistantStreamManager
from ..streams.assistants.aio_stream import AsyncAssistantStream
from ..streams.assistants.core import AssistantCore
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
from .resources import AsyncBeta
from .responses import AsyncResponses

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncOpenAI"]


class AsyncOpenAI(BaseClient):
    """A client of the Assistants API for asyncio. ``client.beta`` has its methods.

    It takes what ``OpenAI`` takes, and the environment fills what is left out in the same way. Its
    methods are those of ``OpenAI`` as coroutines, each doing its work on a thread of its own;
    cancelling one ends its request. Those that give a stream are not awaited: ``stream(...)``
    sends the request and returns an ``AsyncAssistantStream`` at once. A ``list(...)`` can be
    awaited for its first page, or iterated over for every item.

    It can be made anywhere and used on any event loop, on several as well. ``async with`` or
    ``await close()`` closes its connections.
    """

    _transport_class: ClassVar[type[Transport]] = InterruptibleTransport

    def _connect(self, transport: Transport) -> None:
        super()._connect(transport)
        self._api = attrs.evolve(
            self._api, sleep=sleep, opener=_open, stream_maker=_make, tool_caller=loop_caller
        )
        self.beta = AsyncBeta(self._api)
        self.chat = AsyncChat(Chat(self._api))
        self.models = AsyncModels(Models(self._api))
        self.responses = AsyncResponses(Responses(self._api))

    async def close(self) -> None:
        """Close the connections. Streams that are under way are not ended."""
        self._api.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _open(
    source: Source,
    core: AssistantCore,
    handler: AsyncAssistantEventHandler | None,
    signal: AbortSignal | None,
    inline: bool,
) -> AsyncAssistantStream | AsyncAssistantStreamManager[Any]:
    def start() -> AsyncAssistantStream:
        is_inline = inline or handler is not None
        reader = ThreadReader(source)
        return AsyncAssistantStream(reader, core, signal=signal, inline=is_inline)

    return start() if handler is None else AsyncAssistantStreamManager(start, handler)


_TWINS: dict[type[Any], type[Any]] = {
    ChatCompletionStream: AsyncChatCompletionStream,
    ChatCompletionStreamingRunner: AsyncChatCompletionStreamingRunner,
    ChatCompletionRunner: AsyncChatCompletionRunner,
    ResponseStream: AsyncResponseStream,
}


def _make(
    kind: type[Any], source: Source, core: Any, signal: AbortSignal | None, inline: bool
) -> Any:
    """Return the asyncio twin of the stream that ``kind`` would be."""
    return _TWINS[kind](ThreadReader(source), core, signal=signal, inline=inline)
