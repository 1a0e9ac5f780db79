"""For tests of programs that use this library: recordings in the place of a server.

    from emitter_stream.testing import record, replay_client

    def test_weather_report():
        client = replay_client("recordings/weather.jsonl")
        stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
        heard = record(stream)
        assert report(stream) == "Sunny."
        assert heard[-1] == ("end", ())

With pytest, ``replay_client`` and ``emitter_stream_server`` are fixtures: see ``pytest_plugin``.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import attrs

from .client import OpenAI
from .engine.stream import BASE_EVENTS, EventStream
from .exceptions import OpenAIError
from .http.transport import Exchange, Transport
from .recordings import Entry, FilePath, Player, Recording, check_speed, dumps
from .sse import MAX_EVENT_BYTES
from .streams.assistants.core import EVENTS, RAW_EVENTS
from .types import ListView, Model
from .types._model import plain_copy

__all__ = ["Answer", "Recordings", "ReplayClient", "Request", "record", "replay_client"]

Call = tuple[str, tuple[Any, ...]]
"""An event's name and the arguments that its listeners were called with."""

NAMES = (
    "connect",
    *(name for name in EVENTS if name not in RAW_EVENTS),
    *(name for name in BASE_EVENTS if name != "connect"),
)
"""The Node SDK's event names."""


def record(stream: EventStream, events: Iterable[str] = NAMES) -> list[Call]:
    """Listen to ``events``; return a list that gets ``(event, arguments)`` for each as it comes.

    Arguments are copied when the listener is called, as plain dicts and lists; errors stay as
    they are. The calls are in their common order if the stream has not begun to deliver: call this
    where the stream is made.
    """
    calls: list[Call] = []

    def listener(name: str) -> Callable[..., None]:
        return lambda *args: calls.append((name, tuple(map(_plain, args))))

    with stream._delivery.still():
        for name in events:
            stream._attach(name, listener(name), once=False)
    return calls


def _plain(value: Any) -> Any:
    return value.to_dict() if isinstance(value, Model | ListView) else plain_copy(value)


@attrs.frozen
class Request:
    """What a client was asked to send; ``path`` is without the base URL, such as ``/threads``."""

    method: str
    path: str
    query: Mapping[str, Any] = attrs.field(factory=dict)
    body: Any = None

    @property
    def stream(self) -> str | None:
        """The method that makes a stream of this request, ``None`` if it makes none."""
        if not isinstance(self.body, dict) or self.body.get("stream") is not True:
            return None
        if self.path.endswith("/submit_tool_outputs"):
            return "submit_tool_outputs_stream"
        return "create_and_run_stream" if self.path == "/threads/runs" else "stream"


Recordings = FilePath | Iterable[FilePath] | Mapping[str, FilePath | Iterable[FilePath]]
Answer = object
"""A dict or an object of ``types``; a list for a page of them; an exception to be raised; or a
function of the ``Request`` that returns one of these."""


def replay_client(
    recordings: Recordings,
    *,
    speed: float | None = None,
    answers: Mapping[str, Answer] | None = None,
) -> ReplayClient:
    """Return a client whose streams are recordings; it sends nothing anywhere.

    ``recordings`` is a path, which every stream replays; or paths, of which each call that makes a
    stream takes the next; or a mapping of ``"stream"``, ``"create_and_run_stream"`` and
    ``"submit_tool_outputs_stream"`` to either. A recording of a ``run_tools`` stream holds
    several answers of the server: the calls that submit outputs take those after the first.
    ``speed`` is that of ``AssistantStream.replay``; by default as fast as possible.

    ``answers`` are for the other methods: a mapping of ``"METHOD /path"``, in which ``*`` stands
    for one part (``"GET /threads/*/messages"``), to what is answered (``Answer``). A call for
    which there is nothing raises an ``OpenAIError`` that names the key it looked for.

    ``client.requests`` is a list of every ``Request``. Raises what ``AssistantStream.replay``
    raises for a file that cannot be played.
    """
    return ReplayClient(recordings, speed=speed, answers=answers)


class ReplayClient(OpenAI):
    """A client whose streams are recordings: see ``replay_client``."""

    requests: list[Request]

    def __init__(
        self,
        recordings: Recordings,
        *,
        speed: float | None = None,
        answers: Mapping[str, Answer] | None = None,
    ) -> None:
        self.requests = []
        transport = _ReplayTransport(
            _Shelf.of(recordings), check_speed(speed), dict(answers or {}), self.requests
        )
        self._replay_transport = transport
        super().__init__("replayed", base_url="http://replay.invalid")

    def _transport(self) -> Transport:
        return self._replay_transport


@attrs.define
class _Queue:
    """The recordings of one method: each as the answers of the server that are in it."""

    recordings: list[list[list[Entry]]]
    repeats: bool
    taken: int = 0

    @classmethod
    def of(cls, paths: FilePath | Iterable[FilePath]) -> _Queue:
        if isinstance(paths, str | os.PathLike):
            return cls([Recording.load(paths, stacklevel=6).rounds()], repeats=True)
        loaded = [Recording.load(path, stacklevel=7).rounds() for path in paths]
        return cls(loaded, repeats=False)

    def take(self) -> list[list[Entry]] | None:
        if self.taken == len(self.recordings) and not self.repeats:
            return None
        self.taken += 1
        return self.recordings[0 if self.repeats else self.taken - 1]


@attrs.define
class _Shelf:
    """All recordings of a client."""

    queues: Mapping[str, _Queue]
    following: list[list[Entry]] = attrs.field(factory=list)  # for calls that submit outputs
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    @classmethod
    def of(cls, recordings: Recordings) -> _Shelf:
        if isinstance(recordings, str | os.PathLike) or not isinstance(recordings, Mapping):
            queue = _Queue.of(recordings)
            return cls(dict.fromkeys(_STREAMS, queue))
        by_method = cast("Mapping[str, FilePath | Iterable[FilePath]]", recordings)
        for name in by_method:
            if name not in _STREAMS:
                raise ValueError(f"no method {name!r} makes a stream; there are {_STREAMS}")
        return cls({name: _Queue.of(paths) for name, paths in by_method.items()})

    def take(self, request: Request) -> list[Entry]:
        name = str(request.stream)
        with self.lock:
            if name == "submit_tool_outputs_stream" and self.following:
                return self.following.pop(0)
            queue = self.queues.get(name)
            rounds = None if queue is None else queue.take()
            if rounds is not None:
                self.following = rounds[1:]
                return rounds[0]
        count = 0 if queue is None else queue.taken
        raise OpenAIError(
            f"replay_client has no recording left for {name}() "
            f"({request.method} {request.path}); {count} were replayed"
        )


_STREAMS = ("stream", "create_and_run_stream", "submit_tool_outputs_stream")


class _ReplayTransport(Transport):
    """Answers from recordings and given objects."""

    def __init__(
        self,
        shelf: _Shelf,
        speed: float | None,
        answers: Mapping[str, Answer],
        requests: list[Request],
    ) -> None:
        super().__init__(base_url="http://replay.invalid", headers={})
        self._shelf = shelf
        self._speed = speed
        self._answers = {_pattern(key): answer for key, answer in answers.items()}
        self._requests = requests

    def exchange(
        self, method: str, path: str, *, query: Any = None, body: Any = None, **options: Any
    ) -> Exchange:
        """Return the answer to a request, as something that is read like an ``Exchange``."""
        request = Request(method, path, dict(query or {}), body)
        self._requests.append(request)
        if request.stream is None:
            return cast(Exchange, _Answered(self._answer(request)))
        player = Player(self._shelf.take(request), self._speed)
        return cast(Exchange, _Replayed(player))

    def _answer(self, request: Request) -> Any:
        key = f"{request.method} {request.path}"
        for pattern, answer in self._answers.items():
            if pattern.fullmatch(key):
                return _json_of(answer, request)
        raise OpenAIError(f"replay_client has no answer for {key}: pass answers={{{key!r}: ...}}")


def _pattern(key: str) -> re.Pattern[str]:
    if not re.match(r"[A-Z]+ /", key):
        raise ValueError(f"an answer's key is like 'GET /threads/*/messages', not {key!r}")
    return re.compile(re.escape(key).replace(r"\*", "[^/]+"))


def _json_of(answer: Any, request: Request) -> Any:
    if callable(answer):
        answer = answer(request)
    if isinstance(answer, BaseException):
        raise answer
    if isinstance(answer, Model):
        return answer.to_dict()
    if isinstance(answer, list | tuple):
        items = [_json_of(item, request) for item in answer]
        return {"object": "list", "data": items, "has_more": False}
    return plain_copy(answer)


@attrs.define
class _Answered:
    """A whole answer."""

    answer: Any
    headers: Mapping[str, str] = attrs.field(factory=dict)

    def json(self) -> Any:
        return self.answer


@attrs.define
class _Replayed:
    """An answer that is a recorded stream, put into server-sent events again."""

    player: Player
    headers: Mapping[str, str] = attrs.field(factory=dict)
    max_event_bytes: int = MAX_EVENT_BYTES

    def open(self) -> None:
        self.player.connect()

    def ready(self, seconds: float) -> bool:
        return self.player.ready(seconds)

    def read(self) -> bytes:
        entry = self.player.next()
        return b"" if entry is None else b"".join(_frame(entry.name, entry.data))

    def interrupt(self) -> None:
        self.player.interrupt()

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def redact(self, value: Any) -> Any:
        return value

    def redacted(self, error: OpenAIError) -> OpenAIError:
        return error


def _frame(name: Any, data: Any) -> Iterator[bytes]:
    if name is not None:
        if not isinstance(name, str) or re.search(r"[\r\n]", name):
            raise OpenAIError(f"No server sends an event of the name {name!r:.200}.")
        yield b"event: " + name.encode("utf-8", "replace") + b"\n"
    yield b"data: " + dumps(data, ascii_only=True) + b"\n\n"
