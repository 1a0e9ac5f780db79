"""The OpenAI Node SDK's chained listeners in Python: Responses, chat completions, Assistants.

from emitter_stream import OpenAI

client = OpenAI()
stream = client.responses.stream(model="gpt-4o", input="Hello!")
stream.on("response.output_text.delta", lambda event: print(event.delta, end="", flush=True))
stream.until_done()
"""

from . import types
from ._not_given import NOT_GIVEN, NotGiven
from ._typing import override
from .abort import AbortController, AbortSignal
from .azure import AzureOpenAI
from .client import OpenAI
from .client import __version__ as __version__
from .engine.plain import Stream
from .engine.stream import EventStream
from .exceptions import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    APIUserAbortError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ContentFilterFinishReasonError,
    InternalServerError,
    LateListenerWarning,
    LengthFinishReasonError,
    NotFoundError,
    OpenAIError,
    PermissionDeniedError,
    RateLimitError,
    RecordingWarning,
    UnprocessableEntityError,
)
from .helpers import pydantic_function_tool
from .sse import EventSource, ServerSentEvent
from .streams.assistants.handler import AssistantEventHandler, AssistantStreamManager
from .streams.assistants.stream import AssistantStream
from .streams.assistants.tool_loop import FunctionCall
from .streams.chat.runner import ChatCompletionRunner, ChatCompletionStreamingRunner
from .streams.chat.stream import ChatCompletionStream
from .streams.responses.stream import ResponseStream
from .tools.functions import function_tool

__all__ = [
    "NOT_GIVEN",
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "APIUserAbortError",
    "AbortController",
    "AbortSignal",
    "AssistantEventHandler",
    "AssistantStream",
    "AssistantStreamManager",
    "AuthenticationError",
    "AzureOpenAI",
    "BadRequestError",
    "ChatCompletionRunner",
    "ChatCompletionStream",
    "ChatCompletionStreamingRunner",
    "ConflictError",
    "ContentFilterFinishReasonError",
    "EventSource",
    "EventStream",
    "FunctionCall",
    "InternalServerError",
    "LateListenerWarning",
    "LengthFinishReasonError",
    "NotFoundError",
    "NotGiven",
    "OpenAI",
    "OpenAIError",
    "PermissionDeniedError",
    "RateLimitError",
    "RecordingWarning",
    "ResponseStream",
    "ServerSentEvent",
    "Stream",
    "UnprocessableEntityError",
    "function_tool",
    "override",
    "pydantic_function_tool",
    "types",
]
