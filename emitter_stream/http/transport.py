"""What a client and its requests share: the address, headers, timeouts, one session with retries."""

from __future__ import annotations

import inspect
import json
import re
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .. import _fork
from .._not_given import NOT_GIVEN, NotGiven
from ..exceptions import OpenAIError, described
from ..sse import MAX_EVENT_BYTES
from .exchange import Exchange, Timeout, Waits, has_header
from .form import FormBody
from .secrets import Secret, hide_headers, passwords_in, secrets_in, split_credentials
from .session import Session, TransportSession

__all__ = [
    "DEFAULT_TIMEOUT",
    "Exchange",
    "Session",
    "Timeout",
    "TokenProvider",
    "Transport",
    "asked_for",
    "bearer",
    "checked_headers",
    "checked_key",
]

DEFAULT_TIMEOUT = 600.0

TokenProvider = Callable[[], str | Awaitable[str]]
"""What returns a key or a token; asked for each request that is sent. On threads it returns text."""


class Transport:
    """A session with one server: its address, headers, timeouts and retries.

    ``headers`` go with each request, the ``Authorization`` among them. ``timeout`` is in seconds.
    ``max_event_bytes`` is how large an event of a stream may be, or an answer that is no stream.
    Of ``session`` is taken what ``TransportSession``
    says; it is neither changed nor closed. ``token_provider`` gives the ``Authorization`` of each
    request, if it is set.
    """

    token_provider: TokenProvider | None = None

    def __init__(
        self,
        *,
        base_url: str,
        headers: Mapping[str, str],
        timeout: Timeout = DEFAULT_TIMEOUT,
        max_retries: int = 2,
        max_event_bytes: int = MAX_EVENT_BYTES,
        session: Session | None = None,
    ) -> None:
        # Without a password that stands in it: requests would show it in each response's address.
        self.base_url, userinfo = split_credentials(base_url.rstrip("/"))
        self.timeout = checked_timeout(timeout)
        self.max_retries = max_retries
        self.max_event_bytes = max_event_bytes
        self._headers = hide_headers(checked_headers(headers))
        self._given = session
        self.secrets = [*secrets_in(self._headers), *passwords_in(userinfo)]
        self._environment: Mapping[str, Any] | None = None
        self._session = self._new_session()
        self._generation = _fork.generation

    @property
    def session(self) -> TransportSession:
        """requests' session, with connections of this process."""
        if self._generation != _fork.generation:
            # The parent's may hold locks of its threads. Its connections are closed here by now.
            self._session = self._new_session()
            self._environment = None  # a new session does not know the proxies' passwords
            self._generation = _fork.generation
        return self._session

    def _new_session(self) -> TransportSession:
        session = TransportSession(self._given)
        session.headers.update(self._headers)
        return session

    @property
    def environment(self) -> Mapping[str, Any]:
        """What the environment variables and the session say of proxies and certificates.

        Asked once a client, as in the official SDK. requests would look through the variables twice
        for each request, a fifth of what a request costs.
        """
        # No cached_property: before Python 3.12 that takes a lock, which a fork may leave taken.
        session = self.session
        if self._environment is None:
            self._environment, passwords = session.settings_for(self.base_url)
            self.secrets += passwords
        return self._environment

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        form: FormBody | None = None,
        headers: Mapping[str, str | None] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
        max_retries: int | None = None,
        not_found_hint: str | None = None,
    ) -> Exchange:
        """Return a request that is not sent yet, for an answer that is a stream.

        A ``form`` is sent in the place of a ``body``, as it is read.
        ``not_found_hint`` is added to the message of a 404.
        """
        own = hide_headers(checked_headers(headers or {}))
        request: dict[str, Any] = {
            "method": method,
            "url": self.base_url + path,
            "headers": own if has_header(own, "content-type") else {**own, **_JSON},
            "params": dict(query or {}),
            "data": None if body is None else json.dumps(body, allow_nan=False).encode(),
        }
        if form is not None:
            without = {name: value for name, value in own.items() if name.lower() != "content-type"}
            request["headers"] = {**without, "Content-Type": form.content_type}
            request["data"] = form
        exchange = Exchange(
            self,
            request,
            timeout=self.timeout if isinstance(timeout, NotGiven) else checked_timeout(timeout),
            max_retries=self.max_retries if max_retries is None else max_retries,
            not_found_hint=not_found_hint,
        )
        if self.token_provider is not None:
            exchange.authorize = self._authorizing(exchange, self.token_provider)
        return exchange

    def _authorizing(
        self, exchange: Exchange, provider: TokenProvider
    ) -> Callable[[], dict[str, str]]:
        """Return what gives the header with which a request is sent."""
        return lambda: asked_for(provider)

    def close(self) -> None:
        """Close the connections that are kept open for later requests."""
        self.session.close()


def asked_for(ask: Callable[[], object]) -> dict[str, str]:
    """Return the header for the key that ``ask()`` returns; ``OpenAIError`` if it raises."""
    try:
        token = ask()
    except OpenAIError:
        raise
    except Exception as error:
        raise OpenAIError(f"The function that gives the key raised {described(error)}") from error
    if inspect.iscoroutine(token):
        token.close()
        raise OpenAIError(
            "The function that gives the key (api_key=, azure_ad_token_provider=) is an `async def`; "
            "only the clients of emitter_stream.aio can await it."
        )
    return bearer(token)


def bearer(token: object) -> dict[str, str]:
    """Return the header for a key or a token."""
    if not isinstance(token, str) or not token:
        raise OpenAIError(
            "A function that gives the key (api_key=, azure_ad_token_provider=) must return a text "
            "that is not empty."
        )
    return {"Authorization": Secret(f"Bearer {checked_key(token)}")}


def checked_key(key: str) -> str:
    """Return a key that a header can carry; raise ``OpenAIError`` for any other."""
    # Checked here, and not by trying to encode it: a UnicodeEncodeError would have the key in it.
    if not key.isascii() or not key.isprintable() or " " in key:
        raise OpenAIError(
            "The API key has characters that no key has (white space, control characters or "
            "letters outside ASCII); perhaps more was copied than the key."
        )
    return key


def checked_timeout(timeout: Timeout) -> Waits:
    """Return ``timeout``; refuse here what would fail somewhere inside the first request."""
    waits: Any = timeout
    if hasattr(timeout, "connect") and hasattr(timeout, "read"):
        waits = (waits.connect, waits.read)
    given: list[Any] = list(waits) if isinstance(waits, tuple) and len(waits) == 2 else [waits]
    for seconds in given:
        if seconds is None:
            continue
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not 0 < seconds <= threading.TIMEOUT_MAX:
            raise ValueError(
                f"timeout is a number of seconds above 0, a (connect, read) pair of such, or "
                f"None for no limit; not {timeout!r}"
            )
    checked: Waits = waits
    return checked


_IS_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_JSON = {"Content-Type": "application/json"}


def checked_headers(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``headers``; refuse names and values that HTTP does not allow.

    Values are not shown. ``None`` is allowed: such a header is not sent.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or _IS_TOKEN(name) is None:
            raise OpenAIError(
                f"{name!r:.100} cannot be the name of a header: HTTP allows letters, digits and "
                f"any of !#$%&'*+-.^_`|~ in one."
            )
        if value is None:
            continue
        latin = isinstance(value, str) and all(ord(character) < 256 for character in value)
        if not latin or not value.isprintable() or value != value.strip():
            raise OpenAIError(
                f"The value for the header {name!r} has characters that HTTP does not allow, "
                f"or white space around it."
            )
    return headers
