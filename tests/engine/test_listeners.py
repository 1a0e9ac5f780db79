"""Section 3 of the contract: how listeners are attached, called and taken away, and what they see."""

from __future__ import annotations

import functools
import threading
from unittest.mock import Mock

import pytest
from everything import EVERYTHING, finish
from five_deltas import FIVE, play
from parity.compare import NAMES, PATIENCE, Recorder, plain
from parity.transcripts import called, encode, message, run, said, started, text_delta
from scripted_server import sse

from emitter_stream import OpenAI

pytestmark = pytest.mark.usefixtures("long_tick")


# --- attaching and taking away


def test_on_once_and_off_return_the_stream():
    """on, once and off chain."""
    stream = play(FIVE)
    assert stream.on("textDelta", print) is stream
    assert stream.off("textDelta", print) is stream
    assert stream.once("textDelta", list) is stream
    assert stream.off("textDelta", list) is stream
    finish(stream)


def test_the_same_function_attached_twice_is_called_twice():
    """Two registrations of one function are two calls, also once each."""
    calls: list = []

    def listener(delta):
        calls.append(delta.value)

    finish(play(FIVE).on("textDelta", listener).on("textDelta", listener))
    assert calls == [*"aabbccddee"]
    calls.clear()
    finish(play(FIVE).once("textDelta", listener).once("textDelta", listener))
    assert calls == ["a", "a"]


def test_off_takes_one_registration_away_the_oldest_first():
    """off removes the first of several registrations of one function, and only that."""
    calls: list = []

    def twice():
        calls.append("f")

    stream = play(FIVE).on("textDone", twice).on("textDone", lambda: calls.append("g"))
    stream.on("textDone", twice).off("textDone", twice)
    finish(stream)
    assert calls == ["g", "f"]


def test_off_of_an_unknown_listener_does_nothing():
    """off of what was never attached, or is gone already, is no error and takes nothing away."""
    calls: list = []

    def listener():
        calls.append(1)

    stream = play(FIVE).on("textDone", listener)
    stream.off("textDone", print).off("textCreated", listener).off("run", print)
    finish(stream)
    stream.off("textDone", listener).off("textDone", listener)
    assert calls == [1]


def test_off_after_once_has_run_does_nothing():
    """A once listener is gone after its call; off of it then takes no other registration."""
    calls: list = []

    def listener(delta):
        calls.append(delta.value)
        stream.off("textDelta", other)

    def other(delta):
        calls.append(delta.value.upper())

    stream = play(FIVE).once("textDelta", other).on("textDelta", listener)
    finish(stream)
    assert calls == ["A", "a", "b", "c", "d", "e"]


def test_once_is_called_once():
    """A once listener hears the first event only, and off takes it away before."""
    calls: list = []
    stream = play(FIVE).once("textDelta", lambda delta: calls.append(delta.value))
    gone = calls.append
    stream.once("textDelta", gone).off("textDelta", gone)
    finish(stream)
    assert calls == ["a"]


class Unhashable:
    """A callable that can be compared but not hashed."""

    def __init__(self):
        self.calls: list = []

    __hash__ = None

    def __eq__(self, other):
        return isinstance(other, Unhashable) and self.calls is other.calls

    def __call__(self, delta):
        self.calls.append(delta.value)


def test_an_unhashable_listener():
    """A callable object without a hash is attached and taken away like any other."""
    first, second = Unhashable(), Unhashable()
    stream = play(FIVE).on("textDelta", first).on("textDelta", second).on("textDelta", first)
    stream.off("textDelta", first).off("textDelta", second)
    finish(stream)
    assert (first.calls, second.calls) == ([*"abcde"], [])


class Methods:
    """Bound methods are a new object at each look."""

    def __init__(self):
        self.calls: list = []

    def listen(self, delta):
        """Take a delta."""
        self.calls.append(delta.value)


def test_bound_methods():
    """A bound method can be taken away though each access makes a new object."""
    mine, yours = Methods(), Methods()
    stream = play(FIVE).on("textDelta", mine.listen).on("textDelta", yours.listen)
    stream.off("textDelta", mine.listen)
    finish(stream)
    assert (mine.calls, yours.calls) == ([], [*"abcde"])


def test_every_kind_of_callable():
    """Functions, methods, partials, classes, builtins and mocks all listen."""
    listened: list = []
    made: list = []

    class Made:
        """A class used as a listener."""

        def __init__(self, delta):
            made.append(delta.value)

    mock = Mock()
    stream = play(FIVE)
    stream.on("textDelta", listened.append)
    stream.on("textDelta", Made)
    stream.on("textDelta", mock)
    stream.on("textDelta", functools.partial(lambda tag, delta: made.append(tag), "tag"))
    stream.on("textDelta", functools.partial(print, end="", file=Mock()))
    finish(stream)
    assert [delta.value for delta in listened] == [*"abcde"]
    assert made == [item for letter in "abcde" for item in (letter, "tag")]
    assert [len(call.args) for call in mock.call_args_list] == [2] * 5


def test_the_decorator():
    """on without a function is a decorator that gives the function back."""
    stream = play(FIVE)
    calls: list = []

    def plain_function(delta):
        calls.append(delta.value)

    assert stream.on("textDelta")(plain_function) is plain_function

    @stream.on("textDone")
    def done(text):
        calls.append(text.value)

    finish(stream)
    done(Mock(value="called by hand"))
    assert calls == [*"abcde", "abcde", "called by hand"]


# --- during delivery


def test_listeners_run_in_the_order_they_were_attached():
    """Listeners of one event run in order, on and once mixed."""
    calls: list = []
    stream = play(FIVE)
    for number in range(10):
        attach = stream.once if number % 3 == 0 else stream.on
        attach("textDelta", functools.partial(calls.append, number))
    finish(stream)
    assert calls == [*range(10), *[number for number in range(10) if number % 3] * 4]


def test_one_removed_during_its_event_is_not_called_any_more():
    """A listener taken away by an earlier one is not called, not even for this event."""
    calls: list = []

    def removed():
        calls.append("removed")

    stream = play(FIVE).once("textDelta", lambda: stream.off("textDelta", removed))
    stream.on("textDelta", removed).on("textDelta", lambda: calls.append("kept"))
    finish(stream)
    assert calls == ["kept"] * 5


def test_one_that_removes_itself_does_not_disturb_the_others():
    """A listener that takes itself away makes no other miss the event."""
    calls: list = []

    def leaving():
        calls.append("leaving")
        stream.off("textDelta", leaving)

    stream = play(FIVE).on("textDelta", lambda: calls.append("before")).on("textDelta", leaving)
    stream.on("textDelta", lambda: calls.append("after"))
    finish(stream)
    assert calls == ["before", "leaving", "after"] + ["before", "after"] * 4


def test_one_attached_during_its_event_counts_from_the_next_on():
    """A listener attached by another one is not called for the event being delivered."""
    calls: list = []

    def attach():
        stream.on("textDelta", lambda delta: calls.append(delta.value))

    stream = play(FIVE).once("textDelta", attach)
    finish(stream)
    assert calls == [*"bcde"]


def test_one_attached_to_a_later_event_during_delivery_hears_it():
    """A listener attached by another one to an event that comes later hears that."""
    calls: list = []
    stream = play(FIVE).once(
        "textDelta",
        lambda: stream.on("textDone", lambda text: calls.append(text.value)).on(
            "end", lambda: calls.append("end")
        ),
    )
    finish(stream)
    assert calls == ["abcde", "end"]


def test_a_listener_that_replaces_itself_at_every_event():
    """Removing and attaching at every event neither loses nor doubles one."""
    calls: list = []

    def swap(delta):
        calls.append(delta.value)
        stream.off("textDelta", swap).on("textDelta", swap)

    stream = play(FIVE).on("textDelta", swap)
    finish(stream)
    assert calls == [*"abcde"]


# --- threads


def test_listeners_run_on_the_streams_own_thread():
    """Listeners run on a thread named emitter-stream..., never on the caller's."""
    recorder = Recorder(play(EVERYTHING))
    finish(recorder.stream)
    assert threading.current_thread() not in recorder.threads
    assert all(thread.name.startswith("emitter-stream") for thread in recorder.threads)


def test_late_listeners_run_on_a_thread_of_the_stream_too():
    """What a late listener missed is given to it on a thread of the stream as well."""
    recorder = Recorder(play(FIVE))
    assert recorder.ended.wait(PATIENCE)
    late = Recorder(recorder.stream)
    assert late.ended.wait(PATIENCE)
    assert threading.current_thread() not in late.threads
    assert all(thread.name.startswith("emitter-stream") for thread in late.threads)


def test_never_two_listeners_at_once():
    """However many threads attach listeners, no two of one stream run at the same time."""
    busy = threading.Lock()
    overlaps: list = []
    stream = play([*started(), *said(1, ["x"] * 300), run("completed")])

    def listener():
        if not busy.acquire(blocking=False):
            overlaps.append(1)
            return
        for _ in range(20):
            pass
        busy.release()

    def attach():
        for name in NAMES * 5:
            stream.on(name, listener)

    threads = [threading.Thread(target=attach) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    finish(stream)
    assert not overlaps


# --- what a listener sees


def test_current_properties_inside_listeners():
    """The current_* methods give the event, run, step and message that a listener is called for."""
    seen: list = []
    stream = play(FIVE)
    assert stream.current_event() is None
    assert stream.current_run() is None
    assert stream.current_message_snapshot() is None
    assert stream.current_run_step_snapshot() is None

    def look():
        message_now = stream.current_message_snapshot()
        seen.append(
            (
                stream.current_event().event,
                stream.current_run().status,
                stream.current_run_step_snapshot().id,
                message_now.id,
                message_now.content[0].text.value,
            )
        )

    stream.on("textDelta", look)
    stream.done(timeout=PATIENCE)
    whole = ["a", "ab", "abc", "abcd", "abcde"]
    place = ("thread.message.delta", "in_progress", "step_1", "msg_1")
    assert seen == [(*place, text) for text in whole]
    assert stream.current_run().status == "completed"
    assert stream.current_message_snapshot() is None
    assert stream.current_run_step_snapshot() is None


def test_created_objects_and_snapshots_are_live():
    """The object of textCreated grows with each delta, and is the snapshot of textDelta."""
    created: list = []
    grown: list = []
    stream = play(FIVE).on("textCreated", created.append)
    stream.on("textDelta", lambda delta, snapshot: grown.append(created[0].value))
    messages: list = []
    stream.on("messageCreated", messages.append)
    sizes: list = []
    stream.on("messageDelta", lambda: sizes.append(messages[0].content[0].text.value))
    stream.done(timeout=PATIENCE)
    assert grown == ["a", "ab", "abc", "abcd", "abcde"]
    assert sizes == grown


def test_deltas_and_events_never_change():
    """A delta, and an event, is the same at the end as when it was handed out."""
    kept: list = []
    stream = play(EVERYTHING)
    for name in ("event", "textDelta", "messageDelta", "toolCallDelta", "runStepDelta"):
        stream.on(name, lambda first: kept.append((first, plain(first))))
    stream.done(timeout=PATIENCE)
    assert len(kept) > 30
    assert all(plain(value) == then for value, then in kept)


def test_tool_call_objects_are_live():
    """The object of toolCallCreated grows as its arguments arrive."""
    created: list = []
    arguments: list = []
    frames = [*started(), *called(1, ["{", '"a"', ":1}"]), run("completed")]
    stream = play(frames).on("toolCallCreated", created.append)
    stream.on("toolCallDelta", lambda: arguments.append(created[0].function.arguments))
    stream.done(timeout=PATIENCE)
    assert arguments == ["{", '{"a"', '{"a":1}']


def test_a_late_text_delta_needs_no_listener_before_it():
    """A stream of which only one event is listened to delivers that one all the same."""
    calls: list = []
    frames = [*started(), message(1, "created"), text_delta(1, "x", first=True)]
    stream = play([*frames, message(1, "completed"), run("completed")])
    stream.on("textDelta", lambda delta, snapshot: calls.append((delta.value, snapshot.value)))
    stream.done(timeout=PATIENCE)
    assert calls == [("x", "x")]


def test_client_streams_follow_the_same_rules(connect):
    """What holds for from_events holds for a stream from a client, over a socket."""
    client: OpenAI = connect(sse(encode(FIVE), 7))
    calls: list = []
    stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
    stream.on("textDelta", lambda delta: calls.append(delta.value)).once("end", calls.clear)
    stream.on("end", lambda: calls.append("end"))
    stream.done(timeout=PATIENCE)
    assert calls == ["end"]


def test_a_call_in_the_place_of_a_listener_is_refused():
    """`.on(name, f())` hands over what f returned: None is a TypeError, and no decorator."""
    stream = play(FIVE)
    for attach in (stream.on, stream.once):
        with pytest.raises(TypeError, match="not what it returned"):
            attach("textDelta", None)
    finish(stream)
