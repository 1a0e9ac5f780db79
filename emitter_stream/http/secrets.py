"""Secrets: text that is sent as it is, and shown by no ``repr``; and taking it out of other text.

Tracebacks with local variables (rich, sentry, cgitb, pytest) show ``repr`` of whatever the frames
hold, down to those of http.client. So a key is a ``Secret`` from the first line that has it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, SupportsIndex
from urllib.parse import unquote

__all__ = [
    "Secret",
    "SecretBytes",
    "basic_credentials",
    "hidden",
    "hide_headers",
    "mask",
    "passwords_in",
    "secrets_in",
    "split_credentials",
]

_MASK = "***"
_HELD_IN = frozenset(
    ("authorization", "proxy-authorization", "api-key", "x-api-key", "cookie", "x-auth-token")
)
_SHORTEST = 6  # characters; a shorter word could be any word, and is not looked for in texts


def _refuse(self: object, protocol: SupportsIndex) -> NoReturn:
    raise TypeError(
        "A secret (an API key, a password) is not written to a pickle, nor is what holds one; "
        "make the client anew where it is needed."
    )


class SecretBytes(bytes):
    """Bytes that ``repr`` does not show."""

    __slots__ = ()
    __reduce_ex__ = _refuse

    def __repr__(self) -> str:
        return repr(_MASK.encode())

    def __getitem__(self, key: Any) -> Any:  # rich shows a long value by its first characters
        part = super().__getitem__(key)
        return SecretBytes(part) if isinstance(part, bytes) else part

    def __copy__(self) -> SecretBytes:
        return self

    def __deepcopy__(self, memo: object) -> SecretBytes:
        return self


class Secret(str):
    """A text that ``repr`` does not show; ``str()`` and f-strings give it in clear."""

    __slots__ = ()
    __reduce_ex__ = _refuse

    def __repr__(self) -> str:
        return repr(_MASK)

    def __getitem__(self, key: Any) -> Secret:
        return Secret(super().__getitem__(key))

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> SecretBytes:
        """Return the bytes, which are as secret: http.client keeps them in a local variable."""
        return SecretBytes(super().encode(encoding, errors))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def hidden(value: Any) -> Any:
    """Return text or bytes as a secret, anything else as it is."""
    if isinstance(value, str):
        return Secret(value)
    return SecretBytes(value) if isinstance(value, bytes) else value


def hide_headers(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return headers whose credentials ``repr`` does not show."""
    return {
        name: hidden(value) if str(name).lower() in _HELD_IN else value
        for name, value in (headers or {}).items()
    }


def secrets_in(headers: Mapping[str, Any]) -> list[Secret]:
    """Return what is secret in headers, as it may be repeated in texts: without its scheme."""
    values = [value for value in headers.values() if isinstance(value, Secret)]
    keys = [Secret(re.sub(r"\A(?:Bearer|Basic) ", "", value)) for value in values]
    return [key for key in keys if len(key) >= _SHORTEST]


def split_credentials(url: str) -> tuple[str, Secret | None]:
    """Return an address without the user's name and password, and these (``name:password``)."""
    found = re.match(r"([^/?#]*//)([^/?#]*)@", url)
    if found is None:
        return url, None
    return str(found[1] + url[found.end() :]), Secret(found[2])


def basic_credentials(userinfo: str) -> Secret:
    """Return the header value for a ``name:password`` that stood in an address."""
    plain = unquote(userinfo).encode("utf-8", "surrogateescape")
    return Secret("Basic " + base64.b64encode(plain).decode())


def passwords_in(userinfo: str | None) -> list[Secret]:
    """Return the password in ``name:password``, as it stands there and as it is meant."""
    _, _, password = (userinfo or "").partition(":")
    return [Secret(text) for text in {password, unquote(password)} if len(text) >= _SHORTEST]


def mask(secrets: Iterable[Secret], value: Any) -> Any:
    """Return JSON-like ``value`` with ``[API key]`` in the place of each secret.

    Also of the beginning of one at the end of a text, which may have been cut for a message.
    """
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "[API key]")
            start = value.rfind(secret[:_SHORTEST])
            if start >= 0 and secret.startswith(value[start:].rstrip("\"'.}]")):
                value = value[:start] + "[API key]"
        return value
    if isinstance(value, list):
        return [mask(secrets, item) for item in value]
    if isinstance(value, dict):
        return {mask(secrets, key): mask(secrets, item) for key, item in value.items()}
    return value
