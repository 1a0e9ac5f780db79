"""``client.beta.threads``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar, overload

from .._not_given import NOT_GIVEN, NotGiven
from ..abort import AbortSignal
from ..streams.assistants.handler import AssistantEventHandler, AssistantStreamManager
from ..streams.assistants.stream import AssistantStream
from ..types import Run, Thread, ThreadDeleted
from ._api import Resource, parted
from ._params import (
    CallOptions,
    ThreadCreateParams,
    ThreadRunParams,
    ThreadRunStreamParams,
    ThreadUpdateParams,
)
from ._path import url_path
from ._poll import poll_run
from ._stream import open_stream
from .messages import Messages
from .runs import Runs

if TYPE_CHECKING:
    from typing_extensions import Unpack

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

    def create(self, **params: Unpack[ThreadCreateParams]) -> Thread:
        """Create a thread, empty or with ``messages`` (Node: ``threads.create``)."""
        body, extras = parted(params)
        return self._api.fetch(Thread, "POST", "/threads", body=body, extras=extras)

    def retrieve(self, thread_id: str, **options: Unpack[CallOptions]) -> Thread:
        """Get a thread by its id; a ``NotFoundError`` if there is none."""
        path = url_path("/threads/{}", thread_id)
        return self._api.fetch(Thread, "GET", path, extras=parted(options)[1])

    def update(self, thread_id: str, **params: Unpack[ThreadUpdateParams]) -> Thread:
        """Change the metadata or the tool resources of a thread."""
        path = url_path("/threads/{}", thread_id)
        body, extras = parted(params)
        return self._api.fetch(Thread, "POST", path, body=body, extras=extras)

    def delete(self, thread_id: str, **options: Unpack[CallOptions]) -> ThreadDeleted:
        """Delete a thread with its messages."""
        path = url_path("/threads/{}", thread_id)
        return self._api.fetch(ThreadDeleted, "DELETE", path, extras=parted(options)[1])

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
        stream: bool | NotGiven | None = NOT_GIVEN,
        inline: bool = False,
        **params: Unpack[ThreadRunParams],
    ) -> Run | AssistantStream:
        """Create a thread and start a run on it (Node: ``threads.createAndRun``).

        ``thread`` is a dict with what ``create`` takes; the rest is as for ``runs.create``. The
        thread's id is the run's ``thread_id``.
        """
        if stream:
            return self.create_and_run_stream(inline=inline, **params)
        body, extras = parted(params)
        body["stream"] = stream
        return self._api.fetch(Run, "POST", "/threads/runs", body=body, extras=extras)

    @overload
    def create_and_run_stream(
        self, *, event_handler: None = ..., **params: Unpack[ThreadRunStreamParams]
    ) -> AssistantStream: ...
    @overload
    def create_and_run_stream(
        self, *, event_handler: _H, **params: Unpack[ThreadRunStreamParams]
    ) -> AssistantStreamManager[_H]: ...
    def create_and_run_stream(
        self,
        *,
        stream: bool | NotGiven | None = NOT_GIVEN,
        event_handler: _H | None = None,
        signal: AbortSignal | None = None,
        inline: bool = False,
        resume: bool = False,
        **params: Unpack[ThreadRunParams],
    ) -> AssistantStream | AssistantStreamManager[_H]:
        """Create a thread, start a run and stream it (Node: ``threads.createAndRunStream``).

        The arguments are those of ``create_and_run`` and ``runs.stream``.
        """
        body, extras = parted(params)
        return open_stream(
            self._api,
            "/threads/runs",
            body=body,
            extras=extras,
            event_handler=event_handler,
            signal=signal,
            inline=inline,
            resume=resume,
        )

    def create_and_run_poll(
        self, *, poll_interval_ms: int | NotGiven = NOT_GIVEN, **params: Unpack[ThreadRunParams]
    ) -> Run:
        """Create a thread, start a run, wait and return it as ``runs.poll`` does.

        The arguments are those of ``create_and_run`` and ``runs.poll`` (Node:
        ``threads.createAndRunPoll``).
        """
        run = self.create_and_run(**params)
        extras = parted(params)[1].without_body()
        return poll_run(
            self._api, run.thread_id, run.id, poll_interval_ms=poll_interval_ms, extras=extras
        )
