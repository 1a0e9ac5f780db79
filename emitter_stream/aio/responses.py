"""``client.responses`` for asyncio: see ``.resources``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

from ..engine.plain import Stream
from ..resources.responses import InputItems, Responses
from ..streams.responses.aio_stream import AsyncResponseStream
from ..types.responses import Response, ResponseStreamEvent
from .calls import in_thread
from .plain import AsyncStream
from .resources import _AsyncResource, _Call, _List, _Taken

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._not_given import NotGiven
    from ..resources._params import CallParams
    from ..resources._response_params import ResponseParams, ResponseStreamParams

__all__ = ["AsyncInputItems", "AsyncResponses"]


class _PlainOrStream(_Taken[Callable[..., Any]]):
    """A method whose answer is an object, or a plain stream of events."""

    def _adapt(self, plain: Callable[..., Any]) -> Any:
        @functools.wraps(plain, updated=())  # not its signature, which has self
        async def call(*args: Any, **kwargs: Any) -> Any:
            answer = await in_thread(functools.partial(plain, *args, **kwargs))
            return AsyncStream(answer) if isinstance(answer, Stream) else answer

        return call


class AsyncResponses(_AsyncResource):
    """Answers of a model, each an object that can be kept; see ``Responses``."""

    @property
    def input_items(self) -> AsyncInputItems:
        """What responses were made from."""
        return AsyncInputItems(self._plain.input_items)

    parse = _Call(Responses.parse)
    delete = _Call(Responses.delete)
    cancel = _Call(Responses.cancel)

    if TYPE_CHECKING:

        @overload
        async def create(
            self,
            *,
            stream: Literal[False] | NotGiven | None = ...,
            **params: Unpack[ResponseParams],
        ) -> Response: ...
        @overload
        async def create(
            self, *, stream: Literal[True], **params: Unpack[ResponseParams]
        ) -> AsyncStream[ResponseStreamEvent]: ...
        @overload
        async def create(
            self, *, stream: bool, **params: Unpack[ResponseParams]
        ) -> Response | AsyncStream[ResponseStreamEvent]: ...
        async def create(self, **params: Any) -> Any: ...

        def stream(
            self, *, inline: bool = ..., resume: bool = ..., **params: Unpack[ResponseStreamParams]
        ) -> AsyncResponseStream: ...

        @overload
        async def retrieve(
            self,
            response_id: str,
            *,
            stream: Literal[False] | NotGiven = ...,
            include: Iterable[str] | NotGiven = ...,
            starting_after: int | NotGiven = ...,
            include_obfuscation: bool | NotGiven = ...,
            **options: Unpack[CallParams],
        ) -> Response: ...
        @overload
        async def retrieve(
            self,
            response_id: str,
            *,
            stream: Literal[True],
            include: Iterable[str] | NotGiven = ...,
            starting_after: int | NotGiven = ...,
            include_obfuscation: bool | NotGiven = ...,
            **options: Unpack[CallParams],
        ) -> AsyncStream[ResponseStreamEvent]: ...
        async def retrieve(self, response_id: str, **params: Any) -> Any: ...
    else:
        create = _PlainOrStream(Responses.create)
        retrieve = _PlainOrStream(Responses.retrieve)
        stream = _Taken(Responses.stream)


class AsyncInputItems(_AsyncResource):
    """What responses were made from."""

    list = _List(InputItems.list)
