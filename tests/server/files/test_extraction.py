"""Texts of files of every kind, and clear ends for those that were made to harm."""

from __future__ import annotations

import itertools
import zipfile

import pytest
from documents import (
    docx,
    found,
    looping_pdf,
    package,
    pdf,
    pdf_of,
    pptx,
    store_of,
    upload,
    zip_bomb,
)
from server_helpers import Raw

from emitter_stream.server.files import extract, reading
from emitter_stream.server.files.extract import Unreadable, chunks_of, text_of

GOOD = {
    "a.txt": b"the quick walrus",
    "a.md": b"# the quick\n\nwalrus",
    "a.json": b'{"the": "quick walrus"}',
    "a.py": b"the = 'quick walrus'",
    "noname": b"the quick walrus",
    "bom.txt": b"\xef\xbb\xbfthe quick walrus",
    "wide.txt": "the quick walrus".encode("utf-16"),
    "a.html": b"<html><style>hidden</style><p>the <b>quick</b></p><script>x<1</script>walrus</html>",
    "a.docx": docx("the quick", "walrus"),
    "a.pptx": pptx("the quick", "walrus"),
    "a.pdf": pdf("the quick", "walrus"),
}


@pytest.fixture(scope="module")
def shared():
    from emitter_stream.server import LocalServer

    with LocalServer() as server:
        yield Raw(server.base_url)


@pytest.mark.parametrize("name", GOOD)
def test_kinds_of_files(shared, name):
    """The words of a file are found, whatever its kind; what no reader sees is not."""
    store = store_of(shared, upload(shared, name, GOOD[name]))
    (hit,) = found(shared, store, "walrus")
    assert "quick" in hit["content"][0]["text"]
    assert "hidden" not in hit["content"][0]["text"]
    assert found(shared, store, "hidden style") == []


BAD = {
    "empty.txt": (b"", "invalid_file", "empty"),
    "blank.txt": (b" \n\n ", "invalid_file", "no text"),
    "latin.txt": ("Größe".encode("latin-1"), "invalid_file", "UTF-8"),
    "zero.txt": (b"a" * 5000 + b"\x00", "invalid_file", "zero bytes"),
    "lies.txt": (pdf("x"), "invalid_file", "name says text"),
    "lies.pdf": (b"just text", "invalid_file", "not what the name says"),
    "lies.docx": (pptx("x"), "invalid_file", "not what the name says"),
    "lies.md": (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "invalid_file", "an image"),
    "image.png": (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "unsupported_file", "an image"),
    "a.zip": (package(**{"a.txt": "x"}), "unsupported_file", ".docx"),
    "a.exe": (b"MZ\x00\x00", "unsupported_file", "a program"),
    "broken.docx": (docx("x" * 5000)[:-30], "invalid_file", "zip archive"),
    "broken.pdf": (b"%PDF-1.4\nnothing", "invalid_file", "cannot be read"),
    "loop.pdf": (looping_pdf(), "invalid_file", ""),
    "doctype.docx": (
        package(**{"word/document.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}),
        "invalid_file",
        "document type",
    ),
    "deep.docx": (
        package(**{"word/document.xml": "<a>" * 5000 + "</a>" * 5000}),
        "invalid_file",
        "nested",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_cannot_be_read(shared, name):
    """Each is `failed` with the API's code and a message, and the server goes on."""
    data, code, words = BAD[name]
    file = upload(shared, name, data)
    store = store_of(shared, file)
    body = shared("GET", f"/vector_stores/{store}/files/{file}").body
    assert body["status"] == "failed" and body["usage_bytes"] == 0
    assert body["last_error"]["code"] == code and words in body["last_error"]["message"]


def test_a_bomb_is_refused_before_it_is_unpacked(shared, tmp_path):
    """A package that unpacks to far more than it holds is refused early."""
    path = tmp_path / "bomb.docx"
    path.write_bytes(zip_bomb())
    assert path.stat().st_size < 200_000
    with pytest.raises(Unreadable, match="far more"):
        list(text_of(str(path), "bomb.docx"))
    assert zipfile.is_zipfile(path)


@pytest.mark.parametrize("limits", [{"wall": 3.0}, {"cpu": 1}])
def test_a_reader_that_never_ends_is_ended(start, monkeypatch, limits):
    """A file that keeps its reader busy is given up when its time is over; others are read."""
    given = reading.ReadingLimits(**limits)
    monkeypatch.setattr(reading, "ReadingLimits", lambda: given)
    raw = Raw(start().base_url)
    # Thousands of forms, each shown in the next a few times.
    slow = pdf_of("BT /F1 12 Tf " + "(a) Tj T* " * 3_000_000 + "ET")
    file, good = upload(raw, "slow.pdf", slow), upload(raw, "a.txt", b"walrus")
    store = store_of(raw, file, good)
    body = raw("GET", f"/vector_stores/{store}/files/{file}").body
    assert body["last_error"] == {
        "code": "invalid_file",
        "message": "The file takes too long to be read.",
    }
    assert len(found(raw, store, "walrus")) == 1


def test_a_very_long_text_is_refused(monkeypatch, tmp_path):
    """A text beyond the bound, or a file beyond the one of bytes, is refused; it is read in pieces."""
    path = tmp_path / "long.txt"
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)  # two gigabytes that take no room
    with pytest.raises(Unreadable, match="too large"):
        extract.kind_of(str(path), "long.txt")
    path.write_bytes(b"word " * 100_000)
    monkeypatch.setattr(extract, "MAX_TEXT", 400_000)
    with pytest.raises(Unreadable, match="too long"):
        list(text_of(str(path), "long.txt"))


@pytest.mark.parametrize(("size", "overlap"), [(100, 0), (100, 50), (4096, 2048), (800, 400)])
def test_chunks_overlap_as_asked_for(size, overlap):
    """Each chunk has `size` words, of which `overlap` end the one before; together they are all."""
    words = [f"w{n}" for n in range(5000)]
    chunks = [chunk.split() for chunk in chunks_of(iter([" ".join(words)]), size, overlap)]
    assert all(len(chunk) == size for chunk in chunks[:-1])
    whole = chunks[0]
    for before, chunk in itertools.pairwise(chunks):
        assert not overlap or before[-overlap:] == chunk[:overlap]
        whole = whole + chunk[overlap:]
    assert whole == words


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_chunks_are_the_same_however_the_text_comes(size):
    """The pieces in which a text is read leave no trace, not in a very long word either."""
    text = "Größe, 🐋 and it's so. " * 400 + "x" * 10_000 + " end"
    pieces = (text[n : n + size] for n in range(0, len(text), size))
    assert list(chunks_of(pieces, 100, 10)) == list(chunks_of(iter([text]), 100, 10))
