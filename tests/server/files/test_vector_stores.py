"""Vector stores: what is in them, when it is found, and what becomes of it."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest
from documents import found, settled, store_of, upload
from server_helpers import Process, Raw

from emitter_stream.server.files import reading

DAY = 86_400
WHALES = b"Blue whales are the largest animals. They live in the sea and sing."
PARIS = b"Paris is the capital of France, on the river Seine."


@pytest.fixture
def held(monkeypatch):
    """Readers of files wait until the event is set."""
    gate = threading.Event()
    read = reading.Reader.small

    async def wait(self, *asked):
        while not gate.is_set():
            await asyncio.sleep(0.01)
        return await read(self, *asked)

    monkeypatch.setattr(reading.Reader, "small", wait)
    return gate


def test_a_store_finds_what_its_files_say(raw):
    """The best chunk comes first, with its file, its attributes and a score of 0 to 1."""
    whales, paris = upload(raw, "whales.txt", WHALES), upload(raw, "paris.md", PARIS)
    store = store_of(raw, whales, paris, name="facts")
    body = raw("GET", f"/vector_stores/{store}").body
    assert body["file_counts"]["completed"] == body["file_counts"]["total"] == 2
    assert (body["name"], body["status"]) == ("facts", "completed")
    assert body["usage_bytes"] == len(WHALES) + len(PARIS)
    best = found(raw, store, "What is the capital of France?")[0]
    assert (best["file_id"], best["filename"]) == (paris, "paris.md")
    assert best["content"] == [{"type": "text", "text": PARIS.decode()}]
    assert 0.5 < best["score"] <= 1
    assert [one["file_id"] for one in found(raw, store, ["singing whale"])] == [whales]
    assert len(found(raw, store, ["whales", "Seine"])) == 2
    assert len(found(raw, store, ["whales", "Seine"], max_num_results=1)) == 1
    assert found(raw, store, "quantum chromodynamics") == []
    assert found(raw, store, 'NEAR("OR* AND) -^') == []
    partly = found(raw, store, "whales of quantum chromodynamics")
    assert partly and not found(
        raw, store, "whales of quantum chromodynamics", ranking_options={"score_threshold": 0.9}
    )


def test_a_store_finds_only_its_own(raw):
    """Another store's chunks are not found, and a file in two stores is in each."""
    file = upload(raw, "whales.txt", WHALES)
    one, two, empty = store_of(raw, file), store_of(raw, file), store_of(raw)
    assert [len(found(raw, store, "whales")) for store in (one, two, empty)] == [1, 1, 0]
    gone = raw("DELETE", f"/vector_stores/{one}/files/{file}").body
    assert gone == {"id": file, "object": "vector_store.file.deleted", "deleted": True}
    assert [len(found(raw, store, "whales")) for store in (one, two)] == [0, 1]
    assert raw("GET", f"/files/{file}").status == 200
    assert raw("DELETE", f"/files/{file}").status == 200
    assert found(raw, two, "whales") == []
    assert raw("GET", f"/vector_stores/{two}").body["file_counts"]["total"] == 0
    assert raw("DELETE", f"/vector_stores/{two}").body["object"] == "vector_store.deleted"
    assert raw("GET", f"/vector_stores/{two}").status == 404


def test_of_many_equals_the_best_come_first(raw):
    """A word that is everywhere: what speaks of it most comes first, wherever it lies in the store."""
    others = [upload(raw, f"{n}.txt", b"Some whale, among other things.") for n in range(240)]
    best = upload(raw, "best.txt", b"Whales, whales and more whales!")
    store = store_of(raw, *others, best)
    hits = found(raw, store, "whales", max_num_results=50)
    assert (len(hits), hits[0]["file_id"]) == (50, best)
    assert hits[0]["score"] > hits[1]["score"] == hits[49]["score"]


def test_a_text_that_cannot_be_kept_does_not_harm_the_others(raw):
    """Files that are read together end each for itself."""
    ids = [
        upload(raw, "good.txt", WHALES),
        upload(raw, "empty.txt", b""),
        upload(raw, "image.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50),
        upload(raw, "also.txt", PARIS),
    ]
    body = settled(raw, store_of(raw, *ids))
    assert (body["file_counts"]["completed"], body["file_counts"]["failed"]) == (2, 2)


def test_words_are_found_in_other_forms(raw):
    """Endings, accents and case make no difference."""
    store = store_of(raw, upload(raw, "a.txt", "Die Größe der Éclairs: it runs".encode()))
    for query in ("running", "RUNS", "eclair", "größe", "gross OR eclairs"):
        assert len(found(raw, store, query)) == 1, query
    assert found(raw, store, "gross") == []


ATTRIBUTES = {"year": 2020, "kind": "news", "draft": False, "score": 1.5}


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({"type": "eq", "key": "kind", "value": "news"}, True),
        ({"type": "ne", "key": "kind", "value": "news"}, False),
        ({"type": "ne", "key": "missing", "value": "news"}, True),
        ({"type": "gt", "key": "year", "value": 2019}, True),
        ({"type": "gt", "key": "year", "value": "2019"}, False),
        ({"type": "gte", "key": "year", "value": 2020.0}, True),
        ({"type": "lt", "key": "score", "value": 1.5}, False),
        ({"type": "lte", "key": "kind", "value": "newt"}, True),
        ({"type": "eq", "key": "draft", "value": False}, True),
        ({"type": "eq", "key": "draft", "value": 0}, False),
        ({"type": "in", "key": "year", "value": [1, 2020]}, True),
        ({"type": "nin", "key": "year", "value": [1, 2020]}, False),
        ({"type": "eq", "key": "missing", "value": 1}, False),
        (
            {
                "type": "and",
                "filters": [
                    {"type": "eq", "key": "kind", "value": "news"},
                    {
                        "type": "or",
                        "filters": [
                            {"type": "eq", "key": "year", "value": 1},
                            {"type": "lt", "key": "year", "value": 2021},
                        ],
                    },
                ],
            },
            True,
        ),
        ({"type": "or", "filters": []}, False),
    ],
)
def test_filters_on_attributes(raw, filters, fits):
    """A search can be held to files whose attributes fit."""
    file, other = upload(raw, "a.txt", WHALES), upload(raw, "b.txt", WHALES)
    store = store_of(raw, other)
    body = {"file_id": file, "attributes": {"year": 1}}
    assert raw("POST", f"/vector_stores/{store}/files", body).body["attributes"] == {"year": 1}
    path = f"/vector_stores/{store}/files/{file}"
    assert raw("POST", path, {"attributes": ATTRIBUTES}).body["attributes"] == ATTRIBUTES
    settled(raw, store)
    assert raw("GET", path).body["attributes"] == ATTRIBUTES
    hits = [one["file_id"] for one in found(raw, store, "whales", filters=filters)]
    assert (file in hits) is fits


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"file_ids": ["file-1"] * 501}, "file_ids"),
        ("", {"expires_after": {"anchor": "last_active_at", "days": 366}}, "expires_after.days"),
        ("", {"metadata": {"a": 1}}, "metadata.a"),
        ("", {"colour": "red"}, "colour"),
        ("/S/files", {}, "file_id"),
        ("/S/files", {"file_id": "F", "attributes": {"a": []}}, "attributes.a"),
        ("/S/files", {"file_id": "F", "attributes": {"a": "x" * 513}}, "attributes.a"),
        (
            "/S/files",
            {
                "file_id": "F",
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 99, "chunk_overlap_tokens": 0},
                },
            },
            "chunking_strategy.static.max_chunk_size_tokens",
        ),
        (
            "/S/files",
            {
                "file_id": "F",
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 51},
                },
            },
            "chunking_strategy.static.chunk_overlap_tokens",
        ),
        ("/S/file_batches", {}, "file_ids"),
        ("/S/file_batches", {"file_ids": []}, "file_ids"),
        ("/S/file_batches", {"file_ids": ["file-1"] * 2001}, "file_ids"),
        ("/S/search", {}, "query"),
        ("/S/search", {"query": 5}, "query"),
        ("/S/search", {"query": "x", "max_num_results": 51}, "max_num_results"),
        ("/S/search", {"query": "x", "max_num_results": 0}, "max_num_results"),
        (
            "/S/search",
            {"query": "x", "ranking_options": {"score_threshold": 1.1}},
            "ranking_options.score_threshold",
        ),
        ("/S/search", {"query": "x", "filters": {"type": "like"}}, "filters.type"),
    ],
)
def test_requests_are_held_to_the_description(raw, path, body, param):
    """What is missing, unknown or out of bounds is told in the API's words."""
    store = store_of(raw)
    reply = raw("POST", "/vector_stores" + path.replace("S", store), body)
    assert reply.status == 400
    assert reply.error["param"] == param


def test_unknown_ids(raw):
    """Stores, files and batches that there are none of are 404s."""
    store = store_of(raw)
    file = upload(raw, "a.txt", PARIS)
    for method, path, body in [
        ("GET", "/vector_stores/vs_no", None),
        ("POST", "/vector_stores/vs_no", {}),
        ("DELETE", "/vector_stores/vs_no", None),
        ("POST", "/vector_stores/vs_no/search", {"query": "x"}),
        ("GET", "/vector_stores/vs_no/files", None),
        ("POST", f"/vector_stores/{store}/files", {"file_id": "file-no"}),
        ("POST", "/vector_stores", {"file_ids": ["file-no"]}),
        ("POST", f"/vector_stores/{store}/file_batches", {"file_ids": [file, "file-no"]}),
        ("GET", f"/vector_stores/{store}/files/{file}", None),
        ("GET", f"/vector_stores/{store}/files/{file}/content", None),
        ("GET", f"/vector_stores/{store}/file_batches/vsfb_no", None),
        ("POST", f"/vector_stores/{store}/file_batches/vsfb_no/cancel", None),
    ]:
        assert raw(method, path, body).status == 404, path
    assert raw("GET", f"/vector_stores/{store}").body["file_counts"]["total"] == 0


def test_a_batch(raw):
    """A batch counts its files, with one strategy for all or one for each; lists are filtered."""
    ids = [upload(raw, f"{n}.txt", PARIS) for n in range(3)] + [upload(raw, "x.bin", b"\x00\x01")]
    store = store_of(raw)
    files = [
        {"file_id": ids[0], "attributes": {"n": 0}},
        {
            "file_id": ids[1],
            "chunking_strategy": {
                "type": "static",
                "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 10},
            },
        },
        {"file_id": ids[3]},
    ]
    batch = raw("POST", f"/vector_stores/{store}/file_batches", {"files": files}).body
    settled(raw, store)
    path = f"/vector_stores/{store}/file_batches/{batch['id']}"
    reply = raw("GET", path)
    assert reply.headers["openai-poll-after-ms"] == "200"
    counts = {"completed": 2, "failed": 1, "in_progress": 0, "cancelled": 0, "total": 3}
    assert (reply.body["status"], reply.body["file_counts"]) == ("completed", counts)
    failed = raw("GET", f"{path}/files?filter=failed").body["data"]
    assert [(one["id"], one["last_error"]["code"]) for one in failed] == [
        (ids[3], "unsupported_file")
    ]
    assert raw("GET", f"{path}/files?filter=nonsense").error["param"] == "filter"
    listed = raw("GET", f"/vector_stores/{store}/files?order=asc&limit=2").body
    assert [one["id"] for one in listed["data"]] == [ids[0], ids[1]] and listed["has_more"]
    assert listed["data"][0]["attributes"] == {"n": 0}
    assert listed["data"][1]["chunking_strategy"]["static"]["max_chunk_size_tokens"] == 100
    more = raw("GET", f"/vector_stores/{store}/files?order=asc&after={ids[1]}").body["data"]
    assert [one["id"] for one in more] == [ids[3]]
    assert raw("POST", f"{path}/cancel").status == 400


def test_a_batch_is_cancelled(start, held):
    """Files that had not been read are cancelled, and are not found."""
    raw = Raw(start().base_url)
    ids = [upload(raw, f"{n}.txt", PARIS) for n in range(5)]
    store = raw("POST", "/vector_stores", {}).body["id"]
    batch = raw("POST", f"/vector_stores/{store}/file_batches", {"file_ids": ids}).body
    assert batch["status"] == "in_progress" and batch["file_counts"]["in_progress"] == 5
    assert raw("GET", f"/vector_stores/{store}").body["status"] == "in_progress"
    path = f"/vector_stores/{store}/file_batches/{batch['id']}/cancel"
    done = raw("POST", path).body
    assert (done["status"], done["file_counts"]["cancelled"]) == ("cancelled", 5)
    held.set()
    later = upload(raw, "later.txt", WHALES)
    raw("POST", f"/vector_stores/{store}/files", {"file_id": later})
    settled(raw, store)
    assert found(raw, store, "capital of France") == []
    assert raw("GET", f"/vector_stores/{store}").body["file_counts"]["cancelled"] == 5


def test_a_file_that_is_deleted_while_it_is_read(start, held):
    """It is gone, and the server goes on with the next."""
    raw = Raw(start().base_url)
    first, second = upload(raw, "a.txt", PARIS), upload(raw, "b.txt", WHALES)
    store = raw("POST", "/vector_stores", {"file_ids": [first, second]}).body["id"]
    assert raw("DELETE", f"/files/{first}").status == 200
    held.set()
    assert settled(raw, store)["file_counts"]["total"] == 1
    assert len(found(raw, store, "whales")) == 1


def test_a_file_added_again_is_read_again(raw):
    """With another strategy its chunks are other ones; it is not there twice."""
    file = upload(raw, "a.txt", b"word " * 500)
    store = store_of(raw, file)
    content = f"/vector_stores/{store}/files/{file}/content"
    assert len(raw("GET", content).body["data"]) == 1
    strategy = {
        "type": "static",
        "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0},
    }
    body = {"file_id": file, "chunking_strategy": strategy}
    assert raw("POST", f"/vector_stores/{store}/files", body).status == 200
    assert settled(raw, store)["file_counts"]["total"] == 1
    assert len(raw("GET", content).body["data"]) == 5


def test_what_was_being_read_at_a_kill_is_read_later(tmp_path):
    """After kill -9 a server reads what it had begun, once."""
    db = str(tmp_path / "db")
    with Process("--db", db) as process:
        raw = Raw(process.base_url)
        ids = [upload(raw, f"{n}.txt", b"alpha beta " * 20_000) for n in range(8)]
        store = raw("POST", "/vector_stores", {"file_ids": ids}).body["id"]
        process.popen.send_signal(signal.SIGKILL)
        process.popen.wait(60)
    with Process("--db", db) as process:
        raw = Raw(process.base_url)
        assert settled(raw, store)["file_counts"]["completed"] == 8
        sizes = [
            len(raw("GET", f"/vector_stores/{store}/files/{file}/content").body["data"])
            for file in ids
        ]
        assert sizes == [99] * 8


def test_stores_expire(start):
    """A store that was not used for its days says so; a use begins them anew."""
    now = [1_000_000_000.0]
    raw = Raw(start(clock=lambda: now[0]).base_url)
    after = {"anchor": "last_active_at", "days": 2}
    store = store_of(raw, upload(raw, "a.txt", PARIS), expires_after=after)
    body = raw("GET", f"/vector_stores/{store}").body
    assert body["expires_at"] == body["last_active_at"] + 2 * DAY
    now[0] += DAY
    assert len(found(raw, store, "Paris")) == 1
    body = raw("GET", f"/vector_stores/{store}").body
    assert body["expires_at"] == now[0] + 2 * DAY
    now[0] += 2 * DAY
    assert raw("GET", f"/vector_stores/{store}").body["status"] == "expired"
    refused = raw("POST", f"/vector_stores/{store}/search", {"query": "Paris"})
    assert refused.error["code"] == "vector_store_expired"
    changed = raw("POST", f"/vector_stores/{store}", {"expires_after": None, "name": None}).body
    assert changed["status"] == "completed" and "expires_at" not in changed
    assert changed["name"] == ""


def test_stores_are_listed_and_changed(start):
    """Pages of stores, with their counts; name and metadata can be set and taken away."""
    raw = Raw(start().base_url)
    file = upload(raw, "a.txt", PARIS)
    ids = [store_of(raw, file, name=str(n)) for n in range(3)]
    page = raw("GET", "/vector_stores?limit=2").body
    assert [one["id"] for one in page["data"]] == ids[:0:-1] and page["has_more"]
    assert [one["file_counts"]["completed"] for one in page["data"]] == [1, 1]
    body = raw("POST", f"/vector_stores/{ids[0]}", {"name": "new", "metadata": {"a": "b"}}).body
    assert (body["name"], body["metadata"]) == ("new", {"a": "b"})
