"""The shapes of what is sent: dicts to write by hand, checked by a type checker.

Wherever one of these is taken, an object of ``emitter_stream.types`` that was received is taken too.
The API may know more keys than stand here; whatever is in a dict is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from .assistants.message import Attachment, ImageDetail, MessageContent
from .assistants.run import TruncationStrategy
from .assistants.shared import AssistantResponseFormat, AssistantToolChoice, Tool, ToolResources

__all__ = [
    "AssistantResponseFormatOptionParam",
    "AssistantToolChoiceFunctionParam",
    "AssistantToolChoiceOptionParam",
    "AssistantToolChoiceParam",
    "AssistantToolParam",
    "AttachmentParam",
    "ChunkingStrategyParam",
    "CodeInterpreterToolParam",
    "FileSearchOptionsParam",
    "FileSearchRankingOptionsParam",
    "FileSearchToolParam",
    "FunctionDefinitionParam",
    "FunctionToolParam",
    "ImageFileContentBlockParam",
    "ImageFileParam",
    "ImageURLContentBlockParam",
    "ImageURLParam",
    "JSONSchemaParam",
    "MessageContentPartParam",
    "MessageParam",
    "Metadata",
    "ReasoningEffort",
    "ResponseFormatJSONObjectParam",
    "ResponseFormatJSONSchemaParam",
    "ResponseFormatTextParam",
    "StaticChunkingParam",
    "TextContentBlockParam",
    "ThreadParam",
    "ToolOutput",
    "ToolResourcesCodeInterpreterParam",
    "ToolResourcesFileSearchParam",
    "ToolResourcesParam",
    "TruncationStrategyParam",
    "VectorStoreParam",
]

# Python 3.10 has no Required: the keys that must be there stand in a base class of their own.

Metadata = Mapping[str, str]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class _FunctionDefinition(TypedDict):
    name: str


class FunctionDefinitionParam(_FunctionDefinition, total=False):
    """A function that the model may call; ``parameters`` is its JSON schema."""

    description: str
    parameters: Mapping[str, Any]
    strict: bool | None


class _FileSearchRankingOptions(TypedDict):
    score_threshold: float


class FileSearchRankingOptionsParam(_FileSearchRankingOptions, total=False):
    """How the results of a file search are ranked, and from which score (0 to 1) on they count."""

    ranker: Literal["auto", "default_2024_08_21"]


class FileSearchOptionsParam(TypedDict, total=False):
    """The settings of a file search tool."""

    max_num_results: int
    ranking_options: FileSearchRankingOptionsParam


class CodeInterpreterToolParam(TypedDict):
    """The code interpreter."""

    type: Literal["code_interpreter"]


class _FileSearchTool(TypedDict):
    type: Literal["file_search"]


class FileSearchToolParam(_FileSearchTool, total=False):
    """File search."""

    file_search: FileSearchOptionsParam


class FunctionToolParam(TypedDict):
    """A function of the caller's."""

    type: Literal["function"]
    function: FunctionDefinitionParam


AssistantToolParam = CodeInterpreterToolParam | FileSearchToolParam | FunctionToolParam | Tool


class AssistantToolChoiceFunctionParam(TypedDict):
    """The function that must be called."""

    name: str


class _AssistantToolChoice(TypedDict):
    type: Literal["function", "code_interpreter", "file_search"]


class AssistantToolChoiceParam(_AssistantToolChoice, total=False):
    """The tool that a run must use."""

    function: AssistantToolChoiceFunctionParam


AssistantToolChoiceOptionParam = (
    Literal["none", "auto", "required"] | AssistantToolChoiceParam | AssistantToolChoice
)


class ResponseFormatTextParam(TypedDict):
    """Answers in plain text."""

    type: Literal["text"]


class ResponseFormatJSONObjectParam(TypedDict):
    """Answers as any JSON object."""

    type: Literal["json_object"]


class _JSONSchema(TypedDict):
    name: str


class JSONSchemaParam(_JSONSchema, total=False):
    """A JSON schema and its name."""

    description: str
    schema: Mapping[str, Any]
    strict: bool | None


class ResponseFormatJSONSchemaParam(TypedDict):
    """Answers as JSON that follows a schema."""

    type: Literal["json_schema"]
    json_schema: JSONSchemaParam


AssistantResponseFormatOptionParam = (
    Literal["auto"]
    | ResponseFormatTextParam
    | ResponseFormatJSONObjectParam
    | ResponseFormatJSONSchemaParam
    | AssistantResponseFormat
)


class ToolResourcesCodeInterpreterParam(TypedDict, total=False):
    """The files that the code interpreter can read."""

    file_ids: Sequence[str]


class StaticChunkingParam(TypedDict):
    """The size of the chunks that files are cut into, and how much they overlap, in tokens."""

    chunk_overlap_tokens: int
    max_chunk_size_tokens: int


class _ChunkingStrategy(TypedDict):
    type: Literal["auto", "static"]


class ChunkingStrategyParam(_ChunkingStrategy, total=False):
    """How files are cut into chunks."""

    static: StaticChunkingParam


class VectorStoreParam(TypedDict, total=False):
    """A vector store to be created along with an assistant or a thread."""

    chunking_strategy: ChunkingStrategyParam
    file_ids: Sequence[str]
    metadata: Metadata | None


class ToolResourcesFileSearchParam(TypedDict, total=False):
    """The vector stores that file search looks through."""

    vector_store_ids: Sequence[str]
    vector_stores: Iterable[VectorStoreParam]


class _ToolResourcesParam(TypedDict, total=False):
    code_interpreter: ToolResourcesCodeInterpreterParam
    file_search: ToolResourcesFileSearchParam


ToolResourcesParam = _ToolResourcesParam | ToolResources


class TextContentBlockParam(TypedDict):
    """A block of text."""

    type: Literal["text"]
    text: str


class _ImageFile(TypedDict):
    file_id: str


class ImageFileParam(_ImageFile, total=False):
    """An image that was uploaded."""

    detail: ImageDetail


class ImageFileContentBlockParam(TypedDict):
    """A block with an image that was uploaded."""

    type: Literal["image_file"]
    image_file: ImageFileParam


class _ImageURL(TypedDict):
    url: str


class ImageURLParam(_ImageURL, total=False):
    """An image somewhere on the web."""

    detail: ImageDetail


class ImageURLContentBlockParam(TypedDict):
    """A block with an image somewhere on the web."""

    type: Literal["image_url"]
    image_url: ImageURLParam


MessageContentPartParam = (
    TextContentBlockParam | ImageFileContentBlockParam | ImageURLContentBlockParam | MessageContent
)


class _AttachmentParam(TypedDict, total=False):
    file_id: str
    tools: Iterable[CodeInterpreterToolParam | FileSearchToolParam | Tool]


AttachmentParam = _AttachmentParam | Attachment


class _MessageParam(TypedDict):
    role: Literal["user", "assistant"]
    content: str | Iterable[MessageContentPartParam]


class MessageParam(_MessageParam, total=False):
    """A message to be added to a thread."""

    attachments: Iterable[AttachmentParam] | None
    metadata: Metadata | None


class ThreadParam(TypedDict, total=False):
    """A thread to be created along with a run."""

    messages: Iterable[MessageParam]
    metadata: Metadata | None
    tool_resources: ToolResourcesParam | None


class ToolOutput(TypedDict, total=False):
    """The output of a function call that a run waits for."""

    tool_call_id: str
    output: str


class _TruncationStrategy(TypedDict):
    type: Literal["auto", "last_messages"]


class _TruncationStrategyParam(_TruncationStrategy, total=False):
    last_messages: int | None


TruncationStrategyParam = _TruncationStrategyParam | TruncationStrategy
