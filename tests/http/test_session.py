"""Headers that are taken away or refused, certificates, and OpenAI(session=...)."""

from __future__ import annotations

import asyncio
import threading

import pytest
import requests
import requests.adapters
from parity.compare import PATIENCE
from parity.transcripts import answered, encode
from scripted_server import answer, sse

from emitter_stream import APIUserAbortError, NotFoundError, OpenAI, OpenAIError
from emitter_stream.aio import AsyncOpenAI

BODY = encode(answered("a", "b"))
THREAD = answer(200, {"id": "thread_1"})

# --- headers


@pytest.mark.parametrize("name", ["Authorization", "authorization", "OpenAI-Beta", "openai-beta"])
@pytest.mark.parametrize("place", ["client", "copy", "call"])
def test_a_header_given_as_none_is_not_sent(connect, name, place):
    """Whatever its case, and wherever it is taken away."""
    client = connect(THREAD, **({"default_headers": {name: None}} if place == "client" else {}))
    if place == "copy":
        client = client.with_options(default_headers={name: None})
    extra = {name: None} if place == "call" else None
    client.beta.threads.retrieve("t", extra_headers=extra)
    headers = connect.server.requests[0].headers
    assert name.lower() not in headers
    assert {"authorization", "openai-beta"} - {name.lower()} <= headers.keys()


@pytest.mark.parametrize("name", ["User-Agent", "Accept-Encoding", "Content-Type", "Accept"])
@pytest.mark.parametrize("use", ["stream", "method"])
def test_a_header_that_the_libraries_below_add_is_not_sent_either(connect, name, use):
    """requests, urllib3 and http.client would fill in what is only missing."""
    client = connect(sse(BODY) if use == "stream" else THREAD)
    extra = {name.lower(): None}
    if use == "stream":
        runs = client.beta.threads.runs
        runs.stream("t", assistant_id="a", extra_headers=extra).done(PATIENCE)
    else:
        client.beta.threads.retrieve("t", extra_headers=extra)
    assert name.lower() not in connect.server.requests[0].headers


def test_a_call_gives_back_what_the_client_takes_away(connect):
    """The later one counts, also over a None."""
    client = connect(THREAD, default_headers={"OpenAI-Beta": None, "X-Mine": None})
    client.beta.threads.retrieve("t", extra_headers={"openai-beta": "x"})
    assert connect.server.requests[0].headers["openai-beta"] == "x"


NAMES = ["", " ", "X Y", "X:Y", "X\r\nY", "X\tY", "Ä", "X(Y)", "X\0", " X", "X ", 1, b"X", None]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("value", ["1", None])
def test_a_name_that_http_cannot_carry_is_refused_at_once(connect, name, value):
    """It is the caller's mistake: told where it is made, with no request and no retry."""
    with pytest.raises(OpenAIError, match="name of a header"):
        OpenAI("sk-test", default_headers={name: value})
    client = connect(THREAD, max_retries=2)
    with pytest.raises(OpenAIError, match="name of a header"):
        client.with_options(default_headers={name: value})
    with pytest.raises(OpenAIError, match="name of a header"):
        client.beta.threads.retrieve("t", extra_headers={name: value})
    with pytest.raises(OpenAIError, match="name of a header"):
        client.beta.threads.runs.stream("t", assistant_id="a", extra_headers={name: value})
    assert connect.server.requests == []


# --- certificates


@pytest.fixture
def environment(monkeypatch):
    """Take away what the environment says of certificates; give the means to say more."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "verify"),
    [
        ({}, True),
        ({"SSL_CERT_FILE": "f"}, "f"),
        ({"SSL_CERT_DIR": "d"}, "d"),
        ({"SSL_CERT_FILE": "f", "SSL_CERT_DIR": "d"}, "f"),
        ({"SSL_CERT_FILE": ""}, True),
        ({"REQUESTS_CA_BUNDLE": "r", "SSL_CERT_FILE": "f"}, "r"),
        ({"CURL_CA_BUNDLE": "c", "SSL_CERT_FILE": "f"}, "c"),
    ],
)
def test_certificates_of_the_environment(environment, variables, verify):
    """SSL_CERT_FILE and SSL_CERT_DIR count where requests' own variables say nothing."""
    for name, value in variables.items():
        environment.setenv(name, value)
    assert OpenAI("sk-test")._api.transport.environment["verify"] == verify


@pytest.mark.parametrize("verify", ["own.pem", False])
def test_a_session_decides_over_the_environment(environment, verify):
    """Its own certificates, or none, are meant; so is trust_env=False."""
    environment.setenv("REQUESTS_CA_BUNDLE", "r")
    environment.setenv("SSL_CERT_FILE", "f")
    with requests.Session() as session:
        session.verify, session.cert = verify, ("c.pem", "k.pem")
        settings = OpenAI("sk-test", session=session)._api.transport.environment
        assert (settings["verify"], settings["cert"]) == (verify, ("c.pem", "k.pem"))
    with requests.Session() as session:
        session.trust_env = False
        assert OpenAI("sk-test", session=session)._api.transport.environment["verify"] is True


# --- session=


@pytest.fixture
def session():
    """Give a session, and see that it is left as it was."""
    with requests.Session() as session:
        yield session
        assert session.trust_env
        assert len(session.cookies) <= 1
        assert "Authorization" not in session.headers


def client_of(server, session, **options):
    return OpenAI("sk-test", base_url=server.url, session=session, max_retries=0, **options)


def test_what_a_session_says_counts(serve, session):
    """Headers under the client's own, params, cookies that are in it, hooks."""
    server = serve(THREAD, sse(BODY))
    session.headers.update({"X-Mine": "1", "User-Agent": "mine", "OpenAI-Beta": "mine"})
    session.params = {"q": "1"}
    session.cookies.set("token", "abc")
    seen = []
    session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
    client = client_of(server, session)
    client.beta.threads.retrieve("t")
    client.with_options(timeout=5).beta.threads.runs.stream("t", assistant_id="a").done(PATIENCE)
    for request in server.requests:
        assert request.headers["x-mine"] == "1"
        assert request.headers["openai-beta"] == "assistants=v2"
        assert request.headers["authorization"] == "Bearer sk-test"
        assert request.headers["user-agent"].startswith("emitter_stream/")
        assert request.headers["cookie"] == "token=abc"
        assert request.target.endswith("?q=1")
    assert seen == [200, 200]


def test_cookies_of_a_server_are_not_put_into_a_session(serve, session):
    """Neither into the user's, nor are they sent back."""
    server = serve(answer(200, {"id": "t"}, headers=[("Set-Cookie", "a=b")]))
    client = client_of(server, session)
    for _ in range(2):
        client.beta.threads.retrieve("t")
    assert "cookie" not in server.requests[1].headers
    assert len(session.cookies) == 0


def test_the_auth_of_a_session_has_the_last_word(serve, session):
    """It is there to say who asks; its password is hidden as the key is."""
    server = serve(answer(404, {"error": {"message": "no such thread: dXNlcjpodW50ZXIyLWg="}}))
    session.auth = ("user", "hunter2-h")
    with pytest.raises(NotFoundError) as caught:
        client_of(server, session).beta.threads.retrieve("t")
    assert server.requests[0].headers["authorization"] == "Basic dXNlcjpodW50ZXIyLWg="
    assert "dXNlcjpodW50ZXIyLWg=" not in str(caught.value)


def test_a_hook_that_raises_for_a_status_gives_our_error(serve, session):
    """The common hook does not turn a 404 into a broken connection that is tried again."""
    server = serve(answer(404, {"error": {"message": "gone"}}))
    session.hooks["response"].append(lambda response, **_: response.raise_for_status())
    with pytest.raises(NotFoundError, match="gone"):
        client_of(server, session).with_options(max_retries=2).beta.threads.retrieve("t")
    assert len(server.requests) == 1


def test_a_hook_that_reads_the_answer_leaves_it_to_us(serve, session):
    """Its text is still there for the method, or the error."""
    server = serve(THREAD, answer(404, {"error": {"message": "gone"}}))
    session.hooks["response"].append(lambda response, **_: response.content and None)
    client = client_of(server, session)
    assert client.beta.threads.retrieve("t").id == "thread_1"
    with pytest.raises(NotFoundError, match="gone"):
        client.beta.threads.retrieve("t")


class Counting(requests.adapters.HTTPAdapter):
    """A user's adapter, with state of its own."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def send(self, request, **options):
        self.sent.append(request.url)
        return super().send(request, **options)


class Relay(requests.adapters.BaseAdapter):
    """A user's adapter that is none of HTTPAdapter's kind."""

    def __init__(self):
        super().__init__()
        self.inner = requests.adapters.HTTPAdapter()

    def send(self, request, **options):
        return self.inner.send(request, **options)

    def close(self):
        self.inner.close()


def test_the_adapters_of_a_session_are_used(serve, session):
    """What the user mounted sends the requests, and sees each; plain ones are ours."""
    server = serve(THREAD)
    adapter = Counting()
    session.mount("http://", adapter)
    client = client_of(server, session)
    for _ in range(3):
        client.beta.threads.retrieve("t")
    assert adapter.sent == [f"{server.url}/threads/t"] * 3
    assert type(session.get_adapter(server.url)) is Counting
    assert server.connections == 1
    client.close()
    assert session.get(f"{server.url}/x").status_code == 200  # it still works for its owner


@pytest.mark.parametrize("adapter", [None, Counting, Relay])
@pytest.mark.parametrize("moment", ["before the headers", "after them"])
def test_abort_works_with_the_users_adapters(serve, session, adapter, moment):
    """Before the headers as well, but with an adapter of quite another kind."""
    if adapter is Relay and moment == "before the headers":
        pytest.skip("said in the docstring of OpenAI")
    if adapter is not None:
        session.mount("http://", adapter())
    sent = threading.Event()

    def script(exchange):
        if moment == "after them":
            exchange.head()
            exchange.body(BODY[:300])
        sent.set()
        exchange.wait_for_close()

    stream = client_of(serve(script), session).beta.threads.runs.stream("t", assistant_id="a")
    connected = threading.Event()
    stream.on("connect", connected.set)
    assert sent.wait(PATIENCE)
    assert moment == "before the headers" or connected.wait(PATIENCE)
    stream.abort()
    with pytest.raises(APIUserAbortError):
        stream.done(PATIENCE)


def test_copies_share_the_session(serve, session):
    """with_options keeps it; copy(session=...) exchanges it."""
    server = serve(THREAD)
    session.headers["X-Mine"] = "1"
    client = client_of(server, session)
    client.copy(api_key="sk-other").beta.threads.retrieve("t")
    with requests.Session() as other:
        client.copy(session=other).beta.threads.retrieve("t")
    first, second = server.requests
    assert first.headers["x-mine"] == "1"
    assert "x-mine" not in second.headers


def test_asyncio_takes_a_session_too(serve, session):
    """AsyncOpenAI has the same argument."""
    server = serve(THREAD)
    session.headers["X-Mine"] = "1"

    async def ask():
        async with AsyncOpenAI("sk-test", base_url=server.url, session=session) as client:
            await client.beta.threads.retrieve("t")

    asyncio.run(ask())
    assert server.requests[0].headers["x-mine"] == "1"


def test_something_else_than_a_session_is_refused():
    """The official client's http_client, for instance, is no session of requests."""
    with pytest.raises(TypeError, match=r"requests\.Session, not object"):
        OpenAI("sk-test", session=object())
