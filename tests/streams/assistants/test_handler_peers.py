"""The same programs with the official Python SDK's event handlers and with ours, against one server.

Compared is what a program can tell: which methods are called for which event, on which thread and in
which context, what leaves the waits and the `with`, what comes out of an iteration. Ours keep to the
Node SDK's order among the calls of one event, so these are compared as sets.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from types import SimpleNamespace

import pytest
from handler_peers import (
    COLLECTED,
    ERROR,
    METHODS,
    TEXT,
    TOOLS,
    OwnError,
    Rerun,
    broken_off,
    comparable,
    grouped,
    standing_still,
)
from scripted_server import PATIENCE, answer, sse

import emitter_stream

openai = pytest.importorskip("openai", "2.0")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

who = contextvars.ContextVar("who", default="nobody")


def handler_class(sdk, log, **methods):
    """Make a handler that notes each call before it does what ``methods`` say."""

    def noting(name):
        own = methods.get(name)

        def method(self, *args):
            value = getattr(args[0], "event", "") if name == "on_event" else ""
            if name == "on_text_delta":
                value = args[0].value
            log.append((name, value, threading.get_ident(), who.get()))
            if own is not None:
                own(self, *args)

        return method

    return type("Handler", (sdk.AssistantEventHandler,), {name: noting(name) for name in METHODS})


def raising(error):
    """Make a method that raises."""

    def method(self, *args):
        raise error

    return method


# Programs: each is given `play`, which has the SDK's names, `stream(**methods)` to make a manager of
# a handler, and `out`, for whatever it finds.


def until_done(play):
    with play.stream() as handler:
        play.out(handler.until_done())


def in_a_context(play):
    who.set("caller")
    with play.stream() as handler:
        handler.until_done()


def in_a_thread(play):
    def work():
        who.set("worker")
        with play.stream() as handler:
            play.out(list(handler.text_deltas))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(PATIENCE)


def finals(play):
    with play.stream() as handler:
        play.out(handler.get_final_run().status)
        play.out([message.id for message in handler.get_final_messages()])
        play.out([step.id for step in handler.get_final_run_steps()])
        handler.until_done()


def finals_after_the_with(play):
    with play.stream() as handler:
        handler.until_done()
    play.out(handler.get_final_run().status)
    play.out(handler.current_run.status)
    play.out([event.event for event in handler])


def for_loop(play):
    with play.stream() as handler:
        for event in handler:
            play.out((event.event, len(play.log)))


def text_deltas(play):
    with play.stream() as handler:
        for text in handler.text_deltas:
            play.out((text, len(grouped(play.log))))


def left_and_resumed(play):
    with play.stream() as handler:
        for event in handler:
            play.out(event.event)
            break
        play.out(next(handler).event)
        for text in handler.text_deltas:
            play.out(text)
            break
        play.out(next(iter(handler)).event)
        play.out(list(handler.text_deltas))
        play.out(list(handler))


def left_then_awaited(play):
    with play.stream() as handler:
        play.out(next(handler).event)
        handler.until_done()
        play.out(list(handler))
        play.out(list(handler.text_deltas))


def left_early(play):
    with play.stream() as handler:
        for text in handler.text_deltas:
            play.out(text)
            break


def body_raises(play):
    with play.stream() as handler:
        for _text in handler.text_deltas:
            raise OwnError("body")


def method_raises(play, method="on_text_delta", error=OwnError):
    with play.stream(**{method: raising(error("own"))}) as handler:
        handler.until_done()


def method_raises_in_a_loop(play, error=OwnError):
    with play.stream(on_text_delta=raising(error("own"))) as handler:
        for event in handler:
            play.out(event.event)


def method_raises_and_is_caught(play, wait="until_done"):
    with play.stream(on_text_delta=raising(OwnError("own"))) as handler:
        try:
            play.out(list(handler) if wait == "for" else getattr(handler, wait)())
        except OwnError as error:
            play.out(repr(error))
        play.out(list(handler))


def last_method_raises(play, method, first=None):
    methods = {} if first is None else {"on_text_delta": raising(first("first"))}
    with play.stream(**methods, **{method: raising(Rerun("last"))}) as handler:
        handler.until_done()


def error_is_caught(play):
    with play.stream() as handler:
        try:
            handler.until_done()
        except play.sdk.APIError as error:
            play.out(error.message)


def another_stream(play):
    def on_message_created(self, message):
        with play.stream() as inner:
            play.out("".join(inner.text_deltas))

    with play.stream(on_message_created=on_message_created) as handler:
        play.out("".join(handler.text_deltas))


def two_side_by_side(play):
    with play.stream() as one, play.stream() as other:
        for left, right in zip(one, other, strict=True):
            play.out((left.event, right.event))


def tasks_in_methods(play):
    async def main():
        tasks = []

        async def note(value):
            play.out(value)

        def on_text_delta(self, delta, snapshot):
            tasks.append(asyncio.create_task(note(delta.value)))

        with play.stream(on_text_delta=on_text_delta) as handler:
            handler.until_done()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def from_a_generator(play):
    def texts():
        with play.stream() as handler:
            yield from handler.text_deltas

    play.out("".join(texts()))


def from_a_stopped_generator(play):
    def texts():
        with play.stream() as handler:
            yield from handler.text_deltas

    stopped = texts()
    play.out(next(stopped))
    stopped.close()


def used_again(play):
    handler = play.Handler()
    with play.stream_with(handler) as same:
        play.out(same is handler)
        same.until_done()
    with play.stream_with(handler):
        pass


def used_before(play, use="until_done"):
    handler = play.Handler()
    handler.until_done() if use == "until_done" else next(iter(handler.text_deltas))


PROGRAMS = {
    program.__name__ if not isinstance(program, functools.partial) else name: (program, body)
    for name, program, body in [
        ("", until_done, TEXT),
        ("until_done, tools", functools.partial(until_done), TOOLS),
        ("", in_a_context, TEXT),
        ("", in_a_thread, TEXT),
        ("", finals, TEXT),
        ("finals, tools", functools.partial(finals), TOOLS),
        ("", finals_after_the_with, TEXT),
        ("", for_loop, TEXT),
        ("", text_deltas, TEXT),
        ("", left_and_resumed, TEXT),
        ("", left_then_awaited, TEXT),
        ("", left_early, TEXT),
        ("", body_raises, TEXT),
        *(
            (f"{method} raises {error.__name__}", functools.partial(method_raises, method=method, error=error), TEXT)
            for method in ("on_event", "on_message_created", "on_text_delta", "on_message_done")
            for error in (OwnError, KeyboardInterrupt, SystemExit, Rerun)
        ),
        *(
            (f"loop, {error.__name__}", functools.partial(method_raises_in_a_loop, error=error), TEXT)
            for error in (OwnError, KeyboardInterrupt, Rerun)
        ),
        *(
            (f"caught, {wait}", functools.partial(method_raises_and_is_caught, wait=wait), TEXT)
            for wait in ("until_done", "get_final_run", "for")
        ),
        ("on_end raises", functools.partial(last_method_raises, method="on_end"), TEXT),
        ("on_end raises too", functools.partial(last_method_raises, method="on_end", first=OwnError), TEXT),
        ("on_exception raises", functools.partial(last_method_raises, method="on_exception", first=OwnError), TEXT),
        ("error event", functools.partial(until_done), ERROR),
        ("error event, loop", functools.partial(for_loop), ERROR),
        ("error event, caught", functools.partial(error_is_caught), ERROR),
        ("", another_stream, TEXT),
        ("", two_side_by_side, TEXT),
        ("", tasks_in_methods, TEXT),
        ("", from_a_generator, TEXT),
        ("", from_a_stopped_generator, TEXT),
        ("", used_again, TEXT),
        ("", used_before, TEXT),
        ("used before, text_deltas", functools.partial(used_before, use="text_deltas"), TEXT),
    ]
}  # fmt: skip


def played(sdk, program, server, timeout=PATIENCE):
    """Run a program with one SDK; give what can be compared of it."""
    client = sdk.OpenAI(base_url=server.url, api_key="sk-test", max_retries=0, timeout=timeout)
    log: list = []
    found: list = []
    play = SimpleNamespace(
        sdk=sdk,
        log=log,
        out=found.append,
        Handler=handler_class(sdk, log),
        stream_with=lambda handler: client.beta.threads.runs.stream(
            thread_id="thread_1", assistant_id="asst_1", event_handler=handler
        ),
    )
    play.stream = lambda **methods: play.stream_with(handler_class(sdk, log, **methods)())
    raised = context = None

    def work():
        nonlocal raised, context
        try:
            program(play)
        except BaseException as error:  # noqa: BLE001 - whatever it is, is compared
            raised, context = type(error).__name__, type(error.__context__).__name__

    try:
        contextvars.copy_context().run(work)
    finally:
        client.close()
    return SimpleNamespace(log=log, found=found, raised=raised, context=context)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_does_the_same(serve, name):
    """With either SDK: the same calls on the same threads, the same finds, the same end."""
    program, body = PROGRAMS[name]
    server = serve(sse(body))
    theirs = played(openai, program, server)
    ours = played(emitter_stream, program, server)
    assert ours.found == theirs.found
    assert ours.raised == theirs.raised
    assert comparable(grouped(ours.log), name) == comparable(grouped(theirs.log), name)
    here = {(thread == threading.get_ident(), value) for *_, thread, value in theirs.log}
    if name in COLLECTED:  # theirs ends on whatever thread collects the garbage
        here = {(on_own, value) for on_own, value in here if on_own}
    assert {(thread == threading.get_ident(), value) for *_, thread, value in ours.log} == here
    if ours.raised == "Rerun" and theirs.context == "OwnError":
        assert ours.context == theirs.context


@pytest.mark.parametrize("wait", [until_done, for_loop, text_deltas, finals])
@pytest.mark.parametrize("script", [standing_still, broken_off])
def test_a_failing_server(serve, script, wait):
    """The same methods hear of it, `on_timeout` among them; whatever left the wait leaves the `with`.

    The classes differ: there, it is what the HTTP library raises.
    """
    server = serve(script)
    theirs = played(openai, wait, server, timeout=0.3)
    ours = played(emitter_stream, wait, server, timeout=0.3)
    assert ours.found == theirs.found
    assert grouped(ours.log) == grouped(theirs.log)
    assert theirs.raised is not None
    assert ours.raised == ("APITimeoutError" if script is standing_still else "APIConnectionError")
    assert ("on_timeout" in [name for name, *_ in ours.log]) == (script is standing_still)


@pytest.mark.parametrize("sdk", [openai, emitter_stream], ids=["official", "ours"])
@pytest.mark.parametrize("program", [left_early, body_raises, from_a_stopped_generator])
def test_what_is_left_early_is_closed(serve, sdk, program):
    """The server sees the end of a request whose answer nobody reads on."""
    server = serve(standing_still)
    played(sdk, program, server)
    assert server.client_closed.wait(PATIENCE)


def test_a_with_without_a_wait(serve):
    """Ours makes all the calls at the end of the `with`, where the official one makes none."""
    server = serve(sse(TEXT))

    def program(play):
        with play.stream():
            pass

    assert played(openai, program, server).log == []
    ours = played(emitter_stream, program, server)
    waited = played(emitter_stream, until_done, server)
    assert grouped(ours.log) == grouped(waited.log)


def test_a_failed_request(serve):
    """The same class of error leaves the `with`: there at its beginning, here at the first wait."""
    server = serve(answer(429, {"error": {"message": "later"}}))
    theirs = played(openai, until_done, server)
    ours = played(emitter_stream, until_done, server)
    assert ours.raised == theirs.raised == "RateLimitError"
    assert [name for name, *_ in ours.log] == ["on_exception", "on_end"]
