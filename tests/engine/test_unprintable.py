"""What is somebody else's may raise anything where it is to be shown; the stream ends all the same."""

from __future__ import annotations

import asyncio
import threading

import pytest
from parity.transcripts import answered, encode, run, started
from scripted_server import PATIENCE, sse

from emitter_stream import AssistantStream, OpenAIError
from emitter_stream.aio import AsyncAssistantStream
from emitter_stream.exceptions import described, message_of, shown
from emitter_stream.testing import record

EVENTS = [{"event": name, "data": data} for name, data in answered("a", "b") if data != "[DONE]"]


class Unprintable(BaseException):
    """Raised by whatever is asked to show itself."""


def showing(*_) -> str:
    """Raise instead of showing anything."""
    raise Unprintable


METHODS = dict.fromkeys(("__str__", "__repr__", "__format__"), showing)
KINDS = {
    "exception": type("HostileError", (Exception,), METHODS),
    "base exception": type("HostileExit", (BaseException,), METHODS),
    "one of ours": type("HostileOpenAIError", (OpenAIError,), METHODS),
    "falsy": type("FalsyError", (OpenAIError,), {**METHODS, "__bool__": showing}),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
each_event = pytest.mark.parametrize("event", ["connect", "textDelta", "error", "end"])


def failing(kind):
    """Make a listener that raises one."""

    def fail(*_) -> None:
        raise kind

    return fail


def ending(event: str):
    """Make the events of a stream that comes to the event."""
    return iter([*EVENTS[:4], "no event"] if event == "error" else EVENTS)


@pytest.fixture(autouse=True)
def reports(monkeypatch) -> list:
    """Collect what nobody hears, without showing it."""
    heard: list = []
    monkeypatch.setattr(threading, "excepthook", lambda args: heard.append(args.exc_value))
    return heard


@each_kind
@each_event
@pytest.mark.parametrize("inline", [False, True], ids=["background", "inline"])
def test_a_listener_that_raises_one(tmp_path, reports, kind, event, inline):
    """`end` comes, `done()` returns or raises, and a recording has its end."""
    stream = AssistantStream.from_events(ending(event), inline=inline)
    calls = record(stream.record(tmp_path / "run.jsonl"), ["end"])
    stream.on(event, failing(kind))
    try:
        stream.done(PATIENCE)
    except TimeoutError:
        pytest.fail("it hangs")
    except (OpenAIError, kind):
        pass
    assert stream.ended and calls == [("end", ())]
    assert '"end":true' in (tmp_path / "run.jsonl").read_text()
    assert stream.errored == (event != "end")


@each_kind
def test_a_late_listener_that_raises_one(reports, kind):
    """It is told to the hook for uncaught exceptions."""
    stream = AssistantStream.from_events(EVENTS)
    ended = threading.Event()
    stream.on("end", ended.set)
    assert ended.wait(PATIENCE)
    stream.on("textDelta", failing(kind))
    stream.done(PATIENCE)
    assert [type(report) for report in reports] == [kind]


@each_kind
@pytest.mark.parametrize("inline", [False, True], ids=["background", "inline"])
def test_an_iterable_that_raises_one(kind, inline):
    """The stream ends in it, or because of it."""

    def events():
        yield EVENTS[0]
        raise kind

    stream = AssistantStream.from_events(events(), inline=inline)
    with pytest.raises((OpenAIError, kind)):
        stream.done(PATIENCE)
    assert stream.ended and stream.errored


def test_an_event_that_cannot_be_shown():
    """What is no event is an `OpenAIError`, also where it does not say what it is instead."""
    hostile = type("Hostile", (), METHODS)()
    with pytest.raises(OpenAIError, match="<Hostile>"):
        AssistantStream.from_events([hostile]).done(PATIENCE)


def test_a_listener_that_cannot_be_shown():
    """What cannot be called is a `TypeError` at `.on`, whatever its repr does."""
    hostile = type("Hostile", (), METHODS)()
    stream = AssistantStream.from_events(EVENTS)
    with pytest.raises(TypeError, match="<Hostile>"):
        stream.on("textDelta", hostile)
    hostile = type("Hostile", (), {**METHODS, "__call__": lambda self, a, b, c: None})()
    with pytest.raises(TypeError, match="<Hostile>"):
        stream.on("textDelta", hostile)
    stream.start()


@each_kind
@pytest.mark.parametrize("on_tool_error", ["raise", "report"])
def test_a_function_that_raises_one(connect, kind, on_tool_error):
    """The tool loop ends in an `OpenAIError` that names the class, or tells it to the model."""
    call = {"id": "call_1", "type": "function", "function": {"name": "tool", "arguments": "{}"}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    need = encode([*started(), run("requires_action", required_action=action)])

    def tool() -> str:
        raise kind

    client = connect(sse(need), sse(encode(answered("a"))))
    stream = client.beta.threads.runs.run_tools(
        "thread_1", assistant_id="asst_1", tools=[tool], on_tool_error=on_tool_error
    )
    if on_tool_error == "report" and issubclass(kind, Exception):
        stream.done(PATIENCE)
        sent = connect.server.requests[1].json()["tool_outputs"][0]["output"]
        assert kind.__name__ in sent
    else:
        with pytest.raises(OpenAIError, match=kind.__name__) as caught:
            stream.done(PATIENCE)
        assert type(caught.value.__cause__) is kind


@each_kind
@each_event
def test_on_an_event_loop(kind, event):
    """There, too, `end` comes and `done()` does not hang."""

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        stream = AsyncAssistantStream.from_events(ending(event))
        ends = []
        stream.on("end", lambda: ends.append("end"))
        stream.on(event, failing(kind))
        try:
            await asyncio.wait_for(stream.done(), PATIENCE)
        except asyncio.TimeoutError:
            pytest.fail("it hangs")
        except OpenAIError:
            pass
        assert stream.ended and ends == ["end"]

    asyncio.run(main())


@each_kind
def test_the_means(kind):
    """Each way to show something gives the class where the thing itself raises."""
    error = kind()
    assert described(error) == message_of(error) == kind.__name__
    assert shown(error) == f"<{kind.__name__}>"
    assert described(ValueError("x")) == "ValueError: x"
    assert (message_of(ValueError("x")), message_of(ValueError())) == ("x", "ValueError")
    assert (shown("abc"), shown("abc", 3)) == ("'abc'", "'ab")
