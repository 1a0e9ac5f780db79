"""The stream of a chat completion: the Node SDK's ``ChatCompletionStream``, and its finals.

The Python SDK's side of it, which iterates typed events, is what ``with`` gives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ...engine.sources import to_line
from ...engine.stream import EventIterator
from ...exceptions import OpenAIError
from ...types._model import untouched
from ...types.chat import (
    ChatCompletionStreamEvent,
    ChunkEvent,
    CompletionUsage,
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
    ParsedChatCompletionSnapshot,
    ParsedFunction,
)
from ..base import Api, ApiStream, RecordedStream
from .codec import CODEC, carrier_of
from .conversation import Conversation
from .core import ChatCore
from .events import EVERYTHING, TYPED_EVENTS
from .listeners import ChatListeners

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "API",
    "ChatCompletionStream",
    "CompletionSnapshots",
    "ConversationSoFar",
    "ConversationStream",
    "RunLines",
    "Skipping",
    "TypedChatEvents",
    "passed_chunk",
    "typed_event",
]

_T = TypeVar("_T")


class ConversationSoFar:
    """What the streams of threads and of asyncio know of their conversation so far."""

    _core: Any

    @property
    def _conversation(self) -> Conversation:
        conversation: Conversation = self._core.conversation
        return conversation

    @property
    def messages(self) -> list[Any]:
        """The conversation: the request's messages, then the model's and the results of tools.

        It is the list itself. Node: ``messages``.
        """
        return self._conversation.messages

    def all_chat_completions(self) -> list[ParsedChatCompletion]:
        """Return the completions so far. Node: ``allChatCompletions``."""
        return list(self._conversation.completions)


class ConversationStream(ConversationSoFar, RecordedStream):
    """What the streams of one completion, and of several with tools, have in common."""

    def final_chat_completion(self, timeout: float | None = None) -> ParsedChatCompletion:
        """Wait for the end and return the last completion; raises what ``done`` raises.

        Node: ``finalChatCompletion``.
        """
        self.done(timeout)
        return self._conversation.final_chat_completion()

    def final_message(self, timeout: float | None = None) -> ParsedChatCompletionMessage:
        """Wait for the end and return the model's last message. Node: ``finalMessage``."""
        self.done(timeout)
        return self._conversation.final_message()

    def final_content(self, timeout: float | None = None) -> str | None:
        """Wait for the end and return the last message's content. Node: ``finalContent``."""
        return self.final_message(timeout).content

    def final_function_tool_call(self, timeout: float | None = None) -> ParsedFunction | None:
        """Wait for the end and return the last function call, if there was one.

        Node: ``finalFunctionToolCall``.
        """
        self.done(timeout)
        return self._conversation.final_function_tool_call()

    def final_function_tool_call_result(self, timeout: float | None = None) -> str | None:
        """Wait for the end and return the last result of a function, if there was one.

        Node: ``finalFunctionToolCallResult``.
        """
        self.done(timeout)
        return self._conversation.final_function_tool_call_result()

    def total_usage(self, timeout: float | None = None) -> CompletionUsage:
        """Wait for the end and return the sums over all completions. Node: ``totalUsage``."""
        self.done(timeout)
        return self._conversation.total_usage()


API = Api(
    CODEC,
    lambda recording: ChatCore(),
    of_events=ChatCore,
    of_lines=lambda: ChatCore(replays=True),
)


class CompletionSnapshots:
    """What the streams of threads and of asyncio know of their completion so far."""

    _core: ChatCore

    @property
    def current_chat_completion_snapshot(self) -> ParsedChatCompletionSnapshot | None:
        """The completion so far, which grows; ``None`` before the first chunk and after the last.

        After an error it is what came. Node: ``currentChatCompletionSnapshot``.
        """
        return self._core.current_snapshot

    @property
    def current_completion_snapshot(self) -> ParsedChatCompletionSnapshot | None:
        """The completion so far, by the official Python SDK's name; also after the last chunk."""
        return self._core.last_snapshot

    @property
    def repairs(self) -> Mapping[str, int]:
        """How often chunks were repaired, by the names C1 to C5; see ``streams/chat/repairs.py``."""
        return self._core.repairs


class ChatCompletionStream(ChatListeners, CompletionSnapshots, ConversationStream, ApiStream):
    """A completion's stream, with the listeners of the Node SDK's class of the same name.

    Events: ``connect chunk content content.delta content.done refusal.delta refusal.done
    tool_calls.function.arguments.delta tool_calls.function.arguments.done logprobs.content.delta
    logprobs.content.done logprobs.refusal.delta logprobs.refusal.done chatCompletion message
    functionToolCall functionToolCallResult finalChatCompletion finalMessage finalContent
    finalFunctionToolCall finalFunctionToolCallResult totalUsage error abort end``.

    Iterating gives the raw chunks, as in Node; leaving the loop early aborts the request. ``with``
    gives the official Python SDK's side of the same stream, which iterates typed events.
    """

    _api = API
    _core: ChatCore
    _iterated = False  # the typed side was

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the raw chunks; leaving early aborts the request, as in Node."""
        return self._iterator(EventIterator, "chunk", passed_chunk, abort_on_leave=True)

    # The Python SDK's side

    def get_final_completion(self, timeout: float | None = None) -> ParsedChatCompletion:
        """Do what ``final_chat_completion`` does, by the official Python SDK's name for it."""
        return self.final_chat_completion(timeout)

    def close(self) -> None:
        """End the request, by the official Python SDK's name: what ``abort`` does."""
        self.abort()

    def __enter__(self) -> TypedChatEvents:
        side: TypedChatEvents = object.__new__(_typed(type(self)))
        side.__dict__ = self.__dict__  # the same stream
        return side

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Wait for the end and raise the stream's error; abort if an exception left the block.

        If the typed events were iterated, what is left of them is closed instead, without error.
        """
        if kind is None and not self._iterated:
            super().__exit__(kind, *rest)
            return
        if self._delivery.elsewhere:
            return
        self.leave()
        if kind is None:
            with contextlib.suppress(OpenAIError):
                self.done()


class TypedChatEvents(ChatCompletionStream):
    """The official Python SDK's side of a chat stream: it iterates typed events.

    It is the same stream as the one whose ``with`` gave it, and has all that that has.
    """

    def __iter__(self) -> Iterator[ChatCompletionStreamEvent]:
        return self

    def __next__(self) -> ChatCompletionStreamEvent:
        iterator = self.__dict__.get("_typed_events")
        if iterator is None:
            self._iterated = True
            iterator = self._iterator(Skipping, EVERYTHING, typed_event)
            self._typed_events = iterator
        event: ChatCompletionStreamEvent = next(iterator)
        return event

    def __enter__(self) -> Self:
        return self

    def __del__(self) -> None:
        """Do nothing: the stream itself tells when nobody can listen to it any more."""


class Skipping(EventIterator[_T]):
    """An iterator over those of the events of which anything was made."""

    def __next__(self) -> _T:
        while not (item := super().__next__()):
            pass
        return item


def _typed(kind: type[ChatCompletionStream]) -> type[TypedChatEvents]:
    """Return the class of the typed side of a stream."""
    if issubclass(kind, TypedChatEvents):
        return kind
    found = _TYPED.get(kind)
    if found is None:
        bases = (TypedChatEvents,) if kind is ChatCompletionStream else (TypedChatEvents, kind)
        found = _TYPED[kind] = type(
            f"Typed{kind.__name__}", bases, {"__doc__": TypedChatEvents.__doc__}
        )
    return found


_TYPED: dict[type[ChatCompletionStream], type[TypedChatEvents]] = {}


def typed_event(args: tuple[Any, ...]) -> Any:
    name, passed = args
    if name == "chunk":
        chunk, snapshot = passed
        return ChunkEvent({"chunk": untouched(chunk), "snapshot": snapshot})
    return untouched(passed[0]) if name in _TYPED_NAMES else None


_TYPED_NAMES = frozenset(TYPED_EVENTS)


def passed_chunk(args: tuple[Any, ...]) -> Any:
    return untouched(args[0])


class RunLines:
    """What makes the lines of a run of tools: of its chunks, and of the results between them."""

    def __init__(self) -> None:
        self._last: dict[str, Any] | None = None  # the last chunk
        self._call_ids: list[Any] | None = None  # of the message that called

    def __call__(self, args: tuple[Any, ...]) -> bytes:
        """Return the line of a call, ``b""`` for one that has none."""
        name, passed = args
        if name == "chunk":
            self._last = untouched(passed[0]).to_dict()
            return to_line(self._last)
        message = passed[0].to_dict() if name == "message" else {}
        if message.get("role") == "assistant":
            calls = message.get("tool_calls")
            self._call_ids = None if calls is None else [call.get("id") for call in calls]
        elif message.get("role") == "tool":
            if self._last is None:
                raise OpenAIError("A tool's result came before any chunk: no line can carry it.")
            ids, self._call_ids = self._call_ids, None
            return to_line(carrier_of(self._last, message, ids))
        return b""
