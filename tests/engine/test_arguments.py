"""What listeners are called with, and which names and functions are refused at once."""

from __future__ import annotations

import functools

import pytest
from everything import EVERYTHING, finish
from five_deltas import FIVE, play
from parity.compare import NAMES, PATIENCE, Recorder, plain
from parity.transcripts import answered

from emitter_stream import OpenAIError

pytestmark = pytest.mark.usefixtures("long_tick")
COUNTS = {
    **dict.fromkeys(NAMES, 1),
    **dict.fromkeys(("connect", "end"), 0),
    **dict.fromkeys(("messageDelta", "runStepDelta", "runStepDone", "toolCallDelta"), 2),
    **dict.fromkeys(("textDelta", "textDone", "imageFileDone"), 2),
}


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
