"""The events of a response's stream, one class for each, by the official Python SDK's names.

Longer than 500 lines: half a hundred classes of a few lines, beside the API's own list of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from .._model import (
    GrowingText,
    ListView,
    Model,
    _new,
    _set_data,
    _set_views,
    received,
)
from .content import Logprob, ResponseContent, ResponseReasoningSummary, TextAnnotation
from .family import Members, Tagged
from .items import ResponseFunctionShellCallOutputContent, ResponseOutputItem
from .response import Response

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "EVENT_CLASSES",
    "ResponseAudioDeltaEvent",
    "ResponseAudioDoneEvent",
    "ResponseAudioTranscriptDeltaEvent",
    "ResponseAudioTranscriptDoneEvent",
    "ResponseCodeInterpreterCallCodeDeltaEvent",
    "ResponseCodeInterpreterCallCodeDoneEvent",
    "ResponseCodeInterpreterCallCompletedEvent",
    "ResponseCodeInterpreterCallInProgressEvent",
    "ResponseCodeInterpreterCallInterpretingEvent",
    "ResponseCompactionCompactingEvent",
    "ResponseCompletedEvent",
    "ResponseContentPartAddedEvent",
    "ResponseContentPartDoneEvent",
    "ResponseCreatedEvent",
    "ResponseCustomToolCallInputDeltaEvent",
    "ResponseCustomToolCallInputDoneEvent",
    "ResponseFailedEvent",
    "ResponseFileSearchCallCompletedEvent",
    "ResponseFileSearchCallInProgressEvent",
    "ResponseFileSearchCallSearchingEvent",
    "ResponseFunctionCallArgumentsDeltaEvent",
    "ResponseFunctionCallArgumentsDoneEvent",
    "ResponseImageGenCallCompletedEvent",
    "ResponseImageGenCallGeneratingEvent",
    "ResponseImageGenCallInProgressEvent",
    "ResponseImageGenCallPartialImageEvent",
    "ResponseInProgressEvent",
    "ResponseIncompleteEvent",
    "ResponseKeepaliveEvent",
    "ResponseMcpCallArgumentsDeltaEvent",
    "ResponseMcpCallArgumentsDoneEvent",
    "ResponseMcpCallCompletedEvent",
    "ResponseMcpCallFailedEvent",
    "ResponseMcpCallInProgressEvent",
    "ResponseMcpListToolsCompletedEvent",
    "ResponseMcpListToolsFailedEvent",
    "ResponseMcpListToolsInProgressEvent",
    "ResponseOutputItemAddedEvent",
    "ResponseOutputItemDoneEvent",
    "ResponseOutputTextAnnotationAddedEvent",
    "ResponseQueuedEvent",
    "ResponseReasoningSummaryPartAddedEvent",
    "ResponseReasoningSummaryPartDoneEvent",
    "ResponseReasoningSummaryTextDeltaEvent",
    "ResponseReasoningSummaryTextDoneEvent",
    "ResponseReasoningTextDeltaEvent",
    "ResponseReasoningTextDoneEvent",
    "ResponseRefusalDeltaEvent",
    "ResponseRefusalDoneEvent",
    "ResponseShellCallCommandAddedEvent",
    "ResponseShellCallCommandDeltaEvent",
    "ResponseShellCallCommandDoneEvent",
    "ResponseShellCallOutputContentDeltaEvent",
    "ResponseShellCallOutputContentDoneEvent",
    "ResponseStreamEvent",
    "ResponseStreamEventBase",
    "ResponseTextDeltaEvent",
    "ResponseTextDoneEvent",
    "ResponseWebSearchCallCompletedEvent",
    "ResponseWebSearchCallInProgressEvent",
    "ResponseWebSearchCallSearchingEvent",
    "ShellCallOutputDelta",
]


_S = TypeVar("_S", bound="_SnapshotEvent")


class ResponseStreamEventBase(Tagged):
    """An event of a response's stream; of an unknown type if it is of this very class."""

    __slots__ = ()

    _members: ClassVar[Members | None] = {}

    sequence_number: int

    def by_name(self) -> ResponseStreamEventBase:
        """Return the event as the listeners of its own name get it."""
        return self


class _ResponseEvent(ResponseStreamEventBase):
    """An event that brings the response as a whole."""

    __slots__ = ()

    response: Response


class _ItemEvent(ResponseStreamEventBase):
    """An event for one item of the output."""

    __slots__ = ()

    item_id: str
    output_index: int


class _PartEvent(_ItemEvent):
    """An event for one part of an item."""

    __slots__ = ()

    content_index: int


class _SummaryEvent(_ItemEvent):
    """An event for one part of a summary of reasoning."""

    __slots__ = ()

    summary_index: int


class _SnapshotEvent(_ItemEvent):
    """A delta that knows the text so far: ``snapshot``, which ``to_dict()`` of a listener's has.

    The event that goes to ``event`` and to iterators is as it came, and only reads it.
    """

    __slots__ = ("_so_far",)

    # The text so far, as the first characters of one that may have grown since; and whether the
    # event is for a listener of its own name. In one slot, since each costs at each delta.
    _so_far: tuple[GrowingText, int, bool]

    delta: str

    @property
    def snapshot(self) -> str:
        """The text up to and with this delta."""
        so_far = getattr(self, "_so_far", None)
        if so_far is None:  # an event as such, of no stream that keeps the text
            whole: Any = self
            given: str = whole.__getattr__("snapshot")
            return given
        text, length, _ = so_far
        read: str = text.read_to(length)
        return read

    def by_name(self) -> Self:
        text, length, _ = self._so_far
        return snapshot_view(type(self), received(self), (text, length, True))

    def _again(self, data: dict[str, Any]) -> Self:
        return snapshot_view(type(self), data, self._so_far)

    def _plain(self) -> dict[str, Any]:
        made = super()._plain()
        so_far = getattr(self, "_so_far", None)
        if so_far is not None and so_far[2]:
            made["snapshot"] = self.snapshot
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        so_far = getattr(self, "_so_far", None)
        if so_far is None:
            return super().__reduce__()
        return (_unpickled, (type(self), super()._plain(), self.snapshot, so_far[2]))


def snapshot_view(
    view_class: type[_S], data: dict[str, Any], so_far: tuple[GrowingText, int, bool]
) -> _S:
    """Return the view of a delta, with the text so far as ``_SnapshotEvent`` says."""
    view = _new(view_class)
    _set_data(view, data)
    _set_views(view, None)
    _set_so_far(view, so_far)
    return view


# Not by way of __setattr__, which looks at the name: these are made at each delta.
_set_so_far: Callable[[_SnapshotEvent, Any], None] = vars(_SnapshotEvent)["_so_far"].__set__


def _unpickled(view_class: type[_S], data: dict[str, Any], text: str, is_by_name: bool) -> _S:
    return snapshot_view(view_class, data, (GrowingText(text), len(text), is_by_name))


class ResponseTextDeltaEvent(_SnapshotEvent, tag="response.output_text.delta"):
    """The next piece of a text; ``snapshot`` is the text so far."""

    __slots__ = ()

    type: Literal["response.output_text.delta"]
    content_index: int
    logprobs: ListView[Logprob]


class ResponseFunctionCallArgumentsDeltaEvent(
    _SnapshotEvent, tag="response.function_call_arguments.delta"
):
    """The next piece of a function's arguments; ``snapshot`` is the arguments so far."""

    __slots__ = ()

    type: Literal["response.function_call_arguments.delta"]


class ResponseTextDoneEvent(_PartEvent, tag="response.output_text.done"):
    """A text, complete; ``parsed`` is what it becomes, where that was asked for."""

    __slots__ = ("_parse", "_parsed")

    type: Literal["response.output_text.done"]
    text: str
    logprobs: ListView[Logprob]

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        /,
        parse: Callable[[], Any] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(data, **fields)
        self._parse = parse
        self._parsed: Any = None

    def _again(self, data: dict[str, Any]) -> ResponseTextDoneEvent:
        return ResponseTextDoneEvent(data, self._parse)

    @property
    def parsed(self) -> Any:
        """What the text becomes, made when it is first read; ``None`` while the answer is incomplete.

        Raises ``OpenAIError`` for a text that does not fit what was asked for.
        """
        if self._parsed is None and self._parse is not None:
            self._parsed = self._parse()
        return self._parsed


class ResponseCompletedEvent(_ResponseEvent, tag="response.completed"):
    """The response is complete; ``response`` has ``output_parsed``, where that was asked for."""

    __slots__ = ("_parse", "_parsed")

    type: Literal["response.completed"]

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        /,
        parse: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(data, **fields)
        self._parse = parse
        self._parsed: tuple[Any, Response] | None = None  # what was parsed, and what it became

    def _again(self, data: dict[str, Any]) -> ResponseCompletedEvent:
        return ResponseCompletedEvent(data, self._parse)

    if not TYPE_CHECKING:  # a field, to them

        @property
        def response(self) -> Response:
            """The response, parsed when it is first read; the event has it as it came.

            Raises ``OpenAIError`` for a text that does not fit what was asked for.
            """
            data = self._data.get("response")
            if self._parse is None or type(data) is not dict:
                return super().response
            if self._parsed is None or self._parsed[0] is not data:
                self._parsed = data, Response(self._parse(data))
            return self._parsed[1]


class ResponseCreatedEvent(_ResponseEvent, tag="response.created"):
    """The response was begun."""

    __slots__ = ()

    type: Literal["response.created"]


class ResponseQueuedEvent(_ResponseEvent, tag="response.queued"):
    """The response waits for its turn."""

    __slots__ = ()

    type: Literal["response.queued"]


class ResponseInProgressEvent(_ResponseEvent, tag="response.in_progress"):
    """The model is at work."""

    __slots__ = ()

    type: Literal["response.in_progress"]


class ResponseFailedEvent(_ResponseEvent, tag="response.failed"):
    """The response ended in an error, which its ``error`` tells."""

    __slots__ = ()

    type: Literal["response.failed"]


class ResponseIncompleteEvent(_ResponseEvent, tag="response.incomplete"):
    """The response was cut short; ``incomplete_details`` tells why."""

    __slots__ = ()

    type: Literal["response.incomplete"]


class ResponseOutputItemAddedEvent(ResponseStreamEventBase, tag="response.output_item.added"):
    """A new item of the output."""

    __slots__ = ()

    type: Literal["response.output_item.added"]
    item: ResponseOutputItem
    output_index: int


class ResponseOutputItemDoneEvent(ResponseStreamEventBase, tag="response.output_item.done"):
    """An item of the output, complete."""

    __slots__ = ()

    type: Literal["response.output_item.done"]
    item: ResponseOutputItem
    output_index: int


class ResponseContentPartAddedEvent(_PartEvent, tag="response.content_part.added"):
    """A new part of a message or of reasoning."""

    __slots__ = ()

    type: Literal["response.content_part.added"]
    part: ResponseContent


class ResponseContentPartDoneEvent(_PartEvent, tag="response.content_part.done"):
    """A part, complete."""

    __slots__ = ()

    type: Literal["response.content_part.done"]
    part: ResponseContent


class ResponseOutputTextAnnotationAddedEvent(
    _PartEvent, tag="response.output_text.annotation.added"
):
    """Something that a text refers to."""

    __slots__ = ()

    type: Literal["response.output_text.annotation.added"]
    annotation: TextAnnotation
    annotation_index: int


class ResponseRefusalDeltaEvent(_PartEvent, tag="response.refusal.delta"):
    """The next piece of a refusal."""

    __slots__ = ()

    type: Literal["response.refusal.delta"]
    delta: str


class ResponseRefusalDoneEvent(_PartEvent, tag="response.refusal.done"):
    """A refusal, complete."""

    __slots__ = ()

    type: Literal["response.refusal.done"]
    refusal: str


class ResponseReasoningTextDeltaEvent(_PartEvent, tag="response.reasoning_text.delta"):
    """The next piece of what the model thinks."""

    __slots__ = ()

    type: Literal["response.reasoning_text.delta"]
    delta: str


class ResponseReasoningTextDoneEvent(_PartEvent, tag="response.reasoning_text.done"):
    """What the model thought, complete."""

    __slots__ = ()

    type: Literal["response.reasoning_text.done"]
    text: str


class ResponseReasoningSummaryPartAddedEvent(
    _SummaryEvent, tag="response.reasoning_summary_part.added"
):
    """A new part of the summary of reasoning."""

    __slots__ = ()

    type: Literal["response.reasoning_summary_part.added"]
    part: ResponseReasoningSummary


class ResponseReasoningSummaryPartDoneEvent(
    _SummaryEvent, tag="response.reasoning_summary_part.done"
):
    """A part of the summary, complete."""

    __slots__ = ()

    type: Literal["response.reasoning_summary_part.done"]
    part: ResponseReasoningSummary
    status: str


class ResponseReasoningSummaryTextDeltaEvent(
    _SummaryEvent, tag="response.reasoning_summary_text.delta"
):
    """The next piece of the summary."""

    __slots__ = ()

    type: Literal["response.reasoning_summary_text.delta"]
    delta: str


class ResponseReasoningSummaryTextDoneEvent(
    _SummaryEvent, tag="response.reasoning_summary_text.done"
):
    """A text of the summary, complete."""

    __slots__ = ()

    type: Literal["response.reasoning_summary_text.done"]
    text: str


class ResponseFunctionCallArgumentsDoneEvent(
    _ItemEvent, tag="response.function_call_arguments.done"
):
    """A function's arguments, complete."""

    __slots__ = ()

    type: Literal["response.function_call_arguments.done"]
    arguments: str
    name: str


class ResponseCustomToolCallInputDeltaEvent(
    _ItemEvent, tag="response.custom_tool_call_input.delta"
):
    """The next piece of a custom tool's input."""

    __slots__ = ()

    type: Literal["response.custom_tool_call_input.delta"]
    delta: str


class ResponseCustomToolCallInputDoneEvent(_ItemEvent, tag="response.custom_tool_call_input.done"):
    """A custom tool's input, complete."""

    __slots__ = ()

    type: Literal["response.custom_tool_call_input.done"]
    input: str


class ResponseMcpCallArgumentsDeltaEvent(_ItemEvent, tag="response.mcp_call_arguments.delta"):
    """The next piece of an MCP tool's arguments."""

    __slots__ = ()

    type: Literal["response.mcp_call_arguments.delta"]
    delta: str


class ResponseMcpCallArgumentsDoneEvent(_ItemEvent, tag="response.mcp_call_arguments.done"):
    """An MCP tool's arguments, complete."""

    __slots__ = ()

    type: Literal["response.mcp_call_arguments.done"]
    arguments: str


class ResponseMcpCallInProgressEvent(_ItemEvent, tag="response.mcp_call.in_progress"):
    """An MCP tool is being called."""

    __slots__ = ()

    type: Literal["response.mcp_call.in_progress"]


class ResponseMcpCallCompletedEvent(_ItemEvent, tag="response.mcp_call.completed"):
    """An MCP tool has answered."""

    __slots__ = ()

    type: Literal["response.mcp_call.completed"]


class ResponseMcpCallFailedEvent(_ItemEvent, tag="response.mcp_call.failed"):
    """The call of an MCP tool failed."""

    __slots__ = ()

    type: Literal["response.mcp_call.failed"]


class ResponseMcpListToolsInProgressEvent(_ItemEvent, tag="response.mcp_list_tools.in_progress"):
    """An MCP server's tools are being listed."""

    __slots__ = ()

    type: Literal["response.mcp_list_tools.in_progress"]


class ResponseMcpListToolsCompletedEvent(_ItemEvent, tag="response.mcp_list_tools.completed"):
    """An MCP server's tools are known."""

    __slots__ = ()

    type: Literal["response.mcp_list_tools.completed"]


class ResponseMcpListToolsFailedEvent(_ItemEvent, tag="response.mcp_list_tools.failed"):
    """An MCP server's tools could not be listed."""

    __slots__ = ()

    type: Literal["response.mcp_list_tools.failed"]


class ResponseCodeInterpreterCallCodeDeltaEvent(
    _ItemEvent, tag="response.code_interpreter_call_code.delta"
):
    """The next piece of code to be run."""

    __slots__ = ()

    type: Literal["response.code_interpreter_call_code.delta"]
    delta: str


class ResponseCodeInterpreterCallCodeDoneEvent(
    _ItemEvent, tag="response.code_interpreter_call_code.done"
):
    """The code to be run, complete."""

    __slots__ = ()

    type: Literal["response.code_interpreter_call_code.done"]
    code: str


class ResponseCodeInterpreterCallInProgressEvent(
    _ItemEvent, tag="response.code_interpreter_call.in_progress"
):
    """Code is being written."""

    __slots__ = ()

    type: Literal["response.code_interpreter_call.in_progress"]


class ResponseCodeInterpreterCallInterpretingEvent(
    _ItemEvent, tag="response.code_interpreter_call.interpreting"
):
    """Code is running."""

    __slots__ = ()

    type: Literal["response.code_interpreter_call.interpreting"]


class ResponseCodeInterpreterCallCompletedEvent(
    _ItemEvent, tag="response.code_interpreter_call.completed"
):
    """Code has run."""

    __slots__ = ()

    type: Literal["response.code_interpreter_call.completed"]


class ResponseFileSearchCallInProgressEvent(
    _ItemEvent, tag="response.file_search_call.in_progress"
):
    """A search in files was begun."""

    __slots__ = ()

    type: Literal["response.file_search_call.in_progress"]


class ResponseFileSearchCallSearchingEvent(_ItemEvent, tag="response.file_search_call.searching"):
    """A search in files is going on."""

    __slots__ = ()

    type: Literal["response.file_search_call.searching"]


class ResponseFileSearchCallCompletedEvent(_ItemEvent, tag="response.file_search_call.completed"):
    """A search in files is over."""

    __slots__ = ()

    type: Literal["response.file_search_call.completed"]


class ResponseWebSearchCallInProgressEvent(_ItemEvent, tag="response.web_search_call.in_progress"):
    """A search of the web was begun."""

    __slots__ = ()

    type: Literal["response.web_search_call.in_progress"]


class ResponseWebSearchCallSearchingEvent(_ItemEvent, tag="response.web_search_call.searching"):
    """A search of the web is going on."""

    __slots__ = ()

    type: Literal["response.web_search_call.searching"]


class ResponseWebSearchCallCompletedEvent(_ItemEvent, tag="response.web_search_call.completed"):
    """A search of the web is over."""

    __slots__ = ()

    type: Literal["response.web_search_call.completed"]


class ResponseImageGenCallInProgressEvent(
    _ItemEvent, tag="response.image_generation_call.in_progress"
):
    """An image is to be made."""

    __slots__ = ()

    type: Literal["response.image_generation_call.in_progress"]


class ResponseImageGenCallGeneratingEvent(
    _ItemEvent, tag="response.image_generation_call.generating"
):
    """An image is being made."""

    __slots__ = ()

    type: Literal["response.image_generation_call.generating"]


class ResponseImageGenCallCompletedEvent(
    _ItemEvent, tag="response.image_generation_call.completed"
):
    """An image is made."""

    __slots__ = ()

    type: Literal["response.image_generation_call.completed"]


class ResponseImageGenCallPartialImageEvent(
    _ItemEvent, tag="response.image_generation_call.partial_image"
):
    """An image as far as it is made, in base64."""

    __slots__ = ()

    type: Literal["response.image_generation_call.partial_image"]
    partial_image_b64: str
    partial_image_index: int
    background: str
    output_format: str | None
    quality: str | None
    size: str | None


class ResponseShellCallCommandAddedEvent(
    ResponseStreamEventBase, tag="response.shell_call_command.added"
):
    """A new command for the shell."""

    __slots__ = ()

    type: Literal["response.shell_call_command.added"]
    command: str
    command_index: int
    output_index: int


class ResponseShellCallCommandDeltaEvent(
    ResponseStreamEventBase, tag="response.shell_call_command.delta"
):
    """The next piece of a command."""

    __slots__ = ()

    type: Literal["response.shell_call_command.delta"]
    delta: str
    command_index: int
    output_index: int
    obfuscation: str | None


class ResponseShellCallCommandDoneEvent(
    ResponseStreamEventBase, tag="response.shell_call_command.done"
):
    """A command, complete."""

    __slots__ = ()

    type: Literal["response.shell_call_command.done"]
    command: str
    command_index: int
    output_index: int


class ShellCallOutputDelta(Model):
    """The next piece of what a command writes."""

    __slots__ = ()

    stdout: str | None
    stderr: str | None


class ResponseShellCallOutputContentDeltaEvent(
    _ItemEvent, tag="response.shell_call_output_content.delta"
):
    """The next piece of what a command writes: ``stdout``, ``stderr``."""

    __slots__ = ()

    type: Literal["response.shell_call_output_content.delta"]
    delta: ShellCallOutputDelta
    command_index: int


class ResponseShellCallOutputContentDoneEvent(
    _ItemEvent, tag="response.shell_call_output_content.done"
):
    """What a command wrote, complete."""

    __slots__ = ()

    type: Literal["response.shell_call_output_content.done"]
    output: ListView[ResponseFunctionShellCallOutputContent]
    command_index: int


class ResponseCompactionCompactingEvent(_ItemEvent, tag="response.compaction.compacting"):
    """What came before is being made shorter."""

    __slots__ = ()

    type: Literal["response.compaction.compacting"]


class ResponseAudioDeltaEvent(ResponseStreamEventBase, tag="response.audio.delta"):
    """The next piece of speech, in base64."""

    __slots__ = ()

    type: Literal["response.audio.delta"]
    delta: str


class ResponseAudioDoneEvent(ResponseStreamEventBase, tag="response.audio.done"):
    """The speech is complete."""

    __slots__ = ()

    type: Literal["response.audio.done"]


class ResponseAudioTranscriptDeltaEvent(
    ResponseStreamEventBase, tag="response.audio.transcript.delta"
):
    """The next piece of what is said."""

    __slots__ = ()

    type: Literal["response.audio.transcript.delta"]
    delta: str


class ResponseAudioTranscriptDoneEvent(
    ResponseStreamEventBase, tag="response.audio.transcript.done"
):
    """What was said is complete."""

    __slots__ = ()

    type: Literal["response.audio.transcript.done"]


class ResponseKeepaliveEvent(ResponseStreamEventBase, tag="keepalive"):
    """A sign that the connection is alive."""

    __slots__ = ()

    type: Literal["keepalive"]


EVENT_CLASSES: dict[str, type[ResponseStreamEventBase]] = dict(
    ResponseStreamEventBase._members or {}
)
"""The class of each event by its ``type``."""

if TYPE_CHECKING:
    ResponseStreamEvent = (
        ResponseTextDeltaEvent
        | ResponseTextDoneEvent
        | ResponseFunctionCallArgumentsDeltaEvent
        | ResponseCompletedEvent
        | ResponseCreatedEvent
        | ResponseQueuedEvent
        | ResponseInProgressEvent
        | ResponseFailedEvent
        | ResponseIncompleteEvent
        | ResponseOutputItemAddedEvent
        | ResponseOutputItemDoneEvent
        | ResponseContentPartAddedEvent
        | ResponseContentPartDoneEvent
        | ResponseOutputTextAnnotationAddedEvent
        | ResponseRefusalDeltaEvent
        | ResponseRefusalDoneEvent
        | ResponseReasoningTextDeltaEvent
        | ResponseReasoningTextDoneEvent
        | ResponseReasoningSummaryPartAddedEvent
        | ResponseReasoningSummaryPartDoneEvent
        | ResponseReasoningSummaryTextDeltaEvent
        | ResponseReasoningSummaryTextDoneEvent
        | ResponseFunctionCallArgumentsDoneEvent
        | ResponseCustomToolCallInputDeltaEvent
        | ResponseCustomToolCallInputDoneEvent
        | ResponseMcpCallArgumentsDeltaEvent
        | ResponseMcpCallArgumentsDoneEvent
        | ResponseMcpCallInProgressEvent
        | ResponseMcpCallCompletedEvent
        | ResponseMcpCallFailedEvent
        | ResponseMcpListToolsInProgressEvent
        | ResponseMcpListToolsCompletedEvent
        | ResponseMcpListToolsFailedEvent
        | ResponseCodeInterpreterCallCodeDeltaEvent
        | ResponseCodeInterpreterCallCodeDoneEvent
        | ResponseCodeInterpreterCallInProgressEvent
        | ResponseCodeInterpreterCallInterpretingEvent
        | ResponseCodeInterpreterCallCompletedEvent
        | ResponseFileSearchCallInProgressEvent
        | ResponseFileSearchCallSearchingEvent
        | ResponseFileSearchCallCompletedEvent
        | ResponseWebSearchCallInProgressEvent
        | ResponseWebSearchCallSearchingEvent
        | ResponseWebSearchCallCompletedEvent
        | ResponseImageGenCallInProgressEvent
        | ResponseImageGenCallGeneratingEvent
        | ResponseImageGenCallCompletedEvent
        | ResponseImageGenCallPartialImageEvent
        | ResponseShellCallCommandAddedEvent
        | ResponseShellCallCommandDeltaEvent
        | ResponseShellCallCommandDoneEvent
        | ResponseShellCallOutputContentDeltaEvent
        | ResponseShellCallOutputContentDoneEvent
        | ResponseCompactionCompactingEvent
        | ResponseAudioDeltaEvent
        | ResponseAudioDoneEvent
        | ResponseAudioTranscriptDeltaEvent
        | ResponseAudioTranscriptDoneEvent
        | ResponseKeepaliveEvent
    )
else:
    ResponseStreamEvent = ResponseStreamEventBase
