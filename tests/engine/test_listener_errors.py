"""A listener that raises ends its stream; an error that nobody hears is reported."""

from __future__ import annotations

import functools
import threading

import pytest
from everything import EVERYTHING, finish
from five_deltas import FIVE, play
from left_behind import stream_threads, wait_until
from parity.compare import NAMES, PATIENCE, Recorder
from parity.transcripts import encode, started
from scripted_server import hang

from emitter_stream import AssistantStream, OpenAIError

pytestmark = pytest.mark.usefixtures("long_tick")


# --- a listener that raises


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("error", "abort", "end")])
def test_a_listener_that_raises_ends_the_stream(name):
    """error gets an OpenAIError caused by the exception, end follows, and waiting raises it."""
    boom = KeyError("boom")
    stream = play(EVERYTHING)

    def listener():
        raise boom

    stream.on(name, listener)
    recorder = Recorder(stream, ("run", "error", "abort", "end"))
    errors: list = []
    stream.on("error", errors.append)
    waits = (stream.done, stream.until_done, stream.final_run, stream.final_messages)
    for wait in (*waits, stream.final_run_steps):
        with pytest.raises(OpenAIError) as caught:
            wait(timeout=PATIENCE)
        assert caught.value is errors[0]
    assert errors[0].__cause__ is boom
    assert recorder.names == ["error", "end"]
    assert (stream.ended, stream.errored, stream.aborted) == (True, True, False)


def test_a_listener_that_raises_closes_the_request(stream_of):
    """The request is closed at once, also when the server would go on for long."""
    stream = stream_of(hang(encode(FIVE[:-3])))
    stream.on("textDelta", lambda: 1 / 0)
    with pytest.raises(OpenAIError) as caught:
        stream.done(timeout=PATIENCE)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert stream_of.server.client_closed.wait(PATIENCE)


def test_after_a_listener_that_raised_nothing_but_error_and_end_comes():
    """The listeners after the one that raised, and all later events, are not called, as in Node."""
    calls: list = []
    stream = play(FIVE).on("textDelta", lambda: 1 / 0)
    for name in NAMES:
        stream.on(name, functools.partial(calls.append, name))
    finish(stream)
    assert calls[-3:] == ["messageDelta", "error", "end"]
    assert "textDelta" not in calls


def test_a_listener_may_raise_the_librarys_own_error():
    """An OpenAIError raised by a listener is the stream's error, itself or as the cause."""
    mine = OpenAIError("mine")

    def listener():
        raise mine

    stream = play(FIVE).on("textDelta", listener)
    with pytest.raises(OpenAIError, match="mine") as caught:
        stream.done(timeout=PATIENCE)
    assert mine in (caught.value, caught.value.__cause__)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration])
def test_a_listener_that_raises_what_is_no_ordinary_error(kind, unheard):
    """Even an exit raised by a listener ends the stream: end comes, nobody waits for ever."""
    ended: list = []

    def listener():
        raise kind

    stream = play(FIVE).on("textDelta", listener).on("end", lambda: ended.append(1))
    try:
        stream.done(timeout=PATIENCE)
    except TimeoutError:
        raise
    except BaseException as error:  # noqa: BLE001
        assert isinstance(error, (OpenAIError, kind))
    assert ended == [1]
    assert stream.ended


@pytest.mark.parametrize("name", ["error", "end"])
def test_error_and_end_listeners_that_raise(name, unheard):
    """One of them raising still lets end come and the waiting methods return the first error."""
    ended: list = []
    stream = play([*started()])
    stream.on(name, lambda: 1 / 0).on("end", lambda: ended.append(1))
    with pytest.raises(OpenAIError) as caught:
        stream.done(timeout=PATIENCE)
    assert not isinstance(caught.value.__cause__, ZeroDivisionError)
    assert stream.ended
    assert name == "end" or ended == [1]


def test_an_end_listener_that_raises_does_not_spoil_a_finished_run(unheard):
    """The run has finished: waiting methods give it, as in Node."""
    stream = play(FIVE).on("end", lambda: 1 / 0)
    assert stream.final_run(timeout=PATIENCE).status == "completed"
    assert (stream.ended, stream.errored) == (True, False)


class Unprintable(Exception):
    """An exception that has no text."""

    def __str__(self):
        raise Unprintable

    __repr__ = __str__


@pytest.mark.parametrize("name", ["connect", "textDelta", "run", "error", "end"])
@pytest.mark.parametrize("waits", [True, False])
def test_a_listener_that_raises_what_cannot_be_printed(name, waits, unheard):
    """end comes, and done says which listener it was, though the exception's __str__ raises."""

    def listener():
        raise Unprintable

    ended = threading.Event()
    stream = play(FIVE if name != "error" else FIVE[:3]).on("end", ended.set).on(name, listener)
    if waits and name in ("connect", "textDelta", "run"):
        with pytest.raises(OpenAIError, match=f"{name}.*Unprintable") as caught:
            stream.done(timeout=PATIENCE)
        assert isinstance(caught.value.__cause__, Unprintable)
    elif waits:
        finish(stream)
    assert ended.wait(PATIENCE)
    assert wait_until(lambda: not stream_threads())
    assert stream.ended


def test_events_that_raise_what_cannot_be_printed():
    """The iterable of from_events may raise such an exception as well."""

    def events():
        yield {"event": FIVE[0][0], "data": FIVE[0][1]}
        raise Unprintable

    ended = threading.Event()
    stream = AssistantStream.from_events(events()).on("end", ended.set)
    with pytest.raises(OpenAIError, match="Unprintable") as caught:
        stream.done(timeout=PATIENCE)
    assert isinstance(caught.value.__cause__, Unprintable)
    assert ended.is_set()


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit, Unprintable])
def test_an_excepthook_that_raises(kind, monkeypatch):
    """end comes although the hook that an error is reported to raises itself, and done raises."""

    def hook(args):
        raise kind

    monkeypatch.setattr(threading, "excepthook", hook)
    ended = threading.Event()
    stream = play(FIVE).on("textDelta", lambda: 1 / 0).on("end", ended.set)
    assert ended.wait(PATIENCE)
    with pytest.raises(OpenAIError) as caught:
        stream.done(timeout=PATIENCE)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    stream = play(FIVE).on("end", lambda: 1 / 0)
    assert stream.final_run(timeout=PATIENCE).status == "completed"


# --- an error that nobody hears


def test_an_unheard_error_goes_to_excepthook(unheard):
    """With no error listener, no waiting method and no iterator it is reported, once."""
    ended = threading.Event()
    stream = play(FIVE)
    stream.on("textDelta", lambda: 1 / 0).on("end", ended.set)
    assert ended.wait(PATIENCE)
    assert [type(error.__cause__) for error in unheard] == [ZeroDivisionError]
    assert isinstance(unheard[0], OpenAIError)


def test_an_error_with_a_listener_is_not_reported(unheard):
    """With an error listener threading.excepthook hears nothing."""
    ended = threading.Event()
    play(FIVE).on("textDelta", lambda: 1 / 0).on("error", lambda: None).on("end", ended.set)
    assert ended.wait(PATIENCE)
    assert unheard == []


@pytest.mark.parametrize("way", ["done", "final_run", "emitted", "for", "events", "with"])
def test_an_error_that_somebody_waits_for_is_not_reported(way, unheard):
    """With a waiting method or an open iterator threading.excepthook hears nothing."""
    stream = play(FIVE).on("textDelta", lambda: 1 / 0)
    ways = {
        "done": lambda: stream.done(timeout=PATIENCE),
        "final_run": lambda: stream.final_run(timeout=PATIENCE),
        "emitted": lambda: stream.emitted("run", timeout=PATIENCE),
        "for": lambda: list(stream),
        "events": lambda: list(stream.events("run")),
        "with": lambda: stream.__enter__() and stream.__exit__(None, None, None),
    }
    with pytest.raises(OpenAIError) as caught:
        ways[way]()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert unheard == []


def test_an_abort_is_never_reported(unheard):
    """An abort is the user's own doing: threading.excepthook hears nothing of it."""
    ended = threading.Event()
    stream = play(FIVE)
    stream.on("textDelta", stream.abort).on("end", ended.set)
    assert ended.wait(PATIENCE)
    assert stream.aborted
    assert unheard == []
