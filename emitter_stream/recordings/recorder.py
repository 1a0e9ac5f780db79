"""Writing a recording while its stream is read."""

from __future__ import annotations

import datetime
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from .. import _fork
from ..engine.codec import WireEvent
from ..engine.core import Core
from ..engine.delivery import Delivery
from ..engine.growth import GROWTH
from ..engine.sources import Source
from ..exceptions import (
    OpenAIError,
    RecordingWarning,
)
from .files import open_recording, release
from .format import FORMAT, VERSION, FilePath, dumps, facts_of, is_header

__all__ = ["Recorder", "attach_recorder"]


class Recorder:
    """Writes one recording.

    ``redact`` takes the secrets out of what is written. ``clock`` gives seconds that never fall,
    ``start`` is what it gave when the stream was made.
    The file is made, or the recording there emptied, at once (``OSError``; ``FileExistsError`` if
    it is anything but a recording), readable for its owner alone if it is new: it holds a
    conversation. A failure to write on is a ``RecordingWarning``; the stream goes on.
    """

    def __init__(
        self,
        path: FilePath,
        redact: Callable[[Any], Any],
        *,
        api: str,
        stream: str = "run",
        start: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = os.fspath(path)
        self._generation = _fork.generation
        self._redact = redact
        self._clock = clock
        # Unbuffered: each line is one write, and is in the file when it returns.
        self._file: BinaryIO | None = open_recording(self._path, is_header)
        self._start = clock() if start is None else start
        created = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        header = {"format": FORMAT, "version": VERSION, "created": created}
        self._write({**header, "api": api, "stream": stream})

    def tap(self, source: Source, core: Core) -> Source:
        """Note that the answer began; return ``source`` as one that is recorded as it is read."""
        self.connected()
        return _Tapped(source, core, self)

    def connected(self) -> None:
        """Note that the answer began."""
        self._write({"t": self._now(), "connect": True})

    def event(self, name: Any, data: Any) -> None:
        """Note an event."""
        redact = self._redact
        line = {"t": self._now(), "event": redact(name), "data": redact(data)}
        if isinstance(name, str) and type(name) is not str:  # the server's names are plain
            line["made"] = True
        self._write(line)

    def noted(self, events: Iterable[WireEvent], core: Core) -> Iterator[WireEvent]:
        """Yield the events that ``core`` is about to be fed, each noted before."""
        for event, data in events:
            if event is GROWTH:  # the core has taken the event before by now
                self.event(*core.grown(data))
            else:
                self.event(event, data)
            yield event, data

    def finish(self, error: OpenAIError | None) -> None:
        """Note the end and close the file; only the first call counts."""
        failure = None
        if error is not None:
            failure = {name: self._redact(fact) for name, fact in facts_of(error).items()}
        try:
            self._write({"t": self._now(), "end": True, "error": failure})
        finally:
            self._close()

    def _now(self) -> float:
        return round(self._clock() - self._start, 6)

    def _write(self, document: dict[str, Any]) -> None:
        if self._file is None or self._generation != _fork.generation:  # the file is the parent's
            return
        try:
            line = dumps(document) + b"\n"
            written = 0
            while written < len(line):  # a nearly full disk takes a part
                written += self._file.write(line[written:])
        except (OSError, TypeError, ValueError, RecursionError) as error:
            self._close()
            warnings.warn(
                f"the recording {self._path!r} ends here: {type(error).__name__}: {error}",
                RecordingWarning,
                stacklevel=2,
            )

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            release(file)


class _Tapped:
    """A source whose events are written as they are read, before anybody acts on them."""

    def __init__(self, source: Source, core: Core, recorder: Recorder) -> None:
        self._source = source
        self._core = core
        self._recorder = recorder
        self.opens_at_once = source.opens_at_once
        self.open = source.open
        self.ready = source.ready
        self.interrupt = source.interrupt
        self.close = source.close
        self.redact = source.redact

    def read(self) -> Iterable[WireEvent] | None:
        events = self._source.read()
        return self._recorder.noted(events, self._core) if events else events


def attach_recorder(
    path: FilePath, delivery: Delivery, redact: Callable[[Any], Any], core: Core
) -> None:
    """Record a stream from its first event on; raises ``RuntimeError`` where that is too late.

    If delivery has begun but all of it is still kept for late listeners, that is recorded first,
    with the time at which it is; not so where the core has events that are ``made``, which have no
    common order with the others then.
    """
    delivery.refuse_elsewhere()
    with delivery.still():
        if delivery.recorder is not None:
            raise RuntimeError("this stream is being recorded already")
        if not delivery.keeps_all() or (core.made and delivery.begun):
            raise RuntimeError(
                "record() came too late: events have gone by that are not kept. Call it where the "
                "stream is made, before anybody waits, iterates or calls start()."
            )
        codec = core.codec
        recorder = Recorder(
            path,
            redact,
            api=codec.api,
            stream="run_tools" if core.made else "run",
            start=delivery.made_at,
        )
        if not delivery.begun:
            delivery.recorder = recorder
            return

        def finish() -> None:
            recorder.finish(delivery.error)

        emitter = delivery.emitter
        for name, listener in (
            ("connect", recorder.connected),
            (codec.whole, lambda *args: recorder.event(*codec.of_emission(args))),
            ("end", finish),
        ):
            delivery.attach(emitter.register(name, listener))
