"""Files, uploads and vector stores from the client, against the embedded server."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import threading
from collections.abc import Iterator

import pytest

from emitter_stream import BadRequestError, NotFoundError, OpenAI
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.http.form import FormBody
from emitter_stream.server import LocalServer

DATA = b"The capital of France is Paris. " * 20_000
PARIS = b"The capital of France is Paris."
WHALES = b"Whales are the largest animals of the sea."


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer() as shared:
        yield shared


@pytest.fixture
def client(server) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.base_url, api_key="any") as made:
        yield made


@pytest.fixture
def path(tmp_path):
    file = tmp_path / 'a "Größe".md'
    file.write_bytes(DATA)
    return file


def opened(path):
    """A file that is open, in its middle."""
    file = path.open("rb")
    file.seek(100)
    return file


class Pipe:
    """What can be read once, and not be sought in."""

    def __init__(self, data: bytes) -> None:
        self._source = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._source.read(size)


@pytest.mark.parametrize(
    ("make", "name", "data"),
    [
        (lambda path: path, 'a "Größe".md', DATA),
        (str, 'a "Größe".md', DATA),
        (lambda path: b"abc", "upload", b"abc"),
        (lambda path: b"", "upload", b""),
        (lambda path: io.BytesIO(b"abc"), "upload", b"abc"),
        (lambda path: Pipe(DATA), "upload", DATA),
        (lambda path: ("n.txt", b"abc"), "n.txt", b"abc"),
        (lambda path: (None, path), 'a "Größe".md', DATA),
        (lambda path: ("n.txt", path, "text/plain"), "n.txt", DATA),
        (lambda path: ("n.txt", b"x", "text/plain", {"X-More": "1"}), "n.txt", b"x"),
    ],
)
def test_what_a_file_can_be(client, path, make, name, data):
    """A path, bytes, a file object, or a tuple with a name: it arrives whole, under its name."""
    made = client.files.create(file=make(path), purpose="user_data")
    # A browser's way of writing a quotation mark; the server reads it as it is written.
    assert made.filename == name.replace('"', "%22")
    assert made.bytes == len(data)
    assert client.files.content(made.id).read() == data


def test_an_open_file_is_sent_from_where_it_is_and_stays_open(client, path):
    """The caller's file is read from its place on, and not closed."""
    with opened(path) as file:
        made = client.files.create(file=file, purpose="user_data")
        assert not file.closed
    assert client.files.content(made.id).content == DATA[100:]


@pytest.mark.parametrize("file", [5, None, ("a",), ("a", 5), ("a", b"x", None, {}, 1)])
def test_what_a_file_cannot_be(client, file):
    """Anything else is a `TypeError` before a request is sent."""
    with pytest.raises(TypeError, match="file"):
        client.files.create(file=file, purpose="user_data")


def test_a_file_for_text_is_refused(client, path):
    """A file that was opened for text says how to open it."""
    with path.open(encoding="utf-8") as file, pytest.raises(TypeError, match="'rb'"):
        client.files.create(file=file, purpose="user_data")


def test_progress(client, path):
    """The callback hears how much of the file has been taken, up to all of it."""
    seen: list[tuple[int, int]] = []
    client.files.create(
        file=path, purpose="user_data", on_progress=lambda sent, total: seen.append((sent, total))
    )
    assert seen == sorted(set(seen)) and len(seen) > 2
    assert seen[-1] == (len(DATA), len(DATA))


def test_a_form_is_read_in_pieces_and_again(path):
    """What is sent of a file is as much as is asked for; a second time is the same."""
    form = FormBody({"purpose": "x", "expires_after": {"seconds": 5}}, "file", path)
    once = form.read()
    assert len(once) == len(form) and b'name="expires_after[seconds]"\r\n\r\n5\r\n' in once
    form.rewind()
    pieces = list(iter(lambda: form.read(1000), b""))
    assert b"".join(pieces) == once and max(map(len, pieces)) <= 1000
    form.close()


def test_an_upload_is_sent_again_whole(path):
    """A request that failed in passing is sent again from the file's beginning."""
    bodies: list[bytes] = []
    import http.server

    class Failing(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            answer = b"{}"
            self.send_response(500 if len(bodies) == 1 else 200)
            self.send_header("content-length", str(len(answer)))
            self.send_header("retry-after-ms", "1")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as upstream:
        thread = threading.Thread(target=upstream.serve_forever)
        thread.start()
        with OpenAI(base_url=f"http://127.0.0.1:{upstream.server_port}/v1", api_key="x") as client:
            client.files.create(file=path, purpose="user_data")
        upstream.shutdown()
        thread.join()
    assert len(bodies) == 2 and bodies[0] == bodies[1] and DATA in bodies[0]


def test_content(client, path, tmp_path):
    """Bytes come whole, in pieces, as text, as lines, and into a file."""
    made = client.files.create(file=("a.txt", "Größe\r\nzwei\nend".encode()), purpose="user_data")
    content = client.files.content(made.id)
    assert content.read() == content.content == "Größe\r\nzwei\nend".encode()
    assert content.text == client.files.retrieve_content(made.id) == "Größe\r\nzwei\nend"
    assert list(client.files.content(made.id).iter_lines()) == ["Größe", "zwei", "end"]
    assert "".join(client.files.content(made.id).iter_text(3)) == content.text
    assert content.headers["content-type"] == "application/octet-stream"
    numbers = client.files.create(file=b"[1, 2]", purpose="user_data")
    assert client.files.content(numbers.id).json() == [1, 2]
    large = client.files.create(file=path, purpose="user_data")
    sizes = [len(piece) for piece in client.files.content(large.id).iter_bytes(100_000)]
    assert sum(sizes) == len(DATA) and set(sizes[:-1]) == {100_000}
    for write in ("write_to_file", "stream_to_file"):
        getattr(client.files.content(large.id), write)(tmp_path / write)
        assert (tmp_path / write).read_bytes() == DATA
    with client.files.content(large.id) as left:
        assert next(left.iter_bytes())
        with pytest.raises(RuntimeError, match="before"):
            left.read()
    with pytest.raises(NotFoundError, match="No such File"):
        client.files.content("file-no")


def test_files_are_listed_waited_for_and_deleted(client):
    """The rest of `files`."""
    made = client.files.create(
        file=b"x", purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.expires_at == made.created_at + 3600
    assert client.files.wait_for_processing(made.id).status == "processed"
    assert made.id in [one.id for one in client.files.list(purpose="batch", limit=1)]
    assert client.files.delete(made.id).deleted
    with pytest.raises(NotFoundError):
        client.files.retrieve(made.id)
    with pytest.raises(BadRequestError, match="nonsense"):
        client.files.create(file=b"x", purpose="nonsense")
    with pytest.raises(TypeError, match="did you mean 'purpose'"):
        client.files.create(file=b"x", purpos="batch")


@pytest.mark.parametrize("give", ["path", "bytes"])
def test_an_upload_in_parts(client, path, give):
    """A file goes in parts of the size asked for, and is whole in the end."""
    seen: list[tuple[int, int]] = []
    made = client.uploads.upload_file_chunked(
        file=path if give == "path" else DATA,
        filename="whole.md",
        mime_type="text/markdown",
        purpose="assistants",
        part_size=300_000,
        md5=hashlib.md5(DATA).hexdigest(),
        on_progress=lambda sent, total: seen.append((sent, total)),
    )
    assert made.status == "completed" and made.file.filename == "whole.md"
    assert client.files.content(made.file.id).read() == DATA
    assert [sent for sent, _ in seen] == [300_000, 600_000, len(DATA)]
    begun = client.uploads.create(bytes=1, filename="a", mime_type="a/b", purpose="batch")
    assert client.uploads.parts.create(begun.id, data=b"x").upload_id == begun.id
    assert client.uploads.cancel(begun.id).status == "cancelled"


def stores(client: OpenAI):
    """Every helper of vector stores, for the plain client."""
    vector_stores = client.vector_stores
    store = vector_stores.create(
        name="facts", expires_after={"anchor": "last_active_at", "days": 3}
    )
    assert store.expires_after.days == 3
    batch = vector_stores.file_batches.upload_and_poll(
        store.id, files=[("p.txt", PARIS), ("w.txt", WHALES), ("x.pdf", b"no pdf")]
    )
    assert batch.file_counts.to_dict()["completed"] == 2 and batch.file_counts.failed == 1
    listed = vector_stores.file_batches.list_files(
        batch.id, vector_store_id=store.id, filter="failed"
    )
    assert [one.last_error.code for one in listed] == ["invalid_file"]
    added = vector_stores.files.upload_and_poll(
        vector_store_id=store.id,
        file=("n.txt", b"a note on France"),
        attributes={"year": 2020},
        poll_interval_ms=10,
    )
    assert (added.status, added.attributes) == ("completed", {"year": 2020})
    again = vector_stores.files.create_and_poll(added.id, vector_store_id=store.id)
    assert again.attributes == {}
    updated = vector_stores.files.update(
        added.id, vector_store_id=store.id, attributes={"year": 2021}
    )
    assert updated.attributes == {"year": 2021}
    text = vector_stores.files.content(added.id, vector_store_id=store.id)
    assert [one.text for one in text] == ["a note on France"]
    hits = vector_stores.search(store.id, query="capital of France").data
    assert (hits[0].filename, hits[0].content[0].text) == ("p.txt", PARIS.decode())
    filtered = vector_stores.search(
        store.id, query="France", filters={"type": "gt", "key": "year", "value": 2020}
    )
    assert [hit.file_id for hit in filtered] == [added.id]
    assert len(list(vector_stores.files.list(store.id, limit=1))) == 4
    one = vector_stores.files.upload(vector_store_id=store.id, file=("m.txt", b"more"))
    assert vector_stores.files.poll(one.id, vector_store_id=store.id).status == "completed"
    both = vector_stores.file_batches.create_and_poll(store.id, file_ids=[one.id, added.id])
    assert both.status == "completed"
    with pytest.raises(BadRequestError, match="not in progress"):
        vector_stores.file_batches.cancel(both.id, vector_store_id=store.id)
    with pytest.raises(TimeoutError):
        vector_stores.files.poll(one.id, vector_store_id=store.id, max_wait_seconds=0)
    assert vector_stores.files.delete(one.id, vector_store_id=store.id).deleted
    assert vector_stores.update(store.id, name="new").name == "new"
    assert client.beta.vector_stores.retrieve(store.id).file_counts.total == 4
    assert store.id in [one.id for one in vector_stores.list()]
    assert vector_stores.delete(store.id).deleted


def test_vector_stores(client):
    """Stores, the files in them, batches, search, and the helpers that wait."""
    stores(client)


def test_progress_of_several_files(client):
    """Each upload of a batch is told with its file."""
    seen: dict[str, int] = {}
    store = client.vector_stores.create()
    client.vector_stores.file_batches.upload_and_poll(
        store.id,
        files=[("a.txt", b"one"), ("b.txt", b"three")],
        max_concurrency=2,
        on_progress=lambda file, sent, total: seen.__setitem__(file[0], sent),
    )
    assert seen == {"a.txt": 3, "b.txt": 5}
    with pytest.raises(ValueError, match="no files"):
        client.vector_stores.file_batches.upload_and_poll(store.id, files=[])


async def body(server, path, tmp_path):
    """The asyncio client has the same methods."""
    async with AsyncOpenAI(base_url=server.base_url, api_key="any") as client:
        made = await client.files.create(file=path, purpose="assistants")
        assert await (await client.files.content(made.id)).aread() == DATA
        pieces = [p async for p in (await client.files.content(made.id)).aiter_bytes(100_000)]
        assert b"".join(pieces) == DATA
        await (await client.files.content(made.id)).astream_to_file(tmp_path / "out")
        assert os.path.getsize(tmp_path / "out") == len(DATA)
        upload = await client.uploads.upload_file_chunked(
            file=b"abc", filename="a.txt", mime_type="text/plain", purpose="assistants"
        )
        store = await client.beta.vector_stores.create()
        batch = await client.vector_stores.file_batches.upload_and_poll(
            store.id, files=[("w.txt", WHALES)], file_ids=[upload.file.id]
        )
        assert batch.file_counts.completed == 2
        file = await client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=("p.txt", PARIS)
        )
        found = await client.vector_stores.search(store.id, query="whale")
        assert [hit.filename for hit in found.data] == ["w.txt"]
        content = client.vector_stores.files.content(file.id, vector_store_id=store.id)
        assert [one.text async for one in content] == [PARIS.decode()]
        assert (await client.vector_stores.delete(store.id)).deleted


def test_asyncio(server, path, tmp_path):
    """The asyncio client has the same methods."""
    asyncio.run(body(server, path, tmp_path))
