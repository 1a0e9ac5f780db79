"""Paths with ids in them."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["url_path"]


def url_path(template: str, *ids: str) -> str:
    """Return ``template`` with each ``{}`` filled by an id, quoted so that it is one segment.

    What cannot be one segment is a ``ValueError``: an empty id would address the list instead of
    one object, and HTTP clients resolve ``.`` and ``..`` whether quoted or not.
    """
    # "/threads/{}/runs/{}" -> ["thread", "run"], what the ids are called in a message
    kinds = [part.rsplit("/", 2)[-2].removesuffix("s") for part in template.split("{}")[:-1]]
    for kind, value in zip(kinds, ids, strict=True):
        if not isinstance(value, str) or value in ("", ".", ".."):
            raise ValueError(f"The {kind} id cannot be {value!r}")
    return template.format(*(quote(value, safe="") for value in ids))
