"""The Assistants stream: the Node SDK's ``AssistantStream``, and its finals and snapshots."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..._names import NodeName
from ...abort import AbortSignal
from ...engine.sources import EventsSource, HTTPSource, LinesSource, Source
from ...engine.stream import EventIterator
from ...exceptions import OpenAIError
from ...http.transport import Exchange
from ...recordings import Player, Recording, ReplaySource, attach_recorder, check_speed
from ...sse import MAX_EVENT_BYTES
from ...types import (
    AssistantStreamEvent,
    Message,
    Run,
    RunStep,
)
from ...types._model import untouched
from .codec import CODEC
from .core import AssistantCore
from .lines import LineMaker
from .listeners import AssistantListeners

if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = ["AssistantStream", "passed_event", "passed_piece", "replayed"]


class AssistantStream(AssistantListeners):
    """A run's stream of events, with the listeners of the Node SDK's class of the same name.

    Events: ``connect event run messageCreated messageDelta messageDone runStepCreated
    runStepDelta runStepDone toolCallCreated toolCallDelta toolCallDone textCreated textDelta
    textDone imageFileDone error abort end``, and the API's own names (``thread.run.completed``),
    which pass the event's data.

    As a context manager it waits for its end. Iterating gives every event; leaving the loop early
    aborts the request.
    """

    _core: AssistantCore

    def __init__(
        self,
        source: Source,
        core: AssistantCore,
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
    ) -> None:
        super().__init__(source, core, signal=signal, inline=inline)

    @classmethod
    def from_exchange(
        cls, exchange: Exchange, *, signal: AbortSignal | None = None, inline: bool = False
    ) -> Self:
        """Send a streaming request and return its stream."""
        core = AssistantCore()
        return cls(HTTPSource(exchange, core), core, signal=signal, inline=inline)

    fromReadableStream = NodeName()

    @classmethod
    def from_readable_stream(
        cls,
        chunks: Iterable[bytes],
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> Self:
        """Return a stream of what ``to_readable_stream()`` wrote, here or in Node.

        ``chunks`` is any iterable of bytes, cut anywhere; it is read on the stream's thread, with
        ``inline=True`` by whoever waits. A line of more than ``max_event_bytes`` (64 MiB) is an
        ``OpenAIError``. Node: ``AssistantStream.fromReadableStream``.
        """
        source = LinesSource(chunks, CODEC, max_event_bytes)
        return cls(source, AssistantCore(), signal=signal, inline=inline)

    @classmethod
    def from_events(
        cls, events: Iterable[Any], *, signal: AbortSignal | None = None, inline: bool = False
    ) -> Self:
        """Return a stream of events that are there as objects.

        Each is a dict with ``event`` and ``data``, an ``AssistantStreamEvent``, or an event
        object of the official Python SDK. The iterable is read on the stream's thread, with
        ``inline=True`` by whoever waits.
        """
        return cls(EventsSource(events, CODEC), AssistantCore(), signal=signal, inline=inline)

    @classmethod
    def replay(
        cls,
        path: str | os.PathLike[str],
        speed: float | None = 1.0,
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
    ) -> Self:
        """Return a stream of what ``record()`` wrote to a file: a stream like any other.

        ``speed`` is how many times as fast as it came; ``None`` is as fast as possible. What
        ended the recorded stream ends this one: an error of the same class, an abort. A recording
        that was broken off plays as a connection that closed there; a last line that is torn is a
        ``RecordingWarning`` here. Raises ``OSError``, ``OpenAIError`` for a file that is no
        recording or was made by a newer version, ``ValueError`` for a speed of 0 or less.
        """
        source, core = replayed(path, speed)
        return cls(source, core, signal=signal, inline=inline)

    def record(self, path: str | os.PathLike[str]) -> Self:
        """Write every event to a file as it is received, with its time; return the stream.

        ``AssistantStream.replay()`` plays it; ``emitter_stream.recordings.format`` says what stands in
        it, which the API key never does. Anywhere in the chain of ``on``, which it does not set
        going: it is no listener. The best place is the first: a stream of ``run_tools`` that has
        begun, and any stream that somebody has waited for, is a ``RuntimeError``. A recording that
        is there is replaced; anything else there, but an empty file, is a ``FileExistsError`` and
        stays as it is. Raises ``OSError`` if the file cannot be made.
        """
        attach_recorder(path, self._delivery, self._source.redact, self._core)
        return self

    def to_readable_stream(self) -> Iterator[bytes]:
        """Return an iterator over the events as newline-delimited JSON, a line at a time.

        The same bytes as Node's ``toReadableStream()``. It is an iterator over the stream like
        any other: leaving it early aborts the request.
        """
        return self._iterator(EventIterator, "event", LineMaker(), abort_on_leave=True)

    def __iter__(self) -> Iterator[AssistantStreamEvent]:
        """Iterate over every event; leaving early aborts the request, as in Node."""
        return self.iterate(abort_on_leave=True)

    def iterate(self, *, abort_on_leave: bool) -> EventIterator[AssistantStreamEvent]:
        """Return an iterator over every event, which aborts the request when left, or not."""
        return self._iterator(EventIterator, "event", passed_event, abort_on_leave=abort_on_leave)

    def iterate_on(self) -> EventIterator[AssistantStreamEvent]:
        """Return an iterator over every event of an inline stream, from where that is each time.

        What others have moved the stream past meanwhile, it does not give. Left, it stays.
        """
        return self._iterator(EventIterator, "event", passed_event, last_only=True)

    @property
    def text_deltas(self) -> Iterator[str]:
        """The pieces of text as they arrive, from now on. Leaving early only detaches."""
        return self._iterator(EventIterator, "textDelta", passed_piece, at_once=True)

    # Snapshots

    def current_event(self) -> AssistantStreamEvent | None:
        """Return the event being delivered, or the last one. Node: ``currentEvent``."""
        return self._core.current_event

    def current_run(self) -> Run | None:
        """Return the run as the last run event had it. Node: ``currentRun``."""
        run: Run | None = self._core.current_run
        return run

    def current_message_snapshot(self) -> Message | None:
        """Return the open message, which grows, or ``None``. Node: ``currentMessageSnapshot``."""
        return self._core.current_message

    def current_run_step_snapshot(self) -> RunStep | None:
        """Return the open step, which grows, or ``None``. Node: ``currentRunStepSnapshot``."""
        return self._core.current_run_step

    # Finals

    def final_run(self, timeout: float | None = None) -> Run:
        """Wait for the end and return the run; raises what ``done`` raises. Node: ``finalRun``."""
        self.done(timeout)
        run: Run = self._core.final_run
        return run

    def final_messages(self, timeout: float | None = None) -> list[Message]:
        """Wait for the end and return the run's messages. Node: ``finalMessages``."""
        self.done(timeout)
        return list(self._core.messages.values())

    def final_run_steps(self, timeout: float | None = None) -> list[RunStep]:
        """Wait for the end and return the run's steps. Node: ``finalRunSteps``."""
        self.done(timeout)
        return list(self._core.run_steps.values())

    def get_final_run(self, timeout: float | None = None) -> Run:
        """Do what ``final_run`` does, by the official Python SDK's name for it."""
        return self.final_run(timeout)

    def get_final_messages(self, timeout: float | None = None) -> list[Message]:
        """Do what ``final_messages`` does, by the official Python SDK's name for it."""
        return self.final_messages(timeout)

    def get_final_run_steps(self, timeout: float | None = None) -> list[RunStep]:
        """Do what ``final_run_steps`` does, by the official Python SDK's name for it."""
        return self.final_run_steps(timeout)


def replayed(path: str | os.PathLike[str], speed: float | None) -> tuple[Source, AssistantCore]:
    """Return the source of a replay, and the core that takes it; see ``AssistantStream.replay``."""
    check_speed(speed)
    recording = Recording.load(path, stacklevel=4)
    if recording.api != CODEC.api:
        raise OpenAIError(
            f"The recording {os.fspath(path)!r} is of the API {recording.api!r:.40}, not of Assistants; "
            f"the stream class of that API plays it."
        )
    core = AssistantCore()
    if recording.has_rounds:
        from .tool_loop import ToolLoopCore

        core = ToolLoopCore()
    return ReplaySource(Player(recording.entries(), speed), core.made), core


def passed_event(args: tuple[Any, ...]) -> AssistantStreamEvent:
    """Return the event of an emission, as it came."""
    event: AssistantStreamEvent = args[0]
    # Most are looked at by nobody before, and a call less is a tenth of the time.
    return event if event._views is None else untouched(event)


def passed_piece(args: tuple[Any, ...]) -> Any:
    """Return the piece of text of a `textDelta`, as it came."""
    delta = args[0]
    piece = delta._data.get("value")
    return piece if delta._views is None and type(piece) is str else untouched(delta).value
