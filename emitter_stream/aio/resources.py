"""The API's methods for asyncio: those of ``..resources``, each called on a thread of its own.

No signature is written a second time: a descriptor takes it over from the plain method, for type
checkers and for ``help()``. Only overloads, which none can take over, are repeated, for type
checkers alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

import attrs

from .._names import PythonNames
from ..engine.plain import Stream
from ..resources import Api, Assistants, Beta, CursorPage, Messages, Runs, Steps, Threads
from ..streams.assistants.aio_handler import AsyncAssistantEventHandler, AsyncAssistantStreamManager
from ..streams.assistants.aio_stream import AsyncAssistantStream
from ..types import Model, Run
from .calls import in_thread
from .pages import AsyncPaginator
from .plain import AsyncStream
from .raw import AsyncRawMethods, AsyncStreamingMethods

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._not_given import NotGiven
    from ..resources._params import (
        AttachParams,
        RunParams,
        RunStreamParams,
        RunToolsStreamParams,
        SubmitParams,
        SubmitStreamParams,
        ThreadRunParams,
        ThreadRunStreamParams,
    )
    from .chat import AsyncChat
    from .files import AsyncVectorStores

__all__ = [
    "AsyncAssistants",
    "AsyncBeta",
    "AsyncMessages",
    "AsyncRuns",
    "AsyncSteps",
    "AsyncThreads",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_M = TypeVar("_M", bound=Model)
_C_co = TypeVar("_C_co", covariant=True)
_H = TypeVar("_H", bound=AsyncAssistantEventHandler)


@attrs.frozen
class _AsyncResource(PythonNames):
    """A group of methods of the API, beside the plain group that does the work."""

    _plain: Any = attrs.field(repr=False)

    @property
    def with_raw_response(self) -> AsyncRawMethods:
        """The same methods, each of which returns its answer with status, headers and body."""
        return AsyncRawMethods(self._plain.with_raw_response)

    @property
    def with_streaming_response(self) -> AsyncStreamingMethods:
        """The same methods, each for an ``async with`` that gives the answer before its body is read."""
        return AsyncStreamingMethods(self._plain.with_streaming_response)


class _Taken(Generic[_C_co]):
    """A method that a group takes over from its plain one, by name."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._name = method.__name__
        self.__doc__ = method.__doc__

    def __get__(self, group: _AsyncResource | None, owner: type | None = None) -> _C_co:
        if group is None:
            return self  # type: ignore[return-value]  # for help() and documentation tools
        adapted: _C_co = self._adapt(getattr(group._plain, self._name))
        return adapted

    def _adapt(self, plain: Callable[..., Any]) -> Any:
        """Return what is called in the place of the bound plain method."""
        return plain


class _Call(_Taken[Callable[_P, Coroutine[Any, Any, _R]]]):
    """A method as a coroutine, on a thread."""

    if TYPE_CHECKING:

        def __init__(self, method: Callable[Concatenate[Any, _P], _R]) -> None: ...

    def _adapt(self, plain: Callable[..., Any]) -> Any:
        @functools.wraps(plain, updated=())  # not its signature, which has self
        async def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs.get("stream"):  # making a stream blocks nobody, and belongs on the loop
                return plain(*args, **kwargs)
            return await in_thread(functools.partial(plain, *args, **kwargs))

        return call


class _Turned(_Taken[Callable[..., Any]]):
    """A method as a coroutine, on a thread, whose answer has a counterpart for asyncio."""

    def _adapt(self, plain: Callable[..., Any]) -> Any:
        @functools.wraps(plain, updated=())  # not its signature, which has self
        async def call(*args: Any, **kwargs: Any) -> Any:
            return self._turn(await in_thread(functools.partial(plain, *args, **kwargs)))

        return call

    def _turn(self, answer: Any) -> Any:
        raise NotImplementedError


class _PlainOrStream(_Turned):
    """A method whose answer is an object, or a plain stream of events."""

    def _turn(self, answer: Any) -> Any:
        return AsyncStream(answer) if isinstance(answer, Stream) else answer


class _List(_Taken[Callable[_P, AsyncPaginator[_M]]]):
    """A method whose answer comes in pages."""

    if TYPE_CHECKING:

        def __init__(self, method: Callable[Concatenate[Any, _P], CursorPage[_M]]) -> None: ...

    def _adapt(self, plain: Callable[..., Any]) -> Any:
        @functools.wraps(plain, updated=())  # not its signature, which has self
        def call(*args: Any, **kwargs: Any) -> Any:
            return AsyncPaginator(functools.partial(plain, *args, **kwargs))

        return call


class AsyncBeta(_AsyncResource):
    """The Assistants API, which never left beta."""

    def __init__(self, api: Api) -> None:
        super().__init__(Beta(api))

    @property
    def assistants(self) -> AsyncAssistants:
        """Models with instructions and tools."""
        return AsyncAssistants(self._plain.assistants)

    @property
    def chat(self) -> AsyncChat:
        """The same as ``client.chat``, where it once was."""
        from .chat import AsyncChat  # late: it builds on what is in here

        return AsyncChat(self._plain.chat)

    @property
    def vector_stores(self) -> AsyncVectorStores:
        """The same as ``client.vector_stores``, where it once was."""
        from .files import AsyncVectorStores  # late: it builds on what is in here

        return AsyncVectorStores(self._plain.vector_stores)

    @property
    def threads(self) -> AsyncThreads:
        """Conversations."""
        return AsyncThreads(self._plain.threads)


class AsyncAssistants(_AsyncResource):
    """Models with instructions and tools."""

    create = _Call(Assistants.create)
    retrieve = _Call(Assistants.retrieve)
    update = _Call(Assistants.update)
    list = _List(Assistants.list)
    delete = _Call(Assistants.delete)


class AsyncMessages(_AsyncResource):
    """The messages of threads."""

    create = _Call(Messages.create)
    retrieve = _Call(Messages.retrieve)
    update = _Call(Messages.update)
    list = _List(Messages.list)
    delete = _Call(Messages.delete)


class AsyncSteps(_AsyncResource):
    """The steps of runs."""

    retrieve = _Call(Steps.retrieve)
    list = _List(Steps.list)


class AsyncThreads(_AsyncResource):
    """Conversations."""

    @property
    def messages(self) -> AsyncMessages:
        """The messages of threads."""
        return AsyncMessages(self._plain.messages)

    @property
    def runs(self) -> AsyncRuns:
        """Executions of assistants on threads."""
        return AsyncRuns(self._plain.runs)

    create = _Call(Threads.create)
    retrieve = _Call(Threads.retrieve)
    update = _Call(Threads.update)
    delete = _Call(Threads.delete)
    create_and_run_poll = _Call(Threads.create_and_run_poll)

    if TYPE_CHECKING:

        @overload
        async def create_and_run(
            self,
            *,
            stream: Literal[False] | NotGiven | None = ...,
            **params: Unpack[ThreadRunParams],
        ) -> Run: ...
        @overload
        async def create_and_run(
            self, *, stream: Literal[True], inline: bool = ..., **params: Unpack[ThreadRunParams]
        ) -> AsyncAssistantStream: ...
        @overload
        async def create_and_run(
            self, *, stream: bool, inline: bool = ..., **params: Unpack[ThreadRunParams]
        ) -> Run | AsyncAssistantStream: ...
        async def create_and_run(self, **params: Any) -> Any: ...

        @overload
        def create_and_run_stream(
            self, *, event_handler: None = ..., **params: Unpack[ThreadRunStreamParams]
        ) -> AsyncAssistantStream: ...
        @overload
        def create_and_run_stream(
            self, *, event_handler: _H, **params: Unpack[ThreadRunStreamParams]
        ) -> AsyncAssistantStreamManager[_H]: ...
        def create_and_run_stream(self, **params: Any) -> Any: ...
    else:
        create_and_run = _Call(Threads.create_and_run)
        create_and_run_stream = _Taken(Threads.create_and_run_stream)


class AsyncRuns(_AsyncResource):
    """Executions of assistants on threads."""

    @property
    def steps(self) -> AsyncSteps:
        """The steps of runs."""
        return AsyncSteps(self._plain.steps)

    create_and_poll = _Call(Runs.create_and_poll)
    retrieve = _Call(Runs.retrieve)
    update = _Call(Runs.update)
    list = _List(Runs.list)
    cancel = _Call(Runs.cancel)
    poll = _Call(Runs.poll)
    submit_tool_outputs_and_poll = _Call(Runs.submit_tool_outputs_and_poll)

    if TYPE_CHECKING:

        @overload
        async def create(
            self,
            thread_id: str,
            *,
            stream: Literal[False] | NotGiven | None = ...,
            **params: Unpack[RunParams],
        ) -> Run: ...
        @overload
        async def create(
            self,
            thread_id: str,
            *,
            stream: Literal[True],
            inline: bool = ...,
            **params: Unpack[RunParams],
        ) -> AsyncAssistantStream: ...
        @overload
        async def create(
            self, thread_id: str, *, stream: bool, inline: bool = ..., **params: Unpack[RunParams]
        ) -> Run | AsyncAssistantStream: ...
        async def create(self, thread_id: str, **params: Any) -> Any: ...

        @overload
        def stream(
            self, thread_id: str, *, event_handler: None = ..., **params: Unpack[RunStreamParams]
        ) -> AsyncAssistantStream: ...
        @overload
        def stream(
            self, thread_id: str, *, event_handler: _H, **params: Unpack[RunStreamParams]
        ) -> AsyncAssistantStreamManager[_H]: ...
        def stream(self, thread_id: str, **params: Any) -> Any: ...

        create_and_stream = stream

        @overload
        def attach(
            self,
            run_id: str,
            *,
            thread_id: str,
            event_handler: None = ...,
            **params: Unpack[AttachParams],
        ) -> AsyncAssistantStream: ...
        @overload
        def attach(
            self,
            run_id: str,
            *,
            thread_id: str,
            event_handler: _H,
            **params: Unpack[AttachParams],
        ) -> AsyncAssistantStreamManager[_H]: ...
        def attach(self, run_id: str, **params: Any) -> Any: ...

        @overload
        def run_tools(
            self,
            thread_id: str,
            *,
            event_handler: None = ...,
            **params: Unpack[RunToolsStreamParams],
        ) -> AsyncAssistantStream: ...
        @overload
        def run_tools(
            self, thread_id: str, *, event_handler: _H, **params: Unpack[RunToolsStreamParams]
        ) -> AsyncAssistantStreamManager[_H]: ...
        def run_tools(self, thread_id: str, **params: Any) -> Any: ...

        @overload
        async def submit_tool_outputs(
            self,
            run_id: str,
            *,
            stream: Literal[False] | NotGiven | None = ...,
            **params: Unpack[SubmitParams],
        ) -> Run: ...
        @overload
        async def submit_tool_outputs(
            self,
            run_id: str,
            *,
            stream: Literal[True],
            inline: bool = ...,
            **params: Unpack[SubmitParams],
        ) -> AsyncAssistantStream: ...
        @overload
        async def submit_tool_outputs(
            self, run_id: str, *, stream: bool, inline: bool = ..., **params: Unpack[SubmitParams]
        ) -> Run | AsyncAssistantStream: ...
        async def submit_tool_outputs(self, run_id: str, **params: Any) -> Any: ...

        @overload
        def submit_tool_outputs_stream(
            self, run_id: str, *, event_handler: None = ..., **params: Unpack[SubmitStreamParams]
        ) -> AsyncAssistantStream: ...
        @overload
        def submit_tool_outputs_stream(
            self, run_id: str, *, event_handler: _H, **params: Unpack[SubmitStreamParams]
        ) -> AsyncAssistantStreamManager[_H]: ...
        def submit_tool_outputs_stream(self, run_id: str, **params: Any) -> Any: ...
    else:
        create = _Call(Runs.create)
        stream = create_and_stream = _Taken(Runs.stream)
        attach = _Taken(Runs.attach)
        run_tools = _Taken(Runs.run_tools)
        submit_tool_outputs = _Call(Runs.submit_tool_outputs)
        submit_tool_outputs_stream = _Taken(Runs.submit_tool_outputs_stream)
