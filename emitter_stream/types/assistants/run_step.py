"""Run steps, whole.

Parts that only one variant has (``ToolCall.function``) are declared as always there, because the
variant's ``type`` implies them and testing each for ``None`` would help nobody. On another variant
they read as ``None``, as they read as undefined in Node.
"""

from __future__ import annotations

from typing import Any, Literal

from .._model import ListView, Model
from .._resource import Resource
from .._variant import Variant
from .shared import FileSearchRankingOptions, LastError, Usage

__all__ = [
    "CodeInterpreterCall",
    "CodeInterpreterImage",
    "CodeInterpreterOutput",
    "CodeInterpreterOutputLogs",
    "CodeInterpreterToolCall",
    "FileSearchCall",
    "FileSearchResult",
    "FileSearchResultContent",
    "FileSearchToolCall",
    "FunctionCall",
    "FunctionToolCall",
    "MessageCreation",
    "MessageCreationStepDetails",
    "RunStep",
    "RunStepInclude",
    "StepDetails",
    "ToolCall",
    "ToolCallsStepDetails",
]

RunStepInclude = Literal["step_details.tool_calls[*].file_search.results[*].content"]


class CodeInterpreterImage(Model):
    """An image that the code made."""

    __slots__ = ()

    file_id: str


class CodeInterpreterOutput(Model):
    """What the code gave: ``logs`` (text) or an ``image``."""

    __slots__ = ()

    type: Literal["logs", "image"]
    logs: str
    image: CodeInterpreterImage


class CodeInterpreterOutputLogs(CodeInterpreterOutput, metaclass=Variant, type="logs"):
    """An output of type ``logs``."""


class CodeInterpreterCall(Model):
    """The code that was run and what it gave."""

    __slots__ = ()

    input: str
    outputs: ListView[CodeInterpreterOutput]


class FileSearchResultContent(Model):
    """A piece of a file that was found."""

    __slots__ = ()

    type: Literal["text"] | None
    text: str | None


class FileSearchResult(Model):
    """A file that was found; ``content`` only where it was asked for with ``include``."""

    __slots__ = ()

    file_id: str
    file_name: str
    score: float
    content: ListView[FileSearchResultContent] | None
    attributes: dict[str, Any] | None


class FileSearchCall(Model):
    """A file search and its results."""

    __slots__ = ()

    ranking_options: FileSearchRankingOptions | None
    results: ListView[FileSearchResult] | None


class FunctionCall(Model):
    """The function called, its arguments as JSON text, and its output once it was submitted."""

    __slots__ = ()

    name: str
    arguments: str
    output: str | None


class ToolCall(Model):
    """A use of a tool: code interpreter, file search or a function."""

    __slots__ = ()

    id: str
    type: Literal["code_interpreter", "file_search", "function"]
    code_interpreter: CodeInterpreterCall
    file_search: FileSearchCall
    function: FunctionCall


class CodeInterpreterToolCall(ToolCall, metaclass=Variant, type="code_interpreter"):
    """A call of type ``code_interpreter``."""


class FileSearchToolCall(ToolCall, metaclass=Variant, type="file_search"):
    """A call of type ``file_search``."""


class FunctionToolCall(ToolCall, metaclass=Variant, type="function"):
    """A call of type ``function``."""


class MessageCreation(Model):
    """The message that the step writes."""

    __slots__ = ()

    message_id: str


class StepDetails(Model):
    """What a step does: write a message or call tools."""

    __slots__ = ()

    type: Literal["message_creation", "tool_calls"]
    message_creation: MessageCreation
    tool_calls: ListView[ToolCall]


class MessageCreationStepDetails(StepDetails, metaclass=Variant, type="message_creation"):
    """Details of type ``message_creation``."""


class ToolCallsStepDetails(StepDetails, metaclass=Variant, type="tool_calls"):
    """Details of type ``tool_calls``."""


class RunStep(Resource):
    """One step of a run. Times are in seconds since 1970."""

    __slots__ = ()

    _shown = ("id", "type", "status")

    id: str
    object: Literal["thread.run.step"]
    created_at: int
    run_id: str
    thread_id: str
    assistant_id: str
    type: Literal["message_creation", "tool_calls"]
    status: Literal["in_progress", "cancelled", "failed", "completed", "expired"]
    step_details: StepDetails
    last_error: LastError | None
    # Documented as expired_at; the API has been seen to send expires_at instead.
    expired_at: int | None
    expires_at: int | None
    cancelled_at: int | None
    failed_at: int | None
    completed_at: int | None
    metadata: dict[str, str] | None
    usage: Usage | None
