"""The items of a response's output, and of the input that it was made from.

Longer than 500 lines: one class a kind of item, to be found in one place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from .._model import ListView, Model
from .content import (
    ResponseContent,
    ResponseMessageContent,
    ResponseReasoningSummary,
    ResponseReasoningText,
)
from .family import Members, PlainOrInstance, Tagged

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "FileSearchResult",
    "ImageGenerationCall",
    "LocalShellCall",
    "LocalShellCallAction",
    "LocalShellCallOutput",
    "McpApprovalRequest",
    "McpApprovalResponse",
    "McpCall",
    "McpListTools",
    "McpListToolsTool",
    "ParsedResponseFunctionToolCall",
    "ParsedResponseOutputItem",
    "ParsedResponseOutputMessage",
    "ResponseApplyPatchToolCall",
    "ResponseApplyPatchToolCallOutput",
    "ResponseCodeInterpreterToolCall",
    "ResponseCompactionItem",
    "ResponseComputerToolCall",
    "ResponseComputerToolCallOutputItem",
    "ResponseCustomToolCall",
    "ResponseCustomToolCallOutput",
    "ResponseFileSearchToolCall",
    "ResponseFunctionShellCallOutputContent",
    "ResponseFunctionShellToolCall",
    "ResponseFunctionShellToolCallOutput",
    "ResponseFunctionToolCall",
    "ResponseFunctionToolCallItem",
    "ResponseFunctionToolCallOutputItem",
    "ResponseFunctionWebSearch",
    "ResponseInputMessageItem",
    "ResponseItem",
    "ResponseOutputItem",
    "ResponseOutputMessage",
    "ResponseReasoningItem",
    "WebSearchAction",
]

_Status = Literal["in_progress", "completed", "incomplete"]


class _Item(Tagged):
    """An item of output or input."""

    __slots__ = ()

    _members: ClassVar[Members | None] = {}

    @classmethod
    def _member(cls, data: Any) -> type[Self]:
        found: Any = super()._member(data)
        if found is ResponseOutputMessage and data.get("role") in ("user", "system", "developer"):
            found = ResponseInputMessageItem
        return found  # type: ignore[no-any-return]


class ResponseOutputMessage(_Item, tag="message"):
    """A message that the model wrote."""

    __slots__ = ()

    type: Literal["message"]
    id: str
    content: ListView[ResponseMessageContent]
    role: Literal["assistant"]
    status: _Status
    phase: Literal["commentary", "final_answer"] | None


class ResponseInputMessageItem(_Item):
    """A message that was sent."""

    __slots__ = ()
    _members: ClassVar[Members | None] = None

    type: Literal["message"]
    id: str
    content: ListView[ResponseContent]
    role: Literal["user", "system", "developer"]
    status: _Status | None


class ResponseFunctionToolCall(_Item, tag="function_call"):
    """A call of a function; ``parsed_arguments`` is what they became, where that was asked for."""

    __slots__ = ()
    _added_by_helpers: ClassVar[frozenset[str]] = frozenset(("parsed_arguments",))

    type: Literal["function_call"]
    id: str | None
    call_id: str
    name: str
    arguments: str
    namespace: str | None
    status: _Status | None
    parsed_arguments: PlainOrInstance
    caller: Model | None
    created_by: str | None

    @property
    def async_(self) -> bool | None:
        """The field ``async``, whose name is a word of Python's."""
        found: bool | None = self._data.get("async")
        return found


class ResponseFunctionToolCallOutputItem(_Item, tag="function_call_output"):
    """What a function returned: a text, or a list of parts."""

    __slots__ = ()

    type: Literal["function_call_output"]
    id: str
    call_id: str
    output: str | ListView[ResponseContent]
    status: _Status | None
    name: str | None
    namespace: str | None
    caller: Model | None
    created_by: str | None


class ResponseCustomToolCall(_Item, tag="custom_tool_call"):
    """A call of a tool that takes a text."""

    __slots__ = ()

    type: Literal["custom_tool_call"]
    id: str | None
    call_id: str
    name: str
    input: str
    namespace: str | None
    caller: Model | None

    @property
    def async_(self) -> bool | None:
        """The field ``async``, whose name is a word of Python's."""
        found: bool | None = self._data.get("async")
        return found


class ResponseCustomToolCallOutput(_Item, tag="custom_tool_call_output"):
    """What a tool that takes a text returned."""

    __slots__ = ()

    type: Literal["custom_tool_call_output"]
    id: str | None
    call_id: str
    output: str | ListView[ResponseContent]
    caller: Model | None


class ResponseReasoningItem(_Item, tag="reasoning"):
    """What the model thought: its summary, and the texts where the model shows them."""

    __slots__ = ()

    type: Literal["reasoning"]
    id: str
    summary: ListView[ResponseReasoningSummary]
    content: ListView[ResponseReasoningText] | None
    encrypted_content: str | None
    status: _Status | None


class FileSearchResult(Model):
    """A place in a file that a search found."""

    __slots__ = ()

    attributes: dict[str, Any] | None
    file_id: str | None
    filename: str | None
    score: float | None
    text: str | None


class ResponseFileSearchToolCall(_Item, tag="file_search_call"):
    """A search in files."""

    __slots__ = ()

    type: Literal["file_search_call"]
    id: str
    queries: list[str]
    status: str
    results: ListView[FileSearchResult] | None


class WebSearchAction(Model):
    """What was done on the web: searched for, opened, or looked for in a page."""

    __slots__ = ()

    type: Literal["search", "open_page", "find_in_page"]
    query: str | None
    queries: list[str] | None
    sources: ListView[Model] | None
    url: str | None
    pattern: str | None


class ResponseFunctionWebSearch(_Item, tag="web_search_call"):
    """A search of the web; ``action`` is what was done."""

    __slots__ = ()

    type: Literal["web_search_call"]
    id: str
    action: WebSearchAction
    status: str


class ResponseComputerToolCall(_Item, tag="computer_call"):
    """Something that the model wants done on a computer's screen."""

    __slots__ = ()

    type: Literal["computer_call"]
    id: str
    call_id: str
    action: Model | None
    actions: ListView[Model] | None
    pending_safety_checks: ListView[Model]
    status: _Status


class ResponseComputerToolCallOutputItem(_Item, tag="computer_call_output"):
    """What the screen showed afterwards."""

    __slots__ = ()

    type: Literal["computer_call_output"]
    id: str
    call_id: str
    output: Model
    acknowledged_safety_checks: ListView[Model] | None
    status: _Status | None
    created_by: str | None


class ImageGenerationCall(_Item, tag="image_generation_call"):
    """The making of an image; ``result`` is the image in base64."""

    __slots__ = ()

    type: Literal["image_generation_call"]
    id: str
    result: str | None
    status: str
    revised_prompt: str | None
    output_format: str | None
    size: str | None
    quality: str | None
    background: str | None
    action: str | None
    error: Model | None
    svg_usage: Model | None


class ResponseCodeInterpreterToolCall(_Item, tag="code_interpreter_call"):
    """Code that was run."""

    __slots__ = ()

    type: Literal["code_interpreter_call"]
    id: str
    code: str | None
    container_id: str
    outputs: ListView[Model] | None
    status: str


class LocalShellCallAction(Model):
    """A command for the user's own shell."""

    __slots__ = ()

    type: Literal["exec"]
    command: list[str]
    env: dict[str, str]
    timeout_ms: int | None
    user: str | None
    working_directory: str | None


class LocalShellCall(_Item, tag="local_shell_call"):
    """A command that the model wants run in the user's own shell."""

    __slots__ = ()

    type: Literal["local_shell_call"]
    id: str
    action: LocalShellCallAction
    call_id: str
    status: _Status


class LocalShellCallOutput(_Item, tag="local_shell_call_output"):
    """What the command in the user's own shell wrote."""

    __slots__ = ()

    type: Literal["local_shell_call_output"]
    id: str
    output: str
    status: _Status | None


class ResponseFunctionShellToolCall(_Item, tag="shell_call"):
    """Commands that the model wants run in a shell."""

    __slots__ = ()

    type: Literal["shell_call"]
    id: str
    action: Model
    call_id: str
    environment: Model | None
    status: _Status
    caller: Model | None
    created_by: str | None


class ResponseFunctionShellCallOutputContent(Model):
    """What one command wrote, and how it ended."""

    __slots__ = ()

    outcome: Model
    stderr: str
    stdout: str
    created_by: str | None


class ResponseFunctionShellToolCallOutput(_Item, tag="shell_call_output"):
    """What the commands in a shell wrote."""

    __slots__ = ()

    type: Literal["shell_call_output"]
    id: str
    call_id: str
    max_output_length: int | None
    output: ListView[ResponseFunctionShellCallOutputContent]
    status: _Status | None
    caller: Model | None
    created_by: str | None


class ResponseApplyPatchToolCall(_Item, tag="apply_patch_call"):
    """A change that the model wants made in a file."""

    __slots__ = ()

    type: Literal["apply_patch_call"]
    id: str
    call_id: str
    operation: Model
    status: str
    caller: Model | None
    created_by: str | None


class ResponseApplyPatchToolCallOutput(_Item, tag="apply_patch_call_output"):
    """What became of the change."""

    __slots__ = ()

    type: Literal["apply_patch_call_output"]
    id: str
    call_id: str
    output: str | None
    status: str
    caller: Model | None
    created_by: str | None


class McpCall(_Item, tag="mcp_call"):
    """A call of a tool on an MCP server, and what that returned."""

    __slots__ = ()

    type: Literal["mcp_call"]
    id: str
    arguments: str
    name: str
    server_label: str
    approval_request_id: str | None
    error: str | Model | None
    output: str | None
    status: str | None


class McpListToolsTool(Model):
    """A tool that an MCP server has."""

    __slots__ = ()

    input_schema: dict[str, Any]
    name: str
    annotations: dict[str, Any] | None
    description: str | None


class McpListTools(_Item, tag="mcp_list_tools"):
    """The tools that an MCP server has."""

    __slots__ = ()

    type: Literal["mcp_list_tools"]
    id: str
    server_label: str
    tools: ListView[McpListToolsTool]
    error: str | Model | None


class McpApprovalRequest(_Item, tag="mcp_approval_request"):
    """The model's request to be allowed a call of a tool on an MCP server."""

    __slots__ = ()

    type: Literal["mcp_approval_request"]
    id: str
    arguments: str
    name: str
    server_label: str


class McpApprovalResponse(_Item, tag="mcp_approval_response"):
    """The answer to such a request."""

    __slots__ = ()

    type: Literal["mcp_approval_response"]
    id: str
    approval_request_id: str
    approve: bool
    reason: str | None


class ResponseCompactionItem(_Item, tag="compaction"):
    """What came before, made shorter, for the model alone to read."""

    __slots__ = ()

    type: Literal["compaction"]
    id: str
    encrypted_content: str
    created_by: str | None


ParsedResponseOutputMessage = ResponseOutputMessage
ParsedResponseFunctionToolCall = ResponseFunctionToolCall
ResponseFunctionToolCallItem = ResponseFunctionToolCall

if TYPE_CHECKING:
    ResponseOutputItem = (
        ResponseOutputMessage
        | ResponseFunctionToolCall
        | ResponseReasoningItem
        | ResponseFileSearchToolCall
        | ResponseFunctionWebSearch
        | ResponseComputerToolCall
        | ImageGenerationCall
        | ResponseCodeInterpreterToolCall
        | LocalShellCall
        | ResponseFunctionShellToolCall
        | ResponseFunctionShellToolCallOutput
        | ResponseApplyPatchToolCall
        | ResponseApplyPatchToolCallOutput
        | ResponseCustomToolCall
        | McpCall
        | McpListTools
        | McpApprovalRequest
        | ResponseCompactionItem
    )
    ResponseItem = (
        ResponseOutputItem
        | ResponseInputMessageItem
        | ResponseFunctionToolCallOutputItem
        | ResponseComputerToolCallOutputItem
        | ResponseCustomToolCallOutput
        | LocalShellCallOutput
        | McpApprovalResponse
    )
    ParsedResponseOutputItem = ResponseOutputItem
else:
    ResponseOutputItem = ResponseItem = ParsedResponseOutputItem = _Item
