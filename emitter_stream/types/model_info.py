"""Models, as the server describes them."""

from __future__ import annotations

from typing import Literal

from ._resource import Resource

__all__ = ["ModelInfo"]


class ModelInfo(Resource):
    """A model (the official SDKs' ``Model``, which is the base of all objects here)."""

    __slots__ = ()

    id: str
    created: int
    object: Literal["model"]
    owned_by: str
