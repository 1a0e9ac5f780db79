"""Objects against the official description, in the cases that need asking for.

All that the other tests make the server say is held to it as well: `Raw` does that.
"""

from __future__ import annotations

import official
import pytest
from documents import upload
from server_helpers import BOTH, EQUATION, WEATHER, Raw, wait_for_run

FUNCTION = {
    "type": "function",
    "function": {"name": "f", "description": None, "parameters": None, "strict": None},
}
CODE = {"type": "code_interpreter"}
FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "x", "description": None, "schema": None, "strict": None},
}
RESOURCES = [
    {"code_interpreter": None, "file_search": None},
    {"code_interpreter": {"file_ids": None}, "file_search": {"vector_store_ids": None}},
]


def test_the_description_is_held_to():
    """The checks see a wrong type, a missing field and an event that there is none of."""
    answer = {"id": "thread_1", "object": "thread.deleted", "deleted": True}
    official.check_answer("DELETE", "/threads/thread_1", 200, answer)
    for wrong in ({**answer, "deleted": "yes"}, {"id": "thread_1"}, {**answer, "object": "thread"}):
        with pytest.raises(AssertionError, match="DeleteThreadResponse"):
            official.check_answer("DELETE", "/threads/thread_1", 200, wrong)
    with pytest.raises(KeyError):
        official.check_event("thread.run.resumed", {})


@pytest.mark.parametrize("resources", RESOURCES)
def test_nulls_in_a_request_are_none_in_the_answer(raw, resources):
    """Where a request may say null and an answer may not, the answer leaves it out."""
    fields = {"tools": [FUNCTION, CODE], "tool_resources": resources, "response_format": FORMAT}
    nulls = dict.fromkeys(("name", "instructions", "metadata", "temperature", "top_p"))
    assistant = raw.assistant(**fields, **nulls)
    assert raw("POST", f"/assistants/{assistant}", {**nulls, **fields}).status == 200
    assert raw("GET", "/assistants").status == 200
    thread = raw("POST", "/threads", {"tool_resources": resources, "metadata": None}).body["id"]
    assert raw("POST", f"/threads/{thread}", {"tool_resources": resources}).status == 200
    file = upload(raw, "a.txt", b"Hello")
    attachments = [{"file_id": file, "tools": []}, {"file_id": file, "tools": [CODE]}]
    said = {"role": "user", "content": "Hello", "attachments": attachments, "metadata": None}
    assert raw("POST", f"/threads/{thread}/messages", said).status == 200
    run = {"assistant_id": assistant, "response_format": FORMAT, "tools": None, "metadata": None}
    assert raw("POST", f"/threads/{thread}/runs", run).status == 200


def test_a_schema_keeps_its_nulls(raw):
    """A null inside a JSON schema is part of it."""
    schema = {"type": "object", "properties": {"a": {"enum": [None, 1], "default": None}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": None}}
    assistant = raw("POST", "/assistants", {"model": "gpt-4o", "response_format": form}).body
    assert assistant["response_format"]["json_schema"] == {"name": "x", "schema": schema}


@pytest.mark.parametrize(
    ("own", "run", "expected"),
    [
        (None, {}, ""),
        ("Be brief.", {}, "Be brief."),
        ("Be brief.", {"instructions": None}, "Be brief."),
        ("Be brief.", {"instructions": "Be long."}, "Be long."),
        ("Be brief.", {"instructions": ""}, ""),
        (None, {"additional_instructions": "Be kind."}, "Be kind."),
        ("Be brief.", {"additional_instructions": "Be kind."}, "Be brief.\nBe kind."),
    ],
)
def test_instructions_of_a_run(raw, own, run, expected):
    """A run's instructions are its own or the assistant's, and text in every case."""
    body = {"assistant_id": raw.assistant(instructions=own), **run}
    made = raw("POST", f"/threads/{raw.thread('Hello')}/runs", body).body
    assert made["instructions"] == expected


def test_lists_of_finished_runs(raw):
    """Runs, steps and messages that are read later are as described, whatever the run did."""
    for question, tools in (("Hello", []), (EQUATION, [CODE]), (BOTH, [WEATHER])):
        thread, assistant = raw.thread(question), raw.assistant(tools=tools)
        made = raw("POST", f"/threads/{thread}/runs", {"assistant_id": assistant}).body
        run = wait_for_run(raw, thread, made["id"])
        path = f"/threads/{thread}/runs/{run['id']}"
        if run["status"] == "requires_action":
            raw("POST", f"{path}/cancel", {})
            assert wait_for_run(raw, thread, run["id"])["status"] == "cancelled"
        (step, *_) = raw("GET", f"{path}/steps").body["data"]
        assert raw("GET", f"{path}/steps/{step['id']}").status == 200
        assert raw("GET", f"/threads/{thread}/runs").status == 200
        assert raw("GET", f"/threads/{thread}/messages").status == 200


def test_an_expired_step_says_when(start):
    """A step that expires with its run says so in `expired_at`."""
    now = [1_700_000_000.0]
    raw = Raw(start(clock=lambda: now[0]).base_url)
    run = dict(raw.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    now[0] += 600
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    assert raw("GET", path).body["status"] == "expired"
    (step,) = raw("GET", f"{path}/steps").body["data"]
    assert step["status"] == "expired" and step["expired_at"] == now[0]
