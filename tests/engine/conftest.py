"""Fixtures of the engine's tests."""

from __future__ import annotations

import threading

import pytest


@pytest.fixture
def unheard(monkeypatch) -> list:
    """Collect what reaches threading.excepthook."""
    caught: list = []
    monkeypatch.setattr(threading, "excepthook", lambda args: caught.append(args.exc_value))
    return caught
