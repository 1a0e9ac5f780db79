"""Run steps, in pieces: what a stream says of a step between its creation and its end.

Everything but ``index`` and ``type`` is optional: a delta has only what is new.
"""

from __future__ import annotations

from typing import Literal

from .._model import ListView, Model
from .._variant import Variant
from .run_step import FileSearchCall

__all__ = [
    "CodeInterpreterCallDelta",
    "CodeInterpreterImageDelta",
    "CodeInterpreterLogs",
    "CodeInterpreterOutputDelta",
    "CodeInterpreterOutputImage",
    "CodeInterpreterToolCallDelta",
    "FileSearchToolCallDelta",
    "FunctionCallDelta",
    "FunctionToolCallDelta",
    "MessageCreationDelta",
    "RunStepDelta",
    "RunStepDeltaEvent",
    "RunStepDeltaMessageDelta",
    "StepDetailsDelta",
    "ToolCallDelta",
    "ToolCallDeltaObject",
]


class CodeInterpreterImageDelta(Model):
    """An image that the code made."""

    __slots__ = ()

    file_id: str | None


class CodeInterpreterOutputDelta(Model):
    """A piece of the output at ``index``: ``logs`` go at its end, an ``image`` comes whole."""

    __slots__ = ()

    index: int
    type: Literal["logs", "image"]
    logs: str | None
    image: CodeInterpreterImageDelta | None


class CodeInterpreterLogs(CodeInterpreterOutputDelta, metaclass=Variant, type="logs"):
    """A piece of an output of type ``logs``."""


class CodeInterpreterOutputImage(CodeInterpreterOutputDelta, metaclass=Variant, type="image"):
    """A piece of an output of type ``image``."""


class CodeInterpreterCallDelta(Model):
    """A piece of the code (``input`` goes at its end) and of what it gave."""

    __slots__ = ()

    input: str | None
    outputs: ListView[CodeInterpreterOutputDelta] | None


class FunctionCallDelta(Model):
    """A piece of a function call: ``arguments`` go at the end of the JSON text so far."""

    __slots__ = ()

    name: str | None
    arguments: str | None
    output: str | None


class ToolCallDelta(Model):
    """A piece of the step's tool call at ``index``; the ``id`` comes in the first one."""

    __slots__ = ()

    index: int
    id: str | None
    type: Literal["code_interpreter", "file_search", "function"]
    # Which of them there is follows from the type; the others read as None.
    code_interpreter: CodeInterpreterCallDelta
    # The API sends no pieces of it: it is empty, or whole in one delta.
    file_search: FileSearchCall
    function: FunctionCallDelta


class CodeInterpreterToolCallDelta(ToolCallDelta, metaclass=Variant, type="code_interpreter"):
    """A piece of a call of type ``code_interpreter``."""


class FileSearchToolCallDelta(ToolCallDelta, metaclass=Variant, type="file_search"):
    """A piece of a call of type ``file_search``."""


class FunctionToolCallDelta(ToolCallDelta, metaclass=Variant, type="function"):
    """A piece of a call of type ``function``."""


class MessageCreationDelta(Model):
    """The message that the step writes."""

    __slots__ = ()

    message_id: str | None


class StepDetailsDelta(Model):
    """What is new in a step's details."""

    __slots__ = ()

    type: Literal["message_creation", "tool_calls"]
    message_creation: MessageCreationDelta | None
    tool_calls: ListView[ToolCallDelta] | None


class RunStepDeltaMessageDelta(StepDetailsDelta, metaclass=Variant, type="message_creation"):
    """What is new in details of type ``message_creation``."""


class ToolCallDeltaObject(StepDetailsDelta, metaclass=Variant, type="tool_calls"):
    """What is new in details of type ``tool_calls``."""


class RunStepDelta(Model):
    """What is new in a step."""

    __slots__ = ()

    step_details: StepDetailsDelta | None


class RunStepDeltaEvent(Model):
    """The data of ``thread.run.step.delta``: the step's id and what is new in it."""

    __slots__ = ()

    id: str
    object: Literal["thread.run.step.delta"]
    delta: RunStepDelta
