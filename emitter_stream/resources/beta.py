"""``client.beta``."""

from __future__ import annotations

from ._api import Resource
from .assistants import Assistants
from .threads import Threads

__all__ = ["Beta"]


class Beta(Resource):
    """The Assistants API, which never left beta."""

    @property
    def assistants(self) -> Assistants:
        """Models with instructions and tools."""
        return Assistants(self._api)

    @property
    def threads(self) -> Threads:
        """Conversations."""
        return Threads(self._api)
