"""``client.beta.threads.runs``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from .._not_given import NOT_GIVEN, NotGiven
from ..abort import AbortSignal
from ..engine.sources import HTTPSource, Source
from ..streams.assistants.handler import AssistantEventHandler, AssistantStreamManager
from ..streams.assistants.resume import AttachedCore
from ..streams.assistants.stream import AssistantStream
from ..streams.assistants.tool_loop import OnToolError, ToolLoopCore, ToolLoopSource
from ..tools.functions import Toolbox, ToolsParam, call_directly
from ..types import Run
from ..types.params import Metadata
from ._api import Extras, Resource, parted
from ._page import CursorPage
from ._params import (
    AttachParams,
    CallOptions,
    ListParams,
    RunParams,
    RunStreamParams,
    RunToolsParams,
    RunToolsStreamParams,
    SubmitParams,
    SubmitStreamParams,
)
from ._path import url_path
from ._poll import poll_run
from ._resume import resuming
from ._stream import open_source, open_stream, waits_itself
from .steps import Steps

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..http.transport import Exchange, Timeout

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
        stream: bool | NotGiven | None = NOT_GIVEN,
        inline: bool = False,
        **params: Unpack[RunParams],
    ) -> Run | AssistantStream:
        """Start a run of an assistant on a thread; it goes on by itself (Node: ``runs.create``).

        What is given goes over the assistant's own settings, for this run only.
        ``additional_messages`` are added to the thread first. With ``stream=True`` an
        ``AssistantStream`` comes back, to iterate over its events; ``stream()`` is the same, and says
        what ``inline`` is.
        """
        if stream:
            return self.stream(thread_id, inline=inline, **params)
        path = url_path("/threads/{}/runs", thread_id)
        query, body, extras = _run_request(params)
        body["stream"] = stream
        return self._api.fetch(Run, "POST", path, query=query, body=body, extras=extras)

    @overload
    def stream(
        self, thread_id: str, *, event_handler: None = ..., **params: Unpack[RunStreamParams]
    ) -> AssistantStream: ...
    @overload
    def stream(
        self, thread_id: str, *, event_handler: _H, **params: Unpack[RunStreamParams]
    ) -> AssistantStreamManager[_H]: ...
    def stream(
        self,
        thread_id: str,
        *,
        stream: bool | NotGiven | None = NOT_GIVEN,
        event_handler: _H | None = None,
        signal: AbortSignal | None = None,
        inline: bool = False,
        resume: bool = False,
        **params: Unpack[RunParams],
    ) -> AssistantStream | AssistantStreamManager[_H]:
        """Start a run and stream it (Node: ``runs.stream``).

        The request is sent at once; chain listeners to what comes back, or iterate over it. With
        ``event_handler`` it is sent by ``with ... as handler:``. ``signal`` aborts the stream.
        With ``inline=True`` whoever waits or iterates calls the listeners, on its own thread
        (``EventStream`` says more); an event handler is always called so.

        With ``resume=True`` the stream goes on where it was when its connection breaks or stands
        still: from the run's events, which this library's server keeps, else by asking for the run
        until it has settled, and then for what is missing, as deltas. Listeners hear all once.

        The other arguments are those of ``create``. ``timeout`` is the longest wait for the
        connection and between two reads, in seconds.
        """
        path = url_path("/threads/{}/runs", thread_id)
        query, body, extras = _run_request(params)
        return open_stream(
            self._api,
            path,
            query=query,
            body=body,
            extras=extras,
            event_handler=event_handler,
            signal=signal,
            inline=inline,
            resume=resume,
        )

    create_and_stream = stream
    """The older name of ``stream``."""

    @overload
    def attach(
        self,
        run_id: str,
        *,
        thread_id: str,
        event_handler: None = ...,
        **params: Unpack[AttachParams],
    ) -> AssistantStream: ...
    @overload
    def attach(
        self, run_id: str, *, thread_id: str, event_handler: _H, **params: Unpack[AttachParams]
    ) -> AssistantStreamManager[_H]: ...
    def attach(
        self,
        run_id: str,
        *,
        thread_id: str,
        after: int = 0,
        stream: bool | NotGiven | None = NOT_GIVEN,
        event_handler: _H | None = None,
        signal: AbortSignal | None = None,
        inline: bool = False,
        resume: bool = False,
        **params: Unpack[CallOptions],
    ) -> AssistantStream | AssistantStreamManager[_H]:
        """Stream a run that somebody began: what it has told, and what it tells until its end.

        Listeners hear the events behind number ``after`` (the run's first event is 1); the snapshots
        know all. Where the run needs its client the stream waits until somebody has submitted the
        outputs. This library's server has it, and keeps the events of a run for an hour after its
        end; then, and on other servers, it is an ``APIStatusError``. The other arguments are those
        of ``stream``.
        """
        path = url_path("/threads/{}/runs/{}/events", thread_id, run_id)
        extras = parted(params)[1]
        core = AttachedCore(after)
        exchange = self._api.exchange("GET", path, query={}, extras=extras)
        source: Source = HTTPSource(exchange, core)
        if resume:
            source = resuming(
                self._api,
                extras,
                core,
                exchange,
                ids=(thread_id, run_id),
                first=lambda: 1,
                inline=waits_itself(self._api, inline, event_handler),
            )
        return open_source(
            self._api, source, core, event_handler=event_handler, signal=signal, inline=inline
        )

    @overload
    def run_tools(
        self, thread_id: str, *, event_handler: None = ..., **params: Unpack[RunToolsStreamParams]
    ) -> AssistantStream: ...
    @overload
    def run_tools(
        self, thread_id: str, *, event_handler: _H, **params: Unpack[RunToolsStreamParams]
    ) -> AssistantStreamManager[_H]: ...
    def run_tools(
        self,
        thread_id: str,
        *,
        tools: ToolsParam,
        parallel: bool = True,
        max_rounds: int = 10,
        on_tool_error: OnToolError = "raise",
        send_tools: bool = True,
        stream: bool | NotGiven | None = NOT_GIVEN,
        event_handler: _H | None = None,
        signal: AbortSignal | None = None,
        inline: bool = False,
        resume: bool = False,
        **params: Unpack[RunToolsParams],
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
        path = url_path("/threads/{}/runs", thread_id)
        query, body, extras = _run_request(params)
        body |= {"tools": toolbox.params if send_tools else NOT_GIVEN, "stream": True}
        core = ToolLoopCore()
        is_inline = waits_itself(self._api, inline, event_handler)

        def source_of(exchange: Exchange) -> Source:
            if not resume:
                return HTTPSource(exchange, core)
            return resuming(self._api, extras, core, exchange, inline=is_inline)

        source = ToolLoopSource(
            self._api.exchange("POST", path, query=query, body=body, extras=extras),
            lambda run_id, tool_outputs: self._api.exchange(
                "POST",
                _submit_path(thread_id, run_id),
                body={"tool_outputs": tool_outputs, "stream": True},
                extras=extras.without_body(),
            ),
            core,
            toolbox,
            parallel=parallel,
            max_rounds=max_rounds,
            on_tool_error=on_tool_error,
            call=call_directly if caller is None else caller(),
            inline=is_inline,
            source_of=source_of,
        )
        return open_source(
            self._api, source, core, event_handler=event_handler, signal=signal, inline=inline
        )

    def create_and_poll(
        self,
        thread_id: str,
        *,
        poll_interval_ms: int | NotGiven = NOT_GIVEN,
        **params: Unpack[RunParams],
    ) -> Run:
        """Start a run, wait and return it as ``poll`` does (Node: ``runs.createAndPoll``).

        The arguments are those of ``create`` and ``poll``.
        """
        run = self.create(thread_id, **params)
        extras = parted(params)[1].without_body()
        return poll_run(
            self._api, thread_id, run.id, poll_interval_ms=poll_interval_ms, extras=extras
        )

    def retrieve(self, run_id: str, *, thread_id: str, **options: Unpack[CallOptions]) -> Run:
        """Get a run by its id; a ``NotFoundError`` if there is none."""
        path = url_path("/threads/{}/runs/{}", thread_id, run_id)
        return self._api.fetch(Run, "GET", path, extras=parted(options)[1])

    def update(
        self,
        run_id: str,
        *,
        thread_id: str,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        **options: Unpack[CallOptions],
    ) -> Run:
        """Change the metadata of a run."""
        path = url_path("/threads/{}/runs/{}", thread_id, run_id)
        body, extras = {"metadata": metadata}, parted(options)[1]
        return self._api.fetch(Run, "POST", path, body=body, extras=extras)

    def list(self, thread_id: str, **params: Unpack[ListParams]) -> CursorPage[Run]:
        """List the runs of a thread, newest first by default.

        Iterating over what comes back goes through all pages; ``limit`` (1 to 100, by default 20)
        is the size of one.
        """
        path = url_path("/threads/{}/runs", thread_id)
        query, extras = parted(params)
        return self._api.fetch_page(Run, path, query=query, extras=extras)

    def cancel(self, run_id: str, *, thread_id: str, **options: Unpack[CallOptions]) -> Run:
        """Ask for the end of a run; it comes back as ``cancelling`` and is ``cancelled`` soon."""
        path = url_path("/threads/{}/runs/{}/cancel", thread_id, run_id)
        return self._api.fetch(Run, "POST", path, extras=parted(options)[1])

    # Spelled out: the official SDK takes these by position.
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
        extras = Extras(extra_headers, extra_query, extra_body, timeout)
        return poll_run(
            self._api, thread_id, run_id, poll_interval_ms=poll_interval_ms, extras=extras
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
        stream: bool | NotGiven | None = NOT_GIVEN,
        inline: bool = False,
        **params: Unpack[SubmitParams],
    ) -> Run | AssistantStream:
        """Give a run that requires action what its function calls returned; it then goes on.

        ``tool_outputs`` are dicts with ``tool_call_id`` and ``output``, one for each call (Node:
        ``runs.submitToolOutputs``). ``stream`` as for ``create``.
        """
        if stream:
            return self.submit_tool_outputs_stream(run_id, inline=inline, **params)
        body, extras = parted(params)
        path = _submit_path(body.pop("thread_id"), run_id)
        body["stream"] = stream
        return self._api.fetch(Run, "POST", path, body=body, extras=extras)

    @overload
    def submit_tool_outputs_stream(
        self, run_id: str, *, event_handler: None = ..., **params: Unpack[SubmitStreamParams]
    ) -> AssistantStream: ...
    @overload
    def submit_tool_outputs_stream(
        self, run_id: str, *, event_handler: _H, **params: Unpack[SubmitStreamParams]
    ) -> AssistantStreamManager[_H]: ...
    def submit_tool_outputs_stream(
        self,
        run_id: str,
        *,
        stream: bool | NotGiven | None = NOT_GIVEN,
        event_handler: _H | None = None,
        signal: AbortSignal | None = None,
        inline: bool = False,
        resume: bool = False,
        **params: Unpack[SubmitParams],
    ) -> AssistantStream | AssistantStreamManager[_H]:
        """Submit tool outputs and stream how the run goes on (Node: ``submitToolOutputsStream``).

        The arguments are those of ``submit_tool_outputs`` and ``stream``.
        """
        body, extras = parted(params)
        thread_id = body.pop("thread_id")
        return open_stream(
            self._api,
            _submit_path(thread_id, run_id),
            body=body,
            extras=extras,
            event_handler=event_handler,
            signal=signal,
            inline=inline,
            resume=resume,
            ids=(thread_id, run_id),
        )

    def submit_tool_outputs_and_poll(
        self,
        run_id: str,
        *,
        poll_interval_ms: int | NotGiven = NOT_GIVEN,
        **params: Unpack[SubmitParams],
    ) -> Run:
        """Submit tool outputs, wait and return the run as ``poll`` does.

        The arguments are those of ``submit_tool_outputs`` and ``poll`` (Node:
        ``runs.submitToolOutputsAndPoll``).
        """
        run = self.submit_tool_outputs(run_id, **params)
        extras = parted(params)[1].without_body()
        return poll_run(
            self._api, params["thread_id"], run.id, poll_interval_ms=poll_interval_ms, extras=extras
        )


def _run_request(params: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, Any], Extras]:
    """Part the keyword arguments of a new run into query, body and options."""
    body, extras = parted(params)
    return {"include": body.pop("include", NOT_GIVEN)}, body, extras


def _submit_path(thread_id: str, run_id: str) -> str:
    return url_path("/threads/{}/runs/{}/submit_tool_outputs", thread_id, run_id)
