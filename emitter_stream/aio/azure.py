"""The Azure client for asyncio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import Callable
from typing import Any

from ..azure import AzureClient, AzureRoutes, bearer
from ..exceptions import APIUserAbortError
from ..http.transport import Exchange
from .calls import InterruptibleTransport, calling_loop
from .client import AsyncOpenAI

__all__ = ["AsyncAzureOpenAI"]


class AsyncAzureRoutes(AzureRoutes, InterruptibleTransport):
    """Asks for tokens on the event loop, where those are got asynchronously."""

    def _authorizing(self, exchange: Exchange) -> Callable[[], dict[str, str]]:
        loop, provider = calling_loop(), self.token_provider

        async def ask() -> Any:
            assert provider is not None
            token = provider()
            return await token if inspect.isawaitable(token) else token

        def authorize() -> dict[str, str]:
            # On the thread that sends, which an abort wakes: it looks for one now and then.
            asked = asyncio.run_coroutine_threadsafe(ask(), loop)
            while not concurrent.futures.wait([asked], 0.05).done:
                if exchange.is_interrupted:
                    asked.cancel()
                    raise APIUserAbortError()
            return bearer(asked.result())

        return authorize


class AsyncAzureOpenAI(AzureClient, AsyncOpenAI):
    """A client of an Azure OpenAI resource for asyncio, with the methods of ``AsyncOpenAI``.

    It takes what ``AzureOpenAI`` takes. ``azure_ad_token_provider()`` is called on the event loop
    of the request, and may be a coroutine function.
    """

    _transport_class = AsyncAzureRoutes
