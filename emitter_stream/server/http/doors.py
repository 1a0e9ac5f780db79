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

from ..playground.pages import is_open
from .errors import ApiError, shorten
from .keys import Keys

# A name, an IPv4 address, or an IPv6 address in brackets, with or without a port.
_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[^\[\]:/?#@*\s]+)(?::[0-9]*)?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[^\[\]:/?#@*\s]+)(:[0-9]+)?|null|\*")
_WILDCARDS = ("0.0.0.0", "::")
_CORS_SECONDS = 600
# What a page's script may read besides the body; the SDKs look for these.
_EXPOSED = b"x-request-id, openai-processing-ms, openai-poll-after-ms, retry-after"

Headers = list[tuple[bytes, bytes]]


class Doors:
    """Lets requests in by name: loopback's, the address listened on, and `allowed_hosts`.

    An allowed host is a name without a port, `*.example.com` for all names below that one, or `*`
    for any; `origins` are the web pages, `https://app.example.com`, whose scripts may come from
    elsewhere. `keys` open the server; without them any key does, which on an address that others
    reach must be said with `any_key`. Raises `ValueError` for what is none of these, and for a server
    that listens on every address without names or keys: it cannot know what it is called.
    """

    def __init__(
        self,
        listens_on: str,
        allowed_hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        keys: Keys | None = None,
        *,
        any_key: bool = False,
    ) -> None:
        names = {_plain(name) for name in allowed_hosts}
        for name in names:
            if name != "*" and not _HOST.fullmatch(_bracketed(name.removeprefix("*."))):
                raise ValueError(f"{name!r} is no host name: no port, no scheme, no path")
        self._origins = {origin.strip().lower() for origin in origins}
        for origin in self._origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin of a page: scheme://host or scheme://host:port"
                )
        if keys is not None and any_key:
            raise ValueError("a server with keys takes no other: leave out any_key (--any-key)")
        if keys is None and not any_key and not _is_loopback(_plain(listens_on)):
            raise ValueError(
                f"others can reach a server on {listens_on}: give it the keys that open it "
                f"(--api-key-file, api_key_file=), or say that any will do (--any-key, any_key=True)"
            )
        if listens_on in _WILDCARDS and not names:
            if keys is None:
                raise ValueError(
                    f"a server on every address ({listens_on}) must be told the names that it is "
                    f"called by (--allowed-host, allowed_hosts=): it would answer to a name that a "
                    f"web page made up"
                )
            names = {"*"}  # who has a key may call it what they like
        self._any = "*" in names
        self._names = {"localhost", _plain(listens_on)} | names
        self._endings = tuple(name[1:] for name in names if name.startswith("*."))
        self._keys = keys

    def check(self, scope: Scope) -> str | None:
        """Return whose objects the request may see; None: all.

        Raises `ApiError`: 400 for a foreign host, 403 for a foreign page, 401 without a key.
        """
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
            if not self._welcomes(origin):
                raise ApiError(
                    403,
                    f"Requests of pages from '{shorten(origin)}' are not allowed. They can be, with "
                    f"--allow-origin.",
                    code="invalid_origin",
                )
            if is_preflight(scope):  # a browser sends it without the key
                return None
        # The first is asked by what starts and balances servers, the others by browsers.
        if scope["path"] == "/healthz" or is_open(scope["method"], scope["path"]):
            return None
        return self._owner(scope)

    def cors(self, scope: Scope) -> Headers:
        """Return the headers by which a browser lets an allowed page read the answer."""
        if not self._origins:
            return []
        headers = [(b"vary", b"Origin")]
        origin = _header(scope, b"origin")
        if not origin or not self._welcomes(origin):
            return headers
        headers.append((b"access-control-allow-origin", origin.encode("latin-1")))
        if not is_preflight(scope):
            return [*headers, (b"access-control-expose-headers", _EXPOSED)]
        wanted = _header(scope, b"access-control-request-headers")
        headers += [
            (b"access-control-allow-methods", b"GET, POST, DELETE"),
            (b"access-control-allow-headers", wanted.encode("latin-1")),
            (b"access-control-max-age", b"%d" % _CORS_SECONDS),
        ]
        if _header(scope, b"access-control-request-private-network"):
            headers.append((b"access-control-allow-private-network", b"true"))
        return headers

    def _welcomes(self, origin: str) -> bool:
        return "*" in self._origins or origin.lower() in self._origins

    def _owner(self, scope: Scope) -> str | None:
        """Refuse a request without a key, a bearer token or as Azure's clients send it."""
        kind, _, token = _header(scope, b"authorization").strip().partition(" ")
        given = [token.strip() if kind.lower() == "bearer" else ""]
        given.append(_header(scope, b"api-key").strip())
        keys = [key.encode("latin-1") for key in given if key]
        if not keys:
            raise ApiError(
                401,
                "You didn't provide an API key. You need to provide your API key in an Authorization "
                "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        if self._keys is None:
            return None
        for key in keys:
            owner = self._keys.owner_of(key)
            if owner is not None:
                return owner
        raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")

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


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks, before it sends a page's request, if it may."""
    return scope["method"] == "OPTIONS" and bool(_header(scope, b"access-control-request-method"))


def _header(scope: Scope, name: bytes) -> str:
    """Return a header's value; all of them, and so none that is allowed, if it came twice."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _plain(name: str) -> str:
    """Return a name as it is compared: `[::1]` and `LOCALHOST.` are `::1` and `localhost`."""
    return name.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _is_loopback(name: str) -> bool:
    return name == "localhost" or _is_loopback_address(name)


def _is_loopback_address(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
