"""Fixtures shared by the tests: scripted servers, clients, and a watch over what is left behind."""

from __future__ import annotations

import contextlib
import gc
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import hypothesis
import pytest
from left_behind import collect_garbage, stream_threads, wait_until
from samples import EXHAUSTIVE
from scripted_server import PATIENCE, Script, ScriptedServer, sse

if TYPE_CHECKING:
    from emitter_stream.server import LocalServer

# On a busy machine anything may be slow, also what makes examples. By default they are the same ones
# each time.
hypothesis.settings.register_profile(
    "patient",
    deadline=None,
    derandomize=not EXHAUSTIVE,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")

gc.disable()  # until all is collected

# A shell's background jobs ignore Ctrl-C, and what they start does so too; some tests need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Spare the garbage collector all that was collected: it lives as long as the process.

    While tests are collected it is off: it would look through them for a second and more. A look
    at all tests and modules takes a quarter of a second, and hundreds of tests ask for one.
    """
    gc.enable()
    collect_garbage()


ROWS: dict[str, list[dict[str, int]]] = {}  # of each test that is a sample: its tables' rows so far


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what a sample leaves out as `exhaustive`, which only `tox -e exhaustive` runs.

    Of a table that is each n-th row; of several, those whose numbers have a sum that n divides: so
    each row of one table comes with another row of the next. What is asked for by its name is run.
    """
    sample = item.get_closest_marker("sample")
    if sample is not None and isinstance(item, pytest.Function):
        every, first = (*sample.args, 0)[:2]
        names = item.callspec._idlist
        rows = ROWS.setdefault(item.nodeid.partition("[")[0], [{} for _ in names])
        numbers = (seen.setdefault(name, len(seen)) for seen, name in zip(rows, names, strict=True))
        if sum(numbers) % every != first:
            item.add_marker("exhaustive")


def pytest_make_parametrize_id(config: pytest.Config, val: object) -> str | None:
    """Name a row of a table after what stands in it, where pytest would number it."""
    if not isinstance(val, list | tuple | dict | bytes) or not reads_alike(val):
        return None
    text = repr(val)
    return text if len(text) <= 60 else f"{text[:57]}..."


def reads_alike(value: object) -> bool:
    """Tell whether a value's `repr` is the same in each worker: no addresses, no order of sets."""
    if isinstance(value, list | tuple):
        return all(map(reads_alike, value))
    if isinstance(value, dict):
        return reads_alike([*value, *value.values()])
    return value is None or isinstance(value, str | bytes | int | float)


@pytest.fixture
def long_tick(monkeypatch) -> None:
    """Give a chain of `.on` 200 ms instead of 20 before delivery starts by itself.

    For tests that compare the order of calls of several listeners: on a busy machine 20 ms may
    pass between two lines, and a late listener is given its own past, not the common order.
    """
    monkeypatch.setattr("emitter_stream.engine.delivery.TICK", 0.2)


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Start scripted servers; at the end they are gone, and so are the streams' threads."""
    with contextlib.ExitStack() as stack:
        yield lambda *scripts: stack.enter_context(ScriptedServer(*scripts))
    assert wait_until(lambda: not stream_threads(), 10), f"left behind: {stream_threads()}"


@pytest.fixture
def connect(serve) -> Callable[..., object]:
    """Start a server for these scripts and give a client of it, as `client.server`."""
    from emitter_stream import OpenAI

    def start(*scripts: Script, **options):
        server = serve(*scripts)
        options = {"api_key": "sk-test", "timeout": PATIENCE, "max_retries": 0} | options
        client = OpenAI(base_url=server.url, **options)
        start.server = server
        return client

    return start


@pytest.fixture
def stream_of(connect) -> Callable[..., object]:
    """Start a server for these scripts and give a stream from it, with nobody listening yet."""

    def start(*scripts: Script, **options):
        client = connect(*scripts, **options)
        start.server = connect.server
        return client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")

    return start


@pytest.fixture(scope="module")
def vector_stream() -> Iterator[Callable[..., object]]:
    """Serve the parity vectors; give a function that streams one, with nobody listening yet."""
    from parity.compare import VECTORS

    from emitter_stream import OpenAI

    def script(exchange):
        name, piece, framing = exchange.request.target.split("/")[3].split("~")
        sse(VECTORS[name][0].read_bytes(), int(piece), framing)(exchange)

    with ScriptedServer(script) as server:
        client = OpenAI(api_key="sk-test", base_url=server.url, timeout=PATIENCE, max_retries=0)
        yield lambda name, piece=None, framing="chunked": client.beta.threads.runs.stream(
            f"{name}~{piece or 0}~{framing}", assistant_id="asst_1"
        )
        assert wait_until(lambda: not stream_threads(), 10), f"left behind: {stream_threads()}"


@pytest.fixture
def aio_connect(serve) -> Callable[..., object]:
    """Start a server for these scripts and give an asyncio client of it, with the `server`."""
    from emitter_stream.aio import AsyncOpenAI

    def start(*scripts: Script, **options):
        start.server = serve(*scripts)
        options = {"api_key": "sk-test", "timeout": PATIENCE, "max_retries": 0} | options
        return AsyncOpenAI(base_url=start.server.url, **options)

    return start


@pytest.fixture
def aio_stream_of(aio_connect) -> Callable[..., object]:
    """Give a function that starts a server for a script and, on the loop, a stream from it."""

    def start(*scripts: Script, **options):
        client = aio_connect(*scripts, **options)
        start.server = aio_connect.server
        return client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")

    return start


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """An embedded server that many tests share: starting and stopping one takes longer than they."""
    from emitter_stream.server import LocalServer

    with LocalServer() as shared:
        yield shared
