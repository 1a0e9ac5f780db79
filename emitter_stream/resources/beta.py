"""``client.beta``."""

from __future__ import annotations

from ._api import Api, Resource
from .assistants import Assistants
from .chat import Chat
from .threads import Threads
from .vector_stores import VectorStores

__all__ = ["Beta"]

_SHUT_DOWN = (
    "(The hosted Assistants API was shut down on 26 August 2026. Set OPENAI_BASE_URL to a server "
    "that still speaks it, or start one with `emitter-stream serve`.)"
)


class Beta(Resource):
    """The Assistants API, which never left beta; and chat completions, which have."""

    @property
    def assistants(self) -> Assistants:
        """Models with instructions and tools."""
        return Assistants(_of_assistants(self._api))

    @property
    def chat(self) -> Chat:
        """The same as ``client.chat``, where it once was."""
        return Chat(self._api)

    @property
    def threads(self) -> Threads:
        """Conversations."""
        return Threads(_of_assistants(self._api))

    @property
    def vector_stores(self) -> VectorStores:
        """The same as ``client.vector_stores``, where it once was."""
        return VectorStores(_of_assistants(self._api))


def _of_assistants(api: Api) -> Api:
    """Return an API whose requests ask for version 2 of Assistants, as those of no other do."""
    return api.part({"OpenAI-Beta": "assistants=v2"}, not_hosted=_SHUT_DOWN)
