"""Every field of every request, held to the official description: just inside, and just outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import official
import pytest
from documents import form
from in_process import InProcess
from official import DESCRIPTION
from requests_described import ANSWERS, Variant, bodies, field, routes, spots
from server_helpers import HEADERS, Reply

SMALLEST = {path: json.dumps(next(bodies(place)).value).encode() for path, place in routes()}
LISTS = [path for path, ways in DESCRIPTION["paths"].items() if "get" in ways]

HOSTILE = [
    10**400,
    -(2**64),
    1.7e308,
    -0.0,
    "",
    "x\x00y",
    "\ud7ff\uffff\U0010ffff\u202e",
    "x" * 2000,
    "'; DROP TABLE threads; --",
    json.loads("[" * 90 + "]" * 90),
    json.loads('{"a":' * 90 + "1" + "}" * 90),
    {"": "", "__proto__": {}, "type": {}},
    {"type": "\x00"},
    [None, {}, [[]]],
]

BROKEN = [
    b"{",
    b"[]",
    b"null",
    b"7",
    b'"text"',
    b"{}{}",
    b"{'a': 1}",
    b'{"a": 1,}',
    b'\xef\xbb\xbf{"a": 1}',
    '{"a": 1}'.encode("utf-16"),
    b'{"a": "\xff"}',
    b'{"a": "\x00"}',
    b'{"metadata": {"a": "\\ud800"}}',
    b'{"metadata": {"\\udc00": "a"}}',
    b'{"metadata": NaN}',
    b'{"metadata": -Infinity}',
    b'{"metadata": 1e400}',
    b'{"metadata": -1e400}',
    b'{"metadata": ' + b"1" * 5000 + b"}",
    b'{"metadata": ' + b"[" * 200_000,
    b'{"metadata": ' + b'{"a":' * 101 + b"1" + b"}" * 102,
]


@pytest.fixture(scope="module")
def server() -> Iterator[InProcess]:
    """Give one server for all of these requests: none of them needs what another makes."""
    one = InProcess()
    yield one
    one.close()


@pytest.fixture(scope="module")
def ids(server) -> dict[str, str]:
    run = server.thread_run()
    thread = f"/threads/{run['thread_id']}"
    store = "/vector_stores/" + server("POST", "/vector_stores", {}).body["id"]
    body, headers = form({"purpose": "assistants"}, "file", "a.txt", b"Hello")
    file = server("POST", "/files", body, headers).body["id"]
    return {
        "assistant_id": run["assistant_id"],
        "thread_id": run["thread_id"],
        "run_id": run["id"],
        "message_id": server("GET", f"{thread}/messages").body["first_id"],
        "step_id": server("GET", f"{thread}/runs/{run['id']}/steps").body["first_id"],
        "vector_store_id": store.rpartition("/")[2],
        "upload_id": "upload_none",
        "file_id": file,
        "batch_id": server("POST", f"{store}/file_batches", {"file_ids": [file]}).body["id"],
        "model": "m",
    }


def problem(reply: Reply, wanted: Variant) -> str | None:
    """Say how an answer differs from what is to be said to a body."""
    if reply.status >= 500:
        return f"{reply.status} {reply.raw[:300]!r}"
    if reply.status == 200:
        return None if wanted.code is None else "200"
    error = reply.error
    if wanted.code is None:
        # What is not there is a 404, and a run that is over takes no outputs.
        taken = reply.status == 404 or error["param"] is None
        return None if taken else str(error)
    message = wanted.message.replace("{path}", wanted.path)
    same = (reply.status, error["type"], error["param"], error["code"]) == (
        400,
        "invalid_request_error",
        wanted.path,
        wanted.code,
    ) and alike(error["message"], message)
    return None if same else f"{reply.status} {error}"


def alike(message: str, pattern: str) -> bool:
    return re.fullmatch(".+".join(map(re.escape, pattern.split("*"))), message) is not None


PLACES = dict(routes()) | {path: field(schema, path) for path, schema in ANSWERS.items()}


BESIDE = {"/responses": {"input": "x"}}  # which may have it or not, but in tests of its own


@pytest.mark.parametrize("path", PLACES)
def test_bodies(server, ids, path):
    """A body is taken just inside of what is said of each field, and refused just outside of it."""
    place = PLACES[path]
    problems, count = [], 0
    for variant in bodies(place):
        reply = server("POST", path.format(**ids), {**BESIDE.get(path, {}), **variant.value})
        wrong = problem(reply, variant)
        if reply.status == 200:
            official.check_answer("POST", path, 200, reply.body)
        count += 1
        if wrong is not None:
            sent = json.dumps(variant.value)
            problems.append(f"{variant.path} wanted {variant.code}, sent {sent:.200}: {wrong}")
    assert not problems, f"{len(problems)} of {count}:\n" + "\n".join(problems)
    assert count > 5


def test_hostile_values(server, ids):
    """Whatever stands in the place of a field is taken or refused, never a failure."""
    seen: set[str] = set()
    problems, count = [], 0
    for path, place in routes():
        for put in spots(place, seen):
            for _ in range(5):  # not all of them at each, but each at many
                value = HOSTILE[count % len(HOSTILE)]
                count += 1
                reply = server("POST", path.format(**ids), json.dumps(put(value)).encode())
                if reply.status not in (200, 400, 404):
                    problems.append(f"{path} {json.dumps(put(value)):.200}: {reply.raw[:200]!r}")
    assert not problems, f"{len(problems)} of {count}:\n" + "\n".join(problems)
    for path in LISTS:  # what was taken can be read
        assert server("GET", path.format(**ids)).status in (200, 404), path


def test_broken_bodies(server, ids):
    """What is no JSON object is refused at every route, in a few words."""
    for path, _ in routes():
        for body in BROKEN:
            reply = server("POST", path.format(**ids), body)
            assert (reply.status, reply.error["type"]) == (400, "invalid_request_error"), (
                path,
                body[:40],
            )
            assert len(reply.error["message"]) < 300
        empty = server("POST", path.format(**ids), b"")
        assert empty.status in (200, 400, 404), (path, empty.raw)
        # Of two fields of one name the last one counts, as in JavaScript.
        twice = server("POST", path.format(**ids), b'{"no_such": 1, "no_such": 2}')
        assert twice.error["param"] == "no_such", path


QUERIES = [
    # query, code; None: it is taken
    ("limit=1", None),
    ("limit={most}", None),
    ("limit=0", "integer_below_min_value"),
    ("limit=-1", "integer_below_min_value"),
    ("limit={over}", "integer_above_max_value"),
    ("limit=999999999", "integer_above_max_value"),
    *((f"limit={wrong}", "invalid_type") for wrong in ("abc", "", "1.5", "1e1", "%00", "9" * 5000)),
    ("order=asc", None),
    ("order=desc", None),
    ("order=foo", "invalid_value"),
    ("order=", "invalid_value"),
    ("order=ASC", "invalid_value"),
    ("after=no_such", "invalid_value"),
    ("after=%00", "invalid_value"),
    ("after={other}", "invalid_value"),
    ("before=no_such", "invalid_value"),
    ("before=%F0%9F%98%80", "invalid_value"),
    ("before={other}", "invalid_value"),
    ("filter=foo", "invalid_value"),
    *((f"filter={state}", None) for state in ("in_progress", "completed", "failed", "cancelled")),
    ("include[]=foo", "invalid_value"),
    ("include[]=step_details.tool_calls[*].file_search.results[*].content", None),
    ("purpose=foo", None),
    ("run_id=foo", None),
]


def test_content_types(server):
    """A body of another type than JSON is refused; none named, and what tools name unasked, is not."""
    headers = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
    json_types = ("application/json", "Application/JSON; charset=utf-8", "application/x+json", "")
    for kind in (*json_types, "application/x-www-form-urlencoded"):
        named = {"Content-Type": kind} if kind else {}
        assert server("POST", "/threads", {}, {**headers, **named}).status == 200, kind
    assert server("POST", "/threads", b"a=b", {**headers, **named}).status == 400
    for kind in (
        "text/plain",
        "application/jsonx",
        "application/xml",
        "multipart/form-data",
        "x" * 500,
    ):
        reply = server("POST", "/threads", {}, {**headers, "Content-Type": kind})
        assert (reply.status, reply.error["code"]) == (400, "unsupported_content_type"), kind
        assert reply.error["message"].startswith("Unsupported content type: '" + kind[:90])
        # Nothing is nothing of any type: a cancel has no body.
        assert server("POST", "/threads", b"", {**headers, "Content-Type": kind}).status == 200


def test_queries(server, ids):
    """The parameters of each list are taken and refused as the description has them."""
    problems, count = [], 0
    for path in LISTS:
        named = {one["name"] for one in DESCRIPTION["paths"][path]["get"].get("parameters", ())}
        most = 10_000 if path == "/files" else 100
        for query, code in QUERIES:
            name = query.partition("=")[0]
            if name not in named:
                continue
            count += 1
            # An id of another kind: of a run, and where runs are listed of a thread.
            other = ids["thread_id" if path.endswith("/runs") else "run_id"]
            query = query.format(most=most, over=most + 1, other=other)
            reply = server("GET", f"{path.format(**ids)}?{query}")
            param = name.removesuffix("[]")
            if code is None:
                right = reply.status == 200
            else:
                error = reply.error
                right = (reply.status, error["param"], error["code"]) == (400, param, code)
            if not right:
                problems.append(
                    f"{path}?{query[:60]} wanted {code}: {reply.status} {reply.raw[:200]!r}"
                )
    assert not problems, f"{len(problems)} of {count}:\n" + "\n".join(problems)
    assert count > 100


DAY = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "86400"}

FORMS = [
    # fields, param, code; None: it is taken
    ({"purpose": "assistants"}, None, None),
    *(
        ({"purpose": one}, None, None)
        for one in ("batch", "fine-tune", "vision", "user_data", "evals")
    ),
    ({}, "purpose", "missing_required_parameter"),
    ({"purpose": "no_such"}, "purpose", "invalid_value"),
    ({"purpose": ""}, "purpose", "invalid_value"),
    ({"purpose[a]": "b"}, "purpose", "invalid_type"),
    ({"purpose": "batch", "no_such": "1"}, "no_such", "unknown_parameter"),
    ({"purpose": "batch", "no_such[a]": "1"}, "no_such", "unknown_parameter"),
    ({"purpose": "batch", **DAY}, None, None),
    ({"purpose": "batch", **DAY, "expires_after[seconds]": "3600"}, None, None),
    ({"purpose": "batch", **DAY, "expires_after[seconds]": "2592000"}, None, None),
    (
        {"purpose": "batch", **DAY, "expires_after[seconds]": "3599"},
        "expires_after.seconds",
        "integer_below_min_value",
    ),
    (
        {"purpose": "batch", **DAY, "expires_after[seconds]": "-1"},
        "expires_after.seconds",
        "integer_below_min_value",
    ),
    (
        {"purpose": "batch", **DAY, "expires_after[seconds]": "2592001"},
        "expires_after.seconds",
        "integer_above_max_value",
    ),
    *(
        (
            {"purpose": "batch", **DAY, "expires_after[seconds]": wrong},
            "expires_after.seconds",
            "invalid_type",
        )
        for wrong in ("", "abc", "3600.5", "1e400", "NaN", "9" * 5000, "\x00")
    ),
    (
        {"purpose": "batch", **DAY, "expires_after[anchor]": "last_active_at"},
        "expires_after.anchor",
        "invalid_value",
    ),
    ({"purpose": "batch", **DAY, "expires_after[x]": "1"}, "expires_after.x", "unknown_parameter"),
    (
        {"purpose": "batch", "expires_after[anchor]": "created_at"},
        "expires_after.seconds",
        "missing_required_parameter",
    ),
    (
        {"purpose": "batch", "expires_after[seconds]": "3600"},
        "expires_after.anchor",
        "missing_required_parameter",
    ),
    (
        {"purpose": "batch", "expires_after": '{"anchor": "created_at", "seconds": 3600}'},
        None,
        None,
    ),
    *(
        ({"purpose": "batch", "expires_after": wrong}, "expires_after", "invalid_type")
        for wrong in ("", "7", "{", "NaN", "[]", "[" * 60_000, "1" * 5000)
    ),
]


def test_forms(server):
    """The fields of a form are taken and refused as those of a body are."""
    for fields, param, code in FORMS:
        reply = server("POST", "/files", *form(fields, "file", "a.txt", b"x"))
        sent = str(fields)[:100]
        assert reply.status == (200 if code is None else 400), (sent, reply.raw)
        if code is not None:
            assert (reply.error["param"], reply.error["code"]) == (param, code), (sent, reply.error)
    for path, name in (("/files", "file"), ("/uploads/upload_x/parts", "data")):
        for body, headers in (
            form({"purpose": "batch"}, name, None, b"x"),  # no file
            form({"purpose": "batch"}, "other", "a.txt", b"x"),
            (b"{}", HEADERS),
            (b"", {**HEADERS, "Content-Type": "multipart/form-data"}),
            (b"", {**HEADERS, "Content-Type": "multipart/form-data; boundary=x"}),
            (b"--x\r\n", {**HEADERS, "Content-Type": "multipart/form-data; boundary=x"}),
            (b"", {**HEADERS, "Content-Type": f"multipart/form-data; boundary={'x' * 3000}"}),
        ):
            reply = server("POST", path, body, headers)
            assert reply.status == (400 if path == "/files" else 404), (body, reply.raw)
            assert reply.error["message"]


def test_ids_of_other_kinds(server, ids):
    """An id of another kind of object is one that there is none of."""
    kinds = ["assistant_id", "thread_id", "run_id", "message_id", "step_id", "vector_store_id"]
    for path, ways in DESCRIPTION["paths"].items():
        for name in kinds:
            if f"{{{name}}}" not in path:
                continue
            wrong = ids[kinds[kinds.index(name) - 1]]
            for way in ways:
                body = b"" if way != "post" else SMALLEST.get(path, b"{}")
                reply = server(way.upper(), path.format(**{**ids, name: wrong}), body)
                assert reply.status == 404, (way, path, name, reply.raw)
    for path in ("/threads/runs", f"/threads/{ids['thread_id']}/runs"):
        for wrong in (ids["thread_id"], "", "\x00", "x" * 600):
            reply = server("POST", path, {"assistant_id": wrong})
            assert reply.status in (400, 404), reply.raw
