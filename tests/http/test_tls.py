"""TLS: one context of OpenSSL for many connections, and no fork while a thread is in OpenSSL."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter
from samples import tries
from urllib3.util import ssl_

from emitter_stream import APIConnectionError, APIUserAbortError, OpenAI
from emitter_stream.http import tls

STRESS = Path(__file__).parents[1] / "stress"
PATIENCE = 120.0
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl program")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.fixture(scope="module")
def forks():
    """The script that forks under load: its server and its certificate."""
    sys.path.insert(0, str(STRESS))
    try:
        import forks
    finally:
        sys.path.remove(str(STRESS))
    return forks


@pytest.fixture
def served(forks, monkeypatch):
    """The URL of a server that speaks TLS; its certificate is in REQUESTS_CA_BUNDLE."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, "")
    with forks.serving(True) as url:
        yield url


@pytest.fixture
def made(monkeypatch):
    """The contexts that are made, from an empty cache on."""
    contexts = []
    make = ssl_.create_urllib3_context

    def counted(*args, **kwargs):
        contexts.append(make(*args, **kwargs))
        return contexts[-1]

    monkeypatch.setattr(ssl_, "create_urllib3_context", counted)
    tls._context.cache_clear()
    yield contexts
    tls._context.cache_clear()


def client_of(url, **more):
    return OpenAI("sk-test", base_url=url, max_retries=0, timeout=PATIENCE, **more)


def ask(client, name="a"):
    return client.beta.threads.retrieve(name).id


@needs_openssl
def test_connections_and_clients_share_a_context(served, made):
    """A context is made once, however many connections and clients there are."""
    for _ in range(2):
        client = client_of(served)
        assert [ask(client, name) for name in "ab"] == ["a", "b"]
        client.close()
        assert ask(client) == "a"
    assert len(made) == 1


@needs_openssl
def test_a_file_that_has_changed_is_read_again(served, made):
    """A certificate that is renewed under its name counts for the connections made from then on."""
    client = client_of(served)
    assert ask(client) == "a"
    file = Path(os.environ["REQUESTS_CA_BUNDLE"])
    file.write_bytes(file.read_bytes() + b"\n")
    assert ask(client) == "a"
    assert len(made) == 2


@needs_openssl
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_certificate_is_checked_unless_the_session_says_not(served, monkeypatch, tmp_path, forks):
    """The default trusts nobody's own certificate; ``verify=False`` trusts all, a folder its own."""
    trusted = os.environ["REQUESTS_CA_BUNDLE"]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    for verify in (True, forks.certificate(str(tmp_path))):
        session = requests.Session()
        session.verify = verify
        with pytest.raises(APIConnectionError, match=r"(?i)certificate"):
            ask(client_of(served, session=session))
    name = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", trusted], capture_output=True, check=True
    )
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / f"{name.stdout.decode().strip()}.0").write_bytes(Path(trusted).read_bytes())
    for verify in (False, trusted, str(folder)):
        session = requests.Session()
        session.verify = verify
        assert ask(client_of(served, session=session)) == "a"


@needs_openssl
def test_the_clients_own_certificate_is_shown(served, monkeypatch):
    """``session.cert`` is loaded, as one file or two."""
    trusted = os.environ["REQUESTS_CA_BUNDLE"]
    for cert in (trusted, (trusted, trusted)):
        session = requests.Session()
        session.cert = cert
        assert ask(client_of(served, session=session)) == "a"


@needs_openssl
def test_a_key_with_a_password_is_refused(served, tmp_path):
    """Nobody is asked for a password at the terminal: the request fails."""
    trusted = Path(os.environ["REQUESTS_CA_BUNDLE"])
    key = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", trusted, "-out", key],
        check=True,
    )
    session = requests.Session()
    session.cert = (str(trusted), str(key))
    with pytest.raises(APIConnectionError, match="encrypted"):
        ask(client_of(served, session=session))


@pytest.mark.parametrize("name", ["verify", "cert"])
def test_a_file_that_is_not_there(name, tmp_path):
    """A path that leads nowhere is said in the error, before anything is sent."""
    session = requests.Session()
    setattr(session, name, str(tmp_path / "nowhere.pem"))
    with pytest.raises(APIConnectionError, match=r"nowhere\.pem"):
        ask(client_of("https://127.0.0.1:9/v1", session=session))


@contextlib.contextmanager
def silence():
    """A server that takes connections and says nothing; gives its URL, and the next connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"https://127.0.0.1:{server.getsockname()[1]}/v1", server.accept


def test_a_handshake_that_is_not_answered_times_out():
    """The timeout holds for the handshake, too."""
    with silence() as (url, _):
        client = OpenAI("sk-test", base_url=url, max_retries=0, timeout=0.2)
        with pytest.raises(APIConnectionError):
            ask(client)


def test_an_abort_ends_a_handshake():
    """``abort()`` wakes a thread that waits for the server's side of the handshake."""
    with silence() as (url, accept):
        stream = client_of(url).beta.threads.runs.stream("a", assistant_id="a").start()
        connection, _ = accept()
        with connection:
            assert connection.recv(1)  # the handshake has begun
            stream.abort()
            with pytest.raises(APIUserAbortError):
                stream.done(PATIENCE)


def test_a_proxy_that_speaks_tls_is_met_with_the_same_context():
    """What counts as a certificate counts for a proxy, whose connection has no other source of it."""
    session = requests.Session()
    session.verify, session.trust_env = False, False
    session.proxies = {"https": "https://127.0.0.1:9"}
    transport = client_of("https://127.0.0.1:9/v1", session=session)._api.transport
    settings = transport.environment
    request = requests.Request("GET", transport.base_url).prepare()
    adapter = transport.session.get_adapter(transport.base_url)
    assert isinstance(adapter, HTTPAdapter)
    pool = adapter.get_connection_with_tls_context(
        request, settings["verify"], settings["proxies"], settings["cert"]
    )
    assert pool.proxy_config.ssl_context is tls.context(False, None)
    assert pool.conn_kw["ssl_context"] is tls.context(False, None)


# Forks


@needs_fork
def test_a_fork_waits_for_a_thread_that_is_in_openssl(monkeypatch):
    """No child is made while another thread may hold a lock of OpenSSL; later threads wait."""
    order = []
    is_inside, go_on, is_forking = threading.Event(), threading.Event(), threading.Event()

    def shake():
        with tls.undisturbed():
            is_inside.set()
            assert go_on.wait(PATIENCE)
            order.append("left")

    def fork():
        tls._before_fork()
        order.append("forked")
        tls._after_fork()

    def come_later():
        with tls.undisturbed():
            order.append("came")

    class Watched(list):
        def append(self, item):
            super().append(item)
            is_forking.set()

    monkeypatch.setattr(tls, "_forking", Watched())
    threads = [threading.Thread(target=target) for target in (shake, fork, come_later)]
    threads[0].start()
    assert is_inside.wait(PATIENCE)
    threads[1].start()
    assert is_forking.wait(PATIENCE)
    threads[2].start()
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert order == ["left", "forked", "came"]


@needs_fork
def test_a_thread_that_forks_does_not_wait_for_itself():
    """A handler of a signal may fork while its own thread is inside, and ask while it forks."""
    with tls.undisturbed():
        tls._before_fork()
        with tls.undisturbed():
            pass
        tls._after_fork()
        assert tls._inside == [threading.get_ident()]
    assert tls._inside == []


@pytest.mark.tries
@needs_fork
@needs_openssl
def test_children_shake_hands_whatever_the_parents_threads_do():
    """Forks under four threads that make connections with TLS: no child hangs."""
    said = subprocess.run(
        [sys.executable, STRESS / "forks.py", tries("6", "24"), "--tls"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr


class Heap(ctypes.Structure):
    """glibc's ``struct mallinfo2``."""

    names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks")
    _fields_ = tuple((name, ctypes.c_size_t) for name in (*names, "fordblks", "keepcost"))


@pytest.fixture
def pairs(forks, tmp_path):
    """Make connections by TLS 1.3, over which an answer's head comes behind the server's tickets."""
    file = forks.certificate(str(tmp_path))
    ours = ssl.create_default_context(cafile=file)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(file)
    ends = []

    def serve(end):
        server = theirs.wrap_socket(end, server_side=True)
        server.sendall(HEAD)
        return server

    def connect():
        there, here = socket.socketpair()
        here.settimeout(PATIENCE)
        with ThreadPoolExecutor() as pool:
            serving = pool.submit(serve, there)
            client = ours.wrap_socket(here, server_hostname="127.0.0.1")
        ends.extend((client, serving.result()))
        assert client.version() == "TLSv1.3"
        return client, serving.result()

    yield lambda number: [connect() for _ in range(number)]
    for end in ends:
        end.close()


@needs_openssl
@pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO >= (3, 2), reason="OpenSSL frees it by itself")
@pytest.mark.skipif(sys.platform != "linux", reason="not on glibc")
def test_the_buffer_to_write_from_is_freed(pairs):
    """A connection that is read from does without the 16 KB that tickets make OpenSSL take."""
    heap = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if heap is None:
        pytest.skip("not on a glibc that tells")
    heap.restype = Heap
    made = pairs(10)
    for client, _ in made:
        assert client.recv(100) == HEAD
    before = heap().uordblks
    for client, _ in made:
        tls.drop_write_buffer(client)
    assert before - heap().uordblks > 10 * 16_000
    assert {client.gettimeout() for client, _ in made} == {PATIENCE}


@needs_openssl
def test_every_event_stream_does_without_it(served, monkeypatch):
    """Also one that a thread of its own reads; what waits for the whole answer keeps it."""
    dropped = []
    drop = tls.drop_write_buffer
    monkeypatch.setattr(tls, "drop_write_buffer", lambda tied: (dropped.append(tied), drop(tied)))
    with client_of(served) as client:
        assert ask(client) == "a"
        assert dropped == []
        stream = client.beta.threads.runs.stream("a", assistant_id="a")
        assert "".join(stream.text_deltas) == "".join(f"a{n} " for n in range(10))
    assert len(dropped) == 1


@needs_openssl
def test_nothing_is_sent_to_free_it(pairs):
    """The server hears nothing of it, and both can go on to write."""
    ((client, server),) = pairs(1)
    assert client.recv(100) == HEAD
    tls.drop_write_buffer(client)
    server.settimeout(0)
    with pytest.raises(ssl.SSLWantReadError):
        server.recv(10)
    client.sendall(b"a")
    server.settimeout(PATIENCE)
    assert server.recv(10) == b"a"


@needs_openssl
def test_a_connection_that_is_gone_is_none_of_its_business(pairs):
    """Whoever reads is told that, in the words for it."""
    ((client, server),) = pairs(1)
    assert client.recv(100) == HEAD
    server.close()
    socket.socket.shutdown(client, socket.SHUT_RDWR)  # as an abort does it, past TLS
    tls.drop_write_buffer(client)
    client.close()
    tls.drop_write_buffer(client)
