"""The client of an Azure OpenAI resource: other addresses, other credentials, the same methods.

As both official SDKs have it. The address is ``{endpoint}/openai``; what a deployment answers
(chat completions, for one) goes to ``/deployments/{deployment}`` under it, by the name that the
client was given or else by the request's ``model``; Responses and the rest do not. Each request
says ``api-version``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from .client import BaseClient, OpenAI, environment_variable
from .exceptions import OpenAIError
from .http.secrets import Secret, hidden
from .http.transport import Exchange, TokenProvider, Transport, bearer

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ._client_params import ClientParams

__all__ = ["AzureClient", "AzureOpenAI", "AzureRoutes", "TokenProvider"]

_OF_DEPLOYMENTS = frozenset(
    (
        "/completions",
        "/chat/completions",
        "/embeddings",
        "/audio/transcriptions",
        "/audio/translations",
        "/audio/speech",
        "/images/generations",
        "/images/edits",
    )
)


class AzureRoutes(Transport):
    """A transport that knows where a resource's deployments answer."""

    deployment: str | None = None

    def exchange(self, method: str, path: str, *, body: Any = None, **options: Any) -> Exchange:
        return super().exchange(method, self.route(path, body), body=body, **options)

    def route(self, path: str, body: Any) -> str:
        """Return the path of a request, under the deployment that it is for."""
        if path not in _OF_DEPLOYMENTS or "/deployments" in urlsplit(self.base_url).path:
            return path
        model = body.get("model") if isinstance(body, dict) else None
        deployment = self.deployment or model
        if not isinstance(deployment, str) or deployment in ("", ".", ".."):
            return path
        return f"/deployments/{quote(deployment, safe='')}{path}"


class AzureClient(BaseClient):
    """What the Azure clients of threads and of asyncio have in common."""

    _transport_class = AzureRoutes
    _azure_ad_token: str | None
    _deployment: str | None

    def __init__(
        self,
        *,
        azure_endpoint: str | None = None,
        azure_deployment: str | None = None,
        api_version: str | None = None,
        api_key: str | TokenProvider | None = None,
        azure_ad_token: str | None = None,
        azure_ad_token_provider: TokenProvider | None = None,
        base_url: str | None = None,
        **settings: Unpack[ClientParams],
    ) -> None:
        api_key, azure_ad_token = hidden(api_key), hidden(azure_ad_token)
        self._check_one(api_key, azure_ad_token, azure_ad_token_provider)
        if api_key is None and azure_ad_token is None and azure_ad_token_provider is None:
            azure_ad_token = hidden(environment_variable("AZURE_OPENAI_AD_TOKEN"))
            if azure_ad_token is None:
                api_key = hidden(environment_variable("AZURE_OPENAI_API_KEY"))
        if not (api_key or azure_ad_token or azure_ad_token_provider):
            raise OpenAIError(
                "There are no credentials: pass api_key=, azure_ad_token= or "
                "azure_ad_token_provider=, or set the environment variable AZURE_OPENAI_API_KEY or "
                "AZURE_OPENAI_AD_TOKEN."
            )
        api_version = api_version or environment_variable("OPENAI_API_VERSION")
        if api_version is None:
            raise OpenAIError(
                "There is no API version: pass api_version= or set the environment variable "
                "OPENAI_API_VERSION."
            )
        if base_url is not None and azure_endpoint is not None:
            raise OpenAIError("the address is either base_url= or azure_endpoint=, not both")
        if base_url is None:
            azure_endpoint = azure_endpoint or environment_variable("AZURE_OPENAI_ENDPOINT")
            if azure_endpoint is None:
                raise OpenAIError(
                    "There is no address: pass azure_endpoint= or base_url=, or set the "
                    "environment variable AZURE_OPENAI_ENDPOINT."
                )
            base_url = f"{azure_endpoint.rstrip('/')}/openai"
        self._azure_ad_token = azure_ad_token
        self._deployment = azure_deployment if azure_endpoint is not None else None
        given: dict[str, Any] = {
            name: value
            for name, value in settings.items()
            if value is not None or name == "timeout"
        }
        given["default_query"] = {**(given.get("default_query") or {}), "api-version": api_version}
        # Where a token counts, a key that is not sent: the base class wants one.
        credential = azure_ad_token_provider or api_key or "none"
        super().__init__(api_key=credential, base_url=base_url, **given)

    def copy(
        self,
        *,
        api_key: str | TokenProvider | None = None,
        azure_ad_token: str | None = None,
        azure_ad_token_provider: TokenProvider | None = None,
        api_version: str | None = None,
        base_url: str | None = None,
        **settings: Unpack[ClientParams],
    ) -> Self:
        """Return a client with the same settings but for those given; see ``OpenAI.copy``.

        A credential that is given takes the place of the one there was, of whatever kind.
        """
        api_key, azure_ad_token = hidden(api_key), hidden(azure_ad_token)
        if api_version is not None:
            query = settings.get("default_query") or {}
            settings["default_query"] = {**query, "api-version": api_version}
        self._check_one(api_key, azure_ad_token, azure_ad_token_provider)
        credential = azure_ad_token_provider or api_key or ("none" if azure_ad_token else None)
        other = super().copy(api_key=credential, base_url=base_url, **settings)
        if base_url is not None:
            other._deployment = None  # it was that of the other address
        if credential is not None:
            other._azure_ad_token = azure_ad_token
        if base_url is not None or credential is not None:
            other._connect(other._transport())
        return other

    with_options = copy

    def _check_one(self, *credentials: object) -> None:
        if sum(credential is not None for credential in credentials) > 1:
            raise OpenAIError(
                "one of api_key=, azure_ad_token= and azure_ad_token_provider= is enough: each "
                "says who asks"
            )

    def _credentials(self) -> Mapping[str, str]:
        if self._azure_ad_token is not None:
            return bearer(self._azure_ad_token)
        return {"api-key": Secret(self._api_key)} if self._api_key else {}

    def _transport(self) -> Transport:
        transport = super()._transport()
        assert isinstance(transport, AzureRoutes)
        transport.deployment = self._deployment
        return transport


class AzureOpenAI(AzureClient, OpenAI):
    """A client of an Azure OpenAI resource, with the methods of ``OpenAI``.

    All arguments are by keyword. What is left out comes from the environment:

    - ``azure_endpoint``: ``AZURE_OPENAI_ENDPOINT``, such as ``https://name.openai.azure.com``; or
      ``base_url``, the whole address
    - ``api_version``: ``OPENAI_API_VERSION``
    - one of ``api_key``, ``azure_ad_token`` and ``azure_ad_token_provider``: if none is given,
      ``AZURE_OPENAI_AD_TOKEN``, then ``AZURE_OPENAI_API_KEY``

    ``azure_deployment`` is the deployment that answers chat completions; without it that is the
    request's ``model``. ``azure_ad_token_provider()`` is called on the thread that sends a request,
    each time one is sent, and returns a token. The other arguments are those of ``OpenAI``.
    """
