"""Fixtures for pytest, which finds them by itself where the library is installed.

``replay_client``
    The function ``emitter_stream.testing.replay_client``; relative paths count from the folder of
    the test's file, and the clients are closed after the test.

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
    from .testing import Recordings, ReplayClient

__all__ = ["emitter_stream_server", "replay_client"]


@pytest.fixture
def replay_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., ReplayClient]]:
    """Make clients whose streams are recordings, from paths beside the test's file."""
    from .testing import replay_client as make

    def beside(recordings: Any) -> Any:
        if isinstance(recordings, str | os.PathLike):
            return request.path.parent / os.fspath(recordings)
        if isinstance(recordings, Mapping):
            return {name: beside(paths) for name, paths in recordings.items()}
        return [beside(path) for path in recordings]

    with contextlib.ExitStack() as clients:

        def replay(recordings: Recordings, **options: Any) -> ReplayClient:
            return clients.enter_context(make(beside(recordings), **options))

        yield replay


@pytest.fixture
def emitter_stream_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """Start an embedded server that ``OpenAI()`` finds by itself."""
    from .server import LocalServer

    with LocalServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        yield server
