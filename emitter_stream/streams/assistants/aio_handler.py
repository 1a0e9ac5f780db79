"""The official Python SDK's style for asyncio: a class whose ``async def on_*`` are the listeners."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from ...engine.loop.iterator import AsyncEventIterator
from ...exceptions import APITimeoutError, OpenAIError
from ...types import (
    AssistantStreamEvent,
    ImageFile,
    Message,
    MessageDelta,
    Run,
    RunStep,
    RunStepDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from .aio_stream import AsyncAssistantStream
from .handler import AnyEventHandler, pieces_of

__all__ = ["AsyncAssistantEventHandler", "AsyncAssistantStreamManager"]

H = TypeVar("H", bound="AsyncAssistantEventHandler")


class AsyncAssistantEventHandler(AnyEventHandler[AsyncAssistantStream]):
    """Listeners as methods, as in the official Python SDK; a subclass overrides what it wants.

    One handler serves one stream. Its methods are called on the stream's loop, in the Node SDK's
    order, each finished before the next, while somebody waits or iterates: the stream is
    ``inline``. A method that raises ends the stream; its exception leaves the wait as it is, and
    ``on_exception`` gets the ``OpenAIError`` whose ``__cause__`` it is.
    """

    _opening = "async with"
    _iterator: AsyncEventIterator[AssistantStreamEvent] | None = None
    _texts: AsyncIterator[str] | None = None

    async def until_done(self) -> None:
        """Wait until the stream has ended; raises its error."""
        await self._streaming().until_done()

    async def get_final_run(self) -> Run:
        """Wait for the end and return the run."""
        return await self._streaming().final_run()

    async def get_final_run_steps(self) -> list[RunStep]:
        """Wait for the end and return the run's steps."""
        return await self._streaming().final_run_steps()

    async def get_final_messages(self) -> list[Message]:
        """Wait for the end and return the run's messages."""
        return await self._streaming().final_messages()

    @property
    def text_deltas(self) -> AsyncIterator[str]:
        """The pieces of text as they arrive, from where the stream is; it shares the iteration."""
        self._streaming()
        if self._texts is None:
            self._texts = _texts_of(self)
        return self._texts

    async def close(self) -> None:
        """Abort the stream if it still runs."""
        self._streaming().abort()

    def __aiter__(self) -> AsyncIterator[AssistantStreamEvent]:
        # One position for all: as in the official SDK, a loop that is left can be taken up again,
        # and until_done() goes on from there.
        self._streaming()
        return self

    async def __anext__(self) -> AssistantStreamEvent:
        """Have the calls of one event made, and return it."""
        stream = self._streaming()
        if stream.was_told:  # what ended it was raised before
            raise StopAsyncIteration
        if self._iterator is None:
            self._iterator = stream.iterate_on()
            self._iterated = True
        return await anext(self._iterator)

    # To be overridden

    async def on_event(self, event: AssistantStreamEvent) -> None:
        """Hear of every event."""

    async def on_run_step_created(self, run_step: RunStep) -> None:
        """Hear of a new run step."""

    async def on_run_step_delta(self, delta: RunStepDelta, snapshot: RunStep) -> None:
        """Hear of a run step's delta, after it was merged into the snapshot."""

    async def on_run_step_done(self, run_step: RunStep) -> None:
        """Hear of a run step's end."""

    async def on_message_created(self, message: Message) -> None:
        """Hear of a new message."""

    async def on_message_delta(self, delta: MessageDelta, snapshot: Message) -> None:
        """Hear of a message's delta, after it was merged into the snapshot."""

    async def on_message_done(self, message: Message) -> None:
        """Hear of a message's end."""

    async def on_text_created(self, text: Text) -> None:
        """Hear of a new text block."""

    async def on_text_delta(self, delta: TextDelta, snapshot: Text) -> None:
        """Hear of a piece of text, after it was appended to the snapshot."""

    async def on_text_done(self, text: Text) -> None:
        """Hear of a text block's end."""

    async def on_image_file_done(self, image_file: ImageFile) -> None:
        """Hear of an image file."""

    async def on_tool_call_created(self, tool_call: ToolCall) -> None:
        """Hear of a new tool call."""

    async def on_tool_call_delta(self, delta: ToolCallDelta, snapshot: ToolCall) -> None:
        """Hear of a tool call's delta, after it was merged into the snapshot."""

    async def on_tool_call_done(self, tool_call: ToolCall) -> None:
        """Hear of a tool call's end."""

    async def on_exception(self, exception: Exception) -> None:
        """Hear of the error that ends the stream; an abort is none."""

    async def on_timeout(self) -> None:
        """Hear, before ``on_exception``, that the server stood still for too long."""

    async def on_end(self) -> None:
        """Hear of the end of the stream, however it came."""

    # Inside

    def _overrides(self, method: str) -> bool:
        function = getattr(getattr(self, method), "__func__", None)
        return function is not getattr(AsyncAssistantEventHandler, method)

    async def _failed(self, error: OpenAIError) -> None:
        if isinstance(error, APITimeoutError):
            await self.on_timeout()
        await self.on_exception(error)


class AsyncAssistantStreamManager(Generic[H]):
    """What ``stream(..., event_handler=handler)`` returns; ``async with`` gives the handler.

    It sends the request. The block's end waits for the stream's, and raises what ends the stream if
    nothing in the block has; if the block iterated, or is left by an exception, it aborts instead.
    """

    def __init__(self, start: Callable[[], AsyncAssistantStream], handler: H) -> None:
        self._start = start
        self._handler = handler
        self._stream: AsyncAssistantStream | None = None

    async def __aenter__(self) -> H:
        self._handler._check_unused()
        self._stream = self._start()
        try:
            self._handler._listen_to(self._stream)
        except BaseException:  # a method that does not fit: the request is under way by now
            self._stream.abort()
            raise
        return self._handler

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        stream = self._stream
        if stream is None:
            return
        if kind is None and (self._handler._iterated or stream.was_told):
            await stream.leave()
        else:
            await stream.__aexit__(kind, *rest)


async def _texts_of(handler: AsyncAssistantEventHandler) -> AsyncIterator[str]:
    """Yield the pieces of text of the events that this moves a handler's stream on to."""
    async for event in handler:
        for piece in pieces_of(event):
            yield piece
