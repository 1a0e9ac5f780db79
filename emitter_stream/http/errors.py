"""The library's error for each of requests, urllib3 and http.client: none of theirs leaves http/."""

from __future__ import annotations

import errno
import http.client
from collections.abc import Iterator

import requests
import urllib3.exceptions

from ..exceptions import APIConnectionError, APITimeoutError, OpenAIError, message_of

__all__ = ["SHOWS_HEADERS", "chain_of", "late", "mapped_error"]

SHOWS_HEADERS = (requests.exceptions.InvalidHeader,)

# The first that fits counts, so the narrow stand before the wide.
_MAPPED: tuple[tuple[type[Exception], type[APIConnectionError], str], ...] = (
    (
        requests.exceptions.ConnectTimeout,
        APITimeoutError,
        "The server could not be reached in time",
    ),
    (requests.exceptions.Timeout, APITimeoutError, "The server did not answer in time"),
    (urllib3.exceptions.TimeoutError, APITimeoutError, "The server stood still for too long"),
    (TimeoutError, APITimeoutError, "The server stood still for too long"),
    (requests.exceptions.ConnectionError, APIConnectionError, "The connection failed"),
    (requests.exceptions.ChunkedEncodingError, APIConnectionError, "The connection broke"),
    (requests.exceptions.ContentDecodingError, APIConnectionError, "The answer cannot be decoded"),
    (urllib3.exceptions.DecodeError, APIConnectionError, "The answer cannot be decoded"),
    (urllib3.exceptions.HTTPError, APIConnectionError, "The connection broke"),
    (http.client.HTTPException, APIConnectionError, "The connection broke"),
    (OSError, APIConnectionError, "The connection broke"),
)


def mapped_error(error: Exception) -> OpenAIError | None:
    """Return the library's error for a foreign one, ``None`` for one that is a mistake of ours."""
    if isinstance(error, OpenAIError):
        return None
    if isinstance(error, requests.exceptions.InvalidHeader):
        if error.args and isinstance(error.args[0], urllib3.exceptions.InvalidHeader):
            return APIConnectionError(f"The server's answer is no HTTP: {message_of(error)}")
        return OpenAIError("A header of the request has characters that HTTP does not allow.")
    # requests' own errors about the request itself (no scheme, a bad URL) are ValueErrors.
    if isinstance(error, requests.exceptions.RequestException) and isinstance(error, ValueError):
        return OpenAIError(f"The request cannot be sent: {message_of(error)}")
    if isinstance(error, ValueError):  # http.client's way with numbers that are none
        return APIConnectionError(f"The server's answer is no HTTP: {message_of(error)}")
    for foreign, ours, what in _MAPPED:
        if isinstance(error, foreign):
            return ours(f"{what}: {_innermost(error)}{_advice(error)}")
    return None


def late(seconds: float | None) -> APITimeoutError:
    """Return what a stream ends in for which nothing has come for so many seconds."""
    return APITimeoutError(f"The server stood still for too long: for {seconds} seconds")


def _advice(error: Exception) -> str:
    for one in chain_of(error):
        if isinstance(one, OSError) and one.errno in (errno.EMFILE, errno.ENFILE):
            return (
                ". Each stream holds a connection, and this process may open no more files: "
                "`ulimit -n` says and sets how many."
            )
    return ""


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that it came of, as a traceback shows them."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _innermost(error: BaseException) -> str:
    """Return the message at the root of an exception that others wrap: theirs repeat it, nested."""
    seen = 0
    while seen < 10:
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            break
        error = inner
        seen += 1
    return message_of(error)
