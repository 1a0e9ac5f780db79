"""Who waits for a stream's events: the loop, a background thread, or a task where they come asynchronously.

Each reads when it is told to and hands what it read to the event loop, so that at most one read
is ever under way or waiting to be taken: a slow listener holds back the server, not our memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import queue
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterator
from typing import Any, Protocol

import attrs

from .. import opening
from ..sources import Source, origin_of
from . import running
from .inlet import Inlet
from .tasks import begun_task, first_step
from .watch import Watch, Watchable, can_watch

__all__ = ["LoopReader", "Reader", "Slot", "ThreadReader"]

AT_ONCE = 65_536  # bytes that the loop reads at most before it makes the turns of others

_numbers = itertools.count(1)


class Reader(Protocol):
    """What reads for a stream."""

    origin: tuple[str, int] | None
    """The host and the port that it reads from, if it reads from a server."""

    def start(self, inlet: Inlet) -> None:
        """Open the source."""

    def go_on(self) -> None:
        """Read once more."""

    def stop(self) -> None:
        """Close the source, from any thread, waking whatever waits for it; again does nothing."""

    def redact(self, value: Any) -> Any:
        """Return what the source's ``redact`` makes of ``value``."""


class ThreadReader:
    """Opens a source on a thread (``opening``); reads it there as well, where the loop cannot (``watch``).

    The threads are daemons: one serves an event loop, and a program without one has no use for it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.origin = origin_of(source)
        self._permits: queue.SimpleQueue[bool] | None = None  # for a thread that reads
        self._is_stopped = False
        self._watch: Watch | None = None  # what reads once the loop does
        self._inlet: Inlet  # once it is started
        self._can_watch = False

    def start(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._can_watch = can_watch(inlet.loop)
        # What the source calls, somebody's iterable say, has a copy of the caller's context.
        context = contextvars.copy_context()
        try:
            opening.for_loops.open_soon(lambda: context.run(self._open, context))
        except RuntimeError as error:  # no thread can be started
            self._end(error)

    def go_on(self) -> None:
        if self._watch is not None:
            self._watch.go_on()
        elif self._permits is not None:
            self._permits.put(True)

    def stop(self) -> None:
        self._is_stopped = True  # before the look, on the other side the other way round
        self._source.interrupt()
        if self._watch is not None:
            self._watch.stop()
        elif self._permits is not None:
            self._permits.put(False)

    def redact(self, value: Any) -> Any:
        return self._source.redact(value)

    def _open(self, context: contextvars.Context) -> Callable[[], object] | None:
        """Open the source; return what is to be done on this thread then, if anything is."""
        try:
            self._source.open()
            if not (self._can_watch and self._is_handed_over()):
                permits: queue.SimpleQueue[bool] = queue.SimpleQueue()
                self._permits = permits
                if self._is_stopped:
                    permits.put(False)
                return lambda: context.run(self._run, permits)
        except BaseException as error:  # noqa: BLE001 - the loop is told
            self._end(error)
        return None

    def _run(self, permits: queue.SimpleQueue[bool]) -> None:
        source, inlet = self._source, self._inlet
        hand_over = inlet.loop.call_soon_threadsafe  # a RuntimeError once the loop is closed
        error: BaseException | None = None
        try:
            hand_over(inlet.arrive, ())
            while permits.get():
                events = source.read()
                if events is None:
                    break
                hand_over(inlet.arrive, events)
        except BaseException as raised:  # noqa: BLE001 - the loop is told
            error = raised
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        try:
            self._source.close()
        except BaseException as raised:  # noqa: BLE001
            error = raised if error is None else error
        with contextlib.suppress(RuntimeError):
            self._inlet.loop.call_soon_threadsafe(self._inlet.source_closed, error)

    def _is_handed_over(self) -> bool:
        """Let the loop read, if the source can be read without waiting; return whether it is so."""
        poll = getattr(self._source, "poll", None)
        polled: Watchable | None = None if poll is None else poll(AT_ONCE)
        if polled is None:
            return False
        watch = Watch(polled, self._inlet)
        running.add(watch)
        self._watch = watch
        watch.hand_over()
        if self._is_stopped:
            watch.stop()
        return True


class LoopReader:
    """Reads a source whose items come from an asynchronous iterable, on the event loop.

    ``source`` reads ``slot``, which is filled before each read.
    """

    def __init__(self, source: Source, slot: Slot, items: AsyncIterable[Any]) -> None:
        self._source = source
        self._slot = slot
        self._items = aiter(items)
        self.origin: tuple[str, int] | None = None
        # To read once more. A queue that is freed with its loop would complain that this is closed.
        self._permit = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._inlet: Inlet

    def start(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._task, _ = begun_task(inlet.loop, self._run(), f"emitter-stream-{next(_numbers)}")

    def go_on(self) -> None:
        self._permit.set()

    def stop(self) -> None:
        if self._task is None:  # there is nothing to stop yet
            return
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
            await first_step()
            self._inlet.arrive(())
            await self._read()
        except GeneratorExit:  # the loop is gone: there is nothing to await and nobody to tell
            raise
        except BaseException as raised:  # noqa: BLE001 - the stream is told
            error = raised
        try:
            await self._close()
        except BaseException as raised:  # noqa: BLE001
            error = raised if error is None else error
        self._inlet.source_closed(error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error

    async def _read(self) -> None:
        exhausted = False
        while await self._permit.wait():
            self._permit.clear()
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
