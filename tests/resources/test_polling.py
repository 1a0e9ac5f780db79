"""Waiting for a run by asking again and again."""

import pytest
from fake_transport import fake_api

from emitter_stream.resources import Runs, Threads


def run(status, **headers):
    """Give the answer of a run in this status, with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"id": "r", "thread_id": "t", "status": status}, named


def polled(*answers):
    """Give the runs of a server with these answers, its requests, and the pauses made."""
    pauses = []
    api, sent = fake_api(*answers, sleep=pauses.append)
    return Runs(api), sent, pauses


@pytest.mark.parametrize(
    "status", ["requires_action", "cancelled", "completed", "failed", "expired", "incomplete"]
)
def test_poll_ends_when_the_run_does_or_wants_something(status):
    """It asks until then and gives the run as it came last."""
    runs, sent, pauses = polled(run("queued"), run("in_progress"), run("cancelling"), run(status))
    assert runs.poll("r", "t").status == status
    assert [request.path for request in sent] == ["/threads/t/runs/r"] * 4
    assert pauses == [1, 1, 1]


def test_poll_takes_an_unknown_status_for_no_end():
    """A status that the API adds is waited through."""
    runs, _, pauses = polled(run("pondering"), run("completed"))
    assert runs.poll("r", thread_id="t").status == "completed"
    assert len(pauses) == 1


def test_poll_pauses_as_the_caller_says():
    """poll_interval_ms counts in milliseconds, zero too, and over the server's wish."""
    wish = run("queued", openai_poll_after_ms="5000")
    for interval in (250, 0):
        runs, _, pauses = polled(wish, wish, run("completed"))
        runs.poll("r", "t", poll_interval_ms=interval)
        assert pauses == [interval / 1000] * 2


def test_poll_pauses_as_the_server_says_each_time():
    """The header counts for the pause after it; one that is no number does not count."""
    runs, _, pauses = polled(
        run("queued", openai_poll_after_ms="5000"),
        run("queued", openai_poll_after_ms="20"),
        run("queued", openai_poll_after_ms="soon"),
        run("queued"),
        run("completed"),
    )
    runs.poll("r", "t")
    assert pauses == [5, 0.02, 1, 1]


def test_create_and_poll_creates_then_polls():
    """One POST with the arguments, then GETs with the same options."""
    runs, sent, pauses = polled(run("queued"), run("queued"), run("completed"))
    ended = runs.create_and_poll(
        "t", assistant_id="a", instructions="x", extra_headers={"h": "1"}, poll_interval_ms=5
    )
    assert ended.status == "completed"
    assert [(request.method, request.body) for request in sent] == [
        ("POST", {"assistant_id": "a", "instructions": "x"}),
        ("GET", None),
        ("GET", None),
    ]
    assert {request.headers["h"] for request in sent} == {"1"}
    assert pauses == [0.005]


def test_submit_tool_outputs_and_poll_submits_then_polls():
    """One POST with the outputs, then GETs of the run."""
    runs, sent, _ = polled(run("queued"), run("completed"))
    outputs = [{"tool_call_id": "c", "output": "1"}]
    assert runs.submit_tool_outputs_and_poll("r", thread_id="t", tool_outputs=outputs).id == "r"
    assert sent[0].path == "/threads/t/runs/r/submit_tool_outputs"
    assert sent[0].body == {"tool_outputs": outputs}
    assert sent[1].path == "/threads/t/runs/r"


def test_create_and_run_poll_polls_the_thread_that_was_created():
    """The thread's id comes from the run."""
    api, sent = fake_api(run("queued"), run("completed"), sleep=lambda seconds: None)
    threads = Threads(api)
    assert threads.create_and_run_poll(assistant_id="a", thread={"messages": []}).id == "r"
    assert sent[0].body == {"assistant_id": "a", "thread": {"messages": []}}
    assert sent[1].path == "/threads/t/runs/r"
