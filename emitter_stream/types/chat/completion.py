"""Chat completions: what the model answered, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from .._model import ListView, Model
from .._resource import Resource

__all__ = [
    "AnnotationURLCitation",
    "ChatCompletion",
    "ChatCompletionAudio",
    "ChatCompletionDeleted",
    "ChatCompletionMessage",
    "ChatCompletionMessageToolCall",
    "ChatCompletionStoreMessage",
    "ChatCompletionTokenLogprob",
    "ChatCompletionToolMessage",
    "Choice",
    "ChoiceLogprobs",
    "CompletionTokensDetails",
    "CompletionUsage",
    "Custom",
    "Function",
    "MessageAnnotation",
    "MessageFunctionCall",
    "ParsedChatCompletion",
    "ParsedChatCompletionMessage",
    "ParsedChatCompletionSnapshot",
    "ParsedChoice",
    "ParsedFunction",
    "ParsedFunctionToolCall",
    "PromptTokensDetails",
    "TopLogprob",
]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]

if TYPE_CHECKING:
    PlainOrInstance = Any
else:
    PlainOrInstance = dict[str, Any]  # at runtime: what is plain JSON is not wrapped in views


class CompletionTokensDetails(Model):
    """How the tokens that were generated divide up."""

    __slots__ = ()

    accepted_prediction_tokens: int | None
    audio_tokens: int | None
    reasoning_tokens: int | None
    rejected_prediction_tokens: int | None
    text_tokens: int | None


class PromptTokensDetails(Model):
    """How the tokens of the request divide up."""

    __slots__ = ()

    audio_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    image_tokens: int | None
    text_tokens: int | None


class CompletionUsage(Model):
    """How many tokens a completion, or a whole run, has taken."""

    __slots__ = ()

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    completion_tokens_details: CompletionTokensDetails | None
    prompt_tokens_details: PromptTokensDetails | None


class TopLogprob(Model):
    """One of the most likely tokens at a place."""

    __slots__ = ()

    token: str
    bytes: ListView[int] | None
    logprob: float


class ChatCompletionTokenLogprob(Model):
    """A token and how likely it was."""

    __slots__ = ()

    token: str
    bytes: ListView[int] | None
    logprob: float
    top_logprobs: ListView[TopLogprob]


class ChoiceLogprobs(Model):
    """The log probabilities of a choice's tokens."""

    __slots__ = ()

    content: ListView[ChatCompletionTokenLogprob] | None
    refusal: ListView[ChatCompletionTokenLogprob] | None


class AnnotationURLCitation(Model):
    """The web page that was cited, and where."""

    __slots__ = ()

    end_index: int
    start_index: int
    title: str
    url: str


class MessageAnnotation(Model):
    """A citation in a message."""

    __slots__ = ()

    type: Literal["url_citation"]
    url_citation: AnnotationURLCitation


class ChatCompletionAudio(Model):
    """What the model said, as sound and as text."""

    __slots__ = ()

    id: str
    data: str
    expires_at: int
    transcript: str


class MessageFunctionCall(Model):
    """A call in the older form, without an id."""

    __slots__ = ()

    arguments: str
    name: str


class Function(Model):
    """The function that a model calls; ``arguments`` is JSON text, as the model wrote it."""

    __slots__ = ()

    arguments: str
    name: str


class Custom(Model):
    """The custom tool that a model calls."""

    __slots__ = ()

    input: str
    name: str


class ChatCompletionMessageToolCall(Model):
    """A tool call, of type ``function`` or ``custom``."""

    __slots__ = ()

    id: str
    type: Literal["function", "custom"]
    function: Function
    custom: Custom


class ChatCompletionMessage(Model):
    """The model's message."""

    __slots__ = ()

    content: str | None
    refusal: str | None
    role: Literal["assistant"]
    annotations: ListView[MessageAnnotation] | None
    audio: ChatCompletionAudio | None
    function_call: MessageFunctionCall | None
    tool_calls: ListView[ChatCompletionMessageToolCall] | None
    reasoning_content: str | None
    reasoning: str | None


class ChatCompletionToolMessage(Model):
    """The result of a function, as it goes back to the model."""

    __slots__ = ()

    role: Literal["tool"]
    tool_call_id: str
    content: str


class Choice(Model):
    """One of the answers."""

    __slots__ = ()

    finish_reason: FinishReason
    index: int
    logprobs: ChoiceLogprobs | None
    message: ChatCompletionMessage


class ChatCompletion(Resource):
    """An answer of the model."""

    __slots__ = ()

    id: str
    choices: ListView[Choice]
    created: int
    model: str
    object: Literal["chat.completion"]
    metadata: dict[str, str] | None
    service_tier: str | None
    system_fingerprint: str | None
    usage: CompletionUsage | None
    moderation: Model | None


class ChatCompletionDeleted(Model):
    """What deleting a completion answers."""

    __slots__ = ()

    id: str
    deleted: bool
    object: Literal["chat.completion.deleted"]


class ChatCompletionStoreMessage(ChatCompletionMessage):
    """A message of a completion that the server has kept."""

    __slots__ = ()

    id: str
    content_parts: ListView[Model] | None


class ParsedFunction(Function):
    """The function that a model calls, with its arguments parsed where the tool asks for that.

    ``parsed_arguments`` is plain JSON, or an instance where the tool's parameters are a class.
    """

    __slots__ = ()
    _added_by_helpers: ClassVar[frozenset[str]] = frozenset(("parsed_arguments",))

    parsed_arguments: PlainOrInstance


class ParsedFunctionToolCall(ChatCompletionMessageToolCall):
    """A tool call whose function's arguments are parsed."""

    __slots__ = ()

    function: ParsedFunction  # pyright: ignore[reportIncompatibleVariableOverride]


class ParsedChatCompletionMessage(ChatCompletionMessage):
    """The model's message; ``parsed`` is its content as plain JSON or as an instance, or ``None``."""

    __slots__ = ()
    _added_by_helpers: ClassVar[frozenset[str]] = frozenset(("parsed",))

    parsed: PlainOrInstance
    tool_calls: ListView[ParsedFunctionToolCall] | None  # type: ignore[assignment]


class ParsedChoice(Choice):
    """One of the answers, parsed."""

    __slots__ = ()

    message: ParsedChatCompletionMessage  # pyright: ignore[reportIncompatibleVariableOverride]


class ParsedChatCompletion(ChatCompletion):
    """An answer of the model, parsed."""

    __slots__ = ()

    choices: ListView[ParsedChoice]  # type: ignore[assignment]


class ParsedChatCompletionSnapshot(ParsedChatCompletion):
    """A completion that grows while its chunks arrive."""

    __slots__ = ()
