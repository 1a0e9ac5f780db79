"""The streams of chat completions for asyncio."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ...engine.loop.iterator import AsyncEventIterator
from ...exceptions import OpenAIError
from ...types.chat import (
    ChatCompletionChunk,
    ChatCompletionStreamEvent,
    CompletionUsage,
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
    ParsedFunction,
)
from ..aio_base import AsyncApiStream, AsyncRecordedStream
from .aio_listeners import AsyncChatListeners
from .core import ChatCore
from .events import EVERYTHING
from .runner import STREAMING_API, WHOLE_API
from .runner_aio_listeners import AsyncChatRunnerListeners
from .stream import (
    API,
    CompletionSnapshots,
    ConversationSoFar,
    RunLines,
    passed_chunk,
    typed_event,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "AsyncChatCompletionRunner",
    "AsyncChatCompletionStream",
    "AsyncChatCompletionStreamingRunner",
    "AsyncTypedChatEvents",
]


class AsyncConversationStream(ConversationSoFar, AsyncRecordedStream):
    """What the streams of one completion, and of several with tools, have in common."""

    async def final_chat_completion(self, timeout: float | None = None) -> ParsedChatCompletion:
        """Wait for the end and return the last completion. Node: ``finalChatCompletion``."""
        await self.done(timeout)
        return self._conversation.final_chat_completion()

    async def final_message(self, timeout: float | None = None) -> ParsedChatCompletionMessage:
        """Wait for the end and return the model's last message. Node: ``finalMessage``."""
        await self.done(timeout)
        return self._conversation.final_message()

    async def final_content(self, timeout: float | None = None) -> str | None:
        """Wait for the end and return the last message's content. Node: ``finalContent``."""
        return (await self.final_message(timeout)).content

    async def final_function_tool_call(self, timeout: float | None = None) -> ParsedFunction | None:
        """Wait for the end and return the last function call. Node: ``finalFunctionToolCall``."""
        await self.done(timeout)
        return self._conversation.final_function_tool_call()

    async def final_function_tool_call_result(self, timeout: float | None = None) -> str | None:
        """Wait for the end and return the last result of a function.

        Node: ``finalFunctionToolCallResult``.
        """
        await self.done(timeout)
        return self._conversation.final_function_tool_call_result()

    async def total_usage(self, timeout: float | None = None) -> CompletionUsage:
        """Wait for the end and return the sums over all completions. Node: ``totalUsage``."""
        await self.done(timeout)
        return self._conversation.total_usage()


class AsyncChatCompletionStream(
    AsyncChatListeners, CompletionSnapshots, AsyncConversationStream, AsyncApiStream
):
    """A completion's stream on an event loop: ``ChatCompletionStream``, for asyncio.

    Listeners are plain functions or ``async def``. ``async for`` gives the raw chunks; ``async
    with`` gives the official Python SDK's side, which iterates typed events.
    """

    _api = API
    _core: ChatCore
    _iterated = False  # the typed side was

    def __aiter__(self) -> AsyncEventIterator[Any]:
        """Iterate over the raw chunks; leaving early aborts the request, as in Node."""
        iterator: AsyncEventIterator[ChatCompletionChunk] = AsyncEventIterator(
            self._delivery, "chunk", passed_chunk, self.abort, abort_on_leave=True
        )
        return iterator

    async def get_final_completion(self, timeout: float | None = None) -> ParsedChatCompletion:
        """Do what ``final_chat_completion`` does, by the official Python SDK's name for it."""
        return await self.final_chat_completion(timeout)

    async def close(self) -> None:
        """End the request, by the official Python SDK's name: what ``abort`` does."""
        self.abort()

    async def __aenter__(self) -> AsyncTypedChatEvents:
        kind = AsyncTypedChatEvents
        if not isinstance(self, AsyncChatCompletionStream) or type(self) is not kind.stream_class:
            kind = _AsyncTypedRun
        side: AsyncTypedChatEvents = object.__new__(kind)
        side.__dict__ = self.__dict__  # the same stream
        return side

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Wait for the end and raise the stream's error; abort if an exception left the block.

        If the typed events were iterated, what is left of them is closed instead, without error.
        """
        if kind is not None or not self._iterated:
            await super().__aexit__(kind, *rest)
            return
        self.abort()
        with contextlib.suppress(OpenAIError):
            await self.done()


class AsyncTypedChatEvents(AsyncChatCompletionStream):
    """The official Python SDK's side of a chat stream: it iterates typed events.

    It is the same stream as the one whose ``async with`` gave it, and has all that that has.
    """

    stream_class: type[AsyncChatCompletionStream] = AsyncChatCompletionStream

    def __aiter__(self) -> Self:  # type: ignore[override]
        return self

    async def __anext__(self) -> ChatCompletionStreamEvent:
        iterator = self.__dict__.get("_typed_events")
        if iterator is None:
            self._iterated = True
            iterator = self._typed_events = AsyncEventIterator(
                self._delivery, EVERYTHING, typed_event, self.abort, skip_empty=True
            )
        event: ChatCompletionStreamEvent = await anext(iterator)
        return event

    async def __aenter__(self) -> Self:
        return self

    def __del__(self) -> None:
        """Do nothing: the stream itself tells when nobody can listen to it any more."""


class AsyncChatCompletionStreamingRunner(AsyncChatCompletionStream):
    """A run of tools, chunk by chunk: ``ChatCompletionStreamingRunner``, for asyncio."""

    _api = STREAMING_API

    def to_readable_stream(self) -> AsyncEventIterator[bytes]:
        """Return an iterator over the chunks and the results of tools, as lines of JSON."""
        return AsyncEventIterator(
            self._delivery,
            EVERYTHING,
            RunLines(),
            self.abort,
            abort_on_leave=True,
            skip_empty=True,
        )


class _AsyncTypedRun(AsyncTypedChatEvents, AsyncChatCompletionStreamingRunner):
    """The official Python SDK's side of a run of tools."""


class AsyncChatCompletionRunner(AsyncChatRunnerListeners, AsyncConversationStream):
    """A run of tools whose answers come whole: ``ChatCompletionRunner``, for asyncio."""

    _api = WHOLE_API
