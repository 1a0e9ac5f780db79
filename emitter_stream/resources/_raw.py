"""What an answer came with: ``with_raw_response`` and ``with_streaming_response`` of every group.

One mechanism for all methods: the method itself is called, on an ``Api`` that has a ``Tap`` in it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import attrs

from .._names import PythonNames
from ._content import Body

if TYPE_CHECKING:
    from ..http.transport import Exchange

__all__ = [
    "Facts",
    "RawMethods",
    "RawResponse",
    "ResponseManager",
    "StreamedResponse",
    "StreamingMethods",
    "Tap",
    "Unread",
]

_T = TypeVar("_T")
_NOTHING: Any = object()


@attrs.define
class Tap:
    """What is asked of the requests of one call: the last of them, and perhaps not to read its body.

    ``given`` is an answer that is there already: then nothing is sent.
    """

    leaves_unread: bool = False
    given: Any = _NOTHING
    request_id: str | None = None  # of that answer
    exchange: Exchange | None = None

    @property
    def has_answer(self) -> bool:
        """Whether the answer is there already."""
        return self.given is not _NOTHING

    def note(self, exchange: Exchange) -> None:
        """Take note of a request."""
        self.exchange = exchange
        exchange.keeps_content = not self.leaves_unread

    def make(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Stand in for what makes streams with listeners, which no answer can be asked of."""
        raise TypeError(
            "a stream with listeners has no raw response, since its request is sent by its own "
            "thread; create(stream=True) of chat and of responses has one"
        )

    manage = make


class Unread(Exception):
    """No error: it leaves a method whose answer is there, with nothing of the body read."""


class Facts:
    """What is known of an answer by its head."""

    def __init__(self, exchange: Exchange | None) -> None:
        if exchange is None:
            raise TypeError("the method has sent no request, so there is no response")
        self._exchange = exchange

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return self._exchange.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; their names in any case."""
        return self._exchange.headers

    @property
    def request_id(self) -> str | None:
        """What the server calls the request, if it says so."""
        return self._exchange.headers.get("x-request-id")

    @property
    def url(self) -> str:
        """Where the request was sent."""
        return self._exchange.url

    @property
    def method(self) -> str:
        """The request's method, as ``POST``."""
        return self._exchange.method

    @property
    def retries_taken(self) -> int:
        """How often the request was sent again."""
        return self._exchange.retries_taken

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{self.status_code}]>"


class RawResponse(Facts, PythonNames, Generic[_T]):
    """An answer with what it came with; ``parse()`` gives what the method itself returns."""

    def __init__(self, exchange: Exchange | None, parsed: _T) -> None:
        super().__init__(exchange)
        self._parsed = parsed

    @property
    def content(self) -> bytes:
        """The body; of a stream, whose body is read by iterating, a ``RuntimeError``."""
        content = self._exchange.content
        if content is None:
            raise RuntimeError("the body is read by what parse() gives")
        return content

    @property
    def text(self) -> str:
        """The body as text in UTF-8."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return what the body says as JSON."""
        return json.loads(self.content)

    def parse(self) -> _T:
        """Return what the method returns without ``with_raw_response``."""
        return self._parsed

    def turned(self, turn: Callable[[Any], Any]) -> RawResponse[Any]:
        """Return the same response, of which ``parse()`` gives what ``turn`` makes of it."""
        return RawResponse(self._exchange, turn(self._parsed))


class StreamedResponse(Facts, Body):
    """An answer whose body has not been read: in pieces, in lines, whole, or by ``parse()``."""

    def __init__(self, exchange: Exchange | None, parse: Callable[[StreamedResponse], Any]) -> None:
        Facts.__init__(self, exchange)
        Body.__init__(self, self._exchange)
        self._parse = parse

    def text(self) -> str:
        """Return the whole body as text in UTF-8."""
        return self.read().decode("utf-8", "replace")

    def parse(self) -> Any:
        """Return what the method itself returns."""
        return self._parse(self)

    def answer(self) -> Any:
        """Return the JSON of the body as the method itself reads it: bounded, and with its errors."""
        if self._whole is None:
            self._whole = self._exchange.bounded(self._pieces())
        answer, failure = self._exchange.decoded(self._whole)
        # Not where the text of the answer is a local variable: it may repeat the API key.
        if failure is not None:
            raise failure
        return answer


class ResponseManager:
    """Sends the request in a ``with``, which gives the ``StreamedResponse`` and closes it."""

    def __init__(self, send: Callable[[], StreamedResponse]) -> None:
        self.send = send
        self._response: StreamedResponse | None = None

    def __enter__(self) -> StreamedResponse:
        self._response = self.send()
        return self._response

    def __exit__(self, *exception: object) -> None:
        if self._response is not None:
            self._response.close()


class _Methods:
    """The methods of a group, each with what its answer came with."""

    def __init__(self, group: Any) -> None:
        self._group = group

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._group, name)  # its AttributeError names the nearest
        if hasattr(found, "_api"):  # a group in the group
            return type(self)(found)
        if name.startswith("_") or not callable(found):
            raise AttributeError(f"{name!r} is no method whose response there is")
        made = functools.partial(self._call, name)
        return functools.update_wrapper(made, found)

    def _call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _on(self, tap: Tap, name: str) -> Callable[..., Any]:
        """Return a method of the group on an ``Api`` with a tap."""
        api = attrs.evolve(self._group._api, tap=tap, streams=tap)
        method: Callable[..., Any] = getattr(type(self._group)(api), name)
        return method


class RawMethods(_Methods):
    """The methods of a group; each returns a ``RawResponse``."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., RawResponse[Any]]: ...

    def _call(self, name: str, /, *args: Any, **kwargs: Any) -> RawResponse[Any]:
        tap = Tap()
        parsed = self._on(tap, name)(*args, **kwargs)
        return RawResponse(tap.exchange, parsed)


class StreamingMethods(_Methods):
    """The methods of a group; each is for a ``with``, which gives a ``StreamedResponse``."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., ResponseManager]: ...

    def _call(self, name: str, /, *args: Any, **kwargs: Any) -> ResponseManager:
        return ResponseManager(functools.partial(self.send, name, args, kwargs))

    def send(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> StreamedResponse:
        """Send the request of a method and return its answer, of which only the head has been read."""
        # What can be iterated once is asked for again by parse().
        kwargs = {k: list(v) if isinstance(v, Iterator) else v for k, v in kwargs.items()}
        tap = Tap(leaves_unread=True)
        try:
            result = self._on(tap, name)(*args, **kwargs)
        except Unread:

            def parse(response: StreamedResponse) -> Any:
                given = Tap(given=response.answer(), request_id=response.request_id)
                return self._on(given, name)(*args, **kwargs)

            return StreamedResponse(tap.exchange, parse)
        return StreamedResponse(tap.exchange, lambda response: result)
