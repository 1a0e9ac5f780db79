"""Where a stream's events come from: each source reads some, says when it is done, can be woken."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ..exceptions import APIError, HTTPResponse, OpenAIError
from ..http.exchange import LINGER
from ..http.polled import PolledBody
from ..sse import MAX_EVENT_BYTES, FrameCutter, read_frame
from . import shared
from .codec import Codec, WireEvent
from .core import Core
from .growth import GROWTH, GrowthMatcher
from .wire import DONE, loads

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "EventsSource",
    "HTTPSource",
    "LinesSource",
    "Source",
    "StreamedAnswer",
    "origin_of",
    "plain",
    "to_line",
]


class Source(Protocol):
    """What a stream reads. All but ``interrupt`` is called by one thread at a time."""

    opens_at_once: bool
    """Whether ``open`` never waits, and sends nothing."""

    def open(self) -> None:
        """Wait until events can be read."""

    def ready(self, seconds: float) -> bool:
        """Wait until ``open`` or else ``read`` would not wait, so many seconds at most.

        Return whether it is so; also where nothing tells. Raises what ``read`` would.
        """
        ...

    def read(self) -> Iterable[WireEvent] | None:
        """Wait for more; return what came, perhaps nothing yet, or ``None`` at the end."""

    def interrupt(self) -> None:
        """Wake ``open`` or ``read`` from any thread, as far as that is possible."""

    def close(self) -> None:
        """Give back what ``open`` took."""

    def redact(self, value: Any) -> Any:
        """Return JSON-like ``value``, of what was read, without the secrets that this knows of."""


def origin_of(source: Source) -> tuple[str, int] | None:
    """Return the host and the port that a source reads from, if it reads from a server."""
    return getattr(source, "origin", None)


class StreamedAnswer(Protocol):
    """What ``HTTPSource`` asks of the answer to a request: an ``Exchange``, or one that is replayed."""

    @property
    def origin(self) -> tuple[str, int] | None:
        """The host and the port that it comes from, if it comes from a server."""
        ...

    @property
    def max_event_bytes(self) -> int: ...

    @property
    def head(self) -> HTTPResponse | None:
        """The status and the headers, once they have come from a server."""
        ...

    def open(self) -> None: ...

    def ready(self, seconds: float) -> bool: ...

    def read(self) -> bytes: ...

    def poll(self, at_once: int | None = None) -> PolledBody | None: ...

    def has_rest(self) -> bool: ...

    def read_rest(self) -> None: ...

    def interrupt(self) -> None: ...

    def close(self) -> None: ...

    def redact(self, value: Any) -> Any: ...

    def redacted(self, error: OpenAIError) -> OpenAIError: ...


class HTTPSource:
    """Server-sent events from an HTTP exchange.

    The core is asked after each event for its ``growth``; how the next one comes then, ``GROWTH``
    says.
    """

    opens_at_once = False
    linger = LINGER

    patience: float | None

    def __init__(self, exchange: StreamedAnswer, core: Core) -> None:
        self._exchange = exchange
        self._codec = core.codec
        self._core = core
        self._matcher = GrowthMatcher(core.codec.padding, core.codec.number)
        self._cutter = FrameCutter(exchange.max_event_bytes)
        self._max = exchange.max_event_bytes
        self._at_end = False
        self._is_between = False  # whether what came last ended with an event's end
        self._heard = False  # whether there was any event
        self._stray: bytes | None = None  # the first frame that is none, of those that came before
        self._done = False  # the end was said, and not only come to
        self._polled: PolledBody | None = None

    @property
    def origin(self) -> tuple[str, int] | None:
        """The host and the port that it reads from; other sources have none."""
        return self._exchange.origin

    @property
    def response(self) -> HTTPResponse | None:
        """The status and the headers, once they have come from a server."""
        return self._exchange.head

    def open(self) -> None:
        self._exchange.open()

    def ready(self, seconds: float) -> bool:
        return self._at_end or self._exchange.ready(seconds)

    def read(self) -> Iterable[WireEvent] | None:
        if self._at_end:
            if self._stray is not None and not self._heard:
                self._refuse(self._stray)
            return None
        chunk = self._exchange.read()
        if chunk:
            # A delta that arrives alone, by far the most common read of a live stream: without the
            # two generators it costs a sixth less.
            size = len(chunk) - 2
            if self._is_between and chunk.find(b"\n\n") == size <= self._max:
                piece = self._matcher.match(chunk[:-2])
                if piece is not None:
                    return ((GROWTH, piece),)
            self._is_between = chunk.endswith(b"\n\n")
            return itertools.chain.from_iterable(self._events(self._cutter.feed_all(chunk)))
        self._at_end = True
        return itertools.chain.from_iterable(self._events([self._cutter.end()]))

    def interrupt(self) -> None:
        self._exchange.interrupt()

    def poll(self, at_once: int | None = None) -> Self | None:
        """Let ``read`` raise ``WouldWait`` where it would wait, from the first one on.

        It takes ``at_once`` bytes at most. Return what tells when something comes; ``None`` where
        that cannot be.
        """
        polled = self._polled = self._exchange.poll(at_once)
        if polled is None:
            return None
        self.patience = polled.patience
        return self

    def fileno(self) -> int:
        """Return what a selector watches, once it is polled."""
        assert self._polled is not None
        return self._polled.fileno()

    def has_more(self) -> bool:
        """Return whether there is something to read that does not show at the socket."""
        return self._at_end or (self._polled is not None and self._polled.has_more())

    def wait(self, seconds: float | None) -> bool:
        """Wait until ``read`` would not raise; return whether that came within so many seconds."""
        return self._at_end or (self._polled is not None and self._polled.wait(seconds))

    def close(self) -> None:
        if self._done:
            if self._polled is not None and not self._exchange.has_rest():
                shared.leave()
            self._exchange.read_rest()
        self._exchange.close()

    def has_rest(self) -> bool:
        """Return whether ``close`` would not wait, as it does for the end of a body that said all."""
        return not self._done or self._exchange.has_rest()

    def let_go(self) -> None:
        """Close without waiting."""
        self._exchange.close()

    def redact(self, value: Any) -> Any:
        return self._exchange.redact(value)

    def _events(self, cut: Iterable[list[bytes]]) -> Iterator[Iterable[WireEvent]]:
        """Yield the events of frames, several at once.

        But for one that is parsed: behind that the core is asked how the next may come.
        """
        matcher = self._matcher
        for frames in cut:
            at = 0
            while at < len(frames):
                pieces = matcher.matches(frames, at)
                if pieces:
                    at += len(pieces)
                    yield zip(_GROWTHS, pieces, strict=False)
                    continue
                frame = frames[at]
                at += 1
                record = read_frame(frame)
                if record is None:
                    if self._stray is None and not self._heard and _is_stray(frame):
                        self._stray = frame
                    continue
                event, text = record
                if text == DONE:
                    self._at_end = self._done = True  # whatever comes behind it does not count
                    return
                decoded, failure = self._decode(event, text)
                if failure is not None:
                    # A traceback may show local variables, and what came may repeat the API key.
                    frames, pieces, frame, record, text = [], [], b"", None, ""
                    raise failure
                if decoded is None:
                    continue
                self._heard = True
                yield (decoded,)
                path = self._core.growth()
                if path is None:
                    matcher.forget()
                else:
                    matcher.learn(frame, text, decoded[1], path)

    def _refuse(self, stray: bytes) -> NoReturn:
        text = self._exchange.redact(stray.decode("utf-8", "replace"))
        raise OpenAIError(
            f"The server's stream has no event in it. What came instead begins with {text[:200]!r}"
        )

    def _decode(self, event: str | None, text: str) -> tuple[WireEvent | None, OpenAIError | None]:
        """Return an event, ``None`` for a heartbeat; or the error that it is."""
        try:
            return self._codec.from_frame(event, text), None
        except OpenAIError as error:
            failure = error
            head = self._exchange.head
            if head is not None and isinstance(failure, APIError):
                failure.request_id = head.headers.get("x-request-id")  # as in Node
        # Outside of `except`: there the error would stay attached to the one that replaces it.
        return None, self._exchange.redacted(failure)


_GROWTHS = itertools.repeat(GROWTH)


def _is_stray(frame: bytes) -> bool:
    """Return whether a frame that is no event has a line in it that no event stream has."""
    return any(line.partition(b":")[0] not in _FIELDS for line in frame.split(b"\n"))


_FIELDS = (b"", b"event", b"data", b"id", b"retry")


class _IterableSource:
    """What the sources that read somebody's iterable have in common."""

    opens_at_once = True

    def __init__(self, iterable: Iterable[Any], codec: Codec) -> None:
        self._iterator = iter(iterable)
        self._codec = codec

    def open(self) -> None:
        """Do nothing: an iterable is open."""

    def ready(self, seconds: float) -> bool:
        """Return ``True``: nobody can tell whether an iterable would wait."""
        return True

    def interrupt(self) -> None:
        """Do nothing: nobody can wake somebody else's iterable."""

    def close(self) -> None:
        """Close the iterable if it is a generator or a file."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()

    def redact(self, value: Any) -> Any:
        """Return ``value``: an iterable has no key."""
        return value


class EventsSource(_IterableSource):
    """Events that are there as objects: dicts, this library's or the official SDK's."""

    def read(self) -> Iterable[WireEvent] | None:
        try:
            event = next(self._iterator)
        except StopIteration:
            return None
        return (self._codec.from_object(event),)


class LinesSource(_IterableSource):
    """Newline-delimited JSON, as ``to_readable_stream()`` writes it here and in Node.

    A line of more than ``max_event_bytes`` bytes is an ``OpenAIError``.
    """

    def __init__(
        self,
        iterable: Iterable[bytes] | bytes,
        codec: Codec,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> None:
        if isinstance(iterable, bytes):  # a body that was read whole
            iterable = [iterable]
        super().__init__(iterable, codec)
        self._max = max_event_bytes
        self._pieces: list[bytes] = []
        self._held = 0  # bytes in _pieces
        self._at_end = False

    def read(self) -> Iterable[WireEvent] | None:
        if self._at_end:
            return None
        chunk = next(self._iterator, None)
        if chunk is None:
            self._at_end = True
            return self._events([b"".join(self._pieces)])
        if isinstance(chunk, str):
            chunk = chunk.encode("utf-8", "surrogatepass")
        self._pieces.append(chunk)
        self._held += len(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:
            if self._held > self._max:
                self._refuse()
            return ()
        lines = b"".join(self._pieces).replace(b"\r", b"\n").split(b"\n")
        rest = lines.pop()
        self._pieces, self._held = [rest], len(rest)
        return self._events(lines)

    def _refuse(self) -> NoReturn:
        self._pieces = []
        raise OpenAIError(
            f"A line of the stream has more than {self._max} bytes; "
            f"from_readable_stream(max_event_bytes=...) sets how long a line may be."
        )

    def _events(self, lines: list[bytes]) -> Iterator[WireEvent]:
        for line in lines:
            if len(line) > self._max:
                self._refuse()
            if line:
                yield self._codec.from_object(loads(line.decode("utf-8", "replace")))


def to_line(document: Any) -> bytes:
    """Return an event's JSON as the line that the Node SDK writes and reads."""
    try:
        text = _encode(document)
    except ValueError:  # 1e999 came as infinity, which JavaScript writes as null
        document = _finite(document)
        text = _encode(document)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # half a character: only an escape can carry it
        return (json.dumps(document, separators=(",", ":")) + "\n").encode()


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)

if json.encoder.c_make_encoder is None:  # type: ignore[attr-defined]
    _encode = _ENCODER.encode
else:
    # Made once: the encoder makes one at each call, for two thirds of the time that a delta takes.
    _chunks: Callable[[Any, int], Iterable[str]] = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
        None, _ENCODER.default, json.encoder.encode_basestring, None, ":", ",", False, False, False
    )

    def _encode(o: Any) -> str:
        return "".join(_chunks(o, 0))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain(value: Any) -> Any:
    """Return a copy in JSON's own types, since the caller may use its objects again.

    The rules ask for ``dict`` and ``list``; whoever brings events may have others of their kind.
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
