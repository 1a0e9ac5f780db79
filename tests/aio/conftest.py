"""Here `connect` is the one for asyncio."""

from __future__ import annotations

import pytest


@pytest.fixture
def connect(aio_connect):
    return aio_connect
