"""Texts with a zero byte, which SQLite takes and PostgreSQL cannot even be asked for."""

from __future__ import annotations

import pytest
from databases import new_database
from server_helpers import Raw

NUL = "a\x00b"


@pytest.fixture
def raw(start, postgres) -> Raw:
    """Give requests to a server on PostgreSQL."""
    return Raw(start(db=new_database(postgres)).base_url)


def test_zero_bytes_that_are_looked_for(raw):
    """A search for a text with a zero byte is the client's mistake, never an error of the server."""
    thread = raw.thread("Hello")
    for path in (
        "/assistants?after=%00",
        f"/threads/{thread}/messages?run_id=%00",
        "/chat/completions?metadata[k]=%00",
        "/chat/completions?model=%00",
        "/files?purpose=%00",
    ):
        assert raw("GET", path).status == 400, path
    body = {"model": "gpt-4o", "input": "Hello", "previous_response_id": NUL}
    assert raw("POST", "/responses", body).status == 400
    assert raw("GET", "/assistants/%00").status == 404


def test_zero_bytes_that_are_kept(raw):
    """What is said may have a zero byte, and comes back as it was."""
    fields = {"name": NUL, "instructions": NUL, "metadata": {"k": NUL}}
    assistant = raw.assistant(**fields)
    kept = raw("GET", f"/assistants/{assistant}").body
    assert {name: kept[name] for name in fields} == fields
    thread = raw.thread(NUL)
    body = {"assistant_id": assistant, "stream": True}
    events = raw("POST", f"/threads/{thread}/runs", body).events()
    assert events[-2][0] == "thread.run.completed"
    (_, said) = raw("GET", f"/threads/{thread}/messages").body["data"]
    assert said["content"][0]["text"]["value"] == NUL


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_zero_bytes_among_what_is_looked_into(request, start, kind):
    """A completion with zero bytes hides no other from a list by metadata, and is found itself."""
    raw = request.getfixturevalue("raw") if kind == "postgres" else Raw(start().base_url)
    for text in (NUL, "\\u0000", "plain"):
        body = {"model": "m", "store": True, "messages": [{"role": "user", "content": text}]}
        made = raw("POST", "/chat/completions", {**body, "metadata": {"k": "v", "other": text}})
        assert made.status == 200
    assert len(raw("GET", "/chat/completions?metadata[k]=v").body["data"]) == 3
    (found,) = raw("GET", "/chat/completions?metadata[other]=plain").body["data"]
    assert found["metadata"]["other"] == "plain"
    nothing = raw("GET", "/chat/completions?metadata[k%00]=v")
    assert (nothing.status, nothing.body["data"]) == (200, [])
