"""The rules of delivery in every order in which things that happen at once can happen.

What a reader and others do is a few steps each. All orders of these steps are gone through (by
default each third, where there are many), on the rules alone, where nobody waits: each order is a
program of its own, and there is no race in it.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import weakref
from collections import deque
from collections.abc import Callable, Iterator

import pytest
from orders import READER, orders
from samples import tries

from emitter_stream import APIUserAbortError, OpenAIError
from emitter_stream.engine import policy as rules
from emitter_stream.engine.emitter import Emitter, Registration
from emitter_stream.engine.policy import Phase, Policy

pytestmark = pytest.mark.tries

NAMES = {"word": 1, "line": 1, "error": 1, "abort": 1, "end": 0}
WORDS = ["a", "b"]
ALL = [*WORDS, "end"]  # what a listener of "word" and "end" hears that misses nothing
READER_STEPS = 10
# Said of each listener, for to find it out takes longer than what it hears.
TAKES_ALL = inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)])


class Items:
    """What an iterator has not taken yet."""

    def __init__(self) -> None:
        self.items: deque[object] = deque()


class Play(Policy):
    """A stream of WORDS, and a reader that lets others take their steps between its own."""

    def __init__(self, order: tuple[int, ...], *, keeps: bool = True, inline: bool = False) -> None:
        super().__init__(Emitter(NAMES), None, NAMES, keeps=keeps, inline=inline)
        self.order = deque(order)
        self.steps: dict[int, deque[Callable[[], object]]] = {}
        self.phases: list[Phase] = []
        self.made: list[str] = []  # the words so far
        self.reported: list[BaseException] = []
        self.heard: dict[str, list[object]] = {}  # by whom
        self.missed: dict[str, int] = {}  # how many words had been made when they came
        self.was_over: dict[str, bool] = {}  # when they came
        self.was_heard = False  # what it ended in

    def report(self, error: BaseException) -> None:
        self.reported.append(error)

    def run(self, *others: list[Callable[[], object]]) -> None:
        """Play the order to its end; the n-th of others takes its steps at the number n."""
        self.steps = {number: deque(steps) for number, steps in enumerate(others, 1)}
        self.read()
        while self.step_of_any():
            self.serve()
        self.serve()
        assert self.phases == sorted(self.phases), "a phase came again"
        assert self.settled()

    def turn(self) -> None:
        """Let the others take the steps that come before the reader's next."""
        self.phases.append(self.phase)
        while self.order and (actor := self.order.popleft()) != READER:
            if self.steps[actor]:
                self.steps[actor].popleft()()
                self.phases.append(self.phase)

    def step_of_any(self) -> bool:
        """Let one of the others take a step, where the reader waits; return whether there was one."""
        steps = next((steps for steps in self.steps.values() if steps), None)
        if steps is not None:
            steps.popleft()()
        return steps is not None

    # What others do

    def on(
        self, name: str, who: str, listener: Callable[[object], object] = lambda heard: None
    ) -> Registration:
        """Attach a listener; what it hears is noted under `who`."""
        log = self.heard.setdefault(who, [])

        def note(*args: object) -> None:
            log.append(args[0] if args else name)
            listener(log[-1])

        note.__signature__ = TAKES_ALL  # type: ignore[attr-defined]
        self.missed.setdefault(who, len(self.made))
        self.was_over.setdefault(who, self.finished)
        registration = self.emitter.register(name, note)
        self.admit(registration)
        return registration

    def on_all(self, who: str) -> None:
        """Attach a listener of "word", and one of "end"."""
        self.on("word", who)
        self.on("end", who)

    def from_then_on(self, who: str) -> list[str]:
        """Return what somebody hears who misses what was over when he came."""
        return [*WORDS[self.missed[who] :], *([] if self.was_over[who] else ["end"])]

    # What the reader does

    def read(self) -> None:
        self.turn()
        while not self.begin_if_due(1.0):
            assert self.step_of_any(), "nobody is left who lets it begin"
        for word in WORDS:
            if not self.attend():
                return
            failure: OpenAIError | None = None
            try:
                self.deliver([self.emissions(word)])
            except OpenAIError as error:
                failure = error
            if failure is not None:
                self.end(failure)
                return
        if self.attend():
            self.end(None)

    def emissions(self, word: str) -> Iterator[tuple[str, tuple[object, ...]]]:
        self.turn()
        self.made.append(word)
        yield "word", (word,)
        self.turn()
        yield "line", (word,)

    def attend(self) -> bool:
        """Do what is due between two events; return whether there is another to be delivered."""
        self.turn()
        self.serve()
        while not self.gap():
            if not self.has_late():
                assert self.step_of_any(), "nobody is left who makes room"
            self.serve()
        if self.stopping is not None:
            self.end(self.stopping)
        return not self.finished

    def serve(self) -> None:
        while (failure := self.serve_late(lambda call, *args: call(*args))) is not None:
            self.end(failure)

    def end(self, error: OpenAIError | None) -> None:
        name = "abort" if isinstance(error, APIUserAbortError) else "error"
        if not self.begun_to_end():
            self.was_heard = bool(self.waiters or self.buffers or name in self.emitter.ready)
        last = self.close(error)
        while last:
            name, args = last[0]
            self.tell(name)
            self.turn()
            try:
                self.deliver_one(name, args)
            except OpenAIError as raised:
                self.raised_last(raised)
            del last[0]
        self.over()
        self.turn()

    def begun_to_end(self) -> bool:
        return self.phase >= Phase.CLOSING


def plays(*counts: int, keeps: bool = True, inline: bool = False) -> Iterator[Play]:
    """Yield a play of each order of the reader's steps with `counts` of others; of many each third."""
    step = tries(3, 1) if sum(counts) > 3 else 1
    for order in itertools.islice(orders(READER_STEPS, *counts), None, None, step):
        yield Play(order, keeps=keeps, inline=inline)


def raise_at(word: str, error: BaseException) -> Callable[[object], None]:
    """Return a listener that raises when it hears `word`."""

    def listener(heard: object) -> None:
        if heard == word:
            raise error

    return listener


def test_orders_are_all_orders_once():
    """Each order of the steps comes, and none twice."""
    found = list(orders(2, 1, 1))
    assert len(found) == len(set(found)) == 12
    assert all(sorted(order) == [0, 0, 1, 2] for order in found)


def test_who_comes_before_go_misses_nothing_and_who_comes_after_hears_what_comes():
    """Late or not, before go a listener hears all in order and once; after it only what is new."""
    for play in plays(4):
        play.run(
            [
                lambda play=play: play.on_all("first"),
                lambda play=play: play.on_all("second"),
                play.say_go,
                lambda play=play: play.on_all("third"),
            ]
        )
        assert play.heard["first"] == play.heard["second"] == ALL
        assert play.heard["third"] == play.from_then_on("third")


def test_go_of_another_counts_for_all_listeners_alike():
    """Whoever says go at whatever moment: nobody hears anything twice, or out of order."""
    for play in plays(2, 1):
        is_early: list[bool] = []

        def late(play=play, is_early=is_early) -> None:
            is_early.append(not play._go_said)
            play.on_all("second")

        play.run([lambda play=play: play.on_all("first"), late], [play.say_go])
        heard = play.heard["second"]
        assert heard == (ALL if is_early[0] else play.from_then_on("second"))


def test_where_nothing_is_kept_a_listener_hears_what_comes_after_it():
    """The rules of a loop: nothing is given again, and nothing that comes is missed."""
    for play in plays(2, 1, keeps=False):
        play.run(
            [lambda play=play: play.on_all("first"), lambda play=play: play.on_all("second")],
            [play.say_go],
        )
        assert play.heard["first"] == play.from_then_on("first")
        assert play.heard["second"] == play.from_then_on("second")


def test_a_listener_that_is_taken_away_is_called_no_more():
    """Whether it was late, was about to be given what it missed, or was being called."""
    for play in plays(1, 2):
        count: list[int] = []
        registrations: list[Registration] = []

        def off(play=play, count=count, registrations=registrations) -> None:
            for registration in registrations:
                play.detach("word", registration.listener)
                count.append(len(play.heard["gone"]))

        play.run(
            [play.say_go],
            [
                lambda play=play, on=registrations: on.append(play.on("word", "gone")),
                off,
            ],
        )
        assert len(play.heard["gone"]) == count[0]
        missed = play.missed["gone"]
        assert play.heard["gone"] in (WORDS[: count[0]], WORDS[missed : missed + count[0]])


def test_an_abort_that_comes_in_time_is_told_once_and_before_the_end():
    """`abort`, then `end`; one that comes too late changes nothing. The first one counts."""
    for play in plays(2, 2):
        errors = [APIUserAbortError(), APIUserAbortError()]
        taken: list[bool] = []

        def stop(play=play, errors=errors, taken=taken) -> None:
            taken.append(play.ask_stop(errors[len(taken)]))

        def listen(play=play) -> None:
            play.on("word", "first")
            play.on("abort", "first")
            play.on("end", "first")

        play.run([listen, play.say_go], [stop, stop])
        told = play.heard["first"][len(play.made) :]
        assert play.heard["first"][: len(play.made)] == play.made
        if taken[0]:
            assert play.error is errors[0]
            assert told == [errors[0], "end"]
        else:
            assert play.error is None
            assert told == ["end"]
            assert play.made == WORDS
        assert play.reported == []


@pytest.mark.parametrize("by", ["listener", "waiter", "iterator"])
def test_an_error_is_reported_unless_somebody_hears_it(by):
    """Who listens, waits or iterates at the moment at which it is told: else it is reported, once."""
    for play in plays(2, 2):
        error = ValueError("b")
        waiter, buffer = object(), Items()
        begin, end = {
            "listener": (lambda play=play: play.on("error", "told"), lambda: None),
            "waiter": (
                lambda play=play, waiter=waiter: play.begin_waiting(waiter),
                lambda play=play, waiter=waiter: play.stop_waiting(waiter),
            ),
            "iterator": (
                lambda play=play, buffer=buffer: play.hold_back_for(buffer),
                lambda play=play, buffer=buffer: play.forget_buffer(buffer),
            ),
        }[by]
        listen = [
            lambda play=play, error=error: play.on("word", "bad", raise_at("b", error)),
            play.say_go,
        ]
        play.run(listen, [begin, end])
        if play.error is None:  # it came after go, and missed what it would have raised at
            continue
        assert play.error.__cause__ is error
        assert play.reported == ([] if play.was_heard else [play.error])
        assert play.heard["bad"][-1] == "b"
        assert play.passing is None


def test_inline_nothing_is_reported_and_the_listeners_own_exception_passes():
    """It is what leaves the wait, once; the error is what later waits raise it for."""
    for play in plays(2, inline=True):
        error = ValueError("b")
        play.run([lambda play=play, e=error: play.on("word", "bad", raise_at("b", e)), play.say_go])
        assert play.reported == []
        assert play.take_passing() is error
        assert play.take_passing() is None
        assert play.failure() is error


def test_what_a_listener_of_the_end_raises_goes_where_somebody_hears_it():
    """On a thread it is reported; inline it passes, with what the stream ended in behind it."""
    for inline in (False, True):
        for play in plays(2, inline=inline):
            first, second = ValueError("b"), KeyError("end")

            def listen(play=play, first=first, second=second) -> None:
                play.on("error", "told")
                play.on("word", "bad", raise_at("b", first))
                play.on("end", "bad", raise_at("end", second))

            play.run([listen, play.say_go])
            assert play.raised is first
            assert play.reported == ([] if inline else [second])
            assert play.take_passing() is (second if inline else None)
            assert not inline or second.__context__ is first


def test_a_late_listener_that_raises_ends_the_stream_for_all():
    """Once and in order, however many others come late meanwhile."""
    for play in plays(2, 2):
        error = ValueError("a")
        play.run(
            [
                lambda play=play: play.on_all("first"),
                lambda play=play, e=error: play.on("word", "bad", raise_at("a", e)),
            ],
            [lambda play=play: play.on_all("late"), lambda play=play: play.on("error", "told")],
        )
        for who in ("first", "late"):
            heard = play.heard[who]
            assert heard.count("end") == 1
            assert heard == [*WORDS[: len(heard) - 1], "end"]
        if play.error is None:  # it came when all was over
            assert error in play.reported
        else:
            assert play.error.__cause__ is error
            assert play.heard["told"] == [play.error]


@pytest.mark.parametrize("waits", [False, True], ids=["nobody waits", "one waits"])
def test_a_full_buffer_holds_the_reader_back_and_nothing_is_lost(monkeypatch, waits):
    """No event begins while an iterator lags behind, unless somebody waits; all is given in order."""
    monkeypatch.setattr(rules, "BUFFER_BOUND", 1)
    for play in plays(*((3, 2) if waits else (4,))):  # with all four there are 120,120 orders
        buffer, taken = Items(), []
        play.emissions = watched(play, buffer)  # type: ignore[method-assign]

        def open_buffer(play=play, buffer=buffer) -> None:
            play.hold_back_for(buffer)
            play.on("word", "iterator", buffer.items.append)
            play.say_go()

        def take(buffer=buffer, taken=taken) -> None:
            if buffer.items:
                taken.append(buffer.items.popleft())

        waiter = object()
        wait = [
            lambda play=play, waiter=waiter: play.begin_waiting(waiter),
            lambda play=play, waiter=waiter: play.stop_waiting(waiter),
        ]
        leave = functools.partial(play.forget_buffer, buffer)
        takes = [take] if waits else [take, take]
        play.run([open_buffer, *takes, leave], *([wait] if waits else []))
        taken += buffer.items
        assert taken == play.heard["iterator"] == WORDS


def watched(play: Play, buffer: Items) -> Callable[[str], Iterator]:
    """Return the play's `emissions`, which look whether the event might be made at all."""
    emissions = play.emissions

    def look(word: str) -> Iterator:
        assert not play.is_held_back()
        yield from emissions(word)

    return look


def test_a_program_that_winds_up_runs_without_listeners():
    """At the end of a program nobody is left to attach a listener, or to take from an iterator."""
    play = Play(())
    assert not play.begin_if_due(1.0)
    play.is_winding_up = True
    play.hold_back_for(Items())
    play.run([])
    assert play.phase is Phase.OVER
    assert play.made == WORDS


def test_a_chain_of_listeners_is_let_come_to_its_end():
    """Delivery begins behind the tick of the listener attached last, and at once after go."""
    play = Play(())
    play.tick_end = 2.0
    play.on("word", "first")
    assert not play.begin_if_due(1.0)
    assert play.begins_at() == 2.0
    play.say_go()
    assert play.begin_if_due(1.0)
    assert play.phase is Phase.UNDER_WAY


def test_what_a_listener_was_given_is_let_go_of_before_the_next_is_made():
    """A text that grows by each event is held by nobody meanwhile, or each would be a copy of it."""
    emitter = Emitter(NAMES)
    emitter.attach(emitter.register("word", lambda word: None))
    policy = Policy(emitter, None, NAMES, keeps=False)
    made: list[weakref.ref[Items]] = []

    def events() -> Iterator[Iterator[tuple[str, tuple[object, ...]]]]:
        for _ in range(3):
            assert all(word() is None for word in made)
            word = Items()
            made.append(weakref.ref(word))
            yield iter([("word", (word,))])
            del word

    policy.deliver(events())
    assert len(made) == 3
