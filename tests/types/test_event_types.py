"""The classes of a stream's events and of their data."""

import openai.types.beta.assistant_stream_event as official
import pydantic
import pytest

from emitter_stream import types

OFFICIAL = [
    (name, value)
    for name, value in vars(official).items()
    if isinstance(value, type)
    and issubclass(value, pydantic.BaseModel)
    and "event" in value.model_fields
]


@pytest.mark.parametrize(("name", "theirs"), OFFICIAL, ids=lambda value: str(value))
def test_the_data_of_an_event_has_the_official_class(name, theirs):
    """Each event of the official SDK has its data class here, by name, and its own class."""
    (event,) = theirs.model_fields["event"].annotation.__args__
    expected = getattr(types, theirs.model_fields["data"].annotation.__name__)
    seen = types.AssistantStreamEvent({"event": event, "data": {"id": "x"}})
    assert type(seen.data) is expected
    assert types.event_data_class(event) is expected
    assert isinstance(seen, getattr(types, name))


def test_every_event_known_here_is_known_there():
    """The table of events holds no event that the official SDK does not have."""
    theirs = {value.model_fields["event"].annotation.__args__[0] for _, value in OFFICIAL}
    assert set(types.EVENT_DATA) == theirs


def test_unknown_events_come_through():
    """Data of an event that is not known read as attributes; a bare value stays one."""
    event = types.AssistantStreamEvent({"event": "thread.dance.delta", "data": {"step": {"n": 1}}})
    assert event.data.step.n == 1
    assert type(event.data) is types.Model
    assert types.AssistantStreamEvent({"event": "done", "data": "[DONE]"}).data == "[DONE]"
    assert types.event_data_class(None) is types.Model


def test_the_data_of_an_event_is_one_object():
    """Reading the data twice gives the same object; so does what is in it."""
    event = types.AssistantStreamEvent(
        {"event": "thread.message.delta", "data": {"id": "m", "delta": {"content": []}}}
    )
    assert event.data is event.data
    assert event.data.delta.content is event.data.delta.content


def test_an_event_gives_back_what_came():
    """to_dict has the event as it was received, unknown keys included."""
    raw = {"event": "thread.created", "data": {"id": "t", "x": None}, "enabled": True}
    assert types.AssistantStreamEvent(raw).to_dict() == raw
