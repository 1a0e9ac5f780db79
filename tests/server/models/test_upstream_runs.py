"""Runs of a server that has an upstream: ended early, killed and gone on with, run code, keep the key."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

import pytest
from canned import HELLO, KEY, STOP, Answer, called, delta, function, piece, sse
from server_helpers import PATIENCE, Process, Raw, wait_for_run

from emitter_stream import cli
from emitter_stream.server import LocalServer, Upstream

SIGNED = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
ASKS = sse(called(piece('{"place":"Oslo"}', "weather", id="fn-1", **SIGNED)), STOP, "[DONE]")
WEATHER = function("weather")


@pytest.mark.parametrize("how", ["cancel", "expiry", "stop", "delete"])
@pytest.mark.parametrize("when", ["in the answer", "before it"])
def test_the_connection_is_closed(start, canned, how, when):
    """A run that ends early lets go of its upstream, wherever that was."""
    pieces = [sse(delta(content="one"))] if when == "in the answer" else []
    canned.answers = [Answer(*pieces, stays=True)]
    server = start(model=Upstream(canned.url), run_lifetime=3 if how == "expiry" else 600)
    raw = Raw(server.base_url)
    thread = raw.thread("Hi")
    with raw.stream(f"/threads/{thread}/runs", {"assistant_id": raw.assistant()}) as stream:
        run = stream.until("thread.run.created")["id"]
        if pieces:
            stream.until("thread.message.delta")
        assert canned.asked.wait(PATIENCE) and not canned.left.is_set()
        if how == "cancel":
            raw("POST", f"/threads/{thread}/runs/{run}/cancel")
        elif how == "stop":
            server.stop()
        elif how == "delete":
            raw("DELETE", f"/threads/{thread}")
        assert canned.left.wait(PATIENCE)
        status = {"expiry": "expired", "stop": "failed"}.get(how, "cancelled")
        assert stream.until(f"thread.run.{status}")


def test_killed_between_the_rounds(canned, tmp_path):
    """A server that is killed while outputs are awaited goes on with the round after its restart."""
    args = ("--upstream", canned.url, "--db", str(tmp_path / "a.db"))
    canned.answers = [Answer(ASKS), Answer(HELLO)]
    with Process(*args) as process:
        run = dict(Raw(process.base_url).run("Hi", [WEATHER]).events())[
            "thread.run.requires_action"
        ]
        process.end(signal.SIGKILL)
    call = run["required_action"]["submit_tool_outputs"]["tool_calls"][0]["id"]
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs"
    with Process(*args) as process:
        raw = Raw(process.base_url)
        raw("POST", path, {"tool_outputs": [{"tool_call_id": call, "output": "mild"}]})
        assert wait_for_run(raw, run["thread_id"], run["id"])["status"] == "completed"
    sent = canned.bodies[1]["messages"]
    assert sent[1]["tool_calls"][0]["extra_content"] == SIGNED["extra_content"]
    assert sent[2]["tool_call_id"] == sent[1]["tool_calls"][0]["id"]
    assert sent[2]["content"] == "mild"


CODE = sse(called(piece('{"code":"print(6*7)"}', "code_interpreter", id="c")), STOP, "[DONE]")
INTERPRETER = {"type": "code_interpreter"}


def test_code_is_run_where_that_is_asked_for(start, canned):
    """With the interpreter the program is run, and its output goes back."""
    canned.answers = [Answer(CODE), Answer(HELLO)]
    raw = Raw(start(model=Upstream(canned.url), code_interpreter="local").base_url)
    assert raw.run("Hi", [INTERPRETER]).events()[-2][0] == "thread.run.completed"
    assert canned.bodies[1]["messages"][-1]["content"] == "42\n"


def test_code_is_not_run_by_default(start, canned, caplog):
    """Without it the tool is not offered, one warning says so, and a call of it is the client's."""
    canned.answers = [Answer(HELLO), Answer(HELLO), Answer(CODE)]
    raw = Raw(start(model=Upstream(canned.url)).base_url)
    with caplog.at_level(logging.WARNING):
        raw.run("Hi", [INTERPRETER])
        raw.run("Hi", [INTERPRETER, WEATHER])
        last = raw.run("Hi", [INTERPRETER]).events()[-2]
    assert "tools" not in canned.bodies[0]
    assert [tool["function"]["name"] for tool in canned.bodies[1]["tools"]] == ["weather"]
    assert caplog.text.count("code interpreter is off") == 1
    assert last[0] == "thread.run.requires_action"


def test_an_unknown_interpreter():
    """The interpreter is one of two words."""
    with pytest.raises(ValueError, match="off or local"):
        LocalServer(code_interpreter="docker")


def test_the_key_is_not_kept(start, canned, tmp_path, caplog):
    """A key that the upstream repeats is in no object, no database and no log."""
    canned.answers = [
        Answer(sse(delta(content=f"It is {KEY}"), {"error": {"message": f"Wrong: {KEY}."}})),
        Answer(sse(called(piece(f'{{"k":"{KEY}"}}', "weather", id=KEY, extra=KEY)), STOP)),
    ]
    raw = Raw(start(model=Upstream(canned.url, key=KEY), db=str(tmp_path / "a.db")).base_url)
    with caplog.at_level(logging.DEBUG):
        events = raw.run("Hi").events() + raw.run("Hi", [WEATHER]).events()
    assert "***" in str(events) and KEY not in str(events) and KEY not in caplog.text
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert kept and not any(KEY.encode() in content for content in kept)


@pytest.mark.skipif(sys.platform != "linux", reason="the list of processes is read from /proc")
def test_the_key_is_not_in_the_list_of_processes(canned, monkeypatch):
    """Neither the server's command line nor its model's words show the key to who looks with `ps`."""
    monkeypatch.setenv("EMITTER_STREAM_UPSTREAM_KEY", KEY)
    model = Upstream(canned.url)
    assert KEY not in repr(model) + model.words + str(vars(LocalServer(model=model)))
    with Process("--upstream", canned.url, alone=True) as process:
        assert Raw(process.base_url).thread("Hi")
        assert KEY.encode() not in Path(f"/proc/{process.popen.pid}/cmdline").read_bytes()
        said = [process.popen.stdout.readline() for _ in range(4)]
    assert said[0].startswith("model: ") and KEY not in str(said)


@pytest.mark.parametrize(
    "args, words",
    [
        (("--upstream", "http://u:pa55word@h/v1"), "no password"),
        (("--upstream", "h"), "begins with http"),
        (("--upstream", "http://h", "--upstream-header", "pa55word"), "--upstream-header 1"),
        (("--upstream", "http://h", "--upstream-header", "X: env:NOT_THERE"), "NOT_THERE"),
        (("--upstream", "http://h", "--upstream-timeout", "0"), "timeout"),
        (("--model", "m"), "--upstream"),
    ],
)
def test_flags_that_cannot_be_used(capsys, args, words):
    """What makes no sense is one line on stderr, without what may be secret."""
    status = cli.main(["serve", "--port", "0", *args])
    out, err = capsys.readouterr()
    assert status == 1 and words in err and err.count("\n") == 1
    assert "pa55word" not in err + out


def test_all_flags(canned, monkeypatch):
    """The flags and the key of the environment reach the upstream."""
    monkeypatch.setenv("EMITTER_STREAM_UPSTREAM_KEY", KEY)
    canned.answers = [Answer(CODE), Answer(HELLO)]
    args = "--upstream", canned.url, "--model", "m", "--upstream-api", "chat"
    more = "--upstream-header", "X-One: 1", "--code-interpreter", "local", "--upstream-timeout", "9"
    with Process(*args, *more) as process:
        raw = Raw(process.base_url)
        run = raw.run("Hi", [INTERPRETER]).events()[-2][1]
        assert (run["status"], run["model"]) == ("completed", "gpt-4o")
        code, stderr = process.end(signal.SIGINT)
    assert code == 0 and KEY not in stderr
    assert canned.bodies[0]["model"] == "m" and canned.heads[0]["x-one"] == "1"
    assert canned.heads[0]["authorization"] == f"Bearer {KEY}"
