"""Chat completions in pieces, as a stream brings them."""

from __future__ import annotations

from typing import Literal

from .._model import ListView, Model
from .._resource import Resource
from .completion import ChoiceLogprobs, CompletionUsage, FinishReason

__all__ = [
    "ChatCompletionChunk",
    "ChoiceDelta",
    "ChoiceDeltaAudio",
    "ChoiceDeltaFunctionCall",
    "ChoiceDeltaToolCall",
    "ChoiceDeltaToolCallFunction",
    "ChunkChoice",
]


class ChoiceDeltaAudio(Model):
    """A piece of what the model says."""

    __slots__ = ()

    id: str | None
    data: str | None
    expires_at: int | None
    transcript: str | None


class ChoiceDeltaFunctionCall(Model):
    """A piece of a call in the older form."""

    __slots__ = ()

    arguments: str | None
    name: str | None


class ChoiceDeltaToolCallFunction(Model):
    """A piece of a function call."""

    __slots__ = ()

    arguments: str | None
    name: str | None


class ChoiceDeltaToolCall(Model):
    """A piece of the tool call at ``index``."""

    __slots__ = ()

    index: int
    id: str | None
    function: ChoiceDeltaToolCallFunction | None
    type: Literal["function"] | None


class ChoiceDelta(Model):
    """What is new in a choice."""

    __slots__ = ()

    audio: ChoiceDeltaAudio | None
    content: str | None
    function_call: ChoiceDeltaFunctionCall | None
    refusal: str | None
    role: Literal["developer", "system", "user", "assistant", "tool"] | None
    tool_calls: ListView[ChoiceDeltaToolCall] | None
    reasoning_content: str | None
    reasoning: str | None


class ChunkChoice(Model):
    """One of the answers, in pieces."""

    __slots__ = ()

    delta: ChoiceDelta
    index: int
    finish_reason: FinishReason | None
    logprobs: ChoiceLogprobs | None


class ChatCompletionChunk(Resource):
    """A piece of an answer."""

    __slots__ = ()

    id: str
    choices: ListView[ChunkChoice]
    created: int
    model: str
    object: Literal["chat.completion.chunk"]
    obfuscation: str | None
    service_tier: str | None
    system_fingerprint: str | None
    usage: CompletionUsage | None
    moderation: Model | None
