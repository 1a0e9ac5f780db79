"""The parts of messages and of reasoning, and what is said of a text's tokens and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from .._model import ListView, Model
from .family import Members, PlainOrInstance, Tagged

__all__ = [
    "AnnotationContainerFileCitation",
    "AnnotationFileCitation",
    "AnnotationFilePath",
    "AnnotationURLCitation",
    "Logprob",
    "LogprobTopLogprob",
    "ParsedResponseOutputText",
    "ResponseContent",
    "ResponseInputFile",
    "ResponseInputImage",
    "ResponseInputText",
    "ResponseMessageContent",
    "ResponseOutputRefusal",
    "ResponseOutputText",
    "ResponseReasoningSummary",
    "ResponseReasoningText",
    "TextAnnotation",
]


class LogprobTopLogprob(Model):
    """A token that might have stood in another's place."""

    __slots__ = ()

    token: str
    bytes: list[int] | None
    logprob: float


class Logprob(Model):
    """How likely a token was, and what else might have stood there."""

    __slots__ = ()

    token: str
    bytes: list[int] | None
    logprob: float
    top_logprobs: ListView[LogprobTopLogprob] | None


class _Annotation(Tagged):
    """Something that a text refers to."""

    __slots__ = ()

    _members: ClassVar[Members | None] = {}


class AnnotationFileCitation(_Annotation, tag="file_citation"):
    """A file that is cited; ``index`` is where in the list of files it stands."""

    __slots__ = ()

    type: Literal["file_citation"]
    file_id: str
    filename: str
    index: int


class AnnotationURLCitation(_Annotation, tag="url_citation"):
    """A page of the web that a stretch of the text cites."""

    __slots__ = ()

    type: Literal["url_citation"]
    start_index: int
    end_index: int
    title: str
    url: str


class AnnotationContainerFileCitation(_Annotation, tag="container_file_citation"):
    """A file in a container that a stretch of the text cites."""

    __slots__ = ()

    type: Literal["container_file_citation"]
    container_id: str
    file_id: str
    filename: str
    start_index: int
    end_index: int


class AnnotationFilePath(_Annotation, tag="file_path"):
    """A file that the text gives the path of."""

    __slots__ = ()

    type: Literal["file_path"]
    file_id: str
    index: int


class _Content(Tagged):
    """A part of a message or of reasoning."""

    __slots__ = ()

    _members: ClassVar[Members | None] = {}


class ResponseOutputText(_Content, tag="output_text"):
    """A text that the model wrote; ``parsed`` is what it became, where that was asked for."""

    __slots__ = ()
    _added_by_helpers: ClassVar[frozenset[str]] = frozenset(("parsed",))

    type: Literal["output_text"]
    text: str
    annotations: ListView[TextAnnotation]
    logprobs: ListView[Logprob] | None
    parsed: PlainOrInstance


ParsedResponseOutputText = ResponseOutputText


class ResponseOutputRefusal(_Content, tag="refusal"):
    """What the model said when it refused."""

    __slots__ = ()

    type: Literal["refusal"]
    refusal: str


class ResponseReasoningText(_Content, tag="reasoning_text"):
    """A text that the model thought."""

    __slots__ = ()

    type: Literal["reasoning_text"]
    text: str


class ResponseReasoningSummary(_Content, tag="summary_text"):
    """A part of the summary of what the model thought."""

    __slots__ = ()

    type: Literal["summary_text"]
    text: str


class ResponseInputText(_Content, tag="input_text"):
    """A text that was sent."""

    __slots__ = ()

    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: Model | None


class ResponseInputImage(_Content, tag="input_image"):
    """An image that was sent, as a file or by its URL."""

    __slots__ = ()

    type: Literal["input_image"]
    detail: str | None
    file_id: str | None
    image_url: str | None
    prompt_cache_breakpoint: Model | None


class ResponseInputFile(_Content, tag="input_file"):
    """A file that was sent."""

    __slots__ = ()

    type: Literal["input_file"]
    detail: str | None
    file_data: str | None
    file_id: str | None
    file_url: str | None
    filename: str | None
    prompt_cache_breakpoint: Model | None


if TYPE_CHECKING:
    TextAnnotation = (
        AnnotationFileCitation
        | AnnotationURLCitation
        | AnnotationContainerFileCitation
        | AnnotationFilePath
    )
    ResponseContent = ResponseOutputText | ResponseOutputRefusal | ResponseReasoningText
    ResponseMessageContent = ResponseOutputText | ResponseOutputRefusal
else:
    TextAnnotation = _Annotation
    ResponseContent = ResponseMessageContent = _Content
