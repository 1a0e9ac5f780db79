"""Files and uploads: forms in, bytes out, and what is left when something goes wrong."""

from __future__ import annotations

import hashlib
import os
import signal
import socket

import pytest
from documents import as_json, form, upload
from server_helpers import HEADERS, Process, Raw

KEY = {"Authorization": "Bearer any"}


def test_a_file_comes_back_as_it_was(raw):
    """What was uploaded is listed, retrieved, downloaded and deleted, without the beta header."""
    data = bytes(range(256)) * 3000
    made = raw("POST", "/files", *form({"purpose": "vision"}, "file", "a b.png", data)).body
    assert (made["filename"], made["bytes"], made["purpose"]) == ("a b.png", len(data), "vision")
    assert "expires_at" not in made and "status_details" not in made
    assert raw("GET", f"/files/{made['id']}", headers=KEY).body == made
    reply = raw("GET", f"/files/{made['id']}/content", headers=KEY)
    assert reply.raw == data
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b.png"
    assert reply.headers["x-content-type-options"] == "nosniff"
    head = raw("HEAD", f"/files/{made['id']}/content", headers=KEY)
    assert (head.status, head.headers["content-length"]) == (200, str(len(data)))
    gone = raw("DELETE", f"/files/{made['id']}", headers=KEY)
    assert gone.body == {"id": made["id"], "object": "file", "deleted": True}
    for path in (f"/files/{made['id']}", f"/files/{made['id']}/content"):
        assert (
            raw("GET", path, headers=KEY).error["message"] == f"No such File object: {made['id']}"
        )
    assert raw("DELETE", f"/files/{made['id']}", headers=KEY).status == 404


def test_lists_have_pages_and_purposes(start):
    """The list is newest first, in pages, and of one purpose if that is asked for."""
    raw = Raw(start().base_url)
    ids = [upload(raw, f"{n}.txt", b"x", "batch" if n == 2 else "assistants") for n in range(4)]
    page = raw("GET", "/files?limit=2").body
    assert [one["id"] for one in page["data"]] == ids[:1:-1] and page["has_more"]
    rest = raw("GET", f"/files?limit=2&after={page['last_id']}").body
    assert [one["id"] for one in rest["data"]] == ids[1::-1] and not rest["has_more"]
    rising = raw("GET", "/files?order=asc&purpose=assistants").body["data"]
    assert [one["id"] for one in rising] == [ids[0], ids[1], ids[3]]
    assert raw("GET", "/files?purpose=vision").body["data"] == []
    assert raw("GET", "/files?limit=10000").status == 200
    assert raw("GET", "/files?limit=10001").error["param"] == "limit"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\Users\\\\me\\\\plan.md", "plan.md"),
        ("..", "upload"),
        ("tab\there.txt", "tabhere.txt"),
        ("Grüße.txt", "Grüße.txt"),
        ("x" * 600 + ".txt", "x" * 200 + "x" * 46 + ".txt"),
    ],
)
def test_names_are_base_names(raw, given, kept):
    """No path, no control character and no endless name gets in with a file."""
    file = upload(raw, given, b"x")
    assert raw("GET", f"/files/{file}").body["filename"] == kept


@pytest.mark.parametrize(
    ("fields", "field", "name", "param", "code"),
    [
        ({}, "file", "a", "purpose", "missing_required_parameter"),
        ({"purpose": "evil"}, "file", "a", "purpose", "invalid_value"),
        ({"purpose": "batch"}, "other", "a", "other", "unknown_parameter"),
        ({"purpose": "batch"}, "file", None, "file", "invalid_type"),
        ({"purpose": "batch", "size": "1"}, "file", "a", "size", "unknown_parameter"),
        (
            {
                "purpose": "batch",
                "expires_after[anchor]": "created_at",
                "expires_after[seconds]": "5",
            },
            "file",
            "a",
            "expires_after.seconds",
            "integer_below_min_value",
        ),
    ],
)
def test_forms_are_held_to_the_description(raw, fields, field, name, param, code):
    """What is missing, unknown or out of bounds is told in the API's words."""
    error = raw("POST", "/files", *form(fields, field, name, b"x")).error
    assert (error["param"], error["code"]) == (param, code)


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        (lambda body: b"", {}),
        (lambda body: body[:-20], {}),
        (lambda body: b"junk" + body, {}),
        (lambda body: body.replace(b"\r\n\r\n", b"\r\n"), {}),
        (lambda body: body, {"Content-Type": "multipart/form-data"}),
        (lambda body: body, {"Content-Type": "application/json"}),
        (lambda body: as_json({"purpose": "batch"}), {"Content-Type": "application/json"}),
        (lambda body: b"--x\r\n" + b"a: b\r\n" * 10_000, {}),
    ],
)
def test_broken_forms(raw, change, headers):
    """A body that is no whole form is a 400, and leaves no file."""
    before = raw("GET", "/files").body["first_id"]
    body, own = form({"purpose": "batch"}, "file", "a", b"x" * 100)
    assert raw("POST", "/files", change(body), {**own, **headers}).status == 400
    assert raw("GET", "/files").body["first_id"] == before


def test_a_file_that_is_too_large_is_refused_by_its_length(raw):
    """A length beyond the bound is a 413 before any byte is read."""
    _, headers = form({}, "file", "a", b"")
    connection = raw.connection()
    connection.putrequest("POST", raw.prefix + "/files")
    for name, value in {**headers, "Content-Length": str(600 * 1024 * 1024)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_client_that_goes_away_leaves_nothing(start, tmp_path):
    """Half an upload is no file, and its bytes are gone."""
    server = start(files=str(tmp_path / "files"))
    raw = Raw(server.base_url)
    body, headers = form({"purpose": "batch"}, "file", "a", b"x" * 3_000_000)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n{lines}\r\n"
    )
    with socket.create_connection((raw.host, raw.port)) as connection:
        connection.sendall(head.encode() + body[:2_000_000])
    server.stop()
    assert list(tmp_path.iterdir()) == []


def test_files_expire(start, tmp_path):
    """A file past its time is not found, and goes with its bytes when the server looks for such."""
    now = [1_000_000_000.0]
    server = start(clock=lambda: now[0], db=str(tmp_path / "db"))
    raw = Raw(server.base_url)
    after = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = upload(raw, "a.txt", b"x", **after)
    kept = upload(raw, "b.txt", b"x")
    assert raw("GET", f"/files/{file}").body["expires_at"] == now[0] + 3600
    now[0] += 3600
    assert raw("GET", f"/files/{file}").status == 404
    assert raw("GET", f"/files/{file}/content").status == 404
    server.stop()
    again = Raw(start(clock=lambda: now[0], db=str(tmp_path / "db")).base_url)
    while (tmp_path / "db-files" / file).exists():
        assert again("GET", "/files").status == 200
    assert [one["id"] for one in again("GET", "/files").body["data"]] == [kept]


def test_files_survive_a_kill_whole_or_not_at_all(tmp_path):
    """After kill -9 a file is there with its bytes, and bytes without a file are swept away."""
    db = tmp_path / "db"
    folder = tmp_path / "db-files"
    data = os.urandom(700_000)
    with Process("--db", str(db)) as process:
        file = upload(Raw(process.base_url), "a.bin", data, "user_data")
        process.popen.send_signal(signal.SIGKILL)
        process.popen.wait(60)
    (folder / "file-lost").write_bytes(b"its row was never made")
    (folder / "file-half.part").write_bytes(b"it never came to its end")
    with Process("--db", str(db)) as process:
        raw = Raw(process.base_url)
        assert raw("GET", f"/files/{file}/content").raw == data
        assert [path.name for path in folder.iterdir()] == [file]


def test_memory_server_leaves_no_folder(start, tmp_path, monkeypatch):
    """The files of a server in memory go when it stops."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = start()
    upload(Raw(server.base_url), "a", b"x")
    assert len(list(tmp_path.rglob("file-*"))) == 1
    server.stop()
    assert list(tmp_path.iterdir()) == []


def test_an_owner_sees_own_files_only(start, tmp_path):
    """Another key's files, uploads and stores are 404s, and cannot be put into one's own store."""
    (tmp_path / "keys").write_text("alice=one\nbob=two\n")
    raw = Raw(start(api_key_file=str(tmp_path / "keys")).base_url)

    def ask(key, method, path, body=None):
        return raw(method, path, body, {**HEADERS, "Authorization": f"Bearer {key}"})

    body, headers = form({"purpose": "assistants"}, "file", "a.txt", b"hello")
    file = raw("POST", "/files", body, {**headers, "Authorization": "Bearer one"}).body["id"]
    store = ask("one", "POST", "/vector_stores", {"file_ids": [file]}).body["id"]
    new = {"filename": "x", "purpose": "batch", "bytes": 1, "mime_type": "text/plain"}
    part = ask("one", "POST", "/uploads", new).body["id"]
    for path in (
        f"/files/{file}",
        f"/files/{file}/content",
        f"/vector_stores/{store}",
        f"/vector_stores/{store}/files/{file}",
        f"/vector_stores/{store}/files/{file}/content",
    ):
        assert ask("two", "GET", path).status == 404, path
        assert ask("one", "GET", path).status == 200, path
    assert ask("two", "GET", "/files").body["data"] == []
    assert ask("two", "GET", "/vector_stores").body["data"] == []
    assert ask("two", "POST", "/vector_stores", {"file_ids": [file]}).status == 404
    assert ask("two", "POST", f"/vector_stores/{store}/search", {"query": "hello"}).status == 404
    assert ask("two", "POST", f"/uploads/{part}/cancel").status == 404
    assert ask("two", "DELETE", f"/files/{file}").status == 404


# uploads


def begin(raw, size, **fields):
    new = {"filename": "x.txt", "purpose": "assistants", "bytes": size, "mime_type": "text/plain"}
    return raw("POST", "/uploads", {**new, **fields})


def add(raw, upload_id, data):
    return raw("POST", f"/uploads/{upload_id}/parts", *form({}, "data", "part", data))


def test_an_upload_is_put_together_in_the_order_asked_for(raw):
    """Parts become one file in the order of `part_ids`, whatever order they came in."""
    made = begin(raw, 9).body
    assert made["status"] == "pending" and made["expires_at"] == made["created_at"] + 3600
    first, second = (add(raw, made["id"], data).body["id"] for data in (b"world", b"say "))
    order = {"part_ids": [second, first], "md5": hashlib.md5(b"say world").hexdigest()}
    done = raw("POST", f"/uploads/{made['id']}/complete", order).body
    assert done["status"] == "completed" and done["file"]["filename"] == "x.txt"
    assert raw("GET", f"/files/{done['file']['id']}/content").raw == b"say world"
    assert raw("POST", f"/uploads/{made['id']}/complete", order).status == 400
    assert add(raw, made["id"], b"more").status == 400


def test_uploads_that_do_not_fit(raw):
    """Too many bytes, too few, a strange part, the wrong sum: each is a 400, and it stays pending."""
    assert begin(raw, 9 * 1024**3).error["param"] == "bytes"
    assert begin(raw, 3, purpose="evals").error["param"] == "purpose"
    made = begin(raw, 4).body["id"]
    part = add(raw, made, b"abcd").body["id"]
    assert "more bytes" in add(raw, made, b"e").error["message"]
    complete = f"/uploads/{made}/complete"
    assert raw("POST", complete, {"part_ids": []}).error["param"] == "part_ids"
    assert raw("POST", complete, {"part_ids": ["part_no"]}).error["param"] == "part_ids"
    assert raw("POST", complete, {"part_ids": [part, part]}).error["param"] == "part_ids"
    assert raw("POST", complete, {"part_ids": [part], "md5": "0" * 32}).error["param"] == "md5"
    assert raw("POST", complete, {"part_ids": [part]}).body["status"] == "completed"
    other = begin(raw, 4).body["id"]
    assert raw("POST", f"/uploads/{other}/cancel").body["status"] == "cancelled"
    assert raw("POST", f"/uploads/{other}/cancel").status == 400
    assert raw("POST", f"/uploads/{other}/complete", {"part_ids": ["x"]}).status == 400


def test_uploads_expire(start):
    """An upload that was not completed in an hour takes no parts any more."""
    now = [1_000_000_000.0]
    raw = Raw(start(clock=lambda: now[0]).base_url)
    made = begin(raw, 4).body["id"]
    now[0] += 3600
    assert "expired" in add(raw, made, b"abcd").error["message"]
