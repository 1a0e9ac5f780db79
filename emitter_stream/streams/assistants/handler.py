"""The official Python SDK's style: a class whose ``on_*`` methods are the listeners."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from ..._names import PythonNames
from ...engine.stream import EventIterator
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
from .stream import AssistantStream

if TYPE_CHECKING:
    from .aio_stream import AsyncAssistantStream

__all__ = ["AnyEventHandler", "AssistantEventHandler", "AssistantStreamManager"]

H = TypeVar("H", bound="AssistantEventHandler")
_S = TypeVar("_S", bound="AssistantStream | AsyncAssistantStream")

LISTENERS = {
    "on_event": "event",
    "on_run_step_created": "runStepCreated",
    "on_run_step_delta": "runStepDelta",
    "on_run_step_done": "runStepDone",
    "on_message_created": "messageCreated",
    "on_message_delta": "messageDelta",
    "on_message_done": "messageDone",
    "on_text_created": "textCreated",
    "on_text_delta": "textDelta",
    "on_text_done": "textDone",
    "on_image_file_done": "imageFileDone",
    "on_tool_call_created": "toolCallCreated",
    "on_tool_call_delta": "toolCallDelta",
    "on_tool_call_done": "toolCallDone",
    "on_end": "end",
}


class AnyEventHandler(PythonNames, Generic[_S]):
    """What the handlers of both kinds of stream have in common: the stream, and what it knows."""

    _opening: ClassVar[str]  # the statement that begins the stream
    _stream: _S | None = None
    _iterated = False

    @property
    def current_event(self) -> AssistantStreamEvent | None:
        """The event being delivered, or the last one."""
        return self._streaming().current_event()

    @property
    def current_run(self) -> Run | None:
        """The run as the last run event had it."""
        return self._streaming().current_run()

    @property
    def current_run_step_snapshot(self) -> RunStep | None:
        """The open run step, which grows."""
        return self._streaming().current_run_step_snapshot()

    @property
    def current_message_snapshot(self) -> Message | None:
        """The open message, which grows."""
        return self._streaming().current_message_snapshot()

    def _listen_to(self, stream: _S) -> None:
        self._check_unused()
        self._stream = stream
        for method, event in LISTENERS.items():
            if self._overrides(method):
                stream._attach(event, getattr(self, method), once=False)
        if self._overrides("on_exception") or self._overrides("on_timeout"):
            stream._attach("error", self._failed, once=False)

    def _overrides(self, method: str) -> bool:
        raise NotImplementedError

    def _failed(self, error: OpenAIError) -> object:
        raise NotImplementedError

    def _check_unused(self) -> None:
        if self._stream is not None:
            raise RuntimeError(
                "this event handler serves a stream already; each stream needs a handler of its own"
            )

    def _streaming(self) -> _S:
        if self._stream is None:
            raise RuntimeError(
                f"this event handler has no stream yet; use it inside "
                f"`{self._opening} client.beta.threads.runs.stream(..., event_handler=handler):`"
            )
        return self._stream


class AssistantEventHandler(AnyEventHandler[AssistantStream]):
    """Listeners as methods, as in the official Python SDK; a subclass overrides what it wants.

    One handler serves one stream. Its methods are called, in the Node SDK's order, by whoever waits
    or iterates (``until_done``, ``get_final_*``, ``for``, ``text_deltas``, the end of the ``with``),
    on that thread and in its context, as with the official SDK; the stream is ``inline``. A method
    that raises ends the stream; its exception leaves the wait as it is, and ``on_exception`` gets
    the ``OpenAIError`` whose ``__cause__`` it is.
    """

    _opening = "with"
    _iterator: EventIterator[AssistantStreamEvent] | None = None
    _texts: Iterator[str] | None = None

    def until_done(self) -> None:
        """Wait until the stream has ended; raises its error."""
        self._streaming().until_done()

    def get_final_run(self) -> Run:
        """Wait for the end and return the run."""
        return self._streaming().final_run()

    def get_final_run_steps(self) -> list[RunStep]:
        """Wait for the end and return the run's steps."""
        return self._streaming().final_run_steps()

    def get_final_messages(self) -> list[Message]:
        """Wait for the end and return the run's messages."""
        return self._streaming().final_messages()

    @property
    def text_deltas(self) -> Iterator[str]:
        """The pieces of text as they arrive, from where the stream is; it shares the iteration."""
        self._streaming()
        if self._texts is None:
            self._texts = _Texts(self)
        return self._texts

    def close(self) -> None:
        """Abort the stream if it still runs."""
        self._streaming().abort()

    def __iter__(self) -> Iterator[AssistantStreamEvent]:
        # One position for all: as in the official SDK, a loop that is left can be taken up again,
        # and until_done() goes on from there.
        self._streaming()
        return self

    def __next__(self) -> AssistantStreamEvent:
        """Have the calls of one event made, and return it."""
        stream = self._streaming()
        if stream.was_told:  # what ended it was raised before
            raise StopIteration
        if self._iterator is None:
            self._iterator = stream.iterate_on()
            self._iterated = True
        return next(self._iterator)

    # To be overridden

    def on_event(self, event: AssistantStreamEvent) -> None:
        """Hear of every event."""

    def on_run_step_created(self, run_step: RunStep) -> None:
        """Hear of a new run step."""

    def on_run_step_delta(self, delta: RunStepDelta, snapshot: RunStep) -> None:
        """Hear of a run step's delta, after it was merged into the snapshot."""

    def on_run_step_done(self, run_step: RunStep) -> None:
        """Hear of a run step's end."""

    def on_message_created(self, message: Message) -> None:
        """Hear of a new message."""

    def on_message_delta(self, delta: MessageDelta, snapshot: Message) -> None:
        """Hear of a message's delta, after it was merged into the snapshot."""

    def on_message_done(self, message: Message) -> None:
        """Hear of a message's end."""

    def on_text_created(self, text: Text) -> None:
        """Hear of a new text block."""

    def on_text_delta(self, delta: TextDelta, snapshot: Text) -> None:
        """Hear of a piece of text, after it was appended to the snapshot."""

    def on_text_done(self, text: Text) -> None:
        """Hear of a text block's end."""

    def on_image_file_done(self, image_file: ImageFile) -> None:
        """Hear of an image file."""

    def on_tool_call_created(self, tool_call: ToolCall) -> None:
        """Hear of a new tool call."""

    def on_tool_call_delta(self, delta: ToolCallDelta, snapshot: ToolCall) -> None:
        """Hear of a tool call's delta, after it was merged into the snapshot."""

    def on_tool_call_done(self, tool_call: ToolCall) -> None:
        """Hear of a tool call's end."""

    def on_exception(self, exception: Exception) -> None:
        """Hear of the error that ends the stream; an abort is none."""

    def on_timeout(self) -> None:
        """Hear, before ``on_exception``, that the server stood still for too long."""

    def on_end(self) -> None:
        """Hear of the end of the stream, however it came."""

    # Inside

    def _overrides(self, method: str) -> bool:
        function = getattr(getattr(self, method), "__func__", None)
        return function is not getattr(AssistantEventHandler, method)

    def _failed(self, error: OpenAIError) -> None:
        if isinstance(error, APITimeoutError):
            self.on_timeout()
        self.on_exception(error)


class AssistantStreamManager(Generic[H]):
    """What ``stream(..., event_handler=handler)`` returns: ``with`` starts it, gives the handler.

    The ``with`` sends the request. The block's end waits for the stream's, with all the calls that
    are still to be made, and raises what ends the stream if nothing in the block has. If the block
    iterated, or is left by an exception, what is left of the stream is aborted, without error.
    """

    def __init__(self, start: Callable[[], AssistantStream], handler: H) -> None:
        self._start = start
        self._handler = handler
        self._stream: AssistantStream | None = None

    def __enter__(self) -> H:
        self._handler._check_unused()
        self._stream = self._start()
        try:
            self._handler._listen_to(self._stream)
        except BaseException:  # a method that does not fit: the request is under way by now
            self._stream.abort()
            raise
        return self._handler

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        stream = self._stream
        if stream is None:
            return
        if kind is not None or self._handler._iterated or stream.was_told:
            stream.leave()
        else:
            stream.__exit__(kind, *rest)


class _Texts:
    """The pieces of text of the events that it moves a handler's stream on to."""

    def __init__(self, handler: AssistantEventHandler) -> None:
        self._handler = handler
        self._pieces: deque[str] = deque()  # of the last event

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not self._pieces:
            self._pieces.extend(pieces_of(next(self._handler)))
        return self._pieces.popleft()


def pieces_of(event: AssistantStreamEvent) -> Iterator[str]:
    """Yield the pieces of text that an event brings."""
    if event.event == "thread.message.delta":
        for block in event.data.delta.content or ():
            if block.type == "text" and block.text and block.text.value:
                yield block.text.value
