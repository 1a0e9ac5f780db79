"""What is kept for listeners that come late."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import attrs
import pytest

from emitter_stream.engine import history
from emitter_stream.engine.emitter import Emitter
from emitter_stream.engine.growth import GROWTH
from emitter_stream.engine.history import KEEP, History
from emitter_stream.engine.policy import Policy
from emitter_stream.streams.assistants.core import RAW_EVENTS, AssistantCore


@attrs.frozen
class Twice:
    """A recipe that makes two deliveries and an alias of each letter."""

    names = ("upper", "lower", "alias")
    counted = 2

    def again(self, ingredient: str) -> Iterator[tuple[str, tuple[str]]]:
        yield "upper", (ingredient.upper(),)
        yield "lower", (ingredient.lower(),)
        yield "alias", (ingredient,)


def test_each_name_gets_its_deliveries_in_order():
    """What was kept as it is and what is made again come in the order of the deliveries."""
    kept = History()
    kept.keep("upper", ("first",), counts=True)
    kept.keep_recipe(Twice(), "b")
    kept.keep_recipe(Twice(), "c")
    kept.keep("other", (1, 2), counts=True)
    kept.keep("upper", ("last",), counts=True)
    assert list(kept.of("upper")) == [("first",), ("B",), ("C",), ("last",)]
    assert list(kept.of("lower")) == [("b",), ("c",)]
    assert list(kept.of("other")) == [(1, 2)]
    assert list(kept.of("never")) == []


def test_an_event_is_kept_whole_or_not_at_all(monkeypatch):
    """The limit is looked at between two events; what comes after it is counted by its name."""
    monkeypatch.setattr(history, "LIMIT", 3)
    kept = History()
    for letter in "abcd":
        kept.keep_recipe(Twice(), letter)
        kept.keep("more", (letter,), counts=False)
        kept.end_event()
    assert kept.full
    assert list(kept.of("lower")) == [("a",), ("b",)]
    assert list(kept.of("more")) == [("a",), ("b",)]
    assert kept.unkept == {"upper": 2, "lower": 2, "alias": 2, "more": 2}


def test_what_was_kept_is_let_go_of_once_nobody_can_miss_it():
    """A stream that was told to go on keeps none of its events, from the next gap on."""

    class Word:
        """What can be referred to weakly."""

    policy = Policy(Emitter({"word": 1}), None, {"word"}, keeps=True)
    assert policy.begin_if_due() is False
    word = Word()
    gone = weakref.ref(word)
    policy.deliver_one("word", (word,))
    del word
    gc.collect()
    assert gone() is not None
    policy.say_go()
    assert policy.gap()
    gc.collect()
    assert gone() is None
    assert not policy.keeping


def feed(core: AssistantCore, events, kept: History) -> None:
    """Feed events to a core; keep what it says, as `Delivery` does while nobody has said go."""
    core.listened = {}  # something else than is wanted
    for name, data in events:
        covered: tuple[str, ...] = ()
        for call, args in core.feed(name, data):
            if call == KEEP:
                kept.keep_recipe(*args)
                covered = args[0].names
            elif call not in covered:
                kept.keep(call, args, counts=True)


MESSAGE = ("thread.message.created", {"id": "msg_1", "content": []})
EVENTS = [
    ("thread.run.created", {"id": "run_1", "status": "queued"}),
    MESSAGE,
    ("event", {"id": "named like a listener's event"}),
    (None, {"id": "without a name"}),
    ("thread.run.queued", None),
    ("thread.invented", {"id": "unknown"}),
    ("thread.run.completed", {"id": "run_1", "status": "completed"}),
]


@pytest.mark.parametrize("name", ["event", *RAW_EVENTS])
def test_events_are_made_again_as_they_were(name):
    """A late listener for `event`, or for an event of the API, gets what an early one gets."""
    kept, core = History(), AssistantCore()
    feed(AssistantCore(), EVENTS, kept)
    early = [args[0] for event in EVENTS for call, args in core.feed(*event) if call == name]
    late = [args[0] for args in kept.of(name)]
    assert late == early
    assert [type(one) for one in late] == [type(one) for one in early]


def test_a_delta_that_is_kept_is_no_object_more():
    """Of a long answer, the garbage collector has no more to look at for each delta kept."""

    def tracked(deltas: int) -> int:
        kept, core = History(), AssistantCore()
        block = {"index": 0, "type": "text", "text": {"value": "a"}}
        delta = ("thread.message.delta", {"id": "msg_1", "delta": {"content": [block]}})
        feed(core, [MESSAGE, delta], kept)
        gc.collect()
        before = len(gc.get_objects())
        feed(core, [(GROWTH, "piece")] * deltas, kept)
        gc.collect()
        more = len(gc.get_objects()) - before
        assert len(list(kept.of("textDelta"))) == deltas + 1
        return more

    assert tracked(300) - tracked(3) < 30
