"""For tests of programs that use this library: recordings in the place of a server.

    from emitter_stream.testing import record, replay_client

    def test_weather_report():
        client = replay_client("recordings/weather.jsonl")
        stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
        heard = record(stream)
        assert report(stream) == "Sunny."
        assert heard[-1] == ("end", ())

The streams of chat and of Responses, and runs of tools over chat, are recorded and replayed in the
same way. ``async_replay_client`` is the client for asyncio.

With pytest, ``replay_client``, ``async_replay_client`` and ``emitter_stream_server`` are fixtures:
see ``pytest_plugin``.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, cast

import attrs

from .aio import AsyncOpenAI
from .aio.calls import InterruptibleTransport
from .client import BaseClient, OpenAI
from .engine.loop.stream import AsyncEventStream
from .engine.sources import StreamedAnswer
from .engine.stream import BASE_EVENTS, EventStream
from .exceptions import OpenAIError
from .http.transport import Exchange, Transport
from .recordings import Entry, FilePath, Player, Recording, check_speed, dumps
from .sse import MAX_EVENT_BYTES
from .streams.assistants.core import RAW_EVENTS
from .streams.assistants.events import SIGNATURES as ASSISTANT_EVENTS
from .streams.chat.core import ChatCore
from .streams.chat.events import RUNNER_SIGNATURES, SIGNATURES
from .streams.chat.runner import RunnerCore
from .streams.responses.core import ResponseCore
from .streams.responses.events import EVENTS as RESPONSE_EVENTS
from .types import ListView, Model
from .types._model import plain_copy

__all__ = [
    "Answer",
    "AsyncReplayClient",
    "Recordings",
    "ReplayClient",
    "Request",
    "async_replay_client",
    "record",
    "replay_client",
]

Call = tuple[str, tuple[Any, ...]]
"""An event's name and the arguments that its listeners were called with."""

NAMES = (
    "connect",
    *(name for name in ASSISTANT_EVENTS if name not in RAW_EVENTS),
    *(name for name in BASE_EVENTS if name != "connect"),
)
"""The Node SDK's event names of Assistants streams."""


def record(
    stream: EventStream | AsyncEventStream, events: Iterable[str] | None = None
) -> list[Call]:
    """Listen to ``events``; return a list that gets ``(event, arguments)`` for each as it comes.

    By default that is every event that the Node SDK's stream of this kind has. Arguments are copied
    when the listener is called, as plain dicts and lists; errors stay as they are. The calls are in
    their common order if the stream has not begun to deliver: call this where the stream is made.
    """
    calls: list[Call] = []

    def listener(name: str) -> Callable[..., None]:
        return lambda *args: calls.append((name, tuple(map(_plain, args))))

    with stream._delivery.still():
        for name in _names_of(stream) if events is None else events:
            stream._attach(name, listener(name), once=False)
    return calls


def _names_of(stream: EventStream | AsyncEventStream) -> Iterable[str]:
    core = stream._core
    own: Iterable[str]
    if isinstance(core, RunnerCore):
        own = RUNNER_SIGNATURES
    elif isinstance(core, ChatCore):
        own = SIGNATURES
    elif isinstance(core, ResponseCore):
        own = RESPONSE_EVENTS
    else:
        return NAMES
    return ("connect", *own, *(name for name in BASE_EVENTS if name != "connect"))


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
        """What makes a stream of this request, ``None`` if it makes none.

        Of Assistants it is the method; else ``"chat.completions"`` or ``"responses"``.
        """
        asked = self.body if isinstance(self.body, dict) else self.query
        if asked.get("stream") not in (True, "true"):
            return None
        if self.path == _CHAT_PATH:
            return "chat.completions"
        if re.match("/responses(/|$)", self.path):
            return "responses"
        if self.path.endswith("/submit_tool_outputs"):
            return "submit_tool_outputs_stream"
        return "create_and_run_stream" if self.path == "/threads/runs" else "stream"

    @property
    def _continues(self) -> bool:
        """Whether it goes on with what an answer asked for, in a stream of several requests."""
        if self.path != _CHAT_PATH:
            return self.path.endswith("/submit_tool_outputs")
        for message in reversed(self.body.get("messages") or ()):
            role = message.get("role") if isinstance(message, Mapping) else None
            if role == "tool":
                return True
            if role == "assistant":
                break
        return False


_CHAT_PATH = "/chat/completions"

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
    stream takes the next; or a mapping to either, of ``"stream"``, ``"create_and_run_stream"`` and
    ``"submit_tool_outputs_stream"`` for Assistants, ``"chat.completions"`` for chat and its runs of
    tools, ``"responses"``. A recording of a ``run_tools`` stream holds several answers of the
    server: the calls that bring the functions' results take those after the first; the functions
    are called again. ``speed`` is that of ``AssistantStream.replay``; by default as fast as possible.

    ``answers`` are for the other methods: a mapping of ``"METHOD /path"``, in which ``*`` stands
    for one part (``"GET /threads/*/messages"``), to what is answered (``Answer``). A call for
    which there is nothing raises an ``OpenAIError`` that names the key it looked for.

    ``client.requests`` is a list of every ``Request``. Raises what ``AssistantStream.replay``
    raises for a file that cannot be played.
    """
    return ReplayClient(recordings, speed=speed, answers=answers)


def async_replay_client(
    recordings: Recordings,
    *,
    speed: float | None = None,
    answers: Mapping[str, Answer] | None = None,
) -> AsyncReplayClient:
    """Return a client for asyncio whose streams are recordings; see ``replay_client``."""
    return AsyncReplayClient(recordings, speed=speed, answers=answers)


_NOWHERE = "http://replay.invalid"


@attrs.frozen
class _Played:
    """A recording, as the answers of the server that are in it."""

    path: str
    api: str
    comes_whole: bool
    rounds: list[list[Entry]]

    @classmethod
    def load(cls, path: FilePath) -> _Played:
        found = Recording.load(path, stacklevel=7)
        return cls(found.path, found.api, found.comes_whole, found.rounds())

    def check(self, request: Request) -> None:
        """Raise ``OpenAIError`` if this cannot be what the server answered to a request."""
        api = {"chat.completions": "chat", "responses": "responses"}.get(request.stream or "")
        api = api or ("chat" if request.path == _CHAT_PATH else "assistants")
        wants_whole = request.stream is None
        if self.api != api or self.comes_whole is not wants_whole:
            held = " whose answers came whole" if self.comes_whole else ""
            wanted = " that is not streamed" if wants_whole else ""
            raise OpenAIError(
                f"replay_client has the recording {self.path!r} next, of the API {self.api!r}{held}, "
                f"but the request {request.method} {request.path} is one of {api!r}{wanted}"
            )


@attrs.define
class _Queue:
    """The recordings for one kind of call."""

    recordings: list[_Played]
    repeats: bool
    taken: int = 0

    @classmethod
    def of(cls, paths: FilePath | Iterable[FilePath]) -> _Queue:
        if isinstance(paths, str | os.PathLike):
            return cls([_Played.load(paths)], repeats=True)
        return cls([_Played.load(path) for path in paths], repeats=False)

    def take(self, request: Request) -> _Played | None:
        if self.taken == len(self.recordings) and not self.repeats:
            return None
        found = self.recordings[0 if self.repeats else self.taken]
        found.check(request)
        self.taken += 1
        return found


@attrs.define
class _Shelf:
    """All recordings of a client."""

    queues: Mapping[str, _Queue]
    following: list[list[Entry]] = attrs.field(factory=list)  # the later answers in a run of tools
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    @classmethod
    def of(cls, recordings: Recordings) -> _Shelf:
        if isinstance(recordings, str | os.PathLike) or not isinstance(recordings, Mapping):
            queue = _Queue.of(recordings)
            return cls(dict.fromkeys(_STREAMS, queue))
        by_method = cast("Mapping[str, FilePath | Iterable[FilePath]]", recordings)
        for name in by_method:
            if name not in _STREAMS:
                raise ValueError(f"nothing makes a stream by the name {name!r}; use {_STREAMS}")
        return cls({name: _Queue.of(paths) for name, paths in by_method.items()})

    def has_whole(self) -> bool:
        """Return whether there are completions for requests that are not streamed."""
        queue = self.queues.get("chat.completions")
        return queue is not None and any(found.comes_whole for found in queue.recordings)

    def take(self, request: Request) -> list[Entry]:
        name = request.stream or "chat.completions"
        with self.lock:
            if self.following and request._continues:
                return self.following.pop(0)
            queue = self.queues.get(name)
            found = None if queue is None else queue.take(request)
            if found is not None:
                self.following = found.rounds[1:]
                return found.rounds[0]
        count = 0 if queue is None else queue.taken
        call = name if "." in name or name == "responses" else f"{name}()"
        raise OpenAIError(
            f"replay_client has no recording left for {call} "
            f"({request.method} {request.path}); {count} were replayed"
        )


_STREAMS = (
    *("stream", "create_and_run_stream", "submit_tool_outputs_stream"),
    *("chat.completions", "responses"),
)


class _ReplayTransport(Transport):
    """Answers from recordings and given objects."""

    def __init__(
        self,
        shelf: _Shelf,
        speed: float | None,
        answers: Mapping[str, Answer] | None,
    ) -> None:
        super().__init__(base_url=_NOWHERE, headers={})
        self._shelf = shelf
        self._speed = speed
        self._answers = {_pattern(key): answer for key, answer in (answers or {}).items()}
        self.requests: list[Request] = []

    def exchange(
        self, method: str, path: str, *, query: Any = None, body: Any = None, **options: Any
    ) -> Exchange:
        """Return the answer to a request, as something that is read like an ``Exchange``."""
        request = Request(method, path, dict(query or {}), body)
        self.requests.append(request)
        if request.stream is None:
            answer = self._answer(request)
            if answer is not _MISSING:
                return cast(Exchange, _Answered(_json_of(answer, request)))
        replayed: StreamedAnswer = _Replayed(Player(self._shelf.take(request), self._speed))
        return cast(Exchange, replayed)

    def _answer(self, request: Request) -> Any:
        """Return what was given for a request; ``_MISSING`` if a recording is to answer it."""
        key = f"{request.method} {request.path}"
        for pattern, answer in self._answers.items():
            if pattern.fullmatch(key):
                return answer
        if key == f"POST {_CHAT_PATH}" and self._shelf.has_whole():
            return _MISSING
        raise OpenAIError(f"replay_client has no answer for {key}: pass answers={{{key!r}: ...}}")


class _AsyncReplayTransport(InterruptibleTransport, _ReplayTransport):
    """The same, for calls that end with the task that waits for them."""


class _Replaying(BaseClient):
    """What the clients of both kinds do in the place of sending requests."""

    _replay_class: ClassVar[type[_ReplayTransport]]
    requests: list[Request]

    def __init__(
        self,
        recordings: Recordings,
        *,
        speed: float | None = None,
        answers: Mapping[str, Answer] | None = None,
    ) -> None:
        shelf = _Shelf.of(recordings)
        self._replay_transport = self._replay_class(shelf, check_speed(speed), answers)
        self.requests = self._replay_transport.requests
        super().__init__("replayed", base_url=_NOWHERE)

    def _transport(self) -> Transport:
        return self._replay_transport


class ReplayClient(_Replaying, OpenAI):
    """A client whose streams are recordings: see ``replay_client``."""

    _replay_class = _ReplayTransport


class AsyncReplayClient(_Replaying, AsyncOpenAI):
    """A client for asyncio whose streams are recordings: see ``replay_client``."""

    _replay_class = _AsyncReplayTransport


_MISSING = object()


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

    def interrupt(self) -> None:
        """Do nothing: nobody waits for it."""

    def close(self) -> None:
        """Do nothing: there is no connection."""


@attrs.define
class _Replayed:
    """An answer that is a recorded stream, put into server-sent events again."""

    player: Player
    headers: Mapping[str, str] = attrs.field(factory=dict)
    max_event_bytes: int = MAX_EVENT_BYTES
    origin: None = None
    head: None = None

    def open(self) -> None:
        self.player.connect()

    def json(self) -> Any:
        """Return the answer, of a recording in which it came whole."""
        self.player.connect()
        entry = self.player.next()
        if entry is None:
            raise OpenAIError("The recording breaks off before the answer came.")
        return plain_copy(entry.data)

    def ready(self, seconds: float) -> bool:
        return self.player.ready(seconds)

    def poll(self, at_once: int | None = None) -> None:
        """Return ``None``: it can only be waited for."""

    def read(self) -> bytes:
        entry = self.player.next()
        return b"" if entry is None else b"".join(_frame(entry.name, entry.data))

    def has_rest(self) -> bool:
        """Return whether ``read_rest`` would not wait."""
        return True

    def read_rest(self) -> None:
        """Do nothing: there is no connection that could serve again."""

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
