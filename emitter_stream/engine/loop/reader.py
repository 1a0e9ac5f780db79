"""Who waits for a stream's events: a background thread, or a task where they come asynchronously.

Either reads when it is told to and hands what it read to the event loop, so that at most one read
is ever under way or waiting to be taken: a slow listener holds back the server, not our memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import threading
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from typing import Any, Protocol

import attrs

from ..sources import Source, WireEvent

__all__ = ["LoopReader", "Reader", "Slot", "ThreadReader"]

Batch = Iterable[WireEvent]

_numbers = itertools.count(1)


@attrs.frozen
class Inlet:
    """Where a reader hands things over; each function is called on ``loop``."""

    loop: asyncio.AbstractEventLoop
    arrive: Callable[[Batch], object]
    """Takes what was read; the first time it is nothing, and means that the source is open."""
    close: Callable[[BaseException | None], object]
    """Takes the end, with the source closed, or the error that is it."""
    lose: Callable[[], object]
    """Called, on another thread, when ``loop`` has been closed under a stream that runs."""


class Reader(Protocol):
    """What reads for a stream."""

    def start(self, inlet: Inlet) -> None:
        """Open the source."""

    def go_on(self) -> None:
        """Read once more."""

    def stop(self) -> None:
        """Close the source, from any thread, waking whatever waits for it; again does nothing."""

    def redact(self, value: Any) -> Any:
        """Return what the source's ``redact`` makes of ``value``."""


class ThreadReader:
    """Reads a source on a thread of its own.

    The thread is a daemon: it serves an event loop, and a program without one has no use for it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._permits: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.inlet: Inlet  # once it is started

    def start(self, inlet: Inlet) -> None:
        self.inlet = inlet
        name = f"emitter-stream-aio-{next(_numbers)}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def go_on(self) -> None:
        self._permits.put(True)

    def stop(self) -> None:
        self._permits.put(False)
        self._source.interrupt()

    def redact(self, value: Any) -> Any:
        return self._source.redact(value)

    def _run(self) -> None:
        source, inlet = self._source, self.inlet
        hand_over = inlet.loop.call_soon_threadsafe  # a RuntimeError once the loop is closed
        error: BaseException | None = None
        _watch.add(self)
        try:
            source.open()
            hand_over(inlet.arrive, ())
            while self._permits.get():
                events = source.read()
                if events is None:
                    break
                hand_over(inlet.arrive, events)
        except BaseException as raised:  # noqa: BLE001 - the loop is told
            error = raised
        try:
            source.close()
        except BaseException as raised:  # noqa: BLE001
            error = error or raised
        _watch.discard(self)
        with contextlib.suppress(RuntimeError):
            hand_over(inlet.close, error)


class LoopReader:
    """Reads a source whose items come from an asynchronous iterable, on the event loop.

    ``source`` reads ``slot``, which is filled before each read.
    """

    def __init__(self, source: Source, slot: Slot, items: AsyncIterable[Any]) -> None:
        self._source = source
        self._slot = slot
        self._items = aiter(items)
        self._permits: asyncio.Queue[bool] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._inlet: Inlet

    def start(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._task = inlet.loop.create_task(self._run(), name=f"emitter-stream-{next(_numbers)}")

    def go_on(self) -> None:
        self._permits.put_nowait(True)

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._inlet.loop.call_soon_threadsafe(self._cancel)

    def redact(self, value: Any) -> Any:
        return self._source.redact(value)

    def _cancel(self) -> None:
        if self._task is not None and not self._stopped:
            self._stopped = True  # cancelled again, it would not come to close anything
            self._task.cancel()

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._inlet.arrive(())
            await self._read()
        except BaseException as raised:  # noqa: BLE001 - the stream is told
            error = raised
        try:
            await self._close()
        except BaseException as raised:  # noqa: BLE001
            error = error or raised
        self._inlet.close(error)
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise error

    async def _read(self) -> None:
        exhausted = False
        while await self._permits.get():
            if not exhausted:
                try:
                    self._slot.items.append(await anext(self._items))
                except StopAsyncIteration:
                    exhausted = True
            events = self._source.read()
            if events is None:
                return
            self._inlet.arrive(events)

    async def _close(self) -> None:
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()


@attrs.define
class Slot(Iterator[Any]):
    """An iterable of what is put into ``items``; it seems to be at its end while that is empty."""

    items: deque[Any] = attrs.field(factory=deque)

    def __next__(self) -> Any:
        if not self.items:
            raise StopIteration
        return self.items.popleft()


class _Watch:
    """Finds the readers whose event loop has been closed: nobody else would ever wake them.

    ``asyncio.run`` cancels what runs before it closes its loop, and that ends a stream; a loop
    that is closed by hand says nothing to anybody.
    """

    PERIOD = 0.5  # seconds

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers: set[ThreadReader] = set()
        self._thread: threading.Thread | None = None

    def add(self, reader: ThreadReader) -> None:
        with self._changed:
            self._readers.add(reader)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="emitter-stream-aio-watch", daemon=True
                )
                self._thread.start()

    def discard(self, reader: ThreadReader) -> None:
        with self._changed:
            self._readers.discard(reader)
            if not self._readers:
                self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._readers:
                    self._changed.wait(self.PERIOD)
                if not self._readers:
                    self._thread = None
                    return
                lost = [reader for reader in self._readers if reader.inlet.loop.is_closed()]
                self._readers.difference_update(lost)
            for reader in lost:
                reader.stop()
                reader.inlet.lose()


_watch = _Watch()
