"""What a route may be called, what it asks for, and the small routes: models, health."""

from __future__ import annotations

import openai
import pytest
from server_helpers import HEADERS, Raw

from emitter_stream import OpenAI
from emitter_stream.server.store.store import StorageFailed

KEY = {"Authorization": "Bearer any"}


@pytest.fixture
def root(server) -> Raw:
    """Raw requests with whole paths."""
    return Raw(server.base_url.removesuffix("/v1"))


@pytest.mark.parametrize("prefix", ["/v1", "/openai", "/openai/v1", "/openai/deployments/gpt-4o"])
@pytest.mark.parametrize("end", ["", "/", "?api-version=2024-05-01-preview"])
def test_names_of_a_route(root, prefix, end):
    """Azure's paths, its version and a slash at the end lead to the same routes."""
    reply = root("POST", f"{prefix}/threads{end}", {})
    assert (reply.status, reply.body["object"]) == (200, "thread")
    assert root("GET", f"{prefix}/models{end}", None, KEY).body["object"] == "list"
    assert root("GET", f"/x{prefix}/models{end}", None, KEY).status == 404


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the package's, of the Assistants API
def test_azure_client(server):
    """Azure's official client works as it is: its paths, its version and its header for the key."""
    with openai.AzureOpenAI(
        azure_endpoint=server.base_url.removesuffix("/v1"),
        api_key="any",
        api_version="2024-05-01-preview",
    ) as azure:
        assistant = azure.beta.assistants.create(model="gpt-4o")
        assert azure.beta.assistants.retrieve(assistant.id) == assistant
        assert azure.models.retrieve("gpt-4o").id == "gpt-4o"


def test_api_key_header(raw):
    """A key may come as Azure sends it; an empty one is none."""
    assert raw("GET", "/models", None, {"api-key": "any"}).status == 200
    for headers in ({}, {"api-key": " "}, {"Authorization": "Basic any"}):
        assert raw("GET", "/models", None, headers).status == 401


def test_beta_header(raw):
    """The header of the beta is asked for on assistants and threads, and on no other route."""
    for method, path in (("GET", "/assistants"), ("POST", "/threads"), ("GET", "/threads/x/runs")):
        reply = raw(method, path, None, KEY)
        assert (reply.status, reply.error["code"]) == (400, "invalid_beta")
    assert raw("GET", "/models", None, KEY).status == 200


def test_first_version(raw):
    """A program of the first version of the API is told what to change."""
    reply = raw("POST", "/threads", {}, {**HEADERS, "OpenAI-Beta": "assistants=v1"})
    assert reply.status == 400
    assert "assistants=v2" in reply.error["message"] and "retrieval" in reply.error["message"]


def test_health(root):
    """Health is told without a key, and to nobody by a foreign name."""
    reply = root("GET", "/healthz", None, {})
    assert (reply.status, reply.body) == (200, {"status": "ok"})
    assert root("GET", "/healthz", None, {"Host": "evil.example"}).status == 400


def test_health_without_a_database(root, monkeypatch):
    """A server whose database fails says that it can take no work."""

    def fail(*args: object) -> None:
        raise StorageFailed("disk I/O error")

    monkeypatch.setattr("emitter_stream.server.store.store.Database._once", fail)
    assert root("GET", "/healthz", None, {}).status == 503


@pytest.mark.parametrize("kind", [openai.OpenAI, OpenAI])
def test_models(server, kind):
    """The list has what a run may name; any name is a model, with slashes too."""
    with kind(api_key="any", base_url=server.base_url) as client:
        [model] = list(client.models.list())
        assert (model.object, model.owned_by) == ("model", "emitter-stream")
        for name in (model.id, "gpt-4o", "org/model", "a b"):
            assert client.models.retrieve(name).id == name
