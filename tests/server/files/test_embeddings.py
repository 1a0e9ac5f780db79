"""Files searched by what they mean, with embeddings that a table makes."""

from __future__ import annotations

import json
from array import array
from typing import Any

import pytest
from canned import Answer, Canned, error
from documents import found, store_of, upload
from server_helpers import Raw

from emitter_stream.server import Upstream
from emitter_stream.server.search import embeddings

MEANINGS = {"dog": 0, "puppy": 0, "train": 1, "railway": 1}


class Table:
    """Texts that speak of the same thing have the same vector."""

    async def embed(self, texts):
        return [
            [float(any(w in t.lower() for w, at in MEANINGS.items() if at == n)) for n in (0, 1)]
            for t in texts
        ]


def vectors_of(*vectors: Any) -> Answer:
    """An upstream's answer with these embeddings."""
    data = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    return Answer(json.dumps({"data": data}), kind="application/json")


def test_another_word_for_it_is_found(start):
    """What words alone do not find is found by its meaning; what both find comes first."""
    files = {
        "pets.txt": b"Dogs may come on Fridays.",
        "travel.txt": b"Train tickets are booked here.",
    }
    raw = Raw(start(embeddings=Table()).base_url)
    store = store_of(raw, *(upload(raw, name, data) for name, data in files.items()))
    assert found(raw, store, "my puppy")[0]["filename"] == "pets.txt"
    assert found(raw, store, "a railway journey")[0]["filename"] == "travel.txt"
    assert found(raw, store, "train tickets")[0]["score"] > found(raw, store, "railway")[0]["score"]
    plain = Raw(start().base_url)
    store = store_of(plain, *(upload(plain, name, data) for name, data in files.items()))
    assert found(plain, store, "my puppy") == []


def test_a_file_is_found_by_its_name(start):
    """What a chunk is about may stand in the name of its file alone."""
    raw = Raw(start(embeddings=Table()).base_url)
    files = {"railway.txt": b"It leaves at noon.", "dog.txt": b"It is fed at noon."}
    store = store_of(raw, *(upload(raw, name, data) for name, data in files.items()))
    assert found(raw, store, "my puppy")[0]["filename"] == "dog.txt"
    assert found(raw, store, "a train")[0]["filename"] == "railway.txt"


@pytest.mark.parametrize("has_numpy", [True, False])
def test_how_close_vectors_are(monkeypatch, has_numpy):
    """Each chunk is as close as to the nearest question, not below 0; other models' vectors are left out."""
    if has_numpy:
        pytest.importorskip("numpy")
    else:
        monkeypatch.setattr(embeddings, "_numpy", lambda: None)
    chunks = [(1, [1.0, 0.0]), (2, [0.6, 0.8]), (3, [-1.0, 0.0]), (4, [1.0]), (5, [])]
    packed = [(seq, array("f", vector).tobytes()) for seq, vector in chunks]
    close = embeddings.closeness([[1.0, 0.0], [0.0, 1.0]], packed)
    assert {seq: round(value, 6) for seq, value in close.items()} == {1: 1.0, 2: 0.8, 3: 0.0}
    assert embeddings.closeness([], packed) == embeddings.closeness([[1.0]], []) == {}


def test_an_upstream_makes_them(start, canned: Canned):
    """Chunks and questions are sent to the upstream's `/embeddings`, by the name that was given."""
    canned.answers += [vectors_of([3, 4]), vectors_of([4, 3])]
    raw = Raw(start(model=Upstream(canned.url), embeddings="small").base_url)
    store = store_of(raw, upload(raw, "a.txt", b"Dogs"))
    (hit,) = found(raw, store, "puppy")
    assert abs(hit["score"] - 0.7 * 0.96) < 1e-5
    assert [body["model"] for body in canned.bodies] == ["small", "small"]
    assert [body["input"] for body in canned.bodies] == [["a.txt\nDogs"], ["puppy"]]
    assert canned.paths == ["/v1/embeddings"] * 2


def test_embeddings_that_cannot_be_had(start, canned: Canned, caplog):
    """A search says why its embeddings are not there, a file too; none of it is in the log."""
    said = {"error": {"message": "Too many: puppy", "code": "rate_limit_exceeded"}}
    canned.answers += [vectors_of([3, 4]), error(429, said), error(429, said)]
    raw = Raw(start(model=Upstream(canned.url), embeddings="small").base_url)
    store = store_of(raw, upload(raw, "a.txt", b"Dogs"))
    refused = raw("POST", f"/vector_stores/{store}/search", {"query": "puppy"})
    assert (refused.status, refused.error["message"]) == (429, "Too many: puppy")
    other = store_of(raw, upload(raw, "b.txt", b"Cats"))
    (file,) = raw("GET", f"/vector_stores/{other}/files").body["data"]
    assert file["status"] == "failed"
    assert file["last_error"] == {"code": "server_error", "message": "Too many: puppy"}
    assert "puppy" not in caplog.text and "Traceback" not in caplog.text


@pytest.mark.parametrize("vectors", [[[1, 2], [3, 4, 5]], [[1, 2], None], [[1, 2]]])
def test_embeddings_that_do_not_fit(start, canned: Canned, vectors):
    """Vectors that cannot be compared are an error of the upstream, and told as such."""
    canned.answers += [vectors_of([3, 4]), vectors_of(*vectors)]
    raw = Raw(start(model=Upstream(canned.url), embeddings="small").base_url)
    store = store_of(raw, upload(raw, "a.txt", b"Dogs"))
    refused = raw("POST", f"/vector_stores/{store}/search", {"query": ["puppy", "dog"]})
    assert refused.status == 500 and "embeddings" in refused.error["message"]


def test_no_store_asks_for_no_embeddings(start, canned: Canned):
    """A store that is not there is not found, without a word to the upstream."""
    raw = Raw(start(model=Upstream(canned.url), embeddings="small").base_url)
    assert raw("POST", "/vector_stores/vs_none/search", {"query": "puppy"}).status == 404
    assert canned.paths == []
