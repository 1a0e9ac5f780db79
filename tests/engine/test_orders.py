"""What meets in a stream, in every order, on both drivers.

The reader lets others take a step each between its own: on the thread of whoever they are, while it
waits. So each order is played once, and none is left to chance. What the rules say of them alone is
in test_policy.py.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from orders import READER, orders
from toy import ToyCodec, ToyCore

from emitter_stream import APIUserAbortError
from emitter_stream.engine.core import Emission
from emitter_stream.engine.loop.reader import ThreadReader
from emitter_stream.engine.loop.stream import AsyncEventStream
from emitter_stream.engine.sources import EventsSource
from emitter_stream.engine.stream import EventStream

WORDS = ["a", "b"]
READER_STEPS = (
    6  # before each word is read, before it is delivered, before the end, before the last call
)
PATIENCE = 120.0


class Meeting(ToyCore):
    """A core, and an iterable of words, at whose turns others take their steps: in a given order."""

    def __init__(
        self, order: tuple[int, ...], run: Callable[[Callable[[], object]], object]
    ) -> None:
        super().__init__()
        self.order = deque(order)
        self.run = run  # takes a step where it belongs
        self.steps: dict[int, Callable[[], object]] = {}
        self.made: list[str] = []
        self.heard: dict[str, list[object]] = {"first": [], "second": []}
        self.missed = 0  # words, when the second listener came
        self.is_late = False  # whether it came when go had been said
        self.has_ended = False  # when it came
        self.is_read = threading.Event()  # nobody's turn comes any more

    def meet(self, stream: EventStream | AsyncEventStream) -> None:
        """Say what the others do: one comes to listen, one says go, one aborts."""
        self.steps = {1: lambda: self.second(stream), 2: stream.start, 3: stream.abort}
        self.listen(stream, "first")
        stream.on("abort", self.heard["first"].append)

    def listen(self, stream: EventStream | AsyncEventStream, who: str) -> None:
        heard = self.heard[who]
        stream.on("word", lambda word, line: heard.append(word))
        stream.on("end", lambda: heard.append("end"))

    def second(self, stream: EventStream | AsyncEventStream) -> None:
        self.missed = len(self.made)
        self.is_late = 2 not in self.steps
        self.has_ended = stream.ended
        self.listen(stream, "second")

    def turn(self) -> None:
        """Let the others take the steps that come before the reader's next."""
        while self.order and (actor := self.order.popleft()) != READER:
            self.run(self.steps.pop(actor))

    def rest(self) -> None:
        """Take the steps that nobody has waited for."""
        while self.steps:
            self.steps.pop(min(self.steps))()

    def words(self) -> Iterator[str]:
        try:
            for word in WORDS:
                self.turn()
                yield word
            self.turn()
        finally:
            self.is_read.set()

    def feed(self, event: object, data: object) -> Iterator[Emission]:
        self.turn()
        self.made.append(str(data))
        yield from super().feed(event, data)

    def finish(self) -> Iterator[Emission]:
        self.turn()
        return super().finish()

    def check_first(self, error: BaseException | None) -> None:
        """Look whether the first listener heard all that was made, the abort if there was one, the end."""
        told = [] if error is None else [error]
        assert self.heard["first"] == [*self.made, *told, "end"]
        assert error is None or isinstance(error, APIUserAbortError)
        assert self.made == WORDS[: len(self.made)]
        assert error is not None or self.made == WORDS


ALL_ORDERS = list(orders(READER_STEPS, 1, 1, 1))


@pytest.mark.parametrize("part", range(4))
def test_a_late_listener_go_and_an_abort_on_threads(monkeypatch, part):
    """Nobody misses or hears twice what he is to hear, whoever comes, says go and aborts when."""
    monkeypatch.setattr("emitter_stream.engine.delivery.TICK", 0.0)
    with ThreadPoolExecutor(1) as others:
        for order in ALL_ORDERS[part::4]:
            core = Meeting(order, lambda step: others.submit(step).result(PATIENCE))
            stream = EventStream(EventsSource(core.words(), ToyCodec()), core)
            with stream._delivery.still():
                core.meet(stream)
            thread = stream._delivery.thread
            assert isinstance(thread, threading.Thread)
            thread.join(PATIENCE)
            core.rest()
            stream._delivery.wait_settled(PATIENCE)
            assert stream._delivery.settled(), order
            core.check_first(stream._delivery.error)
            heard = [*core.made, "end"]
            if core.is_late:
                heard = core.made[core.missed :] + ([] if core.has_ended else ["end"])
            assert core.heard["second"] == heard, order


@pytest.mark.parametrize("part", range(4))
def test_a_listener_go_and_an_abort_on_a_loop(part):
    """Each hears what comes after it, in order and once, whoever comes, says go and aborts when."""

    async def play(order: tuple[int, ...]) -> None:
        loop, of_loop = asyncio.get_running_loop(), threading.get_ident()

        def run(step: Callable[[], object]) -> None:
            if threading.get_ident() == of_loop:
                step()
                return
            done = threading.Event()
            loop.call_soon_threadsafe(lambda: (step(), done.set()))
            assert done.wait(PATIENCE)

        core = Meeting(order, run)
        stream = AsyncEventStream(ThreadReader(EventsSource(core.words(), ToyCodec())), core)
        core.meet(stream)
        await asyncio.wait_for(stream._delivery._task, PATIENCE)
        # An abort does not wait for who reads: what it still lets others do comes behind the end.
        assert await loop.run_in_executor(None, core.is_read.wait, PATIENCE)
        core.rest()
        core.check_first(stream._delivery.error)
        heard = core.made[core.missed :] + ([] if core.has_ended else ["end"])
        assert core.heard["second"] == heard, order

    async def play_all() -> None:
        for order in ALL_ORDERS[part::4]:
            await play(order)

    asyncio.run(play_all())
