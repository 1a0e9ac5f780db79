"""Keys: who may come in with which, and that nobody sees what is another's."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from documents import form
from server_helpers import BOTH, HEADERS, WEATHER, Raw, Reply, wait_for_run

from emitter_stream import cli
from emitter_stream.server import LocalServer
from emitter_stream.server.http.keys import Keys
from emitter_stream.server.store.store import Base, Owned, Row, ThreadChild

ALICE, BOB, OLD, NEW = "sk-alice-0123", "sk-bob-4567", "sk-carol-old", "sk-carol-new"
FILE = f"""\
# who may come in
{ALICE}

  {BOB}
carol = {OLD}
carol={NEW}
"""


class As(Raw):
    """Raw requests with a key."""

    def __init__(self, server: LocalServer, key: str) -> None:
        super().__init__(server.base_url)
        self.key = key

    def __call__(self, method: str, path: str, body: Any = None, headers: Any = None) -> Reply:
        headers = {**HEADERS, "Authorization": f"Bearer {self.key}", **(headers or {})}
        return super().__call__(method, path, body, headers)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "keys.txt"
    path.write_text(FILE, encoding="utf-8")
    return str(path)


@pytest.fixture
def guarded(start: Callable[..., LocalServer], file: str) -> LocalServer:
    return start(api_key_file=file)


def test_only_these_keys_open_it(guarded):
    """A key of the file opens the server, as a bearer token or as Azure's clients send it."""
    raw = Raw(guarded.base_url)
    beta = {"OpenAI-Beta": "assistants=v2"}
    for key in (ALICE, BOB, OLD, NEW):
        assert raw("GET", "/assistants", None, {**beta, "api-key": key}).status == 200
        bearer = {**beta, "Authorization": f"bearer {key}"}
        assert raw("GET", "/assistants", None, bearer).status == 200
    for key in ("any", ALICE[:-1], ALICE + "x", "carol", f"carol={OLD}", "# who may come in"):
        reply = raw("GET", "/assistants", None, {**beta, "Authorization": f"Bearer {key}"})
        assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
        assert key not in reply.raw.decode()
    assert raw("GET", "/assistants", None, beta).status == 401


def test_health_needs_no_key(guarded):
    """What balances servers has no key."""
    raw = Raw(guarded.base_url.removesuffix("/v1"))
    assert raw("GET", "/healthz", None, {}).status == 200


def make_everything(raw: Raw) -> dict[str, str]:
    """Make one object of each kind; returns the paths of what can be read."""
    run = dict(raw.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    thread, run_id = run["thread_id"], run["id"]
    (step,) = raw("GET", f"/threads/{thread}/runs/{run_id}/steps").body["data"]
    message = raw("GET", f"/threads/{thread}/messages").body["data"][-1]["id"]
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "store": True}
    completion = raw("POST", "/chat/completions", asked).body["id"]
    response = raw("POST", "/responses", {"model": "m", "input": "Hi"}).body["id"]
    return {
        "assistant": f"/assistants/{run['assistant_id']}",
        "thread": f"/threads/{thread}",
        "message": f"/threads/{thread}/messages/{message}",
        "messages": f"/threads/{thread}/messages",
        "run": f"/threads/{thread}/runs/{run_id}",
        "runs": f"/threads/{thread}/runs",
        "step": f"/threads/{thread}/runs/{run_id}/steps/{step['id']}",
        "steps": f"/threads/{thread}/runs/{run_id}/steps",
        "completion": f"/chat/completions/{completion}",
        "asked": f"/chat/completions/{completion}/messages",
        "response": f"/responses/{response}",
        "input": f"/responses/{response}/input_items",
    }


def test_another_sees_nothing(guarded):
    """What one key made is 404 for another, to read, to change and to use, and in no list."""
    alice, bob = As(guarded, ALICE), As(guarded, BOB)
    places = make_everything(alice)
    for place in places.values():
        assert alice("GET", place).status == 200, place
        assert bob("GET", place).status == 404, place
    assert alice("GET", "/assistants").body["data"] and not bob("GET", "/assistants").body["data"]
    assert not bob("GET", "/chat/completions").body["data"]
    change = {"metadata": {"a": "b"}}
    for kind in ("assistant", "thread", "message", "run", "completion"):
        assert bob("POST", places[kind], change).status == 404, kind
    for kind in ("assistant", "thread", "message", "completion", "response"):
        assert bob("DELETE", places[kind]).status == 404, kind
    said = {"role": "user", "content": "Mine"}
    assert bob("POST", places["messages"], said).status == 404
    assert bob("POST", places["run"] + "/cancel").status == 404
    outputs = {"tool_outputs": [{"tool_call_id": "call_x", "output": "1"}]}
    assert bob("POST", places["run"] + "/submit_tool_outputs", outputs).status == 404
    theirs = places["assistant"].rpartition("/")[2]
    assert bob("POST", places["runs"], {"assistant_id": theirs}).status == 404
    own = f"/threads/{bob.thread('Hi')}/runs"
    assert bob("POST", own, {"assistant_id": theirs}).status == 404
    assert bob("POST", places["runs"], {"assistant_id": bob.assistant()}).status == 404
    previous = {"model": "m", "input": "Hi", "previous_response_id": None}
    previous["previous_response_id"] = places["response"].rpartition("/")[2]
    assert alice("POST", "/responses", previous).status == 200
    assert bob("POST", "/responses", previous).status == 404
    after = f"/assistants?after={theirs}"
    assert (alice("GET", after).status, bob("GET", after).status) == (200, 400)
    for place in places.values():
        assert alice("GET", place).status == 200, place


def test_another_does_not_end_a_run(start, file, gate):
    """A run that is at work is not ended, and not seen, by who asks to delete or cancel it."""
    server = start(api_key_file=file, model=gate)
    alice, bob = As(server, ALICE), As(server, BOB)
    thread = alice.thread("Hi")
    run = alice("POST", f"/threads/{thread}/runs", {"assistant_id": alice.assistant()}).body["id"]
    assert gate.waiting.wait(120)
    assert bob("DELETE", f"/threads/{thread}").status == 404
    assert bob("POST", f"/threads/{thread}/runs/{run}/cancel").status == 404
    gate.open()
    assert wait_for_run(alice, thread, run)["status"] == "completed"


def test_another_does_not_see_a_response_at_work(start, file, gate):
    """A response in the background can be read and ended by its owner only."""
    server = start(api_key_file=file, model=gate)
    alice, bob = As(server, ALICE), As(server, BOB)
    asked = {"model": "m", "input": "Hi", "background": True}
    path = "/responses/" + alice("POST", "/responses", asked).body["id"]
    assert gate.waiting.wait(120)
    assert bob("GET", path).status == 404
    assert bob("GET", f"{path}?stream=true").status == 404
    assert bob("POST", f"{path}/cancel").status == 404
    assert bob("DELETE", path).status == 404
    assert alice("GET", path).body["status"] == "in_progress"
    assert alice("POST", f"{path}/cancel").body["status"] == "cancelled"


def test_a_run_of_somebody_goes_on(guarded):
    """What a run writes is its owner's, through all its rounds."""
    alice = As(guarded, ALICE)
    run = dict(alice.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = [{"tool_call_id": call["id"], "output": "57"} for call in calls]
    body = {"tool_outputs": outputs, "stream": True}
    events = alice("POST", f"{path}/submit_tool_outputs", body).events()
    assert events[-2][0] == "thread.run.completed"


def test_expired_runs_of_others_are_closed(start, file):
    """A run whose time is over ends with the next request, whoever's that is."""
    now = [1_700_000_000.0]
    server = start(api_key_file=file, clock=lambda: now[0], run_lifetime=60)
    alice, bob = As(server, ALICE), As(server, BOB)
    run = dict(alice.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    now[0] += 61
    assert bob("GET", "/assistants").status == 200
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    assert alice("GET", path).body["status"] == "expired"


def test_keys_of_one_name(guarded):
    """All keys of a name see the same objects, so that a key can be replaced."""
    old, new, bob = As(guarded, OLD), As(guarded, NEW), As(guarded, BOB)
    path = f"/assistants/{old.assistant()}"
    assert (new("GET", path).status, bob("GET", path).status) == (200, 404)


def test_objects_stay_their_owners(start, file, tmp_path):
    """After a restart, and with another key of the name, everything is where it was."""
    db = str(tmp_path / "kept.db")
    first = start(api_key_file=file, db=db)
    paths = [f"/assistants/{As(first, key).assistant()}" for key in (ALICE, OLD)]
    first.stop()
    rotated = tmp_path / "rotated.txt"
    rotated.write_text(f"{ALICE}\r\ncarol=sk-carol-3\r\n{BOB}\r\n", encoding="utf-8")
    second = start(api_key_file=str(rotated), db=db)
    seen = {
        key: [As(second, key)("GET", path).status for path in paths]
        for key in (ALICE, "sk-carol-3", BOB, OLD)
    }
    assert seen == {
        ALICE: [200, 404],
        "sk-carol-3": [404, 200],
        BOB: [404, 404],
        OLD: [401, 401],
    }
    # A server without keys knows no owners: all is there.
    second.stop()
    raw = Raw(start(db=db).base_url)
    assert [raw("GET", path).status for path in paths] == [200, 200]


def test_a_key_is_stored_nowhere(start, file, tmp_path, caplog):
    """Neither the database nor the log has a key in it, in clear or in base64."""
    caplog.set_level("DEBUG")
    db = tmp_path / "kept.db"
    server = start(api_key_file=file, db=str(db))
    make_everything(As(server, ALICE))
    make_everything(As(server, OLD))
    As(server, "sk-wrong-key")("GET", "/assistants")
    server.stop()
    stored = db.read_bytes()
    for key in (ALICE, OLD, "sk-wrong-key"):
        assert key.encode() not in stored and key not in caplog.text
        assert base64.b64encode(key.encode()) not in stored
        assert key not in repr(vars(server))
    digest = hashlib.sha256(ALICE.encode()).hexdigest()
    with sqlite3.connect(db) as connection:
        owners = {row[0] for row in connection.execute("SELECT owner FROM threads")}
    connection.close()
    assert owners == {f"key:{digest}", "name:carol"}


def test_every_table_has_an_owner():
    """Each object belongs to somebody, by itself, by its thread or by what else it is a part of."""
    objects = [m.class_ for m in Base.registry.mappers if issubclass(m.class_, Row)]
    owned = {table.__tablename__ for table in objects if issubclass(table, Owned)}
    assert {"threads", "files", "vector_stores"} <= owned
    for table in objects:
        parents = {key.column.table.name for key in table.__table__.foreign_keys}
        assert issubclass(table, (Owned, ThreadChild)) or parents & owned, table


def test_files_of_others(guarded):
    """Files, uploads and vector stores, with all that is in them, are 404 for another."""
    alice, bob = As(guarded, ALICE), As(guarded, BOB)
    data = b"The whale is white."

    def post(body: bytes, headers: dict[str, str]) -> Reply:
        bearer = {"Authorization": f"Bearer {ALICE}"}
        return alice("POST", "/files", body, {**headers, **bearer})

    file = post(*form({"purpose": "assistants"}, "file", "whale.txt", data)).body["id"]
    store = alice("POST", "/vector_stores", {"file_ids": [file]}).body["id"]
    batch = alice("POST", f"/vector_stores/{store}/file_batches", {"file_ids": [file]}).body["id"]
    asked = {"filename": "a.txt", "purpose": "assistants", "bytes": 3, "mime_type": "text/plain"}
    upload = alice("POST", "/uploads", asked).body["id"]
    inside = f"/vector_stores/{store}"
    places = [
        *(f"/files/{file}", f"/files/{file}/content", inside, f"{inside}/files"),
        *(f"{inside}/files/{file}", f"{inside}/file_batches/{batch}"),
        *(f"{inside}/file_batches/{batch}/files", f"{inside}/files/{file}/content"),
    ]
    for place in places:
        assert alice("GET", place).status == 200, place
        assert bob("GET", place).status == 404, place
    assert not bob("GET", "/files").body["data"] and not bob("GET", "/vector_stores").body["data"]
    changes: list[tuple[str, str, Any]] = [
        ("POST", f"{inside}/search", {"query": "whale"}),
        ("POST", inside, {"name": "mine"}),
        ("POST", f"{inside}/files", {"file_id": file}),
        ("POST", f"{inside}/files/{file}", {"attributes": {"a": "b"}}),
        ("POST", f"{inside}/file_batches/{batch}/cancel", None),
        ("POST", f"/uploads/{upload}/complete", {"part_ids": ["part_x"]}),
        ("POST", f"/uploads/{upload}/cancel", None),
        *(("DELETE", place, None) for place in (f"{inside}/files/{file}", inside, places[0])),
    ]
    for method, place, body in changes:
        assert bob(method, place, body).status == 404, place
    own = bob("POST", "/vector_stores", {}).body["id"]
    assert bob("POST", f"/vector_stores/{own}/files", {"file_id": file}).status in (400, 404)
    assert bob("POST", "/vector_stores", {"file_ids": [file]}).status in (400, 404)
    for place in places:
        assert alice("GET", place).status == 200, place


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no key"),
        ("# nothing\n\n", "there is no key"),
        ("sk-secret-1 sk-secret-2", "line 1 of"),
        ("ok\nalice=", "line 2 of"),
        ("c2VjcmV0==", "line 1 of"),
        ("alice=sk-secret\nbob=sk-secret", "has another owner"),
        ("sk-secr\u00e9t", "line 1 of"),
    ],
)
def test_files_that_are_wrong(tmp_path, capsys, text, words):
    """A file without keys, or with lines that are none, is refused in one line without the keys."""
    path = tmp_path / "keys.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        LocalServer(api_key_file=str(path))
    assert cli.main(["serve", "--port", "0", "--api-key-file", str(path)]) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and "secr" not in said.replace(str(path), "")


def test_a_file_that_is_not_there(tmp_path, capsys):
    """It is named, with the reason."""
    path = str(tmp_path / "none.txt")
    assert cli.main(["serve", "--port", "0", "--api-key-file", path]) == 1
    assert f"cannot read the keys in {path}" in capsys.readouterr().err


def test_names_and_keys(tmp_path):
    """Names go up to the first equals sign; a key may have more of them, and a byte order mark none."""
    path = tmp_path / "keys.txt"
    path.write_bytes(b"\xef\xbb\xbfalice=a=b==\nbob@example.com = b\n")
    keys = Keys.read(str(path))
    assert keys.owner_of(b"a=b==") == "name:alice"
    assert keys.owner_of(b"b") == "name:bob@example.com"
    assert keys.owner_of(b"alice=a=b==") is None


def test_beyond_loopback(start, file, capsys):
    """On an address that others reach the server asks for its keys, or to be told that any will do."""
    for host in ("0.0.0.0", "192.0.2.7", "example.test"):
        with pytest.raises(ValueError, match="--api-key-file"):
            LocalServer(host=host, allowed_hosts=["a.example"])
        assert cli.main(["serve", "--port", "0", "--host", host]) == 1
        assert "--any-key" in capsys.readouterr().err
    with pytest.raises(ValueError, match="--allowed-host"):
        LocalServer(host="0.0.0.0", any_key=True)
    with pytest.raises(ValueError, match="any_key"):
        LocalServer(api_key_file=file, any_key=True)
    server = start(host="0.0.0.0", api_key_file=file)
    raw = As(server, ALICE)
    raw.host = "127.0.0.1"
    assert raw("GET", "/assistants", None, {"Host": "any.example"}).status == 200


PAGE = "https://app.example.com:8443"


def test_pages_that_are_allowed(start):
    """A page of an allowed origin may ask first, without a key, and read what it then gets."""
    raw = Raw(start(allow_origins=[PAGE.upper(), "http://b.example"]).base_url)
    asks = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,openai-beta",
        "Access-Control-Request-Private-Network": "true",
    }
    reply = raw("OPTIONS", "/threads/x/runs", None, asks)
    assert reply.status == 204 and not reply.raw
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert reply.headers["access-control-allow-headers"] == "authorization,openai-beta"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert reply.headers["access-control-allow-private-network"] == "true"
    for reply in (
        raw("POST", "/threads", {}, {**HEADERS, "Origin": PAGE}),
        raw("GET", "/threads/none", None, {**HEADERS, "Origin": PAGE}),
        raw("GET", "/threads/none", None, {"Origin": PAGE}),
    ):
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert reply.headers["vary"] == "Origin"
        assert "x-request-id" in reply.headers["access-control-expose-headers"]
    assert raw("GET", "/threads/none", None, {"Origin": PAGE}).status == 401
    reply = raw("OPTIONS", "/threads", None, {**asks, "Origin": "https://app.example.com"})
    assert reply.status == 403 and "access-control-allow-origin" not in reply.headers
    reply = raw("POST", "/threads", {}, HEADERS)
    assert reply.status == 200 and "access-control-allow-origin" not in reply.headers


def test_any_page(start):
    """`*` allows all of them, a file's too."""
    raw = Raw(start(allow_origins=["*"]).base_url)
    for origin in (PAGE, "null"):
        reply = raw("POST", "/threads", {}, {**HEADERS, "Origin": origin})
        assert reply.headers["access-control-allow-origin"] == origin


def test_pages_that_are_none(capsys):
    """What is no origin is refused at the start."""
    for origin in ("app.example.com", "https://a.example/path", "", "https://a b"):
        assert cli.main(["serve", "--port", "0", "--allow-origin", origin]) == 1
        assert "is no origin of a page" in capsys.readouterr().err
