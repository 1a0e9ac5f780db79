"""Here `connect` and `stream_of` are those for asyncio."""

from __future__ import annotations

import pytest


@pytest.fixture
def connect(aio_connect):
    return aio_connect


@pytest.fixture
def stream_of(aio_stream_of):
    return aio_stream_of
