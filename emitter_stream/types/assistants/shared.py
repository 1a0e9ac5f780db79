"""Objects that several others have inside, and the error object."""

from __future__ import annotations

from typing import Any, Literal

from .._model import ListView, Model
from .._variant import Variant

__all__ = [
    "AssistantResponseFormat",
    "AssistantResponseFormatJSONSchema",
    "AssistantResponseFormatOption",
    "AssistantTool",
    "AssistantToolChoice",
    "AssistantToolChoiceFunction",
    "AssistantToolChoiceOption",
    "CodeInterpreterTool",
    "Error",
    "ErrorObject",
    "FileSearchOptions",
    "FileSearchRankingOptions",
    "FileSearchTool",
    "FunctionDefinition",
    "FunctionTool",
    "LastError",
    "Tool",
    "ToolResources",
    "ToolResourcesCodeInterpreter",
    "ToolResourcesFileSearch",
    "Usage",
    "UsageCompletionDetails",
    "UsagePromptDetails",
]

# Literals hold the values that the API documents. One that it adds later still comes through.


class ErrorObject(Model):
    """What went wrong, as the API says it: in an error body and in the ``error`` event."""

    __slots__ = ()

    code: str | None
    message: str
    param: str | None
    type: str | None


Error = ErrorObject


class LastError(Model):
    """Why a run or a step failed."""

    __slots__ = ()

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str


class UsagePromptDetails(Model):
    """Of the prompt's tokens, those that came from the cache."""

    __slots__ = ()

    cached_tokens: int | None


class UsageCompletionDetails(Model):
    """Of the completion's tokens, those spent on reasoning."""

    __slots__ = ()

    reasoning_tokens: int | None


class Usage(Model):
    """How many tokens a run or a step took; there once it has ended."""

    __slots__ = ()

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    # The API says "token" in one and "tokens" in the other.
    prompt_token_details: UsagePromptDetails | None
    completion_tokens_details: UsageCompletionDetails | None


class FunctionDefinition(Model):
    """A function that the model may call; ``parameters`` is its JSON schema, a plain dict."""

    __slots__ = ()

    name: str
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool | None


class FileSearchRankingOptions(Model):
    """How results of a file search are ranked, and from which score (0 to 1) on they count."""

    __slots__ = ()

    ranker: Literal["auto", "default_2024_08_21"] | None
    score_threshold: float


class FileSearchOptions(Model):
    """The settings of a file search tool."""

    __slots__ = ()

    max_num_results: int | None
    ranking_options: FileSearchRankingOptions | None


class Tool(Model):
    """A tool that an assistant or a run has: code interpreter, file search or a function.

    ``function`` is declared as always there because a ``type`` of ``"function"`` implies it; on
    the other types it reads as ``None``.
    """

    __slots__ = ()

    type: Literal["code_interpreter", "file_search", "function"]
    file_search: FileSearchOptions | None
    function: FunctionDefinition


AssistantTool = Tool


class CodeInterpreterTool(Tool, metaclass=Variant, type="code_interpreter"):
    """A tool of type ``code_interpreter``."""


class FileSearchTool(Tool, metaclass=Variant, type="file_search"):
    """A tool of type ``file_search``."""


class FunctionTool(Tool, metaclass=Variant, type="function"):
    """A tool of type ``function``."""


class ToolResourcesCodeInterpreter(Model):
    """The files that the code interpreter can read."""

    __slots__ = ()

    file_ids: ListView[str] | None


class ToolResourcesFileSearch(Model):
    """The vector stores that file search looks through."""

    __slots__ = ()

    vector_store_ids: ListView[str] | None


class ToolResources(Model):
    """What the tools of an assistant, a thread or a run work with."""

    __slots__ = ()

    code_interpreter: ToolResourcesCodeInterpreter | None
    file_search: ToolResourcesFileSearch | None


class AssistantToolChoiceFunction(Model):
    """The function that must be called."""

    __slots__ = ()

    name: str


class AssistantToolChoice(Model):
    """The tool that a run must use."""

    __slots__ = ()

    type: Literal["function", "code_interpreter", "file_search"]
    function: AssistantToolChoiceFunction | None


AssistantToolChoiceOption = Literal["none", "auto", "required"] | AssistantToolChoice


class AssistantResponseFormatJSONSchema(Model):
    """The schema that answers follow; ``schema`` is a plain dict."""

    __slots__ = ()

    name: str
    description: str | None
    schema: dict[str, Any] | None
    strict: bool | None


class AssistantResponseFormat(Model):
    """The form of the answers: text, any JSON object, or JSON by a schema."""

    __slots__ = ()

    type: Literal["text", "json_object", "json_schema"]
    json_schema: AssistantResponseFormatJSONSchema | None


AssistantResponseFormatOption = Literal["auto"] | AssistantResponseFormat
