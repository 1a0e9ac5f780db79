"""The request bodies of the Assistants v2 API: their fields, bounds and words, by pydantic.

Types are strict, as JSON's are: `"5"` is no number and `true` is no integer. A field that was not
sent is not in what comes out, since the API tells it from one that is null. What is wrong is said
by `problems.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .problems import ASIDE, refusal

MAX_TEXT = 256_000
MAX_MESSAGES = 512
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f]")


class Body(BaseModel):
    """An object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _tag(name: str) -> Tag:
    return Tag(ASIDE + name)


def _kind_of(value: Any) -> str | None:
    """Say which of a union's shapes a value is to have: an object's by its `type`."""
    if isinstance(value, str):
        return f"{ASIDE}a string"
    if isinstance(value, list):
        return f"{ASIDE}an array"
    tag = value.get("type") if isinstance(value, dict) else None
    return ASIDE + tag if isinstance(tag, str) else None


BY_KIND = Discriminator(_kind_of)

Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
SomeText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Model = Annotated[str, StringConstraints(min_length=1, max_length=256)]
FunctionName = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern="^[a-zA-Z0-9_-]+$")
]
Metadata = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=64)],
        Annotated[str, StringConstraints(max_length=512)],
    ],
    Field(max_length=16),
]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class CodeInterpreterTool(Body):
    type: Literal["code_interpreter"]


class RankingOptions(Body):
    ranker: Literal["auto", "default_2024_08_21"] | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1)]


class FileSearchOptions(Body):
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None


class FileSearchTool(Body):
    type: Literal["file_search"]
    file_search: FileSearchOptions | None = None


class FileSearchTypeOnly(Body):
    type: Literal["file_search"]


class Function(Body):
    name: FunctionName
    description: Text | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Body):
    type: Literal["function"]
    function: Function


Tool = Annotated[
    Annotated[CodeInterpreterTool, _tag("code_interpreter")]
    | Annotated[FileSearchTool, _tag("file_search")]
    | Annotated[FunctionTool, _tag("function")],
    BY_KIND,
]


class StaticChunks(Body):
    max_chunk_size_tokens: Annotated[int, Field(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _is_no_larger_overlap(self) -> StaticChunks:
        if self.chunk_overlap_tokens * 2 > self.max_chunk_size_tokens:
            raise PydanticCustomError("large_overlap", "")
        return self


class StaticChunking(Body):
    type: Literal["static"]
    static: StaticChunks


class AutoChunking(Body):
    type: Literal["auto"]


Chunking = Annotated[
    Annotated[AutoChunking, _tag("auto")] | Annotated[StaticChunking, _tag("static")],
    BY_KIND,
]


class NewVectorStore(Body):
    file_ids: list[Id] | None = None
    chunking_strategy: Chunking | None = None
    metadata: Metadata | None = None


class CodeInterpreterResources(Body):
    file_ids: Annotated[list[Id], Field(max_length=20)] | None = None


class FileSearchResources(Body):
    vector_store_ids: Annotated[list[Id], Field(max_length=1)] | None = None
    vector_stores: Annotated[list[NewVectorStore], Field(max_length=1)] | None = None

    @model_validator(mode="after")
    def _is_one_store(self) -> FileSearchResources:
        if self.vector_store_ids and self.vector_stores:
            raise PydanticCustomError("two_stores", "")
        return self


class ToolResources(Body):
    code_interpreter: CodeInterpreterResources | None = None
    file_search: FileSearchResources | None = None


class PlainFormat(Body):
    type: Literal["text", "json_object"]


class JsonSchema(Body):
    name: FunctionName
    description: str | None = None
    # `schema` alone would hide a method of pydantic's.
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class JsonSchemaFormat(Body):
    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[
    Annotated[Literal["auto"], _tag("a string")]
    | Annotated[PlainFormat, _tag("text")]
    | Annotated[PlainFormat, _tag("json_object")]
    | Annotated[JsonSchemaFormat, _tag("json_schema")],
    BY_KIND,
]


class ChosenFunction(Body):
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class FunctionChoice(Body):
    type: Literal["function"]
    function: ChosenFunction


class ToolChoiceByType(Body):
    type: Literal["code_interpreter", "file_search"]


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], _tag("a string")]
    | Annotated[FunctionChoice, _tag("function")]
    | Annotated[ToolChoiceByType, _tag("code_interpreter")]
    | Annotated[ToolChoiceByType, _tag("file_search")],
    BY_KIND,
]


class Auto(Body):
    type: Literal["auto"]
    last_messages: Annotated[int, Field(ge=1)] | None = None


class LastMessages(Body):
    type: Literal["last_messages"]
    last_messages: Annotated[int, Field(ge=1)]


Truncation = Annotated[
    Annotated[Auto, _tag("auto")] | Annotated[LastMessages, _tag("last_messages")],
    BY_KIND,
]


class TextPart(Body):
    type: Literal["text"]
    text: Text


class ImageFile(Body):
    file_id: Id
    detail: Literal["auto", "low", "high"] | None = None


def _url(value: str) -> str:
    """Refuse what no model could take an image from; a `data:` URL has the image in it."""
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    if not (is_address or parts.scheme == "data") or _NOT_IN_URL.search(value):
        raise PydanticCustomError("no_url", "")
    return value


class ImageURL(Body):
    url: Annotated[str, StringConstraints(min_length=1), AfterValidator(_url)]
    detail: Literal["auto", "low", "high"] | None = None


class ImageFilePart(Body):
    type: Literal["image_file"]
    image_file: ImageFile


class ImageURLPart(Body):
    type: Literal["image_url"]
    image_url: ImageURL


Part = Annotated[
    Annotated[TextPart, _tag("text")]
    | Annotated[ImageFilePart, _tag("image_file")]
    | Annotated[ImageURLPart, _tag("image_url")],
    BY_KIND,
]


AttachmentTool = Annotated[
    Annotated[CodeInterpreterTool, _tag("code_interpreter")]
    | Annotated[FileSearchTypeOnly, _tag("file_search")],
    BY_KIND,
]


class Attachment(Body):
    file_id: Id
    tools: list[AttachmentTool]


Content = Annotated[
    Annotated[SomeText, _tag("a string")]
    | Annotated[Annotated[list[Part], Field(min_length=1)], _tag("an array")],
    BY_KIND,
]


class Message(Body):
    role: Literal["user", "assistant"]
    content: Content
    attachments: list[Attachment] | None = None
    metadata: Metadata | None = None


class OnlyMetadata(Body):
    """What of a message or a run may be changed."""

    metadata: Metadata | None = None


class ThreadUpdate(OnlyMetadata):
    tool_resources: ToolResources | None = None


class Thread(ThreadUpdate):
    messages: Annotated[list[Message], Field(max_length=MAX_MESSAGES)] | None = None


class _Sampling(OnlyMetadata):
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort | None = None


class _Assistant(_Sampling):
    name: Annotated[str, StringConstraints(max_length=256)] | None = None
    description: Annotated[str, StringConstraints(max_length=512)] | None = None
    instructions: Text | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_resources: ToolResources | None = None


class AssistantUpdate(_Assistant):
    model: Model = ""


class Assistant(_Assistant):
    model: Model


class _Run(_Sampling):
    assistant_id: Id
    model: Model | None = None
    instructions: Text | None = None
    tools: Annotated[list[Tool], Field(max_length=20)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_prompt_tokens: Annotated[int, Field(ge=256)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=256)] | None = None
    truncation_strategy: Truncation | None = None
    stream: bool | None = None


class Run(_Run):
    additional_instructions: Text | None = None
    additional_messages: Annotated[list[Message], Field(max_length=MAX_MESSAGES)] | None = None


class ThreadAndRun(_Run):
    thread: Thread | None = None
    tool_resources: ToolResources | None = None


class ToolOutput(Body):
    tool_call_id: Id | None = None
    output: str | None = None


class ToolOutputs(Body):
    tool_outputs: Annotated[list[ToolOutput], Field(min_length=1)]
    stream: bool | None = None


class Empty(Body):
    """What a request without parameters brings."""


@cache
def _limits(most: int) -> TypeAdapter[int]:
    return TypeAdapter(Annotated[int, Field(ge=1, le=most)])


_ORDER = TypeAdapter(Literal["asc", "desc"])


def checked(shape: type[Body], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body as it was sent, if it has the shape; `ApiError` 400 with the API's words if not."""
    try:
        shape.model_validate(value)
    except ValidationError as error:
        raise refusal(error) from None
    return dict(value)


def checked_limit(value: int, most: int = 100) -> int:
    """Return how many objects of a list are asked for."""
    try:
        return _limits(most).validate_python(value, strict=True)
    except ValidationError as error:
        raise refusal(error, "limit") from None


def checked_order(value: str) -> str:
    """Return in which order a list is asked for."""
    try:
        return _ORDER.validate_python(value, strict=True)
    except ValidationError as error:
        raise refusal(error, "order") from None
