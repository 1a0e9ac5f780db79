"""Waiting for one's own stream, `emitted`, `events` and iteration."""

from __future__ import annotations

import pytest
from five_deltas import FIVE, play
from parity.compare import PATIENCE
from parity.transcripts import encode
from scripted_server import sse

from emitter_stream import OpenAIError

pytestmark = pytest.mark.usefixtures("long_tick")


# --- waiting for one's own stream


@pytest.mark.parametrize(
    "wait",
    [
        lambda stream: stream.done(),
        lambda stream: stream.until_done(),
        lambda stream: stream.final_run(),
        lambda stream: stream.final_messages(),
        lambda stream: stream.final_run_steps(),
        lambda stream: stream.emitted("run"),
        lambda stream: list(stream),
        lambda stream: list(stream.events("run")),
        lambda stream: list(stream.text_deltas),
        lambda stream: stream.__enter__().__exit__(None, None, None),
    ],
    ids=[
        "done",
        "until_done",
        "final_run",
        "final_messages",
        "final_run_steps",
        "emitted",
        "for",
        "events",
        "text",
        "with",
    ],
)
@pytest.mark.parametrize("name", ["textDelta", "end"])
def test_a_listener_that_waits_for_its_own_stream_gets_a_runtime_error(wait, name):
    """A waiting method of one's own stream in a listener is a RuntimeError, not a deadlock."""
    raised: list = []
    stream = play(FIVE)

    def listener():
        try:
            wait(stream)
        except RuntimeError as error:
            raised.append(error)

    stream.once(name, listener)
    stream.done(timeout=PATIENCE)
    assert len(raised) == 1


def test_a_runtime_error_of_waiting_that_is_not_caught_ends_the_stream():
    """The RuntimeError, not caught, is an exception in a listener like any other."""
    stream = play(FIVE).on("textDelta", lambda: stream.done())
    with pytest.raises(OpenAIError) as caught:
        stream.done(timeout=PATIENCE)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_listener_may_wait_for_another_stream():
    """Waiting for another stream within a listener is fine."""
    runs: list = []
    stream = play(FIVE).once(
        "textDelta", lambda: runs.append(play(FIVE).final_run(timeout=PATIENCE).status)
    )
    stream.done(timeout=PATIENCE)
    assert runs == ["completed"]


# --- emitted and events


def test_emitted_gives_one_argument_bare_and_several_as_a_tuple():
    """emitted blocks until the event and gives its arguments."""
    assert play(FIVE).emitted("textCreated", timeout=PATIENCE).value.startswith("a")
    delta, snapshot = play(FIVE).emitted("textDelta", timeout=PATIENCE)
    assert (delta.value, snapshot.value[0]) == ("a", "a")
    assert play(FIVE).emitted("connect", timeout=PATIENCE) is None
    assert play(FIVE).emitted("end", timeout=PATIENCE) is None
    assert play(FIVE).emitted("thread.run.queued", timeout=PATIENCE).status == "queued"


def test_emitted_of_what_never_comes():
    """If the event never comes it raises the stream's error, or an OpenAIError that names it."""
    with pytest.raises(OpenAIError, match="imageFileDone"):
        play(FIVE).emitted("imageFileDone", timeout=PATIENCE)
    stream = play(FIVE).on("textDelta", lambda: 1 / 0)
    with pytest.raises(OpenAIError) as caught:
        stream.emitted("imageFileDone", timeout=PATIENCE)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_emitted_error_gives_the_error():
    """emitted of error gives the error instead of raising it."""
    stream = play(FIVE).on("textDelta", lambda: 1 / 0)
    assert isinstance(stream.emitted("error", timeout=PATIENCE).__cause__, ZeroDivisionError)


def test_events_gives_tuples_always():
    """events gives a tuple for each call, whatever the number of arguments."""
    deltas = [
        (delta.value, snapshot.value[-1]) for delta, snapshot in play(FIVE).events("textDelta")
    ]
    assert [delta for delta, _ in deltas] == [*"abcde"]
    assert [args[0].value for args in play(FIVE).events("textCreated")] == ["abcde"]
    assert list(play(FIVE).events("connect")) == [()]
    assert list(play(FIVE).events("imageFileDone")) == []


def test_iterating_gives_every_event_and_text_deltas_the_text():
    """Iterating the stream gives the raw events in order, text_deltas their text."""
    names = [event.event for event in play(FIVE)]
    assert names == [name for name, _ in FIVE if name != "done"]
    assert list(play(FIVE).text_deltas) == [*"abcde"]


def test_an_iterator_raises_the_streams_error_after_what_came_before(stream_of):
    """The error of a stream is raised by its iterators, after the events before it."""
    body = encode([*FIVE[:6], ("error", {"message": "server says no"})])
    got: list = []

    def iterate():
        for event in stream_of(sse(body)):
            got.append(event.event)

    with pytest.raises(OpenAIError, match="server says no"):
        iterate()
    assert got == [name for name, _ in FIVE[:6]]
