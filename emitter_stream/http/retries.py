"""When a request is sent again, how much later, and where else."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import random
import urllib.parse
from collections.abc import Mapping

import requests

__all__ = ["is_worth_retrying", "pause", "same_server_target"]


def pause(headers: Mapping[str, str], retries_done: int) -> float:
    """Return the seconds to wait before the next try: the server's wish, or growing ones."""
    wished = _retry_after(headers)
    if wished is not None and 0 <= wished <= 60:
        return wished
    longest = min(0.5 * 2.0**retries_done, 8.0)
    return longest * random.uniform(0.75, 1.0)


def is_worth_retrying(response: requests.Response) -> bool:
    wish = response.headers.get("x-should-retry")
    if wish in ("true", "false"):
        return wish == "true"
    return response.status_code in (408, 409, 429) or response.status_code >= 500


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, ``None`` if there is none."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            return float(headers[name]) * unit
    try:
        when = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.timezone.utc)
    return (when - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


def same_server_target(response: requests.Response) -> str | None:
    """Return where a redirect leads, ``None`` if it is none that may be followed."""
    location = response.headers.get("location")
    # 301 to 303 would turn a POST into a GET.
    follows = (307, 308) if response.request.method != "GET" else (301, 302, 303, 307, 308)
    if response.status_code not in follows or not location:
        return None
    here = urllib.parse.urlsplit(response.url)
    try:
        target = urllib.parse.urljoin(response.url, location)
        there = urllib.parse.urlsplit(target)
        same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    except ValueError:
        return None
    return target if same else None
