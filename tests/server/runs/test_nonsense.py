"""Models that send nonsense or raise what they like: their run ends, and nothing else."""

from __future__ import annotations

import asyncio
import concurrent.futures

import pytest
from server_helpers import PATIENCE, Raw

from emitter_stream.server import Call, Input, LocalServer, Text

HALF = "\ud83d"


class Fatal(BaseException):
    """Not an `Exception`."""


class Model:
    """Sends the parts of this round, and raises those that are exceptions."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts

    async def respond(self, turn):
        for part in self.parts:
            if isinstance(part, BaseException):
                raise part
            yield part


class NoIterator:
    async def respond(self, turn):
        return [Text("one")]


class NoStream:
    def respond(self, turn):
        return None


class NoMethod:
    pass


class Odd(str):
    """Text that cannot be joined."""

    def encode(self, *args: object) -> bytes:
        raise RuntimeError("no")


class StuckAtTheEnd:
    """Does not let go when it is closed."""

    async def respond(self, turn):
        try:
            yield Text("one")
            yield 1
        finally:
            await asyncio.Event().wait()


CASES = {
    "half a character": Model(Text("one"), Text(f"two{HALF}")),
    "half a character first": Model(Text(HALF)),
    "two halves": Model(Text(HALF), Text("\ude00")),
    "half a character in an input": Model(Call("function", "f"), Input(f'{{"a": "{HALF}"}}')),
    "half a character in code": Model(Call("code_interpreter"), Input(f"print('{HALF}')")),
    "half a character in a name": Model(Call("function", f"f{HALF}"), Input("{}")),
    "text of another type": Model(Text(5)),
    "bytes": Model(Text("one"), Text(b"two")),
    "no text": Model(Text(None)),
    "input of another type": Model(Call("function", "f"), Input({"a": 1})),
    "another part": Model(Text("one"), "two"),
    "nothing": Model(Text("one"), None),
    "a call of another kind": Model(Call("file_search")),
    "a function without a name": Model(Call("function"), Input("{}")),
    "a name of another type": Model(Call("function", 7), Input("{}")),
    "text that cannot be encoded": Model(Text(Odd("x"))),
    "a cancellation": Model(Text("one"), asyncio.CancelledError()),
    "another cancellation": Model(Text("one"), concurrent.futures.CancelledError()),
    "an interrupt": Model(Text("one"), KeyboardInterrupt()),
    "an exit": Model(Text("one"), SystemExit(3)),
    "what is no exception": Model(Text("one"), Fatal("secret")),
    "the end of an iterator": Model(Text("one"), StopAsyncIteration()),
    "the end of a generator": Model(Text("one"), GeneratorExit()),
    "no iterator": NoIterator(),
    "no stream": NoStream(),
    "no method": NoMethod(),
}


class Switched:
    """Is the model that it is told to be."""

    model: object

    def respond(self, turn):
        return self.model.respond(turn)


@pytest.fixture(scope="module")
def switched():
    """Give a model that can be switched, and requests to a server that has it."""
    model = Switched()
    with LocalServer(model=model) as server:
        yield model, Raw(server.base_url)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.sample(2)
def test_nonsense_ends_the_run(switched, case):
    """The run is failed, its stream ends, its thread is free, and all of it can be read."""
    model, raw = switched
    model.model = CASES[case]
    events = raw.run("Hello").events()
    assert [name for name, _ in events[-2:]] == ["thread.run.failed", "done"]
    run = events[-2][1]
    assert run["last_error"]["code"] == "server_error"
    assert "secret" not in str(events)
    thread = f"/threads/{run['thread_id']}"
    for place in ("messages", "runs", f"runs/{run['id']}/steps"):
        assert raw("GET", f"{thread}/{place}").status == 200
    assert raw("POST", f"{thread}/messages", {"role": "user", "content": "x"}).status == 200


def test_what_was_sent_is_named(start):
    """The run's error says what the model did wrong, in words that give nothing away."""
    raw = Raw(start(model=CASES["half a character"]).base_url)
    run = raw.run("Hello").events()[-2][1]
    assert run["last_error"]["message"] == "The model failed: it sent text with half a character."


def test_a_model_that_does_not_let_go(start, monkeypatch):
    """A model that hangs when it is closed is waited for a moment, not for ever."""
    monkeypatch.setattr("emitter_stream.server.runs.worker.CLOSING", 0.1)
    raw = Raw(start(model=StuckAtTheEnd()).base_url)
    assert raw.run("Hello").events()[-2][0] == "thread.run.failed"


@pytest.mark.parametrize("end", ["whole", "cut"])
def test_a_model_is_closed_where_it_was_asked(start, end):
    """The whole answer is one task's, its end included, as libraries with cancel scopes need it."""
    tasks = []

    class Watching:
        async def respond(self, turn):
            tasks.append(asyncio.current_task())
            try:
                yield Text("one")
                if end == "cut":
                    yield None
            finally:
                tasks.append(asyncio.current_task())

    Raw(start(model=Watching()).base_url).run("Hello")
    assert len(tasks) == 2 and tasks[0] is tasks[1]


def test_others_are_not_harmed(start, gate):
    """A run beside the one that failed goes on to its end."""

    class Both:
        async def respond(self, turn):
            if turn.messages[-1].text == "break":
                raise KeyboardInterrupt
            async for part in gate.respond(turn):
                yield part

    raw = Raw(start(model=Both()).base_url)
    body = {"assistant_id": raw.assistant()}
    with raw.stream(f"/threads/{raw.thread('wait')}/runs", body) as stream:
        stream.until("thread.message.delta")
        assert gate.waiting.wait(PATIENCE)
        assert raw.run("break").events()[-2][0] == "thread.run.failed"
        gate.open()
        stream.until("thread.run.completed")
