"""``client.responses`` for asyncio: see ``.resources``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from ..resources.responses import InputItems, Responses
from ..streams.responses.aio_stream import AsyncResponseStream
from ..types.responses import Response, ResponseStreamEvent
from .plain import AsyncStream
from .resources import _AsyncResource, _Call, _List, _PlainOrStream, _Taken

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._not_given import NotGiven
    from ..resources._response_params import (
        ResponseParams,
        ResponseRetrieveParams,
        ResponseStreamParams,
    )

__all__ = ["AsyncInputItems", "AsyncResponses"]


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
            **params: Unpack[ResponseRetrieveParams],
        ) -> Response: ...
        @overload
        async def retrieve(
            self,
            response_id: str,
            *,
            stream: Literal[True],
            **params: Unpack[ResponseRetrieveParams],
        ) -> AsyncStream[ResponseStreamEvent]: ...
        async def retrieve(self, response_id: str, **params: Any) -> Any: ...
    else:
        create = _PlainOrStream(Responses.create)
        retrieve = _PlainOrStream(Responses.retrieve)
        stream = _Taken(Responses.stream)


class AsyncInputItems(_AsyncResource):
    """What responses were made from."""

    list = _List(InputItems.list)
