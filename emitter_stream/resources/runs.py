"""``client.beta.threads.runs``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from .._not_given import NOT_GIVEN, NotGiven
from ..abort import AbortSignal
from ..streams.assistants.handler import AssistantEventHandler, AssistantStreamManager
from ..streams.assistants.stream import AssistantStream
from ..streams.assistants.tool_loop import OnToolError, ToolLoopCore, ToolLoopSource
from ..tools.functions import Toolbox, ToolsParam, call_directly
from ..types import Run, RunStepInclude
from ..types.params import (
    AssistantResponseFormatOptionParam,
    AssistantToolChoiceOptionParam,
    AssistantToolParam,
    MessageParam,
    Metadata,
    ReasoningEffort,
    ToolOutput,
    TruncationStrategyParam,
)
from ._api import Extras, Resource
from ._page import CursorPage
from ._path import url_path
from ._poll import poll_run
from ._stream import open_source, open_stream
from .steps import Steps

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..http.transport import Timeout
    from ._params import RunParams, RunToolsParams, SubmitParams

__all__ = ["Runs"]

_H = TypeVar("_H", bound=AssistantEventHandler)


class Runs(Resource):
    """Executions of assistants on threads."""

    @property
    def steps(self) -> Steps:
        """The steps of runs."""
        return Steps(self._api)

    @overload
    def create(
        self,
        thread_id: str,
        *,
        stream: Literal[False] | NotGiven | None = ...,
        **params: Unpack[RunParams],
    ) -> Run: ...
    @overload
    def create(
        self,
        thread_id: str,
        *,
        stream: Literal[True],
        inline: bool = ...,
        **params: Unpack[RunParams],
    ) -> AssistantStream: ...
    @overload
    def create(
        self, thread_id: str, *, stream: bool, inline: bool = ..., **params: Unpack[RunParams]
    ) -> Run | AssistantStream: ...
    def create(
        self,
        thread_id: str,
        *,
        assistant_id: str,
        include: Iterable[RunStepInclude] | NotGiven = NOT_GIVEN,
        additional_instructions: str | NotGiven | None = NOT_GIVEN,
        additional_messages: Iterable[MessageParam] | NotGiven | None = NOT_GIVEN,
        instructions: str | NotGiven | None = NOT_GIVEN,
        max_completion_tokens: int | NotGiven | None = NOT_GIVEN,
        max_prompt_tokens: int | NotGiven | None = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        model: str | NotGiven | None = NOT_GIVEN,
        parallel_tool_calls: bool | NotGiven = NOT_GIVEN,
        reasoning_effort: ReasoningEffort | NotGiven | None = NOT_GIVEN,
        response_format: AssistantResponseFormatOptionParam | NotGiven | None = NOT_GIVEN,
        temperature: float | NotGiven | None = NOT_GIVEN,
        tool_choice: AssistantToolChoiceOptionParam | NotGiven | None = NOT_GIVEN,
        tools: Iterable[AssistantToolParam] | NotGiven | None = NOT_GIVEN,
        top_p: float | NotGiven | None = NOT_GIVEN,
        truncation_strategy: TruncationStrategyParam | NotGiven | None = NOT_GIVEN,
        stream: bool | NotGiven | None = NOT_GIVEN,
        inline: bool = False,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Run | AssistantStream:
        """Start a run of an assistant on a thread; it goes on by itself (Node: ``runs.create``).

        What is given goes over the assistant's own settings, for this run only.
        ``additional_messages`` are added to the thread first. With ``stream=True`` an
        ``AssistantStream`` comes back, to iterate over its events; ``stream()`` is the same, and says
        what ``inline`` is.
        """
        body = {
            "assistant_id": assistant_id,
            "additional_instructions": additional_instructions,
            "additional_messages": additional_messages,
            "instructions": instructions,
            "max_completion_tokens": max_completion_tokens,
            "max_prompt_tokens": max_prompt_tokens,
            "metadata": metadata,
            "model": model,
            "parallel_tool_calls": parallel_tool_calls,
            "reasoning_effort": reasoning_effort,
            "response_format": response_format,
            "temperature": temperature,
            "tool_choice": tool_choice,
            "tools": tools,
            "top_p": top_p,
            "truncation_strategy": truncation_strategy,
            "stream": stream,
        }
        path = url_path("/threads/{}/runs", thread_id)
        query = {"include": include}
        extras = Extras(extra_headers, extra_query, extra_body, timeout)
        if not stream:
            return self._api.fetch(Run, "POST", path, query=query, body=body, extras=extras)
        return open_stream(self._api, path, query=query, body=body, extras=extras, inline=inline)

    @overload
    def stream(
        self,
        thread_id: str,
        *,
        stream: bool | NotGiven | None = ...,
        event_handler: None = ...,
        signal: AbortSignal | None = ...,
        inline: bool = ...,
        **params: Unpack[RunParams],
    ) -> AssistantStream: ...
    @overload
    def stream(
        self,
        thread_id: str,
        *,
        stream: bool | NotGiven | None = ...,
        event_handler: _H,
        signal: AbortSignal | None = ...,
        inline: bool = ...,
        **params: Unpack[RunParams],
    ) -> AssistantStreamManager[_H]: ...
    def stream(
        self,
        thread_id: str,
        *,
        assistant_id: str,
        include: Iterable[RunStepInclude] | NotGiven = NOT_GIVEN,
        additional_instructions: str | NotGiven | None = NOT_GIVEN,
        additional_messages: Iterable[MessageParam] | NotGiven | None = NOT_GIVEN,
        instructions: str | NotGiven | None = NOT_GIVEN,
        max_completion_tokens: int | NotGiven | None = NOT_GIVEN,
        max_prompt_tokens: int | NotGiven | None = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        model: str | NotGiven | None = NOT_GIVEN,
        parallel_tool_calls: bool | NotGiven = NOT_GIVEN,
        reasoning_effort: ReasoningEffort | NotGiven | None = NOT_GIVEN,
        response_format: AssistantResponseFormatOptionParam | NotGiven | None = NOT_GIVEN,
        temperature: float | NotGiven | None = NOT_GIVEN,
        tool_choice: AssistantToolChoiceOptionParam | NotGiven | None = NOT_GIVEN,
        tools: Iterable[AssistantToolParam] | NotGiven | None = NOT_GIVEN,
        top_p: float | NotGiven | None = NOT_GIVEN,
        truncation_strategy: TruncationStrategyParam | NotGiven | None = NOT_GIVEN,
        stream: bool | NotGiven | None = NOT_GIVEN,
        event_handler: _H | None = None,
        signal: AbortSignal | None = None,
        inline: bool = False,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> AssistantStream | AssistantStreamManager[_H]:
        """Start a run and stream it (Node: ``runs.stream``).

        The request is sent at once; chain listeners to what comes back, or iterate over it. With
        ``event_handler`` it is sent by ``with ... as handler:``. ``signal`` aborts the stream.
        With ``inline=True`` whoever waits or iterates calls the listeners, on its own thread
        (``EventStream`` says more); an event handler is always called so.
        The other arguments are those of ``create``. ``timeout`` is the longest wait for the
        connection and between two reads, in seconds.
        """
        body = {
            "assistant_id": assistant_id,
            "additional_instructions": additional_instructions,
            "additional_messages": additional_messages,
            "instructions": instructions,
            "max_completion_tokens": max_completion_tokens,
            "max_prompt_tokens": max_prompt_tokens,
            "metadata": metadata,
            "model": model,
            "parallel_tool_calls": parallel_tool_calls,
            "reasoning_effort": reasoning_effort,
            "response_format": response_format,
            "temperature": temperature,
            "tool_choice": tool_choice,
            "tools": tools,
            "top_p": top_p,
            "truncation_strategy": truncation_strategy,
        }
        return open_stream(
            self._api,
            url_path("/threads/{}/runs", thread_id),
            query={"include": include},
            body=body,
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
            event_handler=event_handler,
            signal=signal,
            inline=inline,
        )

    create_and_stream = stream
    """The older name of ``stream``."""

    @overload
    def run_tools(
        self,
        thread_id: str,
        *,
        tools: ToolsParam,
        parallel: bool = ...,
        max_rounds: int = ...,
        on_tool_error: OnToolError = ...,
        send_tools: bool = ...,
        stream: bool | NotGiven | None = ...,
        event_handler: None = ...,
        signal: AbortSignal | None = ...,
        inline: bool = ...,
        **params: Unpack[RunToolsParams],
    ) -> AssistantStream: ...
    @overload
    def run_tools(
        self,
        thread_id: str,
        *,
        tools: ToolsParam,
        parallel: bool = ...,
        max_rounds: int = ...,
        on_tool_error: OnToolError = ...,
        send_tools: bool = ...,
        stream: bool | NotGiven | None = ...,
        event_handler: _H,
        signal: AbortSignal | None = ...,
        inline: bool = ...,
        **params: Unpack[RunToolsParams],
    ) -> AssistantStreamManager[_H]: ...
    def run_tools(
        self,
        thread_id: str,
        *,
        assistant_id: str,
        tools: ToolsParam,
        parallel: bool = True,
        max_rounds: int = 10,
        on_tool_error: OnToolError = "raise",
        send_tools: bool = True,
        include: Iterable[RunStepInclude] | NotGiven = NOT_GIVEN,
        additional_instructions: str | NotGiven | None = NOT_GIVEN,
        additional_messages: Iterable[MessageParam] | NotGiven | None = NOT_GIVEN,
        instructions: str | NotGiven | None = NOT_GIVEN,
        max_completion_tokens: int | NotGiven | None = NOT_GIVEN,
        max_prompt_tokens: int | NotGiven | None = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        model: str | NotGiven | None = NOT_GIVEN,
        parallel_tool_calls: bool | NotGiven = NOT_GIVEN,
        reasoning_effort: ReasoningEffort | NotGiven | None = NOT_GIVEN,
        response_format: AssistantResponseFormatOptionParam | NotGiven | None = NOT_GIVEN,
        temperature: float | NotGiven | None = NOT_GIVEN,
        tool_choice: AssistantToolChoiceOptionParam | NotGiven | None = NOT_GIVEN,
        top_p: float | NotGiven | None = NOT_GIVEN,
        truncation_strategy: TruncationStrategyParam | NotGiven | None = NOT_GIVEN,
        stream: bool | NotGiven | None = NOT_GIVEN,
        event_handler: _H | None = None,
        signal: AbortSignal | None = None,
        inline: bool = False,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> AssistantStream | AssistantStreamManager[_H]:
        """Start a run, call the functions it asks for until it answers, and stream all of it.

        One stream goes through all rounds: ``functionToolCall`` (with ``id``, ``name`` and
        ``arguments``, JSON text) before a function is called, ``functionToolCallResult`` with the text
        that is sent back, and between them the events of each round.

        ``tools`` is a list of Python functions, of what ``function_tool`` made of them and of
        other tools' dicts (``{"type": "code_interpreter"}``), or a dict of names and functions.
        They are the run's tools in place of the assistant's; with ``send_tools=False`` the
        assistant's stand, and ``tools`` only says what to call.

        Arguments are converted to the functions' type hints. What does not fit, or a function
        that is not there, is told to the model, to try again. A result that is no string is
        sent as JSON, ``None`` as ``null``. An exception in a function ends the stream with an
        ``OpenAIError`` whose ``__cause__`` it is, or, with ``on_tool_error="report"``, is told to
        the model.

        The calls of one round run side by side on threads of their own, with ``parallel=False``
        one after the other; the results go back in the calls' order. More than ``max_rounds``
        rounds of calls are an ``OpenAIError``. An abort while functions run submits nothing.

        The other arguments are those of ``stream``; ``extra_body`` goes with the first request
        only. Raises ``TypeError`` for what is no tool and for an ``async def`` (which
        ``emitter_stream.aio`` takes). Node: ``runTools``, which has it for chat completions only.
        """
        caller = self._api.tool_caller
        toolbox = Toolbox.of(tools, coroutines=caller is not None)
        body = {
            "assistant_id": assistant_id,
            "additional_instructions": additional_instructions,
            "additional_messages": additional_messages,
            "instructions": instructions,
            "max_completion_tokens": max_completion_tokens,
            "max_prompt_tokens": max_prompt_tokens,
            "metadata": metadata,
            "model": model,
            "parallel_tool_calls": parallel_tool_calls,
            "reasoning_effort": reasoning_effort,
            "response_format": response_format,
            "temperature": temperature,
            "tool_choice": tool_choice,
            "tools": toolbox.params if send_tools else NOT_GIVEN,
            "top_p": top_p,
            "truncation_strategy": truncation_strategy,
            "stream": True,
        }
        core = ToolLoopCore()
        source = ToolLoopSource(
            self._api.exchange(
                "POST",
                url_path("/threads/{}/runs", thread_id),
                query={"include": include},
                body=body,
                extras=Extras(extra_headers, extra_query, extra_body, timeout),
            ),
            lambda run_id, tool_outputs: self._api.exchange(
                "POST",
                _submit_path(thread_id, run_id),
                body={"tool_outputs": tool_outputs, "stream": True},
                extras=Extras(extra_headers, extra_query, None, timeout),
            ),
            core,
            toolbox,
            parallel=parallel,
            max_rounds=max_rounds,
            on_tool_error=on_tool_error,
            call=call_directly if caller is None else caller(),
            inline=caller is None and (inline or event_handler is not None),
        )
        return open_source(
            self._api, source, core, event_handler=event_handler, signal=signal, inline=inline
        )

    def create_and_poll(
        self,
        thread_id: str,
        *,
        assistant_id: str,
        include: Iterable[RunStepInclude] | NotGiven = NOT_GIVEN,
        additional_instructions: str | NotGiven | None = NOT_GIVEN,
        additional_messages: Iterable[MessageParam] | NotGiven | None = NOT_GIVEN,
        instructions: str | NotGiven | None = NOT_GIVEN,
        max_completion_tokens: int | NotGiven | None = NOT_GIVEN,
        max_prompt_tokens: int | NotGiven | None = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        model: str | NotGiven | None = NOT_GIVEN,
        parallel_tool_calls: bool | NotGiven = NOT_GIVEN,
        reasoning_effort: ReasoningEffort | NotGiven | None = NOT_GIVEN,
        response_format: AssistantResponseFormatOptionParam | NotGiven | None = NOT_GIVEN,
        temperature: float | NotGiven | None = NOT_GIVEN,
        tool_choice: AssistantToolChoiceOptionParam | NotGiven | None = NOT_GIVEN,
        tools: Iterable[AssistantToolParam] | NotGiven | None = NOT_GIVEN,
        top_p: float | NotGiven | None = NOT_GIVEN,
        truncation_strategy: TruncationStrategyParam | NotGiven | None = NOT_GIVEN,
        poll_interval_ms: int | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Run:
        """Start a run, wait and return it as ``poll`` does (Node: ``runs.createAndPoll``).

        The arguments are those of ``create`` and ``poll``.
        """
        run = self.create(
            thread_id,
            assistant_id=assistant_id,
            include=include,
            additional_instructions=additional_instructions,
            additional_messages=additional_messages,
            instructions=instructions,
            max_completion_tokens=max_completion_tokens,
            max_prompt_tokens=max_prompt_tokens,
            metadata=metadata,
            model=model,
            parallel_tool_calls=parallel_tool_calls,
            reasoning_effort=reasoning_effort,
            response_format=response_format,
            temperature=temperature,
            tool_choice=tool_choice,
            tools=tools,
            top_p=top_p,
            truncation_strategy=truncation_strategy,
            extra_headers=extra_headers,
            extra_query=extra_query,
            extra_body=extra_body,
            timeout=timeout,
        )
        return self.poll(
            run.id,
            thread_id,
            poll_interval_ms=poll_interval_ms,
            extra_headers=extra_headers,
            extra_query=extra_query,
            timeout=timeout,
        )

    def retrieve(
        self,
        run_id: str,
        *,
        thread_id: str,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Run:
        """Get a run by its id; a ``NotFoundError`` if there is none."""
        return self._api.fetch(
            Run,
            "GET",
            url_path("/threads/{}/runs/{}", thread_id, run_id),
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def update(
        self,
        run_id: str,
        *,
        thread_id: str,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Run:
        """Change the metadata of a run."""
        return self._api.fetch(
            Run,
            "POST",
            url_path("/threads/{}/runs/{}", thread_id, run_id),
            body={"metadata": metadata},
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def list(
        self,
        thread_id: str,
        *,
        after: str | NotGiven = NOT_GIVEN,
        before: str | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> CursorPage[Run]:
        """List the runs of a thread, newest first by default.

        Iterating over what comes back goes through all pages; ``limit`` (1 to 100, by default 20)
        is the size of one.
        """
        return self._api.fetch_page(
            Run,
            url_path("/threads/{}/runs", thread_id),
            query={"after": after, "before": before, "limit": limit, "order": order},
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def cancel(
        self,
        run_id: str,
        *,
        thread_id: str,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Run:
        """Ask for the end of a run; it comes back as ``cancelling`` and is ``cancelled`` soon."""
        return self._api.fetch(
            Run,
            "POST",
            url_path("/threads/{}/runs/{}/cancel", thread_id, run_id),
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def poll(
        self,
        run_id: str,
        thread_id: str,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
        poll_interval_ms: int | NotGiven = NOT_GIVEN,
    ) -> Run:
        """Wait until a run has ended or requires action, and return it (Node: ``runs.poll``).

        Look each ``poll_interval_ms`` milliseconds; without it, as often as the server says, or
        each second. ``timeout`` is that of each request: the wait itself has no limit.
        """
        return poll_run(
            self._api,
            url_path("/threads/{}/runs/{}", thread_id, run_id),
            poll_interval_ms=poll_interval_ms,
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    @overload
    def submit_tool_outputs(
        self,
        run_id: str,
        *,
        stream: Literal[False] | NotGiven | None = ...,
        **params: Unpack[SubmitParams],
    ) -> Run: ...
    @overload
    def submit_tool_outputs(
        self,
        run_id: str,
        *,
        stream: Literal[True],
        inline: bool = ...,
        **params: Unpack[SubmitParams],
    ) -> AssistantStream: ...
    @overload
    def submit_tool_outputs(
        self, run_id: str, *, stream: bool, inline: bool = ..., **params: Unpack[SubmitParams]
    ) -> Run | AssistantStream: ...
    def submit_tool_outputs(
        self,
        run_id: str,
        *,
        thread_id: str,
        tool_outputs: Iterable[ToolOutput | Mapping[str, str]],
        stream: bool | NotGiven | None = NOT_GIVEN,
        inline: bool = False,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Run | AssistantStream:
        """Give a run that requires action what its function calls returned; it then goes on.

        ``tool_outputs`` are dicts with ``tool_call_id`` and ``output``, one for each call (Node:
        ``runs.submitToolOutputs``). ``stream`` as for ``create``.
        """
        path = _submit_path(thread_id, run_id)
        body = {"tool_outputs": tool_outputs, "stream": stream}
        extras = Extras(extra_headers, extra_query, extra_body, timeout)
        if not stream:
            return self._api.fetch(Run, "POST", path, body=body, extras=extras)
        return open_stream(self._api, path, body=body, extras=extras, inline=inline)

    @overload
    def submit_tool_outputs_stream(
        self,
        run_id: str,
        *,
        stream: bool | NotGiven | None = ...,
        event_handler: None = ...,
        signal: AbortSignal | None = ...,
        inline: bool = ...,
        **params: Unpack[SubmitParams],
    ) -> AssistantStream: ...
    @overload
    def submit_tool_outputs_stream(
        self,
        run_id: str,
        *,
        stream: bool | NotGiven | None = ...,
        event_handler: _H,
        signal: AbortSignal | None = ...,
        inline: bool = ...,
        **params: Unpack[SubmitParams],
    ) -> AssistantStreamManager[_H]: ...
    def submit_tool_outputs_stream(
        self,
        run_id: str,
        *,
        thread_id: str,
        tool_outputs: Iterable[ToolOutput | Mapping[str, str]],
        stream: bool | NotGiven | None = NOT_GIVEN,
        event_handler: _H | None = None,
        signal: AbortSignal | None = None,
        inline: bool = False,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> AssistantStream | AssistantStreamManager[_H]:
        """Submit tool outputs and stream how the run goes on (Node: ``submitToolOutputsStream``).

        The arguments are those of ``submit_tool_outputs`` and ``stream``.
        """
        return open_stream(
            self._api,
            _submit_path(thread_id, run_id),
            body={"tool_outputs": tool_outputs},
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
            event_handler=event_handler,
            signal=signal,
            inline=inline,
        )

    def submit_tool_outputs_and_poll(
        self,
        run_id: str,
        *,
        thread_id: str,
        tool_outputs: Iterable[ToolOutput | Mapping[str, str]],
        poll_interval_ms: int | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Run:
        """Submit tool outputs, wait and return the run as ``poll`` does.

        The arguments are those of ``submit_tool_outputs`` and ``poll`` (Node:
        ``runs.submitToolOutputsAndPoll``).
        """
        run = self.submit_tool_outputs(
            run_id,
            thread_id=thread_id,
            tool_outputs=tool_outputs,
            extra_headers=extra_headers,
            extra_query=extra_query,
            extra_body=extra_body,
            timeout=timeout,
        )
        return self.poll(
            run.id,
            thread_id,
            poll_interval_ms=poll_interval_ms,
            extra_headers=extra_headers,
            extra_query=extra_query,
            timeout=timeout,
        )


def _submit_path(thread_id: str, run_id: str) -> str:
    return url_path("/threads/{}/runs/{}/submit_tool_outputs", thread_id, run_id)
