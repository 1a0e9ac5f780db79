"""What all resources share: one request of the API, with the client's and the call's options."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from .._names import PythonNames, in_python_order
from .._not_given import NOT_GIVEN, NotGiven
from ..exceptions import APIError, APIUserAbortError
from ..http.form import FileInput, FormBody
from ..types import Model
from ..types._model import with_request_id
from ._body import json_body, merge_headers, query_parameters
from ._content import BinaryContent
from ._factory import StreamFactory, ThreadStreams
from ._page import CursorPage, SinglePage, no_more
from ._params import checked
from ._raw import RawMethods, StreamingMethods, Tap, Unread

if TYPE_CHECKING:
    from ..abort import AbortSignal
    from ..http.transport import Exchange, Timeout, Transport
    from ..tools.functions import Call

__all__ = ["Api", "Extras", "Resource", "parted"]

_M = TypeVar("_M", bound=Model)
_T = TypeVar("_T")


@attrs.frozen
class Extras:
    """The options that every method takes, which go over what the method and the client send."""

    headers: Mapping[str, str | None] | None = attrs.field(default=None, repr=False)
    query: Mapping[str, object] | None = None
    body: Mapping[str, object] | None = None
    timeout: Timeout | NotGiven = NOT_GIVEN
    signal: AbortSignal | None = None

    def without_body(self) -> Extras:
        """Return those for the requests after the first, which have no body or one of their own."""
        return attrs.evolve(self, body=None)


_OPTIONS = {
    "extra_headers": "headers",
    "extra_query": "query",
    "extra_body": "body",
    "timeout": "timeout",
    "signal": "signal",
}


def parted(params: Mapping[str, object]) -> tuple[dict[str, Any], Extras]:
    """Part the keyword arguments of a call into what is sent and the options of the call."""
    given: dict[str, Any] = {
        name: value for name, value in params.items() if value is not NOT_GIVEN
    }
    options = {option: given.pop(name) for name, option in _OPTIONS.items() if name in given}
    return given, Extras(**options)


@attrs.frozen
class Api:
    """The API behind one client.

    ``headers``, ``query``, ``timeout`` and ``max_retries`` are this client's, over what the
    transport was made with: ``with_options`` gives clients that share a transport.
    """

    transport: Transport
    headers: Mapping[str, str | None] = attrs.field(factory=dict, repr=False)
    query: Mapping[str, object] = attrs.field(factory=dict, repr=False)
    timeout: Timeout | NotGiven = NOT_GIVEN
    max_retries: int | None = None
    is_hosted: bool = False
    """Whether it is at OpenAI's own address."""
    not_found_hint: str | None = None
    """What goes behind the message of a 404."""
    sleep: Callable[[float], object] = time.sleep
    """What polling waits with; a test puts its own here."""
    streams: StreamFactory = attrs.field(factory=ThreadStreams)
    """What makes the streams: those of threads or those of asyncio."""
    tap: Tap | None = None
    """What takes note of the requests."""
    tool_caller: Callable[[], Call] | None = None
    """What gives a run the means to call its functions, where these may be coroutines."""

    def part(self, headers: Mapping[str, str], *, not_hosted: str) -> Api:
        """Return a part of the API: with headers of its own, which the client's go over.

        ``not_hosted`` goes behind the message of a 404 of OpenAI's own server, which does not have
        the part any more.
        """
        return attrs.evolve(
            self,
            headers=merge_headers(headers, self.headers),
            not_found_hint=not_hosted if self.is_hosted else None,
        )

    def fetch(
        self,
        view: type[_M],
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        extras: Extras,
    ) -> _M:
        """Do one request and return the object that it answers with."""
        request = self._request(query, body, extras)
        answer, request_id = self._answer(method, path, request, extras)
        return with_request_id(view(_json_object(answer, method, path)), request_id)

    def send(self, method: str, path: str, *, extras: Extras) -> None:
        """Do one request whose answer says no more than that it was done."""
        self._answer(method, path, self._request(None, None, extras), extras)

    def fetch_with_headers(
        self,
        view: type[_M],
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        extras: Extras,
    ) -> tuple[_M, Mapping[str, str]]:
        """Do one request and return the object and the response's headers, in lower case."""
        exchange = self.exchange(method, path, query=query, extras=extras)
        answer = view(_json_object(_json_of(exchange, extras.signal), method, path))
        headers = getattr(exchange, "headers", {})
        return with_request_id(answer, headers.get("x-request-id")), headers

    def fetch_page(
        self, item: type[_M], path: str, *, query: Mapping[str, object], extras: Extras
    ) -> CursorPage[_M]:
        """Get the first page of a list."""

        request = self._request(query, None, extras)

        def fetch(cursor: str) -> dict[str, Any]:
            request["query"] = {**request["query"], "after": cursor}
            return _json_object(self._answer("GET", path, request, extras)[0], "GET", path)

        answer, request_id = self._answer("GET", path, request, extras)
        page = CursorPage(_json_object(answer, "GET", path), item, fetch)
        return with_request_id(page, request_id)

    def fetch_list(
        self,
        item: type[_M],
        path: str,
        *,
        method: str = "GET",
        body: Mapping[str, object] | None = None,
        extras: Extras,
    ) -> SinglePage[_M]:
        """Get a list that comes whole."""
        request = self._request(None, body, extras)
        answer, request_id = self._answer(method, path, request, extras)
        page = SinglePage(_json_object(answer, method, path), item, no_more)
        return with_request_id(page, request_id)

    def send_form(
        self,
        view: type[_M],
        path: str,
        fields: Mapping[str, object],
        name: str,
        file: FileInput,
        on_progress: Callable[[int, int], object] | None,
        *,
        extras: Extras,
    ) -> _M:
        """Send a form with a file, and return the object that it is answered with."""
        form = FormBody(json_body(fields, extras.body), name, file, on_progress)
        try:
            request = {**self._request(None, None, extras.without_body()), "form": form}
            answer, request_id = self._answer("POST", path, request, extras)
            return with_request_id(view(_json_object(answer, "POST", path)), request_id)
        finally:
            form.close()

    def content(self, path: str, *, extras: Extras) -> BinaryContent:
        """Get bytes, whatever they are."""
        extras = attrs.evolve(extras, headers={"Accept": "*/*", **(extras.headers or {})})
        exchange = self.exchange("GET", path, extras=extras)
        try:
            exchange.open_content()
        except BaseException:
            exchange.close()
            raise
        return BinaryContent(exchange)

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        extras: Extras,
    ) -> Exchange:
        """Return a request whose answer is a stream; it is not sent yet."""
        return self._exchange(method, path, self._request(query, body, extras))

    def _exchange(self, method: str, path: str, request: Mapping[str, Any]) -> Exchange:
        exchange = self.transport.exchange(method, path, **request)
        if self.tap is not None:
            self.tap.note(exchange)
        return exchange

    def _answer(
        self, method: str, path: str, request: Mapping[str, Any], extras: Extras
    ) -> tuple[object, str | None]:
        """Return the decoded JSON that a request is answered with, and what the server calls it.

        A signal may end it.
        """
        tap = self.tap
        if tap is not None and tap.has_answer:
            return tap.given, tap.request_id
        exchange = self._exchange(method, path, request)
        if tap is not None and tap.leaves_unread:
            try:
                _watched(exchange, extras.signal, exchange.open_content)
            except BaseException:
                exchange.close()
                raise
            raise Unread
        return _json_of(exchange, extras.signal), exchange.headers.get("x-request-id")

    def _request(
        self,
        query: Mapping[str, object] | None,
        body: Mapping[str, object] | None,
        extras: Extras,
    ) -> dict[str, Any]:
        has_body = body is not None or extras.body is not None
        return {
            "query": query_parameters(self.query, query, extras.query),
            "body": json_body(body or {}, extras.body) if has_body else None,
            "headers": merge_headers(self.headers, extras.headers),
            "timeout": self.timeout if extras.timeout is NOT_GIVEN else extras.timeout,
            "max_retries": self.max_retries,
            "not_found_hint": self.not_found_hint,
        }


def _json_of(exchange: Exchange, signal: AbortSignal | None) -> object:
    """Send a request and return the decoded JSON that it is answered with; ``signal`` may end it."""
    return _watched(exchange, signal, exchange.json)


def _watched(exchange: Exchange, signal: AbortSignal | None, send: Callable[[], _T]) -> _T:
    """Return what ``send()`` makes of a request, which ``signal`` may end."""
    if signal is None:
        return send()
    signal.add_callback(exchange.interrupt)
    try:
        return send()
    except APIUserAbortError as error:
        reason = signal.reason
        raise error from (reason if isinstance(reason, BaseException) else None)
    finally:
        signal.remove_callback(exchange.interrupt)


def _json_object(answer: object, method: str, path: str) -> dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    raise APIError(
        f"The answer to {method} {path} is no JSON object but {type(answer).__name__}: "
        f"{str(answer)[:200]}",
        body=answer,
    )


@attrs.frozen
class Resource(PythonNames):
    """A group of methods of the API."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, method in list(vars(cls).items()):
            if isinstance(method, FunctionType) and not name.startswith("_"):
                setattr(cls, name, in_python_order(checked(method)))

    _api: Api = attrs.field(repr=False)

    @property
    def with_raw_response(self) -> RawMethods:
        """The same methods, each of which returns its answer with status, headers and body."""
        return RawMethods(self)

    @property
    def with_streaming_response(self) -> StreamingMethods:
        """The same methods, each for a ``with`` that gives the answer before its body is read."""
        return StreamingMethods(self)
