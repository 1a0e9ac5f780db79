"""The Assistants core by itself; what it calls, call by call, is held by the parity vectors."""

from __future__ import annotations

from emitter_stream.streams.assistants import core as assistant
from emitter_stream.streams.assistants.core import AssistantCore

CREATED = ("thread.run.created", {"id": "run_1", "status": "queued"})
COMPLETED = ("thread.run.completed", {"id": "run_1", "status": "completed"})


def test_a_thread_that_asks_for_the_current_event_cannot_hold_it_back(monkeypatch):
    """What another thread makes of the last event never passes for the next one's."""
    core = AssistantCore()
    core.wanted = core.listened = {}  # or the view would have been made already
    list(core.feed(*CREATED))
    make = assistant.shared_view

    def make_slowly(model, document):
        monkeypatch.setattr(assistant, "shared_view", make)
        list(core.feed(*COMPLETED))  # the reader goes on before the other thread is done
        return make(model, document)

    monkeypatch.setattr(assistant, "shared_view", make_slowly)
    assert core.current_event.event == "thread.run.created"
    assert core.current_event.event == "thread.run.completed"
    assert core.current_event is core.current_event
