"""The API key and passwords: in no local variable's repr, no message, no pickle."""

from __future__ import annotations

import base64
import copy
import io
import os
import pickle
import pprint
import reprlib
import socket
import ssl
import threading
import traceback
from pathlib import Path

import pytest
import requests
from parity.compare import PATIENCE
from parity.transcripts import answered, encode
from scripted_server import answer, sse

from emitter_stream import APIUserAbortError, OpenAI, OpenAIError
from emitter_stream.http.secrets import Secret, SecretBytes, split_credentials

# Longer than what tools show of a value, as real keys are: none may show its beginning either.
KEY = "sk-proj-" + "0123456789abcdef" * 8
PASSWORD = "hunter2-hunter2"
USERINFO = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
HIDDEN = (KEY[:24], PASSWORD, USERINFO)
BODY = encode(answered("a", "b"))


LIBRARIES = {"emitter_stream", "requests"}


def shown(value):
    """Give every repr that a walker of frames would make of a value: its own, and of what is in it."""
    texts = [reprlib.repr(value), pprint.pformat(value)]
    seen, left = set(), [value]
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        texts.append(repr(value))
        if isinstance(value, str | bytes):
            texts.append(repr(value[:80]))  # how rich begins with a long one
        if isinstance(value, dict):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            left += value
        elif type(value).__module__.split(".")[0] in LIBRARIES and not isinstance(value, str):
            left.append(dict(getattr(value, "__dict__", {})))
    return texts


def chain(error):
    """Give an exception and all that hang on it."""
    found, left = [], [error]
    while left:
        error = left.pop()
        if error is not None and error not in found:
            found.append(error)
            left += [error.__cause__, error.__context__]
    return found


def frames(error):
    """Give the frames of a traceback, of the libraries' code: the test's own may hold the key."""
    for link in chain(error):
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if not frame.f_code.co_filename.startswith(str(Path(__file__).parent.parent)):
                yield frame


def assert_hidden(error):
    """Look for what is secret in all that a traceback can show."""
    for frame in frames(error):
        for name, value in frame.f_locals.items():
            for text in shown(value):
                for secret in HIDDEN:
                    assert secret not in text, (frame.f_code.co_qualname, name)
    for link in chain(error):
        for secret in HIDDEN:
            assert secret not in str(link) + repr(link) + repr(vars(link)) + repr(link.args)


def assert_hidden_by_rich(error):
    """Let rich show the local variables, as it does in many a program."""
    import rich.console
    import rich.traceback

    # The test's own frames may name the key, so that rich is given the library's part alone.
    inner = error.__traceback__
    while inner is not None and inner.tb_frame.f_code.co_filename == __file__:
        inner = inner.tb_next
    console = rich.console.Console(file=io.StringIO(), width=200)
    trace = rich.traceback.Traceback.from_exception(
        type(error), error, inner, show_locals=True, locals_max_length=None, locals_max_string=80
    )
    console.print(trace)
    for secret in HIDDEN:
        assert secret not in console.file.getvalue()


def closed_port():
    """Give a port of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def cut_in_headers(exchange):
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Ty")
    exchange.cut()


def silent(exchange):
    exchange.wait_for_close()


def broken_body(exchange):
    exchange.head()
    exchange.body(BODY[:300])
    exchange.reset()


def cut_json(exchange):
    exchange.head(200, "application/json", "length", 500)
    exchange.body(b'{"id": ')
    exchange.cut()


ECHO = f"Incorrect API key provided: {KEY}"
SCRIPTS = {
    "401": answer(401, {"error": {"message": ECHO}}),
    "no JSON": answer(200, b"{" + ECHO.encode()),
    "a list": answer(200, f'["{KEY}"]'.encode()),
    "no HTTP": lambda exchange: (exchange.raw(ECHO.encode() + b"\r\n\r\n"), exchange.cut()),
    "cut in the headers": cut_in_headers,
    "timeout": silent,
    "cut JSON": cut_json,
    "broken body": broken_body,
    "an error event": sse(encode([("error", {"message": ECHO})])),
    "a broken event": sse(b"event: thread.run.created\ndata: {" + ECHO.encode() + b"\n\n"),
    "redirect": answer(307, b"", headers=[("Location", f"http://elsewhere.test/{KEY}")]),
}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("use", ["stream", "method"])
def test_failures_of_a_server_show_no_key(connect, script, use):
    """No local variable of any frame shows the key, whatever the server did."""
    client = connect(SCRIPTS[script], api_key=KEY, timeout=0.3)
    with pytest.raises(OpenAIError) as caught:
        if use == "stream":
            client.beta.threads.runs.stream("thread_1", assistant_id="asst_1").done(PATIENCE)
        else:
            client.beta.threads.retrieve("thread_1")
    assert_hidden(caught.value)
    if script in ("401", "cut in the headers"):
        assert_hidden_by_rich(caught.value)


def test_an_event_in_the_wrong_place_shows_no_key(connect):
    """The message of a core's error is without the key, which an event's id may repeat."""
    event = b'event: thread.message.delta\ndata: {"id": "%b", "delta": {}}\n\n' % KEY.encode()
    client = connect(sse(event), api_key=KEY)
    stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
    with pytest.raises(OpenAIError, match=r"message.delta") as caught:
        stream.done(PATIENCE)
    for link in chain(caught.value):
        assert KEY not in str(link) + repr(link)


PLACES = {
    "refused": lambda: f"http://user:{PASSWORD}@127.0.0.1:{closed_port()}/v1",
    "no such host": lambda: f"http://user:{PASSWORD}@host.invalid/v1",
    "a bad host": lambda: f"http://user:{PASSWORD}@[::1/v1",
    "a bad port": lambda: f"http://user:{PASSWORD}@host:99999/v1",
    "a port that is none": lambda: f"http://user:{PASSWORD}@host:port/v1",
    "no scheme": lambda: f"user:{PASSWORD}@host/v1",
    "another scheme": lambda: f"ftp://user:{PASSWORD}@host/v1",
    "a password with an @": lambda: f"http://user:p@{PASSWORD}@host.invalid/v1",
    "a password with a slash": lambda: f"http://user:p/{PASSWORD}@host.invalid/v1",
}


@pytest.fixture
def no_names(monkeypatch):
    """Let no name be found, at once: what asks the network may take its time."""

    def not_found(host, *args, **options):
        if host and "invalid" in host:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **options)

    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", not_found)


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize("place", PLACES)
def test_failures_of_an_address_show_no_password(place):
    """A password in base_url is in no message and no local variable, however bad the address."""
    with pytest.raises(OpenAIError) as caught:
        client = OpenAI(KEY, base_url=PLACES[place](), max_retries=0)
        client.beta.threads.retrieve("thread_1")
    assert_hidden(caught.value)


def test_the_response_of_an_error_shows_no_password(serve):
    """Its address, and so its repr, is without the password of base_url, which is not sent."""
    server = serve(answer(404, b"{}"))
    url = server.url.replace("//", f"//user:{PASSWORD}@")
    client = OpenAI(KEY, base_url=url)
    with pytest.raises(OpenAIError) as caught:
        client.beta.threads.retrieve("thread_1")
    assert caught.value.response.url == f"{server.url}/threads/thread_1"
    assert_hidden(caught.value)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    for text in [*shown(vars(client)), repr(client)]:
        assert PASSWORD not in text
    assert PASSWORD not in repr(client.copy(base_url=url)) + repr(vars(client.copy(base_url=url)))


@pytest.fixture
def proxied(monkeypatch):
    """Give the means to name a proxy in the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def name_proxy(address):
        monkeypatch.setenv("HTTP_PROXY", address)
        monkeypatch.setenv("HTTPS_PROXY", address)

    return name_proxy


@pytest.mark.parametrize("form", ["http://{}@{}", "{}@{}"], ids=["with scheme", "without"])
def test_a_proxy_still_gets_its_password(serve, proxied, form):
    """The password goes to the proxy as before, though its address is kept without it."""
    proxy = serve(answer(200, {"id": "thread_1"}))
    proxied(form.format(f"user:{PASSWORD}", f"127.0.0.1:{proxy.port}"))
    client = OpenAI(KEY, base_url="http://assistants.invalid/v1", max_retries=0)
    client.beta.threads.retrieve("thread_1")
    assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {USERINFO}"


PROXIES = {
    "refused": lambda: f"http://user:{PASSWORD}@127.0.0.1:{closed_port()}",
    "no such host": lambda: f"http://user:{PASSWORD}@proxy.invalid:1",
    "malformed": lambda: f"http://user:{PASSWORD}@[::1",
    "a bad port": lambda: f"http://user:{PASSWORD}@host:port",
    "no host": lambda: f"http://user:{PASSWORD}@",
    "socks": lambda: f"socks5://user:{PASSWORD}@127.0.0.1:{closed_port()}",
}


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize("place", PROXIES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_failures_of_a_proxy_show_no_password(proxied, place, scheme):
    """Neither messages nor frames show the password of a proxy of the environment."""
    proxied(PROXIES[place]())
    client = OpenAI(KEY, base_url=f"{scheme}://assistants.invalid/v1", max_retries=0)
    with pytest.raises(OpenAIError) as caught:
        client.beta.threads.retrieve("thread_1")
    assert_hidden(caught.value)
    for text in shown(vars(client)):
        assert PASSWORD not in text


@pytest.mark.parametrize("reply", [b"HTTP/1.1 407 No\r\n\r\n", b"no HTTP\r\n\r\n", b""])
def test_failures_of_a_tunnel_show_no_password(serve, proxied, reply):
    """Nor do those of the tunnel that a proxy makes for TLS."""
    proxy = serve(lambda exchange: (exchange.raw(reply), exchange.cut()))
    proxied(f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
    client = OpenAI(KEY, base_url="https://assistants.invalid/v1", max_retries=0)
    with pytest.raises(OpenAIError) as caught:
        client.beta.threads.retrieve("thread_1")
    assert_hidden(caught.value)
    assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {USERINFO}"


def test_a_failed_handshake_shows_no_key():
    """Nor does a server that speaks no TLS."""

    def greet():
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"220 mail.example ESMTP\r\n")
            peer.recv(65_536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        with pytest.raises(OpenAIError) as caught:
            OpenAI(KEY, base_url=url, max_retries=0).beta.threads.retrieve("thread_1")
        thread.join(PATIENCE)
    assert_hidden(caught.value)


def test_an_abort_shows_no_key(connect):
    """Nor does an abort while the headers are waited for."""
    client = connect(silent, api_key=KEY)
    stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
    connect.server.wait_for_requests(1)
    stream.abort()
    with pytest.raises(APIUserAbortError) as caught:
        stream.done(PATIENCE)
    assert_hidden(caught.value)


class Interrupt(BaseException):
    """What passes through every frame, as Ctrl-C does."""


SPOTS = ["sendall", "_output", "putheader", "urlopen", "makefile", "audit"]


@pytest.mark.parametrize("spot", SPOTS)
def test_an_interrupt_while_the_head_is_sent_shows_no_key(connect, monkeypatch, spot):
    """No frame from requests to the socket holds the key in clear, whenever it is interrupted."""
    import http.client
    import sys

    import urllib3.connection
    import urllib3.connectionpool

    def stop(*args, **options):
        raise Interrupt

    client = connect(silent, api_key=KEY)
    if spot == "sendall":  # a socket cannot be patched: the connection's own handle on it is

        class Stub:
            def __init__(self, sock):
                self.sock = sock

            def __getattr__(self, name):
                return getattr(self.sock, name)

            sendall = stop

        connection = urllib3.connection.HTTPConnection
        connect_once = connection.connect

        def connect_with_stub(self):
            connect_once(self)
            self.sock = Stub(self.sock)

        monkeypatch.setattr(connection, "connect", connect_with_stub)
    elif spot == "_output":
        monkeypatch.setattr(http.client.HTTPConnection, "_output", stop)
    elif spot == "putheader":
        monkeypatch.setattr(urllib3.connection.HTTPConnection, "putheader", stop)
    elif spot == "urlopen":
        monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "urlopen", stop)
    elif spot == "makefile":
        monkeypatch.setattr(http.client.HTTPResponse, "begin", stop)
    else:
        armed = [True]

        def hook(event, args):
            if event == "http.client.send" and armed:
                armed.clear()
                raise Interrupt

        sys.addaudithook(hook)  # for good, so it disarms itself
    with pytest.raises(Interrupt) as caught:
        client.beta.threads.retrieve("thread_1")
    assert_hidden(caught.value)


def test_a_key_of_a_call_is_hidden_as_well(connect):
    """What extra_headers and default_headers bring as Authorization is shown by no repr of ours."""
    client = connect(silent, api_key="sk-other", timeout=0.2)
    client = client.with_options(default_headers={"authorization": f"Bearer {KEY}"})
    with pytest.raises(OpenAIError) as caught:
        client.beta.threads.retrieve("thread_1")
    assert_hidden(caught.value)
    assert connect.server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", [KEY + " ", KEY + "\n", KEY + "é", KEY.encode()], ids=range(4))
def test_a_key_that_is_refused_is_not_shown(key):
    """Nor do the frames of a constructor that refuses the key, or another argument, show it."""
    with pytest.raises((OpenAIError, TypeError)) as caught:
        OpenAI(key)
    assert_hidden(caught.value)
    with pytest.raises((OpenAIError, TypeError)) as caught:
        OpenAI(KEY).copy(api_key=key)
    assert_hidden(caught.value)
    with pytest.raises(ValueError) as caught:
        OpenAI(KEY, max_retries=-1)
    assert_hidden(caught.value)


def test_a_client_shows_no_key_in_its_state():
    """Neither vars() nor what hangs on it."""
    client = OpenAI(KEY, base_url="http://127.0.0.1:1/v1")
    for text in shown(vars(client)):
        assert KEY[:24] not in text


def test_a_client_is_not_pickled_and_says_what_to_do():
    """A pickle with the key in it would be a key in a file."""
    with pytest.raises(TypeError, match="make the client anew"):
        pickle.dumps(OpenAI(KEY)._api_key)
    with pytest.raises(TypeError):
        pickle.dumps(OpenAI(KEY))


def test_a_secret_is_a_text_to_all_but_repr():
    """It compares, hashes, joins and is formatted as what it is; copies are as secret."""
    secret = Secret(KEY)
    assert secret == KEY
    assert hash(secret) == hash(KEY)
    assert f"{secret}" == str(secret) == KEY
    assert type(secret.encode()) is SecretBytes
    assert secret.encode() == KEY.encode()
    for value in (secret, secret[:80], copy.copy(secret), copy.deepcopy([secret])):
        assert KEY[:3] not in repr(value)
    for value in (secret.encode(), secret.encode()[:80], copy.deepcopy([secret.encode()])):
        assert KEY[:3] not in repr(value)
    assert secret.encode()[0] == KEY.encode()[0]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(secret.encode(), protocol)


@pytest.mark.parametrize(
    ("url", "bare", "userinfo"),
    [
        ("http://h/v1", "http://h/v1", None),
        ("http://u:p@h/v1", "http://h/v1", "u:p"),
        ("http://u:p@q@h/v1", "http://h/v1", "u:p@q"),
        ("http://h/v1/@me", "http://h/v1/@me", None),
        ("http://u@h", "http://h", "u"),
    ],
)
def test_credentials_are_split_from_an_address(url, bare, userinfo):
    """What stands before the last @ of the host's part, and only there."""
    assert split_credentials(url) == (bare, userinfo)


def test_tls_sends_the_whole_head():
    """A head of secret bytes goes through TLS as any other (SSLSocket wants a buffer)."""
    left, right = socket.socketpair()
    with left, right:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context.check_hostname = False
        context.wrap_bio(incoming, outgoing)
        left.sendall(SecretBytes(b"abc"))
        assert right.recv(3) == b"abc"
    assert requests.Request(headers={"a": Secret("b")}).headers["a"] == "b"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_proxy_gets_its_password_in_a_child_too(serve, proxied):
    """A client that was used before a fork knows the proxy's password behind it."""
    proxy = serve(answer(200, {"id": "thread_1"}))
    proxied(f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
    client = OpenAI(KEY, base_url="http://assistants.invalid/v1", max_retries=0)
    client.beta.threads.retrieve("thread_1")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            client.beta.threads.retrieve("thread_1")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    for request in proxy.requests:
        assert request.headers["proxy-authorization"] == f"Basic {USERINFO}"
