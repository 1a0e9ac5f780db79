"""The page and its files, as they are given out: each known by name, with what it may do.

The files are read once, so a path is a key of a table and never leads into the file system. The
policy is the second wall: the page's own scripts make no element out of text, and would a text get
through all the same, it could run nothing, load nothing and send nothing elsewhere.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

PAGE = "/"
FOLDER = "/playground/"

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# `blob:` are plots, which need the key to be fetched; Trusted Types forbid `innerHTML` and the like.
_RULES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "; ".join(_RULES),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def is_open(method: str, path: str) -> bool:
    """True for what a browser asks for before it can have a key: the page and its files."""
    return method in ("GET", "HEAD") and (path == PAGE or path.startswith(FOLDER))


async def get_page(request: Request) -> Response:
    """Answer with the page."""
    return _answer(request, "index.html")


async def get_file(request: Request) -> Response:
    """Answer with one of the page's files; 404 for any other name."""
    return _answer(request, request.path_params["name"])


def _answer(request: Request, name: str) -> Response:
    data = _files().get(name)
    if data is None:
        raise HTTPException(404)
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {**_HEADERS, "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)


@functools.cache
def _files() -> Mapping[str, bytes]:
    folder = resources.files(__name__.rpartition(".")[0]).joinpath("assets")
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }
