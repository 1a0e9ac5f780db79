"""Listeners that are builtins: some say what they take, and the others are refused at `.on`."""

from __future__ import annotations

import asyncio
import functools
import inspect
import queue
import threading
from collections import deque

import pytest
from parity.transcripts import answered

from emitter_stream import AssistantStream
from emitter_stream.aio import AsyncAssistantStream

EVENTS = [{"event": name, "data": data} for name, data in answered("a", "b", "c") if name != "done"]


class Misdescribed:
    """A callable whose `__signature__` is none."""

    __signature__ = "whatever you like"

    def __call__(self, *args):
        """Take everything, though nothing says so."""


BUILTINS = {
    "deque.append": lambda: deque().append,
    "partial of deque.append": lambda: functools.partial(deque().append),
    "partial of a partial": lambda: functools.partial(functools.partial(deque().append)),
    "Lock.release": lambda: threading.Lock().release,
    "RLock.release": lambda: threading.RLock().release,
    "set.add": lambda: set().add,
    "dict.update": lambda: {}.update,
    "list.append": lambda: [].append,
    "list.insert": lambda: [].insert,
    "SimpleQueue.put": lambda: queue.SimpleQueue().put,
    "Event.set": lambda: threading.Event().set,
    "str": lambda: str,
    "int": lambda: int,
    "dict": lambda: dict,
    "type": lambda: type,
    "object": lambda: object,
    "max": lambda: max,
    "getattr": lambda: getattr,
    "repr": lambda: repr,
    "not described": Misdescribed,
}


def is_told(listener) -> bool:
    """Tell whether this Python says what a callable takes."""
    try:
        inspect.signature(listener)
    except (TypeError, ValueError):
        return False
    return True


def needed(listener) -> int:
    """Give the number of arguments that a callable cannot do without."""
    parameters = inspect.signature(listener).parameters.values()
    return sum(p.default is p.empty and p.kind is not p.VAR_POSITIONAL for p in parameters)


@pytest.mark.parametrize("event", ["end", "event", "textDelta"])
@pytest.mark.parametrize("name", BUILTINS)
@pytest.mark.parametrize("attach", ["on", "once", "decorator"])
def test_what_nothing_tells_of_is_refused_at_once(name, event, attach):
    """A listener either fits or is a TypeError at `.on`, with what to write instead."""
    listener = BUILTINS[name]()
    stream = AssistantStream.from_events(EVENTS)
    arity = {"end": 0, "event": 1, "textDelta": 2}[event]
    try:
        if attach == "decorator":
            stream.on(event)(listener)
        else:
            getattr(stream, attach)(event, listener)
        assert is_told(listener) and needed(listener) <= arity
    except TypeError as error:
        text = str(error)
        assert repr(event) in text
        if is_told(listener):
            assert needed(listener) > arity
        else:
            assert ("`lambda first: f(first)`" if arity else "`lambda: f()`") in text
    finally:
        stream.off(event, listener)  # before it is called: not each of them can be, twice
        stream.abort()


def test_what_tells_is_called_with_as_much_as_it_takes(capsys):
    """A builtin that says what it takes listens like any function, surplus arguments dropped."""
    pieces, inbox, over = [], queue.SimpleQueue(), threading.Event()
    stream = AssistantStream.from_events(EVENTS).on("textDelta", pieces.append)
    stream.on("textDone", functools.partial(pieces.append)).on("textCreated", inbox.put)
    stream.on("end", over.set).on("connect", print).on("messageDone", functools.partial(print))
    stream.done()
    assert [piece.value for piece in pieces] == ["a", "b", "c", "abc"]
    assert inbox.get_nowait().value == "abc"  # the text is live
    assert over.is_set()
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_print_listens_where_python_does_not_say_what_it_takes(monkeypatch, capsys):
    """Python 3.10 has no signature of print, which takes whatever there is."""

    def unknown(function):
        raise ValueError(f"no signature found for builtin {function!r}")

    stream = AssistantStream.from_events(EVENTS)
    monkeypatch.setattr("emitter_stream.engine.emitter.inspect.signature", unknown)
    stream.on("textDelta", print).on("end", functools.partial(print, "the", end="."))
    monkeypatch.undo()
    stream.done()
    out = capsys.readouterr().out
    assert out.count("\n") == 3 and out.endswith("the.")


def test_on_an_event_loop_too():
    """The streams for asyncio settle it in the same way."""

    async def main():
        pieces = []
        stream = AsyncAssistantStream.from_events(EVENTS).on("textDelta", pieces.append)
        with pytest.raises(TypeError, match=r"`lambda first: f\(first\)`"):
            stream.on("textDelta", Misdescribed())
        with pytest.raises(TypeError, match=r"`lambda: f\(\)`"):
            stream.once("end", dict)
        await stream.done()
        assert [piece.value for piece in pieces] == ["a", "b", "c"]

    asyncio.run(main())
