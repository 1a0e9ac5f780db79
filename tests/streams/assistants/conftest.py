"""Fixtures of the Assistants streams' tests."""

from __future__ import annotations

import pytest
from scripted_server import sse

from emitter_stream import AssistantStream


@pytest.fixture
def loop(connect):
    """Start a run with tools against a server that plays these bodies, a request each."""

    def start(tools, *bodies, **params) -> AssistantStream:
        scripts = [sse(body) if isinstance(body, bytes) else body for body in bodies]
        client = connect(*scripts)
        start.server = connect.server
        return client.beta.threads.runs.run_tools(
            "thread_1", assistant_id="asst_1", tools=tools, **params
        )

    return start
