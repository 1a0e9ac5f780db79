"""What a stream keeps has its fields' names in common with what all others keep.

Those of parsed JSON are made anew for each event, and take more room than what stands under them.
"""

from __future__ import annotations

import json

import pytest
from chat_wire import chunks
from five_deltas import FIVE
from response_wire import answer_in

from emitter_stream.engine.wire import loads
from emitter_stream.streams.assistants.core import AssistantCore
from emitter_stream.streams.chat.core import ChatCore
from emitter_stream.streams.responses.core import ResponseCore
from emitter_stream.types import _model


def parsed(value):
    """Give a value as it comes of a frame."""
    return loads(json.dumps(value))


def assistants():
    core = AssistantCore()
    for name, data in FIVE[:-1]:
        list(core.feed(name, parsed(data)))
    views = (core.final_run, *core.messages.values(), *core.run_steps.values())
    return [*(view._data for view in views), core.current_event.data._data]


def responses():
    core = ResponseCore()
    for event in answer_in("a", "b"):
        list(core.feed(event["type"], parsed(event)))
    list(core.finish())
    return [core.final._data, core.current_event._data]


def chat():
    core = ChatCore()
    for line in chunks("a", "b").decode().split("\n\n"):
        if "{" in line:
            list(core.feed(None, parsed(json.loads(line.removeprefix("data: ")))))
    return [core.current_snapshot._data]


def names_in(value):
    """Give each key of JSON, outermost first."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from names_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from names_in(item)


@pytest.mark.parametrize("kept_by", [assistants, responses, chat])
def test_names_are_shared(kept_by):
    """Two streams of an API keep the same strings, not equal ones."""
    first, second = (list(names_in(kept_by())) for _ in range(2))
    assert first == second
    assert len(first) >= 9
    own = [name for name, other in zip(first, second, strict=True) if name is not other]
    assert not [name for name in own if name in _model._names], own


def test_no_other_name_is_held_on_to():
    """What a server makes up (in ``metadata``, say) goes with the stream that it was sent to."""
    count = len(_model._names)
    (name,) = _model.plain_copy(parsed({"x" * 40: 1}))
    assert name == "x" * 40
    assert len(_model._names) == count
