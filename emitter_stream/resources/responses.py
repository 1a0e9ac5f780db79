"""``client.responses``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from .._not_given import NOT_GIVEN, NotGiven
from ..engine.plain import Stream
from ..engine.sources import HTTPSource, Source
from ..streams.responses.core import ResponseCore
from ..streams.responses.parsing import ResponseParser
from ..streams.responses.stream import ResponseStream
from ..streams.structured import is_structure, response_tool
from ..streams.structured import text_format as structured_format
from ..types._model import with_request_id
from ..types.responses import Response, ResponseItem, ResponseStreamEvent, ResponseStreamEventBase
from ._api import Extras, Resource, parted
from ._page import CursorPage
from ._params import CallParams, sends_unknown
from ._path import url_path
from ._response_params import (
    ResponseParams,
    ResponseParseParams,
    ResponseRetrieveParams,
    ResponseStreamParams,
)
from ._resume import resuming_response

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..http.transport import Exchange

__all__ = ["InputItems", "Responses"]


class Responses(Resource):
    """Answers of a model, each an object that can be kept, read again and built upon."""

    @property
    def input_items(self) -> InputItems:
        """What responses were made from."""
        return InputItems(self._api)

    @overload
    def create(
        self, *, stream: Literal[False] | NotGiven | None = ..., **params: Unpack[ResponseParams]
    ) -> Response: ...
    @overload
    def create(
        self, *, stream: Literal[True], **params: Unpack[ResponseParams]
    ) -> Stream[ResponseStreamEvent]: ...
    @overload
    def create(
        self, *, stream: bool, **params: Unpack[ResponseParams]
    ) -> Response | Stream[ResponseStreamEvent]: ...
    @sends_unknown
    def create(
        self, *, stream: bool | NotGiven | None = NOT_GIVEN, **params: Unpack[ResponseParams]
    ) -> Response | Stream[ResponseStreamEvent]:
        """Ask the model for a response (Node: ``responses.create``).

        Keywords are the API's parameters; one that is not known here is sent as well. With
        ``stream=True`` the events come back, to iterate over; ``stream()`` has listeners.
        """
        body, extras = _sent(params)
        body["stream"] = stream
        if not stream:
            return self._api.fetch(Response, "POST", "/responses", body=body, extras=extras)
        exchange = self._api.exchange("POST", "/responses", body=body, extras=extras)
        return _plain_stream(exchange, extras)

    @sends_unknown
    def stream(
        self, *, inline: bool = False, resume: bool = False, **params: Unpack[ResponseStreamParams]
    ) -> ResponseStream:
        """Ask the model for a response and return its stream (Node: ``responses.stream``).

        Takes what ``create`` takes, and ``text_format``: a pydantic model, a dataclass, an attrs
        class, a ``TypedDict`` or a JSON schema that the answer is to fit; ``output_parsed`` of the
        final response is what it became.

        With ``response_id`` the events of a response that was begun before come again, from the
        first; listeners hear those with a ``sequence_number`` above ``starting_after``.

        ``inline=True`` calls the listeners on the thread that waits or iterates, as the official
        SDK does, instead of one of the stream's own.

        With ``resume=True`` the stream goes on where it was when its connection breaks, if the
        server still has the response: those begun with ``background=True`` live on without their
        client. Where the server cannot go on with its events, the response is asked for until it is
        over, and what is missing comes as deltas.
        """
        fields: dict[str, Any] = {**params}
        fields.pop("stream", None)
        response_id = fields.pop("response_id", NOT_GIVEN)
        after = fields.pop("starting_after", NOT_GIVEN)
        body, extras = _sent(fields)
        core = ResponseCore(ResponseParser.of(body), None if isinstance(after, NotGiven) else after)
        if isinstance(response_id, NotGiven):
            body["stream"] = True
            exchange = self._api.exchange("POST", "/responses", body=body, extras=extras)
        else:
            # From the first event on, whatever is to be heard: the snapshot needs them all.
            query = {"stream": True, "include": body.get("include", NOT_GIVEN)}
            path = url_path("/responses/{}", response_id)
            exchange = self._api.exchange("GET", path, query=query, extras=extras)
        source: Source = HTTPSource(exchange, core)
        if resume:
            query = {"include": body.get("include", NOT_GIVEN)}
            is_inline = inline and self._api.tool_caller is None
            source = resuming_response(
                self._api, extras, core, exchange, query=query, inline=is_inline
            )
        return self._api.streams.make(ResponseStream, source, core, extras.signal, inline=inline)

    @sends_unknown
    def parse(self, **params: Unpack[ResponseParseParams]) -> Response:
        """Ask the model for a response, and parse it (Node: ``responses.parse``).

        Takes what ``create`` takes, and ``text_format`` as ``stream`` does. A response that is
        incomplete is not parsed, and no error. Raises ``OpenAIError`` for a text that does not fit.
        """
        body, extras = _sent(params)
        response = self._api.fetch(Response, "POST", "/responses", body=body, extras=extras)
        parsed = Response(ResponseParser.of(body).parse(response.to_dict()))
        return with_request_id(parsed, response._request_id)

    @overload
    def retrieve(
        self,
        response_id: str,
        *,
        stream: Literal[False] | NotGiven = ...,
        **params: Unpack[ResponseRetrieveParams],
    ) -> Response: ...
    @overload
    def retrieve(
        self, response_id: str, *, stream: Literal[True], **params: Unpack[ResponseRetrieveParams]
    ) -> Stream[ResponseStreamEvent]: ...
    def retrieve(
        self, response_id: str, *, stream: bool | NotGiven = NOT_GIVEN, **params: Any
    ) -> Response | Stream[ResponseStreamEvent]:
        """Get a response by its id; a ``NotFoundError`` if there is none.

        With ``stream=True`` its events come again, those behind ``starting_after``.
        """
        query, extras = parted(params)
        path = url_path("/responses/{}", response_id)
        query["stream"] = stream
        if not stream:
            return self._api.fetch(Response, "GET", path, query=query, extras=extras)
        exchange = self._api.exchange("GET", path, query=query, extras=extras)
        return _plain_stream(exchange, extras)

    def delete(self, response_id: str, **options: Unpack[CallParams]) -> None:
        """Delete a response."""
        path = url_path("/responses/{}", response_id)
        self._api.send("DELETE", path, extras=parted(options)[1])

    def cancel(self, response_id: str, **options: Unpack[CallParams]) -> Response:
        """End a response that was begun with ``background=True``."""
        path = url_path("/responses/{}/cancel", response_id)
        return self._api.fetch(Response, "POST", path, extras=parted(options)[1])


class InputItems(Resource):
    """What responses were made from."""

    def list(
        self,
        response_id: str,
        *,
        after: str | NotGiven = NOT_GIVEN,
        include: Iterable[str] | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        **options: Unpack[CallParams],
    ) -> CursorPage[ResponseItem]:
        """List the items of a response's input, newest first by default.

        Iterating over what comes back goes through all pages; ``limit`` (1 to 100, by default 20)
        is the size of one.
        """
        item: Any = ResponseItem  # a union to type checkers
        return self._api.fetch_page(
            item,
            url_path("/responses/{}/input_items", response_id),
            query={"after": after, "include": include, "limit": limit, "order": order},
            extras=parted(options)[1],
        )


def _plain_stream(exchange: Exchange, extras: Extras) -> Stream[ResponseStreamEvent]:
    return Stream(HTTPSource(exchange, ResponseCore()), _event, signal=extras.signal)


def _event(name: Any, data: Any) -> Any:
    """Return the view of an event as it came."""
    return ResponseStreamEventBase(data) if isinstance(data, dict) else data


def _sent(params: Mapping[str, object]) -> tuple[dict[str, Any], Extras]:
    """Return the body of a request, with classes and schemas as the API takes them."""
    body, extras = parted(params)
    wanted = body.pop("text_format", None)
    if is_structure(body.get("response_format")):
        raise TypeError("responses take a class as text_format=; response_format= is that of chat")
    text = body.get("text")
    if isinstance(wanted, NotGiven):
        wanted = None
    if wanted is not None:
        if isinstance(text, Mapping) and text.get("format") is not None:
            raise TypeError("the format is either text_format= or in text=, not both")
        body["text"] = {**(text or {}), "format": _format(wanted)}
    elif isinstance(text, Mapping) and text.get("format") is not None:
        body["text"] = {**text, "format": _format(text["format"])}
    if isinstance(body.get("tools"), Iterable):
        body["tools"] = [_tool(tool) for tool in body["tools"]]
    if isinstance(body.get("include"), Iterable) and not isinstance(body["include"], str):
        body["include"] = list(body["include"])  # it may be sent more than once
    if isinstance(body.get("input"), Iterable) and not isinstance(body["input"], str | Mapping):
        body["input"] = list(body["input"])
    return body, extras


def _format(value: Any) -> Any:
    """Return a format as it is sent: a class as its schema, a bare JSON schema as a format."""
    is_schema = isinstance(value, Mapping) and (
        value.get("type") == "object" or ("type" not in value and not is_structure(value))
    )
    if is_schema:
        name = str(value.get("title") or "output")
        return {"type": "json_schema", "name": name, "schema": value}
    return structured_format(value)


def _tool(tool: Any) -> Any:
    if isinstance(tool, Mapping) and tool.get("type") == "namespace":
        return {**tool, "tools": [response_tool(nested) for nested in tool.get("tools") or ()]}
    return response_tool(tool)
