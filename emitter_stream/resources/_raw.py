"""What an answer came with: ``with_raw_response`` and ``with_streaming_response`` of every group.

One mechanism for all methods: the method itself is called, on an ``Api`` that has a ``Tap`` in it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import attrs

from .._names import PythonNames
from ..exceptions import APIError, OpenAIError
from ._content import BinaryContent

if TYPE_CHECKING:
    from ..http.transport import Exchange

__all__ = [
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


class _Facts:
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


class RawResponse(_Facts, PythonNames, Generic[_T]):
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


class StreamedResponse(_Facts, PythonNames):
    """An answer whose body has not been read: in pieces, in lines, whole, or by ``parse()``."""

    def __init__(self, exchange: Exchange | None, parse: Callable[[StreamedResponse], Any]) -> None:
        super().__init__(exchange)
        self._body = BinaryContent(self._exchange)
        self._parse = parse

    def read(self) -> bytes:
        """Return the whole body; again the same."""
        return self._body.read()

    def text(self) -> str:
        """Return the whole body as text in UTF-8."""
        return self._body.text

    def json(self) -> Any:
        """Return what the whole body says as JSON."""
        return json.loads(self._body.read())

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Iterate over the body as it comes, or in pieces of ``chunk_size``."""
        return self._body.iter_bytes(chunk_size)

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        """Iterate over the text, which is in UTF-8."""
        return self._body.iter_text(chunk_size)

    def iter_lines(self) -> Iterator[str]:
        """Iterate over the lines of the text, without their ends."""
        return self._body.iter_lines()

    def stream_to_file(self, file: Any, *, chunk_size: int | None = None) -> None:
        """Write the body to a file as it comes."""
        self._body.stream_to_file(file, chunk_size=chunk_size)

    def parse(self) -> Any:
        """Return what the method itself returns."""
        return self._parse(self)

    def interrupt(self) -> None:
        """Wake who reads, from any thread."""
        self._exchange.interrupt()

    def close(self) -> None:
        """Give up what has not been read; again does nothing."""
        self._body.close()


class ResponseManager:
    """Sends the request in a ``with``, which gives the ``StreamedResponse`` and closes it."""

    def __init__(self, send: Callable[[], StreamedResponse]) -> None:
        self.send = send
        self._response: StreamedResponse | None = None

    def __enter__(self) -> StreamedResponse:
        self._response = self.send()
        return self._response

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
                given = Tap(given=_json_in(response), request_id=response.request_id)
                return self._on(given, name)(*args, **kwargs)

            return StreamedResponse(tap.exchange, parse)
        return StreamedResponse(tap.exchange, lambda response: result)


def _json_in(response: StreamedResponse) -> Any:
    content = response.read()
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError) as error:
        failure: OpenAIError = APIError(
            f"The server answered with HTTP {response.status_code} and no JSON: "
            f"{response.text()[:200]!r}"
        )
        raise failure from error
