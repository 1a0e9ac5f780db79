"""Waiting for a run by asking again and again."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from .._not_given import NotGiven
from ..types import Model, Run
from ._api import Api, Extras
from ._path import url_path

__all__ = ["poll_run", "poll_until"]

_M = TypeVar("_M", bound=Model)

_DEFAULT_INTERVAL_MS = 1000
_SETTLED = frozenset(
    ("requires_action", "cancelled", "completed", "failed", "expired", "incomplete")
)


def poll_run(
    api: Api, thread_id: str, run_id: str, *, poll_interval_ms: int | NotGiven, extras: Extras
) -> Run:
    """Get a run until it has ended or requires action, and return it.

    A status that is not known here is not taken for an end.
    """
    path = url_path("/threads/{}/runs/{}", thread_id, run_id)
    while True:
        run, headers = api.fetch_with_headers(Run, "GET", path, extras=extras)
        if run.status in _SETTLED:
            return run
        if isinstance(poll_interval_ms, NotGiven):
            interval = _wished_interval_ms(headers)
        else:
            interval = poll_interval_ms
        api.sleep(interval / 1000)


def poll_until(
    api: Api,
    view: type[_M],
    path: str,
    settled: Collection[str],
    waits: Mapping[str, Any],
    *,
    extras: Extras,
) -> _M:
    """Get an object until its status is ``settled``, and return it.

    ``waits`` may have ``poll_interval_ms`` and ``max_wait_seconds``, after which it is a
    ``TimeoutError``.
    """
    longest = waits.get("max_wait_seconds")
    until = None if longest is None else time.monotonic() + longest
    while True:
        if until is not None and time.monotonic() >= until:
            raise TimeoutError(f"It was not settled in {longest:g} seconds; the server goes on")
        found, headers = api.fetch_with_headers(view, "GET", path, extras=extras)
        if found.to_dict().get("status") in settled:
            return found
        interval = waits.get("poll_interval_ms")
        api.sleep((_wished_interval_ms(headers) if interval is None else interval) / 1000)


def _wished_interval_ms(headers: Mapping[str, str]) -> int:
    wish = headers.get("openai-poll-after-ms", "")
    return int(wish) if wish.isascii() and wish.isdigit() else _DEFAULT_INTERVAL_MS
