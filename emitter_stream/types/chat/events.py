"""The typed events of a chat stream: what its listeners get, and what iterating its ``with`` gives.

``type`` is the event's name; it is no field of the JSON, and so not in ``to_dict()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Union

from .._model import ListView, Model
from .chunk import ChatCompletionChunk
from .completion import (
    ChatCompletionTokenLogprob,
    ParsedChatCompletionSnapshot,
    PlainOrInstance,
)

__all__ = [
    "ChatCompletionStreamEvent",
    "ChunkEvent",
    "ContentDeltaEvent",
    "ContentDoneEvent",
    "FunctionToolCallArgumentsDeltaEvent",
    "FunctionToolCallArgumentsDoneEvent",
    "LogprobsContentDeltaEvent",
    "LogprobsContentDoneEvent",
    "LogprobsRefusalDeltaEvent",
    "LogprobsRefusalDoneEvent",
    "RefusalDeltaEvent",
    "RefusalDoneEvent",
]


class ChunkEvent(Model):
    """A chunk as it came, and the completion that it has made, which grows."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["chunk"]
    else:
        type = "chunk"

    chunk: ChatCompletionChunk
    snapshot: ParsedChatCompletionSnapshot


class ContentDeltaEvent(Model):
    """A piece of the content; ``snapshot`` is all that there is of it.

    ``parsed`` is its value as JSON so far, where the request asks for a JSON schema, else ``None``.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["content.delta"]
    else:
        type = "content.delta"

    delta: str
    snapshot: str
    parsed: PlainOrInstance


class ContentDoneEvent(Model):
    """The content, whole; ``parsed`` is what the request's format makes of it."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["content.done"]
    else:
        type = "content.done"

    content: str
    parsed: PlainOrInstance


class RefusalDeltaEvent(Model):
    """A piece of a refusal; ``snapshot`` is all that there is of it."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["refusal.delta"]
    else:
        type = "refusal.delta"

    delta: str
    snapshot: str


class RefusalDoneEvent(Model):
    """The refusal, whole."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["refusal.done"]
    else:
        type = "refusal.done"

    refusal: str


class FunctionToolCallArgumentsDeltaEvent(Model):
    """A piece of a function call's arguments; ``arguments`` is all that there is of them.

    ``index`` is the call's place among those of its message. ``parsed_arguments`` is their value as
    JSON so far, where the tool is strict.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["tool_calls.function.arguments.delta"]
    else:
        type = "tool_calls.function.arguments.delta"

    name: str
    index: int
    arguments: str
    parsed_arguments: PlainOrInstance
    arguments_delta: str


class FunctionToolCallArgumentsDoneEvent(Model):
    """A function call's arguments, whole."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["tool_calls.function.arguments.done"]
    else:
        type = "tool_calls.function.arguments.done"

    name: str
    index: int
    arguments: str
    parsed_arguments: PlainOrInstance


class LogprobsContentDeltaEvent(Model):
    """Tokens of the content and how likely they were; ``snapshot`` grows."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["logprobs.content.delta"]
    else:
        type = "logprobs.content.delta"

    content: ListView[ChatCompletionTokenLogprob]
    snapshot: ListView[ChatCompletionTokenLogprob]


class LogprobsContentDoneEvent(Model):
    """All tokens of the content and how likely they were."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["logprobs.content.done"]
    else:
        type = "logprobs.content.done"

    content: ListView[ChatCompletionTokenLogprob]


class LogprobsRefusalDeltaEvent(Model):
    """Tokens of a refusal and how likely they were; ``snapshot`` grows."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["logprobs.refusal.delta"]
    else:
        type = "logprobs.refusal.delta"

    refusal: ListView[ChatCompletionTokenLogprob]
    snapshot: ListView[ChatCompletionTokenLogprob]


class LogprobsRefusalDoneEvent(Model):
    """All tokens of a refusal and how likely they were."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: Literal["logprobs.refusal.done"]
    else:
        type = "logprobs.refusal.done"

    refusal: ListView[ChatCompletionTokenLogprob]


ChatCompletionStreamEvent = Union[  # noqa: UP007 - an alias that is read as a union of classes
    ChunkEvent,
    ContentDeltaEvent,
    ContentDoneEvent,
    RefusalDeltaEvent,
    RefusalDoneEvent,
    FunctionToolCallArgumentsDeltaEvent,
    FunctionToolCallArgumentsDoneEvent,
    LogprobsContentDeltaEvent,
    LogprobsContentDoneEvent,
    LogprobsRefusalDeltaEvent,
    LogprobsRefusalDoneEvent,
]
"""What iterating the Python SDK's side of a chat stream gives."""
