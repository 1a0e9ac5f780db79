"""What the server says of itself: at its start, and a line for each run that ends."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import AsyncIterator

import pytest
from canned import HELLO, KEY, Answer, error
from server_helpers import BOTH, EQUATION, WEATHER, Process, Raw, wait_for_run

from emitter_stream.server import LocalServer, Text, Turn, Upstream

LINE = r"{0} {1}: \d+ \+ \d+ tokens, \d+\.\d s"


@pytest.fixture
def lines(caplog):
    """The lines of runs that have ended."""
    caplog.set_level(logging.INFO, "emitter_stream.server.runs")

    def read() -> list[str]:
        return [r.message for r in caplog.records if r.name == "emitter_stream.server.runs"]

    return read


def test_a_run_is_a_line(start, lines):
    """A run that ends is one line with its status, tokens and seconds, tool rounds included."""
    raw = Raw(start().base_url)
    run = dict(raw.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    assert lines() == []
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = [{"tool_call_id": call["id"], "output": "57"} for call in calls]
    raw("POST", f"{path}/submit_tool_outputs", {"tool_outputs": outputs, "stream": True})
    (line,) = lines()
    assert re.fullmatch(LINE.format(run["id"], "completed"), line)
    used = raw("GET", path).body["usage"]
    assert f": {used['prompt_tokens']} + {used['completion_tokens']} tokens" in line


def test_all_ends_are_lines(start, lines, gate):
    """Cancelled, expired, failed and incomplete runs are noted too, whoever ends them."""
    now = [1_800_000_000.0]
    raw = Raw(start(clock=lambda: now[0], run_lifetime=60).base_url)
    waits = dict(raw.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    other = dict(raw.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    raw("POST", f"/threads/{other['thread_id']}/runs/{other['id']}/cancel")
    wait_for_run(raw, other["thread_id"], other["id"])
    now[0] += 61
    raw("GET", "/assistants")
    cut = raw.run("word " * 400, max_completion_tokens=256).events()[-2][1]
    # A worker's line comes right after its end is stored.
    server = start(model=gate)
    raw = Raw(server.base_url)
    thread = raw.thread("Hi")
    failed = raw("POST", f"/threads/{thread}/runs", {"assistant_id": raw.assistant()}).body
    assert gate.waiting.wait(120)
    server.stop()
    said = "\n".join(lines())
    for run, status in ((other, "cancelled"), (waits, "expired"), (failed, "failed")):
        assert re.search(LINE.format(run["id"], status), said), (status, said)
    assert f"{cut['id']} {cut['status']}" in said


def test_answers_are_lines(start, lines, canned):
    """Chat completions and responses are noted in the same way."""
    canned.answers = [Answer(HELLO), error(500, {}), *[error(500, {})] * 2, Answer(HELLO)]
    raw = Raw(start(model=Upstream(canned.url, key=KEY)).base_url)
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    completion = raw("POST", "/chat/completions", asked).body
    raw("POST", "/chat/completions", asked)
    response = raw("POST", "/responses", {"model": "m", "input": "Hi"}).body
    first, second, third = lines()
    assert re.fullmatch(LINE.format(completion["id"], "completed"), first)
    assert re.fullmatch(LINE.format(r"chatcmpl-\w+", "failed"), second)
    assert re.fullmatch(LINE.format(response["id"], "completed"), third)


def test_no_content_in_the_log(start, caplog):
    """What was said stands in no line, in no traceback either, not even what the model raised."""

    class Bad:
        async def respond(self, turn: Turn) -> AsyncIterator[Text]:
            try:
                raise KeyError(turn.messages[-1].text)
            except KeyError as exc:
                raise ValueError(f"cannot say {turn.messages[-1].text}") from exc
            yield Text("")

    caplog.set_level(logging.DEBUG)
    raw = Raw(start(model=Bad()).base_url)
    run = raw.run("my secret diary").events()[-2][1]
    raw("POST", "/responses", {"model": "m", "input": "my secret diary"})
    raw(
        "POST",
        "/chat/completions",
        {"model": "m", "messages": [{"role": "user", "content": "my secret diary"}]},
    )
    assert run["status"] == "failed"
    assert "secret diary" not in caplog.text
    assert caplog.text.count("KeyError\n") == caplog.text.count("ValueError\n") == 3
    assert "in respond" in caplog.text


def test_the_start_is_described(canned, tmp_path):
    """The server says which model answers, how code is run, which keys open it, where it stores, where its page is."""
    keys = tmp_path / "keys"
    keys.write_text("sk-alice-0123\n")
    db = str(tmp_path / "a.db")
    args = ["--upstream", canned.url, "--model", "qwen", "--db", db, "--api-key-file", str(keys)]
    with Process(*args) as process:
        said = [process.popen.stdout.readline().rstrip("\n") for _ in range(5)]
        assert process.end(signal.SIGTERM) == (0, "")
    assert said == [
        f"model: {canned.url} (auto, now chat), qwen",
        "code interpreter: off",
        f"keys: those in {keys}",
        f"database: {db}",
        f"playground: {process.base_url.removesuffix('/v1')}/",
    ]
    said = LocalServer(tokens_per_second=5).describe()
    assert said[0] == "model: a script, 5 pieces a second"
    assert re.match("code interpreter: (in bubblewrap|behind the kernel's|with limits)", said[1])
    assert said[2:] == ["keys: any", "database: :memory:"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has other signals")
def test_log_lines_of_the_command(tmp_path):
    """`--log` writes the lines to stderr; without it, and no terminal, there are none."""
    for args, expected in ((["--log"], 2), ([], 0)):
        with Process("--tokens-per-second", "0", *args) as process:
            raw = Raw(process.base_url)
            ids = [raw.run(text).events()[0][1]["id"] for text in ("Hello", EQUATION)]
            status, errors = process.end(signal.SIGINT)
        assert status == 0 and len(errors.splitlines()) == expected, errors
        for run, line in zip(ids, errors.splitlines(), strict=False):
            assert re.fullmatch(rf"\d\d:\d\d:\d\d {LINE.format(run, 'completed')}", line)
