"""Fixtures for pytest, which finds them by itself where the library is installed.

``replay_client``
    The function ``emitter_stream.testing.replay_client``; relative paths count from the folder of
    the test's file, and the clients are closed after the test.

``async_replay_client``
    The same for asyncio: ``emitter_stream.testing.async_replay_client``.

``emitter_stream_server``
    An embedded Assistants server of the test's own, as fast as it can be: the ``LocalServer``.
    ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` point to it during the test, so that ``OpenAI()``
    is a client of it. Needs ``emitter-stream[server]``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

# pytest imports this at each start, so what the fixtures need is imported in them.
if TYPE_CHECKING:
    from .server import LocalServer
    from .testing import AsyncReplayClient, Recordings, ReplayClient

__all__ = ["async_replay_client", "emitter_stream_server", "replay_client"]


@pytest.fixture
def replay_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., ReplayClient]]:
    """Make clients whose streams are recordings, from paths beside the test's file."""
    from .testing import replay_client as make

    with contextlib.ExitStack() as clients:

        def replay(recordings: Recordings, **options: Any) -> ReplayClient:
            return clients.enter_context(make(_beside(request, recordings), **options))

        yield replay


@pytest.fixture
def async_replay_client(
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., AsyncReplayClient]]:
    """Make clients for asyncio whose streams are recordings, from paths beside the test's file."""
    from .testing import async_replay_client as make

    with contextlib.ExitStack() as clients:

        def replay(recordings: Recordings, **options: Any) -> AsyncReplayClient:
            client = make(_beside(request, recordings), **options)
            clients.callback(client._api.transport.close)  # close() is a coroutine
            return client

        yield replay


def _beside(request: pytest.FixtureRequest, recordings: Any) -> Any:
    """Return paths as they count from the folder of the test's file."""
    if isinstance(recordings, str | os.PathLike):
        return request.path.parent / os.fspath(recordings)
    if isinstance(recordings, Mapping):
        return {name: _beside(request, paths) for name, paths in recordings.items()}
    return [_beside(request, path) for path in recordings]


@pytest.fixture
def emitter_stream_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """Start an embedded server that ``OpenAI()`` finds by itself."""
    from .server import LocalServer

    with LocalServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        yield server
