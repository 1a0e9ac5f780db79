"""``client.beta.threads``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from .._not_given import NOT_GIVEN, NotGiven
from ..abort import AbortSignal
from ..streams.assistants.handler import AssistantEventHandler, AssistantStreamManager
from ..streams.assistants.stream import AssistantStream
from ..types import Run, Thread, ThreadDeleted
from ..types.params import (
    AssistantResponseFormatOptionParam,
    AssistantToolChoiceOptionParam,
    AssistantToolParam,
    MessageParam,
    Metadata,
    ThreadParam,
    ToolResourcesParam,
    TruncationStrategyParam,
)
from ._api import Extras, Resource
from ._path import url_path
from ._stream import open_stream
from .messages import Messages
from .runs import Runs

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..http.transport import Timeout
    from ._params import ThreadRunParams

__all__ = ["Threads"]

_H = TypeVar("_H", bound=AssistantEventHandler)


class Threads(Resource):
    """Conversations."""

    @property
    def messages(self) -> Messages:
        """The messages of threads."""
        return Messages(self._api)

    @property
    def runs(self) -> Runs:
        """Executions of assistants on threads."""
        return Runs(self._api)

    def create(
        self,
        *,
        messages: Iterable[MessageParam] | NotGiven = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        tool_resources: ToolResourcesParam | NotGiven | None = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Thread:
        """Create a thread, empty or with ``messages`` (Node: ``threads.create``)."""
        return self._api.fetch(
            Thread,
            "POST",
            "/threads",
            body={
                "messages": messages,
                "metadata": metadata,
                "tool_resources": tool_resources,
            },
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def retrieve(
        self,
        thread_id: str,
        *,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Thread:
        """Get a thread by its id; a ``NotFoundError`` if there is none."""
        return self._api.fetch(
            Thread,
            "GET",
            url_path("/threads/{}", thread_id),
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def update(
        self,
        thread_id: str,
        *,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        tool_resources: ToolResourcesParam | NotGiven | None = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Thread:
        """Change the metadata or the tool resources of a thread."""
        return self._api.fetch(
            Thread,
            "POST",
            url_path("/threads/{}", thread_id),
            body={"metadata": metadata, "tool_resources": tool_resources},
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    def delete(
        self,
        thread_id: str,
        *,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> ThreadDeleted:
        """Delete a thread with its messages."""
        return self._api.fetch(
            ThreadDeleted,
            "DELETE",
            url_path("/threads/{}", thread_id),
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
        )

    @overload
    def create_and_run(
        self,
        *,
        stream: Literal[False] | NotGiven | None = ...,
        **params: Unpack[ThreadRunParams],
    ) -> Run: ...
    @overload
    def create_and_run(
        self, *, stream: Literal[True], inline: bool = ..., **params: Unpack[ThreadRunParams]
    ) -> AssistantStream: ...
    @overload
    def create_and_run(
        self, *, stream: bool, inline: bool = ..., **params: Unpack[ThreadRunParams]
    ) -> Run | AssistantStream: ...
    def create_and_run(
        self,
        *,
        assistant_id: str,
        instructions: str | NotGiven | None = NOT_GIVEN,
        max_completion_tokens: int | NotGiven | None = NOT_GIVEN,
        max_prompt_tokens: int | NotGiven | None = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        model: str | NotGiven | None = NOT_GIVEN,
        parallel_tool_calls: bool | NotGiven = NOT_GIVEN,
        response_format: AssistantResponseFormatOptionParam | NotGiven | None = NOT_GIVEN,
        temperature: float | NotGiven | None = NOT_GIVEN,
        thread: ThreadParam | NotGiven = NOT_GIVEN,
        tool_choice: AssistantToolChoiceOptionParam | NotGiven | None = NOT_GIVEN,
        tool_resources: ToolResourcesParam | NotGiven | None = NOT_GIVEN,
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
        """Create a thread and start a run on it (Node: ``threads.createAndRun``).

        ``thread`` is a dict with what ``create`` takes; the rest is as for ``runs.create``. The
        thread's id is the run's ``thread_id``.
        """
        body = {
            "assistant_id": assistant_id,
            "instructions": instructions,
            "max_completion_tokens": max_completion_tokens,
            "max_prompt_tokens": max_prompt_tokens,
            "metadata": metadata,
            "model": model,
            "parallel_tool_calls": parallel_tool_calls,
            "response_format": response_format,
            "temperature": temperature,
            "thread": thread,
            "tool_choice": tool_choice,
            "tool_resources": tool_resources,
            "tools": tools,
            "top_p": top_p,
            "truncation_strategy": truncation_strategy,
            "stream": stream,
        }
        extras = Extras(extra_headers, extra_query, extra_body, timeout)
        if not stream:
            return self._api.fetch(Run, "POST", "/threads/runs", body=body, extras=extras)
        return open_stream(self._api, "/threads/runs", body=body, extras=extras, inline=inline)

    @overload
    def create_and_run_stream(
        self,
        *,
        stream: bool | NotGiven | None = ...,
        event_handler: None = ...,
        signal: AbortSignal | None = ...,
        inline: bool = ...,
        **params: Unpack[ThreadRunParams],
    ) -> AssistantStream: ...
    @overload
    def create_and_run_stream(
        self,
        *,
        stream: bool | NotGiven | None = ...,
        event_handler: _H,
        signal: AbortSignal | None = ...,
        inline: bool = ...,
        **params: Unpack[ThreadRunParams],
    ) -> AssistantStreamManager[_H]: ...
    def create_and_run_stream(
        self,
        *,
        assistant_id: str,
        instructions: str | NotGiven | None = NOT_GIVEN,
        max_completion_tokens: int | NotGiven | None = NOT_GIVEN,
        max_prompt_tokens: int | NotGiven | None = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        model: str | NotGiven | None = NOT_GIVEN,
        parallel_tool_calls: bool | NotGiven = NOT_GIVEN,
        response_format: AssistantResponseFormatOptionParam | NotGiven | None = NOT_GIVEN,
        temperature: float | NotGiven | None = NOT_GIVEN,
        thread: ThreadParam | NotGiven = NOT_GIVEN,
        tool_choice: AssistantToolChoiceOptionParam | NotGiven | None = NOT_GIVEN,
        tool_resources: ToolResourcesParam | NotGiven | None = NOT_GIVEN,
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
        """Create a thread, start a run and stream it (Node: ``threads.createAndRunStream``).

        The arguments are those of ``create_and_run`` and ``runs.stream``.
        """
        body = {
            "assistant_id": assistant_id,
            "instructions": instructions,
            "max_completion_tokens": max_completion_tokens,
            "max_prompt_tokens": max_prompt_tokens,
            "metadata": metadata,
            "model": model,
            "parallel_tool_calls": parallel_tool_calls,
            "response_format": response_format,
            "temperature": temperature,
            "thread": thread,
            "tool_choice": tool_choice,
            "tool_resources": tool_resources,
            "tools": tools,
            "top_p": top_p,
            "truncation_strategy": truncation_strategy,
        }
        return open_stream(
            self._api,
            "/threads/runs",
            body=body,
            extras=Extras(extra_headers, extra_query, extra_body, timeout),
            event_handler=event_handler,
            signal=signal,
            inline=inline,
        )

    def create_and_run_poll(
        self,
        *,
        assistant_id: str,
        instructions: str | NotGiven | None = NOT_GIVEN,
        max_completion_tokens: int | NotGiven | None = NOT_GIVEN,
        max_prompt_tokens: int | NotGiven | None = NOT_GIVEN,
        metadata: Metadata | NotGiven | None = NOT_GIVEN,
        model: str | NotGiven | None = NOT_GIVEN,
        parallel_tool_calls: bool | NotGiven = NOT_GIVEN,
        response_format: AssistantResponseFormatOptionParam | NotGiven | None = NOT_GIVEN,
        temperature: float | NotGiven | None = NOT_GIVEN,
        thread: ThreadParam | NotGiven = NOT_GIVEN,
        tool_choice: AssistantToolChoiceOptionParam | NotGiven | None = NOT_GIVEN,
        tool_resources: ToolResourcesParam | NotGiven | None = NOT_GIVEN,
        tools: Iterable[AssistantToolParam] | NotGiven | None = NOT_GIVEN,
        top_p: float | NotGiven | None = NOT_GIVEN,
        truncation_strategy: TruncationStrategyParam | NotGiven | None = NOT_GIVEN,
        poll_interval_ms: int | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str | None] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Mapping[str, object] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
    ) -> Run:
        """Create a thread, start a run, wait and return it as ``runs.poll`` does.

        The arguments are those of ``create_and_run`` and ``runs.poll`` (Node:
        ``threads.createAndRunPoll``).
        """
        run = self.create_and_run(
            assistant_id=assistant_id,
            instructions=instructions,
            max_completion_tokens=max_completion_tokens,
            max_prompt_tokens=max_prompt_tokens,
            metadata=metadata,
            model=model,
            parallel_tool_calls=parallel_tool_calls,
            response_format=response_format,
            temperature=temperature,
            thread=thread,
            tool_choice=tool_choice,
            tool_resources=tool_resources,
            tools=tools,
            top_p=top_p,
            truncation_strategy=truncation_strategy,
            extra_headers=extra_headers,
            extra_query=extra_query,
            extra_body=extra_body,
            timeout=timeout,
        )
        return self.runs.poll(
            run.id,
            run.thread_id,
            poll_interval_ms=poll_interval_ms,
            extra_headers=extra_headers,
            extra_query=extra_query,
            timeout=timeout,
        )
