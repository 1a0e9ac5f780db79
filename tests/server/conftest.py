"""Fixtures for the embedded server's tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import openai
import pytest
from canned import Canned
from databases import postgres_server
from left_behind import collect_garbage
from server_helpers import GatedModel, Raw

from emitter_stream.server import LocalServer


@pytest.fixture
def start() -> Iterator[Callable[..., LocalServer]]:
    """Start servers; afterwards nothing of them may be left."""
    before = set(threading.enumerate())
    servers: list[LocalServer] = []

    def make(**options: object) -> LocalServer:
        servers.append(LocalServer(**options).start())
        return servers[-1]

    yield make
    for server in servers:
        server.stop()
    left = [t for t in set(threading.enumerate()) - before if t.name.startswith("assistants")]
    assert not left
    collect_garbage()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the URL of a PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def raw(server) -> Raw:
    return Raw(server.base_url)


@pytest.fixture
def gate() -> GatedModel:
    return GatedModel()


@pytest.fixture
def gated(start, gate) -> Raw:
    """Raw requests to a server whose model waits at the gate."""
    return Raw(start(model=gate).base_url)


@pytest.fixture
def canned() -> Iterator[Canned]:
    """An upstream that gives the answers put into it."""
    upstream = Canned()
    yield upstream
    upstream.close()


@pytest.fixture
def client(server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="any") as sdk:
        yield sdk
