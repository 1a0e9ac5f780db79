"""The keyword arguments of the Assistants API's methods: each parameter is named here, and only here.

A method takes them as ``**params: Unpack[RunParams]``, which type checkers and editors know. What
``Unpack`` says holds at runtime too, by ``checked``: an unknown name is an error there as well.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from .._names import nearest
from .._not_given import NOT_GIVEN, NotGiven
from ..types import RunStepInclude
from ..types.params import (
    AssistantResponseFormatOptionParam,
    AssistantToolChoiceOptionParam,
    AssistantToolParam,
    AttachmentParam,
    MessageContentPartParam,
    MessageParam,
    Metadata,
    ReasoningEffort,
    ThreadParam,
    ToolOutput,
    ToolResourcesParam,
    TruncationStrategyParam,
)

if TYPE_CHECKING:
    from ..abort import AbortSignal
    from ..http.transport import Timeout
    from ..streams.assistants.tool_loop import OnToolError
    from ..tools.functions import ToolsParam

__all__ = [
    "AssistantCreateParams",
    "AssistantUpdateParams",
    "AttachParams",
    "CallOptions",
    "CallParams",
    "ListParams",
    "MessageCreateParams",
    "MessageListParams",
    "RunParams",
    "RunStreamParams",
    "RunToolsParams",
    "RunToolsStreamParams",
    "StepListParams",
    "SubmitParams",
    "SubmitStreamParams",
    "ThreadCreateParams",
    "ThreadRunParams",
    "ThreadRunStreamParams",
    "ThreadUpdateParams",
    "checked",
    "sends_unknown",
]

_F = TypeVar("_F", bound=Callable[..., Any])

# Python 3.10 has no Required: the keys that must be there stand in a base class of their own.


class CallOptions(TypedDict, total=False):
    """The options of every call, which go over what is sent otherwise."""

    extra_headers: Mapping[str, str | None] | None
    extra_query: Mapping[str, object] | None
    extra_body: Mapping[str, object] | None
    timeout: Timeout | NotGiven


class CallParams(CallOptions, total=False):
    """The options of every call but those of Assistants, whose streams alone take a signal."""

    signal: AbortSignal | None


class _StreamOptions(TypedDict, total=False):
    stream: bool | NotGiven | None
    signal: AbortSignal | None
    inline: bool
    resume: bool


class AttachParams(_StreamOptions, CallOptions, total=False):
    """What ``runs.attach`` takes, but for the run and the event handler."""

    after: int


class ListParams(CallOptions, total=False):
    """What every ``list`` takes."""

    after: str | NotGiven
    before: str | NotGiven
    limit: int | NotGiven
    order: Literal["asc", "desc"] | NotGiven


class MessageListParams(ListParams, total=False):
    """What ``messages.list`` takes."""

    run_id: str | NotGiven


class StepListParams(ListParams, total=False):
    """What ``steps.list`` takes."""

    include: Iterable[RunStepInclude] | NotGiven


class _AssistantParams(CallOptions, total=False):
    description: str | NotGiven | None
    instructions: str | NotGiven | None
    metadata: Metadata | NotGiven | None
    name: str | NotGiven | None
    reasoning_effort: ReasoningEffort | NotGiven | None
    response_format: AssistantResponseFormatOptionParam | NotGiven | None
    temperature: float | NotGiven | None
    tool_resources: ToolResourcesParam | NotGiven | None
    tools: Iterable[AssistantToolParam] | NotGiven
    top_p: float | NotGiven | None


class _ModelRequired(TypedDict):
    model: str


class AssistantCreateParams(_ModelRequired, _AssistantParams, total=False):
    """What ``assistants.create`` takes."""


class AssistantUpdateParams(_AssistantParams, total=False):
    """What ``assistants.update`` takes."""

    model: str | NotGiven


class ThreadUpdateParams(CallOptions, total=False):
    """What ``threads.update`` takes."""

    metadata: Metadata | NotGiven | None
    tool_resources: ToolResourcesParam | NotGiven | None


class ThreadCreateParams(ThreadUpdateParams, total=False):
    """What ``threads.create`` takes."""

    messages: Iterable[MessageParam] | NotGiven


class _MessageRequired(TypedDict):
    role: Literal["user", "assistant"]
    content: str | Iterable[MessageContentPartParam]


class MessageCreateParams(_MessageRequired, CallOptions, total=False):
    """What ``messages.create`` takes."""

    attachments: Iterable[AttachmentParam] | NotGiven | None
    metadata: Metadata | NotGiven | None


class _AssistantRequired(TypedDict):
    assistant_id: str


class _AnyRunParams(_AssistantRequired, CallOptions, total=False):
    instructions: str | NotGiven | None
    max_completion_tokens: int | NotGiven | None
    max_prompt_tokens: int | NotGiven | None
    metadata: Metadata | NotGiven | None
    model: str | NotGiven | None
    parallel_tool_calls: bool | NotGiven
    response_format: AssistantResponseFormatOptionParam | NotGiven | None
    temperature: float | NotGiven | None
    tool_choice: AssistantToolChoiceOptionParam | NotGiven | None
    top_p: float | NotGiven | None
    truncation_strategy: TruncationStrategyParam | NotGiven | None


class RunToolsParams(_AnyRunParams, total=False):
    """What ``runs.run_tools`` takes of what ``runs.create`` takes."""

    include: Iterable[RunStepInclude] | NotGiven
    additional_instructions: str | NotGiven | None
    additional_messages: Iterable[MessageParam] | NotGiven | None
    reasoning_effort: ReasoningEffort | NotGiven | None


class RunParams(RunToolsParams, total=False):
    """What ``runs.create`` takes."""

    tools: Iterable[AssistantToolParam] | NotGiven | None


class RunStreamParams(RunParams, _StreamOptions, total=False):
    """What ``runs.stream`` takes, but for the event handler."""


class _ToolsRequired(TypedDict):
    tools: ToolsParam


class RunToolsStreamParams(_ToolsRequired, RunToolsParams, _StreamOptions, total=False):
    """What ``runs.run_tools`` takes, but for the event handler."""

    parallel: bool
    max_rounds: int
    on_tool_error: OnToolError
    send_tools: bool


class ThreadRunParams(_AnyRunParams, total=False):
    """What ``threads.create_and_run`` takes."""

    thread: ThreadParam | NotGiven
    tool_resources: ToolResourcesParam | NotGiven | None
    tools: Iterable[AssistantToolParam] | NotGiven | None


class ThreadRunStreamParams(ThreadRunParams, _StreamOptions, total=False):
    """What ``threads.create_and_run_stream`` takes, but for the event handler."""


class _SubmitRequired(TypedDict):
    thread_id: str
    tool_outputs: Iterable[ToolOutput | Mapping[str, str]]


class SubmitParams(_SubmitRequired, CallOptions, total=False):
    """What ``runs.submit_tool_outputs`` takes."""


class SubmitStreamParams(SubmitParams, _StreamOptions, total=False):
    """What ``runs.submit_tool_outputs_stream`` takes, but for the event handler."""


def sends_unknown(method: _F) -> _F:
    """Mark a method that sends parameters of any name, for the server to know."""
    method.sends_unknown = True  # type: ignore[attr-defined]
    return method


def checked(function: FunctionType) -> Callable[..., Any]:
    """Return a method that takes the parameters in its signature, and says so of any other.

    Of ``**params: Unpack[...]`` the signature then names what stands there. An unknown name is a
    ``TypeError`` with the nearest known one, and so is a required one that is missing, as if the
    method spelled them out itself. One that ``sends_unknown`` refuses only Node's spelling of what
    it knows; one with another ``**`` is left alone.
    """
    own = inspect.signature(function)
    *explicit, last = own.parameters.values()
    required: frozenset[str] = frozenset()
    signature = own
    if last.kind is last.VAR_KEYWORD:
        found = re.fullmatch(r"Unpack\[(\w+)\]", str(last.annotation))
        if found is None:
            return function
        table = function.__globals__[found[1]]
        named = [_parameter(name, table) for name in table.__annotations__]
        if hasattr(function, "sends_unknown"):
            any_other = last.replace(annotation="Any")
            return _without_nodes_names(
                function, own.replace(parameters=[*explicit, *named, any_other])
            )
        required = table.__required_keys__
        signature = own.replace(parameters=[*explicit, *named])
    known = signature.parameters.keys() - {"self"}

    @functools.wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not (kwargs.keys() <= known and required <= kwargs.keys()):
            call = f"{type(self).__name__.lower()}.{function.__name__}"
            for name in kwargs:
                if name not in known:
                    raise TypeError(_unknown(call, name, known))
            missing = ", ".join(repr(name) for name in sorted(required - kwargs.keys()))
            raise TypeError(f"{call}() must be given {missing}")
        return function(self, *args, **kwargs)

    method.__signature__ = signature  # type: ignore[attr-defined]
    return method


# No server's: sent to one that says nothing of it, they would be taken for being in force.
_OURS = {
    "inline": "only streams with listeners have it, those of stream() and run_tools()",
    "resume": "an answer goes on in another request only where the server has kept it, which it "
    "has of runs, and of responses.stream(background=True, resume=True)",
}


def _without_nodes_names(
    function: FunctionType, signature: inspect.Signature
) -> Callable[..., Any]:
    """Return a method that sends any parameter, but for one in camelCase that it knows itself."""
    known = signature.parameters.keys()

    @functools.wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        for name in kwargs.keys() - known:
            if name in _OURS:
                call = f"{type(self).__name__.lower()}.{function.__name__}"
                raise TypeError(f"{call}() has no {name}=: {_OURS[name]}")
            written = re.sub("(?<=[a-z])[A-Z]", lambda found: f"_{found[0].lower()}", name)
            if written != name and written in known:
                call = f"{type(self).__name__.lower()}.{function.__name__}"
                raise TypeError(_unknown(call, name, [written]))
        return function(self, *args, **kwargs)

    method.__signature__ = signature  # type: ignore[attr-defined]
    return method


def _parameter(name: str, table: Any) -> inspect.Parameter:
    hint = table.__annotations__[name]
    text = getattr(hint, "__forward_arg__", hint)
    default: object = inspect.Parameter.empty
    if name not in table.__required_keys__:
        default = NOT_GIVEN if "NotGiven" in str(text) else None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=text)


def _unknown(call: str, name: str, known: Collection[str]) -> str:
    message = f"{call}() has no parameter {name!r}"
    near = nearest(name, known)
    if near is not None:
        return f"{message}; did you mean {near!r}?"
    return (
        f"{message}. What the server takes beyond these can be sent by extra_body= or extra_query="
    )
