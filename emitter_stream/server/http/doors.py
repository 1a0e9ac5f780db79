"""Who may come in: which names of this host, which web pages, and that there is a key.

A browser sends requests to any address for any page, loopback included. A page can even make its
own name lead here once it is loaded (DNS rebinding), and then read the answers as its own; what it
cannot change is the name in `Host`. Starlette's `TrustedHostMiddleware` answers in plain text, not
in the API's form, and tells a name from its port at the first colon in the versions that have no
IPv6.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from starlette.types import Scope

from .errors import ApiError, shorten

# A name, an IPv4 address, or an IPv6 address in brackets, with or without a port.
_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[^\[\]:/?#@*\s]+)(?::[0-9]*)?")
_WILDCARDS = ("0.0.0.0", "::")


class Doors:
    """Lets requests in by name: loopback's, the address listened on, and `allowed_hosts`.

    An allowed host is a name without a port, `*.example.com` for all names below that one, or `*`
    for any. Raises `ValueError` for what is none of these, and for a server that listens on every
    address and has no names: it cannot know its own.
    """

    def __init__(self, listens_on: str, allowed_hosts: Iterable[str] = ()) -> None:
        names = {_plain(name) for name in allowed_hosts}
        for name in names:
            if name != "*" and not _HOST.fullmatch(_bracketed(name.removeprefix("*."))):
                raise ValueError(f"{name!r} is no host name: no port, no scheme, no path")
        if listens_on in _WILDCARDS and not names:
            raise ValueError(
                f"a server on every address ({listens_on}) must be told the names that it is "
                f"called by (--allowed-host, allowed_hosts=): it would answer to a name that a "
                f"web page made up"
            )
        self._any = "*" in names
        self._names = {"localhost", _plain(listens_on)} | names
        self._endings = tuple(name[1:] for name in names if name.startswith("*."))

    def check(self, scope: Scope) -> None:
        """Raise `ApiError`: 400 for a foreign host, 403 for a foreign page, 401 without a key."""
        host = _header(scope, b"host")
        if not self._knows(host):
            raise ApiError(
                400,
                f"Invalid Host header: this server is not called '{shorten(host)}'. It can be told "
                f"more names with --allowed-host.",
                code="invalid_host",
            )
        origin = _header(scope, b"origin")
        if origin and origin.lower().partition("://")[2] != host.lower():
            raise ApiError(
                403,
                f"Requests of pages from '{shorten(origin)}' are not allowed.",
                code="invalid_origin",
            )
        if scope["path"] != "/healthz":  # asked by what starts and balances servers
            check_key(scope)

    def _knows(self, host: str) -> bool:
        match = _HOST.fullmatch(host.lower())
        if match is None:
            return False
        name = _plain(match[1])
        return (
            self._any
            or name in self._names
            or name.endswith(self._endings)
            or _is_loopback_address(name)
        )


def check_key(scope: Scope) -> None:
    """Refuse a request without a key, a bearer token or as Azure's clients send it; any will do."""
    kind, _, token = _header(scope, b"authorization").strip().partition(" ")
    has_token = kind.lower() == "bearer" and token.strip()
    if not has_token and not _header(scope, b"api-key").strip():
        raise ApiError(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization "
            "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )


def _header(scope: Scope, name: bytes) -> str:
    """Return a header's value; all of them, and so none that is allowed, if it came twice."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _plain(name: str) -> str:
    """Return a name as it is compared: `[::1]` and `LOCALHOST.` are `::1` and `localhost`."""
    return name.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _is_loopback_address(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
