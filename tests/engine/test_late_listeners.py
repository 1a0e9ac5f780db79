"""A listener that comes late is given its past first, and in order, until all is said."""

from __future__ import annotations

import functools
import threading
import warnings

import pytest
from five_deltas import FIVE, HALF, Tap, five_names, gated, many, play
from left_behind import stream_threads, wait_until
from parity.compare import NAMES, PATIENCE, Recorder
from parity.transcripts import encode
from scripted_server import sse

from emitter_stream import APIError, LateListenerWarning, OpenAIError
from emitter_stream.streams.assistants.core import RAW_EVENTS

NAMES_UP_TO_C = ["event"] * (len(FIVE) - 6) + ["messageDelta"] * 3


# --- rule 2: a late listener


def test_a_late_listener_hears_what_it_missed_before_anything_newer(stream_of):
    """Attached after delivery began, before anyone said go, it is given the past first, in order."""
    gate = threading.Event()
    stream = stream_of(gated(FIVE[:HALF], FIVE[HALF:], gate))
    early, late = Tap(), Tap()
    stream.on("textDelta", early)
    early.wait_for(3)
    seen = len(early.got)
    stream.on("textDelta", late)
    late.wait_for(seen)
    assert late.got == early.got == [*"abcde"][:seen]
    gate.set()
    early.wait_for(5)
    late.wait_for(5)
    assert late.got == early.got == [*"abcde"]


def test_a_chain_with_pauses_loses_nothing(stream_of):
    """However long the pauses between the ons of a chain are, each listener hears everything."""
    stream = stream_of(sse(encode(FIVE), 50))
    heard: dict[str, list[str]] = {}
    for name in NAMES:
        calls = heard[name] = []
        ended = threading.Event()
        stream.on(name, functools.partial(calls.append, name))
        stream.on("end", ended.set)
        assert ended.wait(PATIENCE)  # every pause is long enough for the whole stream to go by
    stream.done(timeout=PATIENCE)
    counts = {name: len(calls) for name, calls in heard.items()}
    assert counts == {name: five_names().count(name) for name in NAMES}


def test_a_listener_attached_after_the_end_hears_everything(stream_of):
    """Also when the stream has ended meanwhile, the late listener is given all, end included."""
    first = Recorder(stream_of(sse(encode(FIVE))))
    assert first.ended.wait(PATIENCE)
    second = Recorder(first.stream)
    assert second.ended.wait(PATIENCE)
    assert [name for name in NAMES if name in second.names] == [
        name for name in NAMES if name in five_names()
    ]
    # The objects are live, so that only the number of calls is still the same.
    assert {name: len(second.of(name)) for name in NAMES} == {
        name: len(first.of(name)) for name in NAMES
    }


def test_each_late_listener_is_given_its_past_in_order_of_attaching(stream_of):
    """Two late listeners each get their own past; the first one's is not given again."""
    early, second, third = Tap(), Tap(), Tap()
    stream = stream_of(sse(encode(FIVE))).on("textDelta", early)
    early.wait_for(5)
    stream.on("textDelta", second).on("textDelta", third)
    second.wait_for(5)
    third.wait_for(5)
    stream.done(timeout=PATIENCE)
    assert early.got == second.got == third.got == [*"abcde"]


def test_a_late_once_is_called_once(stream_of):
    """A late once listener gets the first event that it missed, and nothing else."""
    early, late = Tap(), Tap()
    stream = stream_of(sse(encode(FIVE))).on("textDelta", early)
    early.wait_for(5)
    stream.once("textDelta", late)
    late.wait_for(1)
    stream.done(timeout=PATIENCE)
    assert late.got == ["a"]


@pytest.mark.parametrize("name", ["event", "messageDelta"])
def test_a_late_listener_is_given_only_what_took_place(name):
    """When a listener has raised, nothing behind it is made up for those who come later."""
    calls = []

    def broken():
        calls.append(name)
        if len(calls) == NAMES_UP_TO_C.count(name):
            raise ValueError("broken")

    def heard(stream, late: bool):
        traces = {each: [] for each in (*NAMES, *RAW_EVENTS)}
        errors = threading.Event()
        calls.clear()

        def attach():
            for each, trace in traces.items():
                if each not in ("error", "end"):
                    stream.on(each, lambda *args, trace=trace: trace.append(args[:1]))

        with stream._delivery.still():
            stream.on(name, broken)
            if not late:
                attach()
            stream.on("error", lambda: None).on("end", errors.set)
        assert errors.wait(PATIENCE)
        if late:
            attach()
        stream.start()
        with pytest.raises(OpenAIError):
            stream.done(timeout=PATIENCE)
        # Of deltas and events; the snapshots are live, so these have grown meanwhile.
        return {
            each: [args[0] for args in trace]
            for each, trace in traces.items()
            if each == "event" or "." in each or each.endswith("Delta")
        }

    early, late = (heard(play(FIVE), late) for late in (False, True))
    # The broken one stood first: who came behind it early did not get the last call of that name.
    own = {name: early[name]}
    assert {**late, name: late[name][:-1]} == {**early, **own}


def test_a_late_error_listener_hears_the_error(stream_of, unheard):
    """An error that went by is given to the error listener that comes late."""
    ended = threading.Event()
    stream = stream_of(sse(b"event: error\ndata: {}\n\n")).on("end", ended.set)
    assert ended.wait(PATIENCE)
    heard: list = []
    late = threading.Event()
    stream.on("error", heard.append).on("error", late.set)
    assert late.wait(PATIENCE)
    assert isinstance(heard[0], APIError)
    assert len(unheard) == 1


def test_a_late_listener_that_raises_does_not_disturb_the_others(stream_of, unheard):
    """A late listener that raises is not called on; the calls of the others are whole."""
    early, late = Tap(), Tap()
    stream = stream_of(sse(encode(FIVE))).on("textDelta", early)
    early.wait_for(5)
    calls: list = []

    def broken(delta):
        calls.append(delta.value)
        raise KeyError

    stream.on("textDelta", broken).on("textDelta", late)
    late_or_error = wait_until(lambda: late.got == [*"abcde"] or stream.errored, PATIENCE)
    assert late_or_error
    assert calls == ["a"]


def test_late_iterators_and_emitted_count_as_listeners(stream_of):
    """Iterating, events, text_deltas and emitted, begun late, are given the past too."""
    ways = [
        (lambda stream: [event.event for event in stream], [name for name, _ in FIVE[:-1]]),
        (lambda stream: list(stream.text_deltas), [*"abcde"]),
        (lambda stream: [args[0].value for args in stream.events("textDelta")], [*"abcde"]),
        (lambda stream: stream.emitted("textCreated", timeout=PATIENCE).value, "abcde"),
        (lambda stream: stream.emitted("connect", timeout=PATIENCE), None),
    ]
    for way, expected in ways:
        ended = threading.Event()
        stream = stream_of(sse(encode(FIVE))).on("end", ended.set)
        assert ended.wait(PATIENCE)
        assert way(stream) == expected


def test_a_listener_too_late_for_all_is_warned(stream_of):
    """Past 1,024 deliveries the first ones are given, and a warning names the event and the rest."""
    early, late = Tap(), Tap()
    stream = stream_of(sse(encode(many(3_000)))).on("textDelta", early)
    early.wait_for(3_000)
    assert wait_until(lambda: not stream_threads())

    def listen():
        stream.on("textDelta", late)
        stream.done(timeout=PATIENCE)

    with pytest.warns(LateListenerWarning) as caught:
        listen()
    (warning,) = caught
    missed = 3_000 - len(late.got)
    assert 0 < len(late.got) <= 1_024
    assert late.got == early.got[: len(late.got)]
    assert "textDelta" in str(warning.message)
    assert str(missed) in str(warning.message).replace(",", "")


def test_a_late_listener_that_missed_nothing_is_not_warned(stream_of):
    """No warning for events that are all still kept, or that never came."""
    early, created = Tap(), threading.Event()
    stream = stream_of(sse(encode(many(3_000)))).on("textDelta", early)
    early.wait_for(3_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream.on("textCreated", created.set).on("imageFileDone", print).on("connect", print)
        assert created.wait(PATIENCE)
        stream.done(timeout=PATIENCE)


def test_up_to_the_limit_nothing_is_lost(stream_of):
    """A stream of fewer than 1,024 deliveries is given whole to a late listener."""
    early, late = Tap(), Tap()
    stream = stream_of(sse(encode(many(200)))).on("textDelta", early)
    early.wait_for(200)
    stream.on("textDelta", late)
    late.wait_for(200)
    stream.done(timeout=PATIENCE)
    assert late.got == early.got


@pytest.mark.parametrize("go", ["done", "start", "iterate"])
def test_after_the_go_the_rule_is_nodes(stream_of, go):
    """Once somebody waited, iterated or started, a listener hears only what comes after it."""
    gate = threading.Event()
    stream = stream_of(gated(FIVE[:HALF], FIVE[HALF:], gate))
    early, late = Tap(), Tap()
    stream.on("textDelta", early)
    waiter = threading.Thread(target=stream.done)
    if go == "start":
        stream.start()
    elif go == "done":
        waiter.start()
    else:
        iterator = iter(stream.events("textDelta"))
        next(iterator)
    early.wait_for(3)
    if go == "done":
        # The waiter has told the stream once a wait of our own has come back.
        with pytest.raises(TimeoutError):
            stream.done(timeout=0.01)
    seen = len(early.got)
    stream.on("textDelta", late)
    gate.set()
    early.wait_for(5)
    stream.done(timeout=PATIENCE)
    if go == "done":
        waiter.join(PATIENCE)
    assert early.got == [*"abcde"]
    assert late.got == [*"abcde"][seen:]


def test_after_the_go_and_the_end_a_listener_hears_nothing(stream_of):
    """A listener attached after somebody waited for the end is not called, and not warned."""
    stream = stream_of(sse(encode(FIVE)))
    stream.done(timeout=PATIENCE)
    late = Recorder(stream)
    assert wait_until(lambda: not stream_threads())
    stream.done(timeout=PATIENCE)
    assert late.trace == []
