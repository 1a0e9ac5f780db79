"""A source that goes on in a next request, on the toy core: the engine knows no API's rounds."""

from __future__ import annotations

import threading

import pytest
from scripted_server import PATIENCE
from toy import ToyCore

from emitter_stream import APIUserAbortError
from emitter_stream.engine.rounds import Rounds
from emitter_stream.engine.sources import EventsSource
from emitter_stream.engine.stream import EventStream


class Shouting:
    """Work with one outcome, that another thread brings: the word in capitals."""

    def __init__(self, word: str):
        self.word = word
        self.done = threading.Event()
        self.dismissed = False

    def start(self) -> None:
        threading.Timer(0, self.done.set).start()

    def has_outcome(self, index: int, seconds: float) -> bool:
        return self.done.wait(seconds)

    def outcome(self, index: int) -> str:
        assert self.done.wait(PATIENCE)
        if self.dismissed:
            raise APIUserAbortError()
        return self.word.upper()

    def dismiss(self) -> None:
        self.dismissed = True
        self.done.set()


class Stuck(Shouting):
    """Work that nobody finishes."""

    def __init__(self, word: str):
        super().__init__(word)
        self.begun = threading.Event()

    def start(self) -> None:
        self.begun.set()


class ToyRounds(Rounds):
    """Rounds of one word each, and what becomes of it in between."""

    def __init__(self, words, work=Shouting, **options):
        self.core = ToyCore()
        self.first, *self.others = (EventsSource([word], self.core.codec) for word in words)
        self.works = [work(word) for word in words[:-1]]
        super().__init__(self.first, **options)

    def _rounds(self):
        yield from self._round()
        for work, following in zip(self.works, self.others, strict=True):
            self._begin(work)
            outcome = yield from self._outcome(work, 0)
            yield ((None, outcome),)
            yield from self._go_on(following)
            yield from self._round()


@pytest.mark.parametrize("inline", [False, True])
def test_rounds_and_work_are_one_stream(inline):
    """What the rounds bring and what is done between them comes in its order, as one stream."""
    source = ToyRounds(["to", "be", "or"], inline=inline)
    stream = EventStream(source, source.core, inline=inline)
    assert [word for word, _ in stream.events("word")] == ["to", "TO", "be", "BE", "or"]
    stream.done(PATIENCE)


@pytest.mark.parametrize("inline", [False, True])
def test_an_abort_ends_the_wait_for_work(inline):
    """An abort dismisses the work that is under way; no other round is opened."""
    source = ToyRounds(["to", "be"], Stuck, inline=inline)
    stream = EventStream(source, source.core, inline=inline)

    def abort() -> None:
        assert source.works[0].begun.wait(PATIENCE)
        stream.abort()

    thread = threading.Thread(target=abort)
    thread.start()
    with pytest.raises(APIUserAbortError):
        stream.done(PATIENCE)
    thread.join(PATIENCE)
    assert source.works[0].dismissed
    assert source.core.line == "to"


def test_no_first_request():
    """Where nothing is to be sent at all, the rounds say so, and there is nothing to close."""

    class None_(ToyRounds):
        def __init__(self):
            super().__init__(["to"])
            Rounds.__init__(self, None)

        def _rounds(self):
            yield ((None, "nothing"),)

    source = None_()
    stream = EventStream(source, source.core)
    assert stream.emitted("line", PATIENCE) == "nothing"
    assert (source.origin, source.redact("a")) == (None, "a")
