"""Section 3 of the contract: how listeners are attached, called and taken away."""

from __future__ import annotations

import contextlib
import functools
import threading
from unittest.mock import Mock

import pytest
from left_behind import stream_threads, wait_until
from parity.compare import NAMES, PATIENCE, Recorder, plain
from parity.transcripts import (
    DONE,
    answered,
    called,
    encode,
    message,
    message_delta,
    run,
    said,
    started,
    text_delta,
)
from scripted_server import sse

from emitter_stream import AssistantStream, OpenAI, OpenAIError

pytestmark = pytest.mark.usefixtures("long_tick")

FIVE = answered("a", "b", "c", "d", "e")
COUNTS = {
    **dict.fromkeys(NAMES, 1),
    **dict.fromkeys(("connect", "end"), 0),
    **dict.fromkeys(("messageDelta", "runStepDelta", "runStepDone", "toolCallDelta"), 2),
    **dict.fromkeys(("textDelta", "textDone", "imageFileDone"), 2),
}
IMAGE = {"type": "image_file", "image_file": {"file_id": "file_1"}}
EVERYTHING = [
    *started(),
    *called(1, ["{", "}"]),
    *said(2, ["a", "b"]),
    message(3, "created"),
    message_delta(3, {"index": 0, **IMAGE}),
    message(3, "completed", [IMAGE]),
    run("completed"),
    DONE,
]


def play(frames) -> AssistantStream:
    """Make a stream of these frames, without a server."""
    events = [{"event": name, "data": data} for name, data in frames if name != "done"]
    return AssistantStream.from_events(events)


def finish(stream) -> None:
    """Let the stream go, wait for its end and let an error of it pass."""
    with contextlib.suppress(OpenAIError):
        stream.done(timeout=PATIENCE)


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


# --- how many arguments


def test_each_event_passes_what_node_passes():
    """A listener of *args gets all the arguments of its event."""
    recorder = Recorder(play(EVERYTHING))
    finish(recorder.stream)
    assert {"imageFileDone", "toolCallDelta", "runStepDone"} <= set(recorder.names)
    for name, *args in recorder.trace:
        assert len(args) == COUNTS[name], name


@pytest.mark.parametrize("name", NAMES)
def test_a_listener_may_need_as_many_arguments_as_there_are_and_no_more(name):
    """Needing all of the event's arguments is fine; one more is a TypeError at on and once."""
    stream = play(EVERYTHING)
    names = [f"a{number}" for number in range(COUNTS[name])]
    enough = eval(f"lambda {', '.join(names)}: None")
    too_many = eval(f"lambda {', '.join([*names, 'more'])}: None")
    stream.on(name, enough).once(name, enough)
    for attach in (stream.on, stream.once):
        with pytest.raises(TypeError):
            attach(name, too_many)
    with pytest.raises(TypeError):
        stream.on(name)(too_many)
    stream.done(timeout=PATIENCE)


def test_surplus_arguments_are_dropped():
    """A listener gets as many arguments as it can take, defaults and *args included."""
    calls: dict = {}
    stream = play(answered("a"))

    class Taker:
        """Takes in a method."""

        def one(self, delta):
            """Take one."""
            calls["method"] = (delta.value,)

        def __call__(self, *args):
            calls["object"] = tuple(arg.value for arg in args)

    def keyword_only(delta, *, flag="flag"):
        calls["keyword only"] = (delta.value, flag)

    stream.on("textDelta", lambda: calls.__setitem__("none", ()))
    stream.on("textDelta", lambda d: calls.__setitem__("one", (d.value,)))
    stream.on("textDelta", lambda d, s: calls.__setitem__("two", (d.value, s.value)))
    stream.on("textDelta", lambda d, s=None: calls.__setitem__("default", (d.value, s and s.value)))
    stream.on("textDelta", lambda d, s, x=3: calls.__setitem__("spare default", (d.value, x)))
    stream.on("textDelta", lambda d, *more: calls.__setitem__("star", (d.value, len(more))))
    stream.on("textDelta", Taker().one).on("textDelta", Taker()).on("textDelta", keyword_only)
    stream.on("textDelta", functools.partial(lambda x, d: calls.__setitem__("partial", (x,)), 1))
    stream.done(timeout=PATIENCE)
    assert calls == {
        "none": (),
        "one": ("a",),
        "two": ("a", "a"),
        "default": ("a", "a"),
        "spare default": ("a", 3),
        "star": ("a", 1),
        "method": ("a",),
        "object": ("a", "a"),
        "keyword only": ("a", "flag"),
        "partial": (1,),
    }


def test_a_required_keyword_can_never_be_given():
    """A listener that needs a keyword argument is a TypeError at on."""

    def listener(delta, *, needed):
        raise AssertionError(needed)

    stream = play(FIVE)
    with pytest.raises(TypeError):
        stream.on("textDelta", listener)
    stream.done(timeout=PATIENCE)


@pytest.mark.parametrize("listener", ["textDelta", 5, [], object()])
def test_what_cannot_be_called_is_no_listener(listener):
    """Something that is not callable is a TypeError at on."""
    stream = play(FIVE)
    with pytest.raises(TypeError):
        stream.on("textDelta", listener)
    stream.done(timeout=PATIENCE)


def test_the_number_of_arguments_is_settled_when_attached():
    """A listener's signature is not looked at again at each call."""

    class Watched:
        """Counts the looks at its signature."""

        looks = 0
        calls = 0

        @property
        def __signature__(self):
            import inspect

            self.looks += 1
            return inspect.signature(lambda delta: None)

        def __call__(self, delta):
            self.calls += 1

    listener = Watched()
    stream = play(answered(*"abcdefghij")).on("textDelta", listener)
    looks = listener.looks
    stream.done(timeout=PATIENCE)
    assert (listener.looks, listener.calls) == (looks, 10)


def test_a_type_error_inside_a_listener_is_the_listeners():
    """A TypeError from within is not taken for a wrong number of arguments: one call, one error."""
    calls: list = []

    def listener(delta, snapshot):
        calls.append(delta.value)
        raise TypeError("listener() takes 1 positional argument but 2 were given")

    stream = play(FIVE).on("textDelta", listener)
    with pytest.raises(OpenAIError) as caught:
        stream.done(timeout=PATIENCE)
    assert isinstance(caught.value.__cause__, TypeError)
    assert calls == ["a"]


# --- names


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("text_delta", "textDelta"),
        ("textdelta", "textDelta"),
        ("TextDelta", "textDelta"),
        ("texDelta", "textDelta"),
        ("text_created", "textCreated"),
        ("tool_call_created", "toolCallCreated"),
        ("runstepdone", "runStepDone"),
        ("image_file_done", "imageFileDone"),
        ("Error", "error"),
        ("thread.run.complete", "thread.run.completed"),
        ("thread.message.deltas", "thread.message.delta"),
    ],
)
def test_a_wrong_name_is_an_error_that_names_the_nearest(wrong, right):
    """A name that the stream can never emit is a ValueError with the nearest real name."""
    stream = play(FIVE)
    ways = [
        lambda: stream.on(wrong, print),
        lambda: stream.on(wrong),
        lambda: stream.once(wrong, print),
        lambda: stream.emitted(wrong, timeout=PATIENCE),
        lambda: next(iter(stream.events(wrong))),
    ]
    for way in ways:
        with pytest.raises(ValueError, match=rf"\b{right}\b") as caught:
            way()
        assert wrong in str(caught.value)
    stream.done(timeout=PATIENCE)


@pytest.mark.parametrize("wrong", ["", "zzzzzzzz", "done", " textDelta", "thread.", "thread.x"])
def test_a_name_with_nothing_near_is_an_error_too(wrong):
    """A name that is like none is a ValueError all the same."""
    stream = play(FIVE)
    with pytest.raises(ValueError, match=r"emits|event|name"):
        stream.on(wrong, print)
    stream.done(timeout=PATIENCE)


@pytest.mark.parametrize("wrong", [None, 5, b"textDelta"])
def test_a_name_that_is_no_string(wrong):
    """A name that is no string is a ValueError or a TypeError, whichever fits."""
    stream = play(FIVE)
    with pytest.raises((TypeError, ValueError)):
        stream.on(wrong, lambda: None)
    stream.done(timeout=PATIENCE)


def test_raw_api_names():
    """The API's own event names can be listened to, with the event's data as the argument."""
    stream = play(EVERYTHING)
    heard: list = []
    names = list(dict.fromkeys(name for name, _ in EVERYTHING if name != "done"))
    for name in names:
        stream.on(name, lambda *args, name=name: heard.append((name, *map(plain, args))))
    finish(stream)
    sent = [(name, plain(data)) for name, data in EVERYTHING if name != "done"]
    assert heard == sent


@pytest.mark.parametrize(
    "name",
    [
        "thread.created",
        *(f"thread.run.{x}" for x in ("created", "queued", "in_progress", "requires_action")),
        *(f"thread.run.{x}" for x in ("completed", "incomplete", "failed", "cancelling")),
        *(f"thread.run.{x}" for x in ("cancelled", "expired")),
        *(f"thread.run.step.{x}" for x in ("created", "in_progress", "delta", "completed")),
        *(f"thread.run.step.{x}" for x in ("failed", "cancelled", "expired")),
        *(f"thread.message.{x}" for x in ("created", "in_progress", "delta", "completed")),
        "thread.message.incomplete",
    ],
)
def test_every_raw_api_name_is_known(name):
    """Each thread.* name of the API can be attached to."""
    stream = play(FIVE)
    stream.on(name, lambda data: None)
    with pytest.raises(TypeError):
        stream.on(name, lambda data, more: None)
    stream.done(timeout=PATIENCE)


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

    def script(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:-3]))
        exchange.wait_for_close()

    stream = stream_of(script)
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
