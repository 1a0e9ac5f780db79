"""``client.chat`` and ``client.models`` for asyncio: see ``.resources``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

from ..resources import Models
from ..resources.chat import CompletionMessages, Completions
from ..streams.chat.aio_stream import (
    AsyncChatCompletionRunner,
    AsyncChatCompletionStream,
    AsyncChatCompletionStreamingRunner,
)
from ..types.chat import ChatCompletion, ChatCompletionChunk
from .plain import AsyncStream
from .resources import _AsyncResource, _Call, _List, _PlainOrStream, _Taken

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._not_given import NotGiven
    from ..resources._chat_params import ChatCreateParams, ChatRunParams, ChatStreamParams

__all__ = ["AsyncChat", "AsyncCompletionMessages", "AsyncCompletions", "AsyncModels"]


class AsyncChat(_AsyncResource):
    """Answers of a model to a list of messages."""

    @property
    def completions(self) -> AsyncCompletions:
        """The answers."""
        return AsyncCompletions(self._plain.completions)


class AsyncCompletions(_AsyncResource):
    """Answers of a model to a list of messages; see ``Completions``."""

    @property
    def messages(self) -> AsyncCompletionMessages:
        """The messages of completions that the server has kept."""
        return AsyncCompletionMessages(self._plain.messages)

    parse = _Call(Completions.parse)
    retrieve = _Call(Completions.retrieve)
    update = _Call(Completions.update)
    list = _List(Completions.list)
    delete = _Call(Completions.delete)

    if TYPE_CHECKING:

        @overload
        async def create(
            self,
            *,
            stream: Literal[False] | NotGiven | None = ...,
            **params: Unpack[ChatCreateParams],
        ) -> ChatCompletion: ...
        @overload
        async def create(
            self, *, stream: Literal[True], **params: Unpack[ChatCreateParams]
        ) -> AsyncStream[ChatCompletionChunk]: ...
        @overload
        async def create(
            self, *, stream: bool, **params: Unpack[ChatCreateParams]
        ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]: ...
        async def create(self, **params: Any) -> Any: ...

        def stream(
            self,
            *,
            messages: Iterable[Any],
            model: str,
            inline: bool = ...,
            **params: Unpack[ChatStreamParams],
        ) -> AsyncChatCompletionStream: ...

        @overload
        def run_tools(
            self, *, stream: Literal[False] | NotGiven | None = ..., **params: Unpack[ChatRunParams]
        ) -> AsyncChatCompletionRunner: ...
        @overload
        def run_tools(
            self, *, stream: Literal[True], **params: Unpack[ChatRunParams]
        ) -> AsyncChatCompletionStreamingRunner: ...
        def run_tools(self, **params: Any) -> Any: ...
    else:
        create = _PlainOrStream(Completions.create)
        stream = _Taken(Completions.stream)
        run_tools = _Taken(Completions.run_tools)


class AsyncCompletionMessages(_AsyncResource):
    """The messages of completions that the server has kept."""

    list = _List(CompletionMessages.list)


class AsyncModels(_AsyncResource):
    """The models that the server has."""

    retrieve = _Call(Models.retrieve)
    list = _List(Models.list)
