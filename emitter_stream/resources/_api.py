"""What all resources share: one request of the API, with the client's and the call's options."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from .._not_given import NOT_GIVEN, NotGiven
from ..exceptions import APIError
from ..types import Model
from ._body import json_body, merge_headers, query_parameters
from ._page import CursorPage

if TYPE_CHECKING:
    from ..http.transport import Exchange, Timeout, Transport
    from ..tools.functions import Call

__all__ = ["Api", "Extras", "Resource"]

_M = TypeVar("_M", bound=Model)


@attrs.frozen
class Extras:
    """The options that every method takes, which go over what the method and the client send."""

    headers: Mapping[str, str | None] | None = attrs.field(default=None, repr=False)
    query: Mapping[str, object] | None = None
    body: Mapping[str, object] | None = None
    timeout: Timeout | NotGiven = NOT_GIVEN


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
    sleep: Callable[[float], object] = time.sleep
    """What polling waits with; a test puts its own here."""
    opener: Callable[[Any, Any, Any, Any, bool], Any] | None = None
    """What makes a stream of a source, a core, an event handler (or ``None``), a signal (or
    ``None``) and whether it is to be inline, where that is not an ``AssistantStream``."""
    tool_caller: Callable[[], Call] | None = None
    """What gives a run the means to call its functions, where these may be coroutines."""

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
        return view(_json_object(self.transport.request(method, path, **request), method, path))

    def fetch_with_headers(
        self, view: type[_M], method: str, path: str, *, extras: Extras
    ) -> tuple[_M, Mapping[str, str]]:
        """Do one request and return the object and the response's headers, in lower case."""
        exchange = self.exchange(method, path, extras=extras)
        answer = view(_json_object(exchange.json(), method, path))
        return answer, getattr(exchange, "headers", {})

    def fetch_page(
        self, item: type[_M], path: str, *, query: Mapping[str, object], extras: Extras
    ) -> CursorPage[_M]:
        """Get the first page of a list."""

        request = self._request(query, None, extras)

        def fetch(cursor: str | None) -> dict[str, Any]:
            if cursor is not None:
                request["query"] = {**request["query"], "after": cursor}
            return _json_object(self.transport.request("GET", path, **request), "GET", path)

        return CursorPage(fetch(None), item, fetch)

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
        return self.transport.exchange(method, path, **self._request(query, body, extras))

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
        }


def _json_object(answer: object, method: str, path: str) -> dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    raise APIError(
        f"The answer to {method} {path} is no JSON object but {type(answer).__name__}: "
        f"{str(answer)[:200]}",
        body=answer,
    )


@attrs.frozen
class Resource:
    """A group of methods of the API."""

    _api: Api = attrs.field(repr=False)
