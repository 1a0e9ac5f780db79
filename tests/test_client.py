"""The client: settings, environment, and what it tells of itself."""

import asyncio
import itertools
import subprocess
import sys

import openai
import pytest
from scripted_server import answer

import emitter_stream
from emitter_stream import NotFoundError, OpenAI, OpenAIError
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.client import DEFAULT_BASE_URL

KEY = "sk-very-secret"
THREAD = answer(200, {"id": "t", "object": "thread"})


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """No variable of the machine's reaches a test."""
    for name in ("API_KEY", "BASE_URL", "ORG_ID", "PROJECT_ID"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)


def sent_by(server, client):
    """Make a request with the client and give it as the server got it."""
    client.beta.threads.retrieve("t")
    return server.requests[-1]


@pytest.mark.parametrize("given", [{}, {"api_key": ""}])
def test_without_a_key_there_is_no_client(given, monkeypatch):
    """The error names the variable and the argument; an empty variable counts as none."""
    monkeypatch.setenv("OPENAI_API_KEY", "  ")
    with pytest.raises(OpenAIError, match=r"(?s)api_key=.*OPENAI_API_KEY"):
        OpenAI(**given)


def test_a_key_that_is_no_text_is_refused():
    """Its repr, which might be the key, is not in the message."""
    with pytest.raises(TypeError, match="api_key must be a str or a function") as caught:
        OpenAI(KEY.encode())
    assert KEY not in str(caught.value)


def test_a_function_gives_the_key_of_each_request(serve):
    """As in both official SDKs: asked anew where one is sent again, and it may be set later."""
    failed = answer(500, {"error": {"message": f"{KEY}-1 is bad"}})
    server = serve(failed, THREAD, THREAD, THREAD, failed)
    keys = (f"{KEY}-{number}" for number in itertools.count(1))
    client = OpenAI(lambda: next(keys), base_url=server.url, max_retries=1)
    assert client.api_key == ""
    sent_by(server, client)
    sent_by(server, client.with_options(max_retries=0))
    sent_by(server, client.with_options(api_key="sk-of-its-own"))
    other = OpenAI("sk-first", base_url=server.url, max_retries=0)
    other.api_key = lambda: "sk-second"
    with pytest.raises(OpenAIError):
        sent_by(server, other)
    sent = [request.headers["authorization"].removeprefix("Bearer ") for request in server.requests]
    assert sent == [f"{KEY}-{number}" for number in (1, 2, 3)] + ["sk-of-its-own", "sk-second"]


@pytest.mark.parametrize("key", ["", None, 5, KEY + "\n"], ids=["empty", "none", "number", "line"])
def test_a_function_that_gives_no_key_is_an_error(serve, key):
    """Nothing is sent then, and nothing of a key is shown."""
    server = serve(THREAD)
    client = OpenAI(lambda: key, base_url=server.url, max_retries=0)
    with pytest.raises(OpenAIError, match="key") as caught:
        sent_by(server, client)
    assert server.requests == []
    assert KEY not in repr(caught.value)


def test_what_the_function_for_the_key_raises_is_told(serve):
    """As in Node, with it as the cause; no request is sent, nor tried again."""
    server = serve(THREAD)
    asked = []

    def key():
        asked.append(1)
        raise ValueError("none today")

    async def late_key():
        return KEY

    with pytest.raises(OpenAIError, match="gives the key raised ValueError: none today") as caught:
        sent_by(server, OpenAI(key, base_url=server.url))
    assert type(caught.value) is OpenAIError
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(OpenAIError, match="gives the key raised ValueError"):
        asyncio.run(AsyncOpenAI(key, base_url=server.url).beta.threads.retrieve("t"))
    with pytest.raises(OpenAIError, match=r"emitter_stream\.aio can await it"):
        sent_by(server, OpenAI(late_key, base_url=server.url))
    assert (server.requests, asked) == ([], [1, 1])


def test_asyncio_awaits_a_coroutine_function_for_the_key(serve):
    """On the loop of the request."""
    server = serve(THREAD)
    loops = []

    async def key():
        loops.append(asyncio.get_running_loop())
        return KEY

    async def go():
        async with AsyncOpenAI(api_key=key, base_url=server.url, max_retries=0) as client:
            await client.beta.threads.retrieve("t")
        assert loops == [asyncio.get_running_loop()]

    asyncio.run(go())
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", [KEY + "\n", KEY + "\u2019", " " + KEY, KEY + "\x00"])
def test_a_key_that_http_cannot_carry_is_not_shown(key):
    """The error says that it is the key, and neither it nor what it hangs on shows the key."""
    with pytest.raises(OpenAIError, match="The API key has characters") as caught:
        OpenAI(key, base_url="http://localhost/v1")
    error = caught.value
    while error is not None:
        assert KEY not in f"{error!r} {error.args}"
        error = error.__cause__ or error.__context__


def test_the_environment_fills_what_is_left_out(serve, monkeypatch):
    """Key, address, organization and project come from the official SDKs' variables."""
    server = serve(THREAD)
    for name, value in {
        "API_KEY": KEY,
        "BASE_URL": server.url,
        "ORG_ID": "org-1",
        "PROJECT_ID": "proj-1",
    }.items():
        monkeypatch.setenv(f"OPENAI_{name}", value)
    with OpenAI() as client:
        headers = sent_by(server, client).headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["openai-organization"] == "org-1"
    assert headers["openai-project"] == "proj-1"
    assert headers["openai-beta"] == "assistants=v2"
    assert headers["user-agent"].startswith("emitter_stream/")


def test_arguments_go_over_the_environment(serve, monkeypatch):
    """What is passed counts."""
    server = serve(THREAD)
    for name in ("API_KEY", "BASE_URL", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", "http://127.0.0.1:1/from-environment")
    with OpenAI(KEY, base_url=server.url, organization="org-2", project="proj-2") as client:
        headers = sent_by(server, client).headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["openai-organization"] == "org-2"
    assert headers["openai-project"] == "proj-2"


def test_the_default_address_is_openais(monkeypatch):
    """Without an address, or with an empty variable; a slash at the end makes no difference."""
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    assert OpenAI(KEY).base_url == DEFAULT_BASE_URL
    assert OpenAI(KEY, base_url="http://x/v1/").base_url == "http://x/v1"


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x/v1", "http://", "http://x/v1?a=b", "/v1"]
)
def test_an_address_that_is_none_is_refused_at_once(url):
    """Not at the first request."""
    with pytest.raises(OpenAIError, match="base_url must be like"):
        OpenAI(KEY, base_url=url)


def test_headers_and_query_of_the_client_go_with_each_request(serve):
    """Also over the client's own headers; the call's go over both."""
    server = serve(THREAD)
    options = {"default_headers": {"openai-beta": "x", "H": "1"}, "default_query": {"v": 1}}
    with OpenAI(KEY, base_url=server.url, **options) as client:
        first = sent_by(server, client)
        client.beta.threads.retrieve("t", extra_headers={"h": "2"}, extra_query={"v": 2})
    second = server.requests[-1]
    assert (first.headers["openai-beta"], first.headers["h"]) == ("x", "1")
    assert first.target.endswith("/threads/t?v=1")
    assert (second.headers["openai-beta"], second.headers["h"]) == ("x", "2")
    assert second.target.endswith("/threads/t?v=2")


@pytest.mark.parametrize(
    ("given", "waits"),
    [
        (openai.Timeout(30, connect=5), (5, 30)),
        (openai.Timeout(None), (None, None)),
        (openai.Timeout(None, connect=2.5), (2.5, None)),
    ],
)
def test_a_timeout_of_the_official_sdk(connect, given, waits):
    """Its object stands for what it says of connecting and of reading, at a client and at a call."""
    client = connect(THREAD, THREAD, timeout=given)
    assert client.timeout is given
    assert client._api.transport.timeout == waits
    client.beta.threads.retrieve("t")
    client.with_options(timeout=5).beta.threads.retrieve("t", timeout=given)


def test_an_address_that_is_an_object(serve):
    """``base_url`` may be an object whose text is the address, such as ``httpx.URL``."""

    class URL:
        def __init__(self, text):
            self._text = text

        def __str__(self):
            return self._text

    server = serve(THREAD)
    client = OpenAI(KEY, base_url=URL(f"{server.url}/"))
    assert client.base_url == server.url
    assert client.with_options(base_url=URL("http://other/v1")).base_url == "http://other/v1"
    sent_by(server, client)


def test_settings_that_are_set_count_from_then_on(serve):
    """As with both official SDKs; a client that came of ``with_options`` keeps its own."""
    server = serve(THREAD)
    client = OpenAI(KEY, base_url="http://127.0.0.1:9/v1", max_retries=0)
    threads, other = client.beta.threads, client.with_options(timeout=3)
    client.api_key = "sk-another-secret"
    client.base_url = server.url
    client.timeout = 7
    client.organization = "org-2"
    assert (client.api_key, client.timeout, client.max_retries) == ("sk-another-secret", 7, 0)
    assert KEY not in repr(vars(client)) and "another" not in repr(vars(client))
    headers = sent_by(server, client).headers
    assert headers["authorization"] == "Bearer sk-another-secret"
    assert headers["openai-organization"] == "org-2"
    assert (other.api_key, other.base_url, other.timeout) == (KEY, "http://127.0.0.1:9/v1", 3)
    with pytest.raises(emitter_stream.APIConnectionError):
        threads.retrieve("t")
    with pytest.raises(OpenAIError, match="base_url must be like"):
        client.base_url = "nonsense"
    assert client.base_url == server.url


def test_the_defaults_of_timeout_and_retries():
    """600 seconds and two retries; None waits for ever."""
    client = OpenAI(KEY)
    assert (client.timeout, client.max_retries) == (600, 2)
    assert OpenAI(KEY, timeout=None).timeout is None


@pytest.mark.parametrize("retries", [-1, None, "2", 1.5])
def test_a_number_of_retries_that_is_none_is_refused(retries):
    """It would fail in the middle of a request otherwise."""
    with pytest.raises(ValueError, match="max_retries"):
        OpenAI(KEY, max_retries=retries)


def test_requests_are_tried_again(serve):
    """As often as max_retries says, and the answer is the last one's."""
    busy = answer(503, {"error": {"message": "busy"}}, headers=[("retry-after-ms", "1")])
    server = serve(busy, busy, THREAD)
    with OpenAI(KEY, base_url=server.url) as client:
        assert client.beta.threads.retrieve("t").id == "t"
    assert len(server.requests) == 3


def test_with_options_gives_a_client_that_differs_in_them(serve):
    """The first client stays as it is, and both use the same connection."""
    server = serve(THREAD)
    with OpenAI(KEY, base_url=server.url, default_headers={"A": "1"}) as client:
        other = client.with_options(
            timeout=5, max_retries=0, default_headers={"a": "2", "B": "3"}, default_query={"q": 1}
        )
        assert (other.timeout, other.max_retries) == (5, 0)
        assert (client.timeout, client.max_retries) == (600, 2)
        mine, others = sent_by(server, client), sent_by(server, other)
    assert (mine.headers["a"], "b" in mine.headers, mine.target) == ("1", False, "/v1/threads/t")
    assert (others.headers["a"], others.headers["b"]) == ("2", "3")
    assert others.target == "/v1/threads/t?q=1"
    assert server.connections == 1


def test_copy_can_change_who_asks_and_where(serve):
    """A new key or address is a new connection; what is not given is kept."""
    server = serve(THREAD)
    with OpenAI(KEY, organization="org-1", timeout=7, default_headers={"A": "1"}) as client:
        other = client.copy(api_key="sk-2", base_url=server.url + "/", project="proj-1")
        headers = sent_by(server, other).headers
        other.close()
        assert client.base_url == DEFAULT_BASE_URL
    assert headers["authorization"] == "Bearer sk-2"
    assert headers["openai-organization"] == "org-1"
    assert headers["openai-project"] == "proj-1"
    assert headers["a"] == "1"
    assert other.timeout == 7
    with pytest.raises(OpenAIError, match="OPENAI_API_KEY"):
        client.copy(api_key="")


def test_a_subclass_is_copied_as_one():
    """with_options keeps the class and what the subclass added."""

    class Mine(OpenAI):
        extra = None

    client = Mine(KEY)
    client.extra = 1
    other = client.with_options(timeout=1)
    assert type(other) is Mine
    assert other.extra == 1


def test_the_repr_shows_the_address_and_no_secret():
    """Neither the key nor a password in the address."""
    assert repr(OpenAI(KEY)) == f"OpenAI(base_url={DEFAULT_BASE_URL!r})"
    client = OpenAI(KEY, base_url="http://user:pass@host/v1")
    assert repr(client) == "OpenAI(base_url='http://***@host/v1')"
    assert KEY not in repr(client) + repr(client.beta) + repr(client._api)


def test_a_404_tells_of_the_shutdown_only_at_the_default_address(serve, monkeypatch):
    """It names the date and both ways on; another server's 404 is only that."""
    missing = answer(404, {"error": {"message": "No thread found", "code": None}})
    server = serve(missing)
    with (
        OpenAI(KEY, base_url=server.url) as client,
        pytest.raises(NotFoundError) as elsewhere,
    ):
        client.beta.threads.retrieve("t")
    assert "2026" not in str(elsewhere.value)

    monkeypatch.setattr("emitter_stream.client.DEFAULT_BASE_URL", server.url)
    with OpenAI(KEY) as client, pytest.raises(NotFoundError) as there:
        client.beta.threads.retrieve("t")
    for part in ("No thread found", "26 August 2026", "OPENAI_BASE_URL", "emitter-stream serve"):
        assert part in str(there.value)


def test_the_shutdown_is_told_on_assistants_calls_alone(serve, monkeypatch):
    """A stream's 404 names it as well; that of a model, a chat or a response does not."""
    server = serve(answer(404, {"error": {"message": "nothing here", "code": None}}))
    monkeypatch.setattr("emitter_stream.client.DEFAULT_BASE_URL", server.url)
    with OpenAI(KEY).with_options(max_retries=0) as client:
        runs = client.beta.threads.runs
        for told in (
            lambda: runs.stream("t", assistant_id="a").done(10),
            lambda: runs.run_tools("t", assistant_id="a", tools=[]).done(10),
            lambda: runs.list("t"),
        ):
            with pytest.raises(NotFoundError, match="26 August 2026"):
                told()
        messages = [{"role": "user", "content": "x"}]
        for other in (
            lambda: client.models.retrieve("m"),
            lambda: client.beta.chat.completions.create(model="m", messages=messages),
            lambda: client.chat.completions.stream(model="m", messages=messages).done(10),
            lambda: client.responses.retrieve("resp_1"),
        ):
            with pytest.raises(NotFoundError, match="nothing here") as caught:
                other()
            assert "2026" not in str(caught.value)
    asked = [request.headers.get("openai-beta") for request in server.requests]
    assert asked == ["assistants=v2"] * 3 + [None] * 4


def test_errors_show_no_key(serve):
    """Neither in the message nor in what hangs on the error."""
    server = serve(answer(401, {"error": {"message": "bad key"}}))
    with OpenAI(KEY, base_url=server.url) as client, pytest.raises(OpenAIError) as caught:
        client.beta.threads.retrieve("t")
    assert KEY not in repr(caught.value) + repr(vars(caught.value))


def test_the_settings_of_the_official_client_are_taken():
    """What both have goes by the same names."""
    settings = {
        "organization": "o",
        "project": "p",
        "base_url": "http://x/v1",
        "timeout": 3.0,
        "max_retries": 1,
        "default_headers": {"A": "1"},
        "default_query": {"q": 1},
    }
    ours, theirs = OpenAI(api_key=KEY, **settings), openai.OpenAI(api_key=KEY, **settings)
    for name in ("organization", "project", "timeout", "max_retries"):
        assert getattr(ours, name) == getattr(theirs, name)
    theirs.close()


def test_the_import_is_light():
    """Neither the server nor its packages, nor pydantic, nor importlib.metadata's price."""
    heavy = ("pydantic", "starlette", "uvicorn", "sqlalchemy", "asyncio", "emitter_stream.server")
    program = f"import sys, emitter_stream; print([m for m in {heavy!r} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert shown.stdout.strip() == b"[]"
