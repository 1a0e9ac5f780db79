"""The events of chat streams: their names, and how many arguments each passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ..._typing import Listener0, Listener1, Listener2
from ...exceptions import APIUserAbortError, OpenAIError
from ...types.chat import (
    ChatCompletionChunk,
    CompletionUsage,
    ContentDeltaEvent,
    ContentDoneEvent,
    FunctionToolCallArgumentsDeltaEvent,
    FunctionToolCallArgumentsDoneEvent,
    LogprobsContentDeltaEvent,
    LogprobsContentDoneEvent,
    LogprobsRefusalDeltaEvent,
    LogprobsRefusalDoneEvent,
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
    ParsedChatCompletionSnapshot,
    ParsedFunction,
    RefusalDeltaEvent,
    RefusalDoneEvent,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "ALIASES",
    "EVENTS",
    "EVERYTHING",
    "RUNNER_EVENTS",
    "TYPED_EVENTS",
    "ChatListeners",
    "RunnerListeners",
]

_F = TypeVar("_F", bound=Callable[..., Any])

TYPED_EVENTS: tuple[str, ...] = (
    "chunk",
    "content.delta",
    "content.done",
    "refusal.delta",
    "refusal.done",
    "tool_calls.function.arguments.delta",
    "tool_calls.function.arguments.done",
    "logprobs.content.delta",
    "logprobs.content.done",
    "logprobs.refusal.delta",
    "logprobs.refusal.done",
)
"""What iterating the Python SDK's side gives."""

RUNNER_EVENTS: dict[str, int] = {
    "*": 2,
    "message": 1,
    "chatCompletion": 1,
    "functionToolCall": 1,
    "functionToolCallResult": 1,
    "finalChatCompletion": 1,
    "finalContent": 1,
    "finalMessage": 1,
    "finalFunctionToolCall": 1,
    "finalFunctionToolCallResult": 1,
    "totalUsage": 1,
}
"""What every run of tools emits, also without deltas."""

EVENTS: dict[str, int] = {
    **dict.fromkeys(TYPED_EVENTS, 1),
    "chunk": 2,
    "content": 2,
    **RUNNER_EVENTS,
}
"""What a stream of chunks emits."""

EVERYTHING = "*"
"""The name under which each call but `content` and the finals is made once more, with its name and its arguments:
for the stream's own iterators, which want several events in their common order."""

ALIASES = frozenset(("content.delta", EVERYTHING))  # they repeat others

_RunnerEvent = Literal[
    "connect",
    "message",
    "chatCompletion",
    "functionToolCall",
    "functionToolCallResult",
    "finalChatCompletion",
    "finalContent",
    "finalMessage",
    "finalFunctionToolCall",
    "finalFunctionToolCallResult",
    "totalUsage",
    "content",
    "error",
    "abort",
    "end",
]
_Event = Literal[
    "chunk",
    "content.delta",
    "content.done",
    "refusal.delta",
    "refusal.done",
    "tool_calls.function.arguments.delta",
    "tool_calls.function.arguments.done",
    "logprobs.content.delta",
    "logprobs.content.done",
    "logprobs.refusal.delta",
    "logprobs.refusal.done",
    "connect",
    "message",
    "chatCompletion",
    "functionToolCall",
    "functionToolCallResult",
    "finalChatCompletion",
    "finalContent",
    "finalMessage",
    "finalFunctionToolCall",
    "finalFunctionToolCallResult",
    "totalUsage",
    "content",
    "error",
    "abort",
    "end",
]


class ChatListeners:
    """``on`` and ``once`` of a stream of chunks, for type checkers: one overload a signature.

    So each listener is checked against its event.
    """

    if TYPE_CHECKING:
        # fmt: off
        @overload
        def on(self, event: Literal["connect", "end"], listener: Listener0) -> Self: ...
        @overload
        def on(self, event: Literal["error"], listener: Listener1[OpenAIError]) -> Self: ...
        @overload
        def on(self, event: Literal["abort"], listener: Listener1[APIUserAbortError]) -> Self: ...
        @overload
        def on(self, event: Literal["chunk"], listener: Listener2[ChatCompletionChunk, ParsedChatCompletionSnapshot]) -> Self: ...
        @overload
        def on(self, event: Literal["content"], listener: Listener2[str, str]) -> Self: ...
        @overload
        def on(self, event: Literal["content.delta"], listener: Listener1[ContentDeltaEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["content.done"], listener: Listener1[ContentDoneEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["refusal.delta"], listener: Listener1[RefusalDeltaEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["refusal.done"], listener: Listener1[RefusalDoneEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["tool_calls.function.arguments.delta"], listener: Listener1[FunctionToolCallArgumentsDeltaEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["tool_calls.function.arguments.done"], listener: Listener1[FunctionToolCallArgumentsDoneEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["logprobs.content.delta"], listener: Listener1[LogprobsContentDeltaEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["logprobs.content.done"], listener: Listener1[LogprobsContentDoneEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["logprobs.refusal.delta"], listener: Listener1[LogprobsRefusalDeltaEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["logprobs.refusal.done"], listener: Listener1[LogprobsRefusalDoneEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["chatCompletion", "finalChatCompletion"], listener: Listener1[ParsedChatCompletion]) -> Self: ...
        @overload
        def on(self, event: Literal["message"], listener: Listener1[Any]) -> Self: ...
        @overload
        def on(self, event: Literal["finalMessage"], listener: Listener1[ParsedChatCompletionMessage]) -> Self: ...
        @overload
        def on(self, event: Literal["functionToolCall", "finalFunctionToolCall"], listener: Listener1[ParsedFunction]) -> Self: ...
        @overload
        def on(self, event: Literal["functionToolCallResult", "finalFunctionToolCallResult", "finalContent"], listener: Listener1[str]) -> Self: ...
        @overload
        def on(self, event: Literal["totalUsage"], listener: Listener1[CompletionUsage]) -> Self: ...
        @overload
        def on(self, event: _Event, listener: None = None) -> Callable[[_F], _F]: ...
        def on(self, event: Any, listener: Any = None) -> Any: ...
        # fmt: on

        once = on


class RunnerListeners:
    """``on`` and ``once`` of a run whose answers come whole, for type checkers."""

    if TYPE_CHECKING:
        # fmt: off
        @overload
        def on(self, event: Literal["connect", "end"], listener: Listener0) -> Self: ...
        @overload
        def on(self, event: Literal["error"], listener: Listener1[OpenAIError]) -> Self: ...
        @overload
        def on(self, event: Literal["abort"], listener: Listener1[APIUserAbortError]) -> Self: ...
        @overload
        def on(self, event: Literal["content", "functionToolCallResult", "finalFunctionToolCallResult", "finalContent"], listener: Listener1[str]) -> Self: ...
        @overload
        def on(self, event: Literal["chatCompletion", "finalChatCompletion"], listener: Listener1[ParsedChatCompletion]) -> Self: ...
        @overload
        def on(self, event: Literal["message"], listener: Listener1[Any]) -> Self: ...
        @overload
        def on(self, event: Literal["finalMessage"], listener: Listener1[ParsedChatCompletionMessage]) -> Self: ...
        @overload
        def on(self, event: Literal["functionToolCall", "finalFunctionToolCall"], listener: Listener1[ParsedFunction]) -> Self: ...
        @overload
        def on(self, event: Literal["totalUsage"], listener: Listener1[CompletionUsage]) -> Self: ...
        @overload
        def on(self, event: _RunnerEvent, listener: None = None) -> Callable[[_F], _F]: ...
        def on(self, event: Any, listener: Any = None) -> Any: ...
        # fmt: on

        once = on
