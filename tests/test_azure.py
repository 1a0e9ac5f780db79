"""The Azure clients: addresses, credentials, and where both come from."""

from __future__ import annotations

import asyncio

import openai
import pytest
from scripted_server import PATIENCE, answer, sse

from emitter_stream import AzureOpenAI, OpenAIError
from emitter_stream.aio import AsyncAzureOpenAI

KEY = "azure-very-secret"
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "output": []}
EVENTS = b'data: {"type":"response.created","response":{"id":"resp_1","output":[]}}\n\n'


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """No variable of the machine's reaches a test."""
    for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OPENAI_API_VERSION", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def azure(serve):
    """Start a server that answers all with a response, and give a way to clients of it."""
    server = serve(answer(200, RESPONSE))
    endpoint = server.url.removesuffix("/v1")

    def client(**settings):
        settings = {"azure_endpoint": endpoint, "api_version": "v", "api_key": KEY} | settings
        settings = {name: value for name, value in settings.items() if value is not None}
        return AzureOpenAI(max_retries=0, timeout=PATIENCE, **settings)

    client.server, client.endpoint = server, endpoint
    return client


def asked(client, server):
    """Ask for a chat completion and a response; give both targets, as a path and a query."""
    client.chat.completions.create(model="gpt/x", messages=[])
    client.responses.create(model="gpt/x", input="hi")
    return [request.target for request in server.requests[-2:]]


@pytest.mark.parametrize("settings", [{}, {"azure_deployment": "my gpt"}], ids=["model", "given"])
def test_targets_and_headers_are_the_official_sdk_s(azure, settings):
    """For what deployments answer and for the rest; with the key in its own header."""
    targets = asked(azure(**settings), azure.server)
    ours = azure.server.requests[-1]
    official = openai.AzureOpenAI(
        azure_endpoint=azure.endpoint,
        api_version="v",
        api_key=KEY,
        max_retries=0,
        **{name: value.replace(" ", "%20") for name, value in settings.items()},
    )
    official.chat.completions.create(model="gpt/x", messages=[])
    official.responses.create(model="gpt/x", input="hi")
    assert targets == [request.target for request in azure.server.requests[-2:]]
    assert ours.headers["api-key"] == azure.server.requests[-1].headers["api-key"] == KEY
    assert "authorization" not in ours.headers
    assert ours.target == "/openai/responses?api-version=v"


def test_an_address_of_one_s_own_is_taken_as_it_is(azure):
    """With `/deployments` in it nothing is added to it, without it the request's model is."""
    base = f"{azure.endpoint}/openai/deployments/d"
    client = azure(azure_endpoint=None, base_url=base)
    assert asked(client, azure.server) == [
        "/openai/deployments/d/chat/completions?api-version=v",
        "/openai/deployments/d/responses?api-version=v",
    ]
    client = azure(azure_deployment="d").copy(base_url=f"{azure.endpoint}/proxy")
    assert (
        asked(client, azure.server)[0]
        == "/proxy/deployments/gpt%2Fx/chat/completions?api-version=v"
    )


def test_a_token_provider_is_asked_for_each_request(azure):
    """Also for each time that one is sent again; what it gives is the Authorization."""
    tokens = iter(("t1", "t2", "t3"))
    client = azure(api_key=None, azure_ad_token_provider=lambda: next(tokens))
    asked(client, azure.server)
    sent = [request.headers["authorization"] for request in azure.server.requests[-2:]]
    assert sent == ["Bearer t1", "Bearer t2"]
    assert "api-key" not in azure.server.requests[-1].headers


def test_a_request_that_is_sent_again_asks_again(serve):
    """A token may have run out meanwhile."""
    server = serve(answer(500, {"error": {"message": "x"}}), answer(200, RESPONSE))
    tokens = iter(("t1", "t2"))
    client = AzureOpenAI(
        base_url=server.url,
        api_version="v",
        azure_ad_token_provider=lambda: next(tokens),
        timeout=PATIENCE,
        max_retries=1,
    )
    client.responses.retrieve("resp_1")
    assert [r.headers["authorization"] for r in server.requests] == ["Bearer t1", "Bearer t2"]


@pytest.mark.parametrize("token", ["", None, 5])
def test_a_provider_without_a_token_is_an_error(azure, token):
    """Nothing is sent then."""
    client = azure(api_key=None, azure_ad_token_provider=lambda: token)
    with pytest.raises(OpenAIError, match="azure_ad_token_provider"):
        client.responses.retrieve("resp_1")
    assert azure.server.requests == []


def test_a_token_given_by_hand(azure):
    """Goes as the Authorization."""
    client = azure(api_key=None, azure_ad_token="token-very-secret")
    asked(client, azure.server)
    assert azure.server.requests[-1].headers["authorization"] == "Bearer token-very-secret"


def test_the_environment_fills_what_is_left_out(azure, monkeypatch):
    """A token goes before a key there; what is given goes before both."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", azure.endpoint)
    monkeypatch.setenv("OPENAI_API_VERSION", "from-there")
    AzureOpenAI(timeout=PATIENCE).responses.retrieve("resp_1")
    request = azure.server.requests[-1]
    assert request.target == "/openai/responses/resp_1?api-version=from-there"
    assert request.headers["api-key"] == KEY
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-1")
    AzureOpenAI(timeout=PATIENCE).responses.retrieve("resp_1")
    assert azure.server.requests[-1].headers["authorization"] == "Bearer token-1"
    AzureOpenAI(api_key="k-given", timeout=PATIENCE).responses.retrieve("resp_1")
    assert azure.server.requests[-1].headers["api-key"] == "k-given"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api_key": None}, "no credentials"),
        ({"api_version": None}, "no API version"),
        ({"azure_endpoint": None}, "no address"),
        ({"base_url": "http://localhost/x"}, "not both"),
        ({"azure_ad_token": "token-1"}, "each says who asks"),
    ],
)
def test_what_is_missing_or_too_much_is_told(azure, settings, message):
    """By what to write instead; no secret is in it."""
    with pytest.raises(OpenAIError, match=message) as caught:
        azure(**settings)
    assert KEY not in str(caught.value)


def test_copies_take_another_credential_or_version(azure):
    """The one there was goes no more; the rest stays."""
    client = azure(azure_deployment="d")
    other = client.with_options(azure_ad_token="token-1", api_version="w")
    asked(other, azure.server)
    chat, last = azure.server.requests[-2:]
    assert chat.target == "/openai/deployments/d/chat/completions?api-version=w"
    assert last.headers["authorization"] == "Bearer token-1"
    assert "api-key" not in last.headers
    asked(other.copy(api_key="k-given"), azure.server)
    assert azure.server.requests[-1].headers["api-key"] == "k-given"


def test_no_secret_is_shown(azure):
    """Not by the client's repr, and not by an error that repeats it."""
    client = azure()
    assert KEY not in repr(client) + repr(vars(client))


def test_asyncio_with_a_coroutine_as_provider(serve):
    """It is awaited on the loop of the request, for calls and for streams."""
    server = serve(answer(200, RESPONSE), sse(EVENTS))
    loops = []

    async def token():
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return f"t{len(loops)}"

    async def go():
        client = AsyncAzureOpenAI(
            base_url=server.url, api_version="v", azure_ad_token_provider=token, timeout=PATIENCE
        )
        async with client:
            await client.responses.create(model="m", input="hi")
            await client.responses.stream(model="m", input="hi").done(PATIENCE)
        assert set(loops) == {asyncio.get_running_loop()}

    asyncio.run(go())
    assert [r.headers["authorization"] for r in server.requests] == ["Bearer t1", "Bearer t2"]
