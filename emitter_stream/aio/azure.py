"""The Azure client for asyncio."""

from __future__ import annotations

from ..azure import AzureClient, AzureRoutes
from .calls import InterruptibleTransport
from .client import AsyncOpenAI

__all__ = ["AsyncAzureOpenAI"]


class AsyncAzureRoutes(AzureRoutes, InterruptibleTransport):
    """The transport of an Azure resource, for asyncio."""


class AsyncAzureOpenAI(AzureClient, AsyncOpenAI):
    """A client of an Azure OpenAI resource for asyncio, with the methods of ``AsyncOpenAI``.

    It takes what ``AzureOpenAI`` takes. ``azure_ad_token_provider()`` is called on the event loop
    of the request, and may be a coroutine function.
    """

    _transport_class = AsyncAzureRoutes
