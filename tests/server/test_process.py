"""The server as a process: `emitter-stream serve`, restarts, and `kill -9`."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys

import pytest
from launcher import SERVER, Program
from server_helpers import BOTH, WEATHER, Process, Raw

from emitter_stream import cli


def test_a_restart_loses_nothing(start, tmp_path):
    """All objects are the same after a restart, and a run that waits for outputs goes on."""
    path = str(tmp_path / "kept.db")
    first = start(db=path)
    raw = Raw(first.base_url)
    run = dict(raw.run(BOTH, [WEATHER]).events())["thread.run.requires_action"]
    thread = f"/threads/{run['thread_id']}"
    places = [
        "/assistants",
        thread,
        f"{thread}/messages",
        f"{thread}/runs",
        f"{thread}/runs/{run['id']}/steps",
    ]
    before = [raw("GET", place).body for place in places]
    first.stop()
    raw = Raw(start(db=path).base_url)
    assert [raw("GET", place).body for place in places] == before
    call = run["required_action"]["submit_tool_outputs"]["tool_calls"][0]
    outputs = [{"tool_call_id": call["id"], "output": "57 degrees"}]
    body = {"tool_outputs": outputs, "stream": True}
    events = raw("POST", f"{thread}/runs/{run['id']}/submit_tool_outputs", body).events()
    assert "57 degrees" in str(dict(events)["thread.message.completed"]["content"])


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_kill_9_in_mid_run(tmp_path):
    """Killed in mid-run and started again: everything is there, the run is failed, not stuck."""
    db = str(tmp_path / "killed.db")
    with Process("--db", db, "--tokens-per-second", "5") as process:
        raw = Raw(process.base_url)
        assistant, other = raw.assistant(), raw.thread("Another thread")
        thread = raw.thread("Hello")
        path = f"/threads/{thread}/runs"
        with raw.stream(path, {"assistant_id": assistant}) as stream:
            run = stream.until("thread.run.created")
            stream.until("thread.message.delta")
            process.end(signal.SIGKILL)
    with Process("--db", db, "--tokens-per-second", "0") as process:
        raw = Raw(process.base_url)
        assert raw("GET", f"/threads/{other}/messages").body["data"]
        messages = raw("GET", f"/threads/{thread}/messages").body["data"]
        assert [m["role"] for m in messages] == ["assistant", "user"]
        assert messages[0]["status"] == "incomplete"
        assert messages[0]["incomplete_details"] == {"reason": "run_failed"}
        interrupted = raw("GET", f"{path}/{run['id']}").body
        assert interrupted["status"] == "failed"
        assert interrupted["last_error"]["code"] == "server_error"
        (step,) = raw("GET", f"{path}/{run['id']}/steps").body["data"]
        assert step["status"] == "failed" and step["failed_at"]
        again = raw("POST", path, {"assistant_id": assistant, "stream": True}).events()
        assert again[-2][0] == "thread.run.completed"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signals_end_it_cleanly(tmp_path, name):
    """Ctrl-C and SIGTERM end the server with status 0, in silence, also with a live stream."""
    db = tmp_path / "ended.db"
    args = ("--db", str(db), "--tokens-per-second", "5")
    with Process(*args, alone=name == "SIGINT") as process:
        raw = Raw(process.base_url)
        body = {"assistant_id": raw.assistant()}
        with raw.stream(f"/threads/{raw.thread('Hello')}/runs", body) as stream:
            stream.until("thread.message.delta")
            status, errors = process.end(getattr(signal, name))
            assert (status, errors) == (0, "")
            assert [event for event, _ in stream.events][-2:] == ["thread.run.failed", "done"]
    assert os.listdir(tmp_path) == ["ended.db"]


def test_serve_says_what_is_wrong(start, tmp_path, capsys):
    """A taken port and a database that is none give one line on stderr and status 1."""
    port = start().base_url.rsplit(":", 1)[1].split("/")[0]
    assert cli.main(["serve", "--port", port]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
    assert cli.main(["serve", "--port", "0", "--db", str(tmp_path)]) == 1
    assert "cannot use the database" in capsys.readouterr().err


@pytest.mark.parametrize("version", [0, 1])
def test_a_database_of_another_program(tmp_path, capsys, version):
    """A file with another program's tables is refused and left as it is, byte for byte."""
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE invoices (number)")
    other.execute(f"PRAGMA user_version = {version}")
    other.close()
    before = path.read_bytes()
    assert cli.main(["serve", "--port", "0", "--db", str(path)]) == 1
    assert "another program" in capsys.readouterr().err
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["other.db"]


def test_a_database_made_halfway(start, tmp_path):
    """An empty file, and one whose making was broken off, become whole databases."""
    (tmp_path / "empty.db").touch()
    half = sqlite3.connect(tmp_path / "half.db")
    half.execute("PRAGMA user_version = 1")
    half.close()
    for name in ("empty.db", "half.db"):
        raw = Raw(start(db=str(tmp_path / name)).base_url)
        assert raw("GET", f"/assistants/{raw.assistant()}").status == 200


@pytest.mark.parametrize(
    "args", [[], ["what"], ["serve", "--port", "70000"], ["serve", "--tokens-per-second", "-1"]]
)
def test_wrong_arguments(args, capsys):
    """Wrong arguments give the usage and status 2."""
    with pytest.raises(SystemExit) as caught:
        cli.main(args)
    assert caught.value.code == 2
    assert "usage: emitter-stream" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--port", "abc"], "a port is a number between 0 and 65535"),
        (["--port", "1_0"], "a port is a number between 0 and 65535"),
        (["--host", ""], "an empty host"),
        (["--db", ""], "an empty name keeps nothing"),
        (["--files", " "], "an empty name keeps nothing"),
        (["--tokens-per-second", "fast"], "the pace must be a number"),
    ],
)
def test_wrong_values_are_explained(args, words, capsys):
    """A value that is none of its kind is answered with what the kind is."""
    with pytest.raises(SystemExit):
        cli.main(["serve", *args])
    assert words in capsys.readouterr().err


def ended(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own to its end."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
def test_a_second_signal_breaks_off_the_stop():
    """Ctrl-C once more, while the server stops, ends it at once and without a traceback."""
    program = (
        "import signal, sys\n"
        "from emitter_stream.cli import main\n"
        "from emitter_stream.server import LocalServer\n"
        "start = LocalServer.start\n"
        "def started(server):\n"
        "    start(server)\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    return server\n"
        "LocalServer.start = started\n"
        "LocalServer.stop = lambda server: signal.raise_signal(signal.SIGINT)\n"
        "sys.exit(main(['serve', '--port', '0']))\n"
    )
    with Program(program, modules=SERVER) as process:
        assert process.outcome()[::2] == (130, "")


@pytest.mark.parametrize("scheme", ["mysql", "sqlite"])
def test_a_database_of_another_kind(scheme, capsys):
    """A URL that is not PostgreSQL's is refused as one, without its password."""
    assert cli.main(["serve", "--port", "0", "--db", f"{scheme}://me:secret@host/name"]) == 1
    err = capsys.readouterr().err
    assert "postgresql://..., not " in err and scheme in err and "secret" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
def test_a_signal_before_the_server_is_there():
    """Ctrl-C while the server is still being imported ends in silence, with status 0."""
    program = (
        "import signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'uvicorn':\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "from emitter_stream.cli import main\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.exit(main(['serve', '--port', '0']))\n"
    )
    done = ended(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("missing", ["sqlalchemy", "starlette", "uvicorn"])
@pytest.mark.sample(3)
def test_without_the_extra(missing):
    """Without the extra the import and the command say what to install."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from emitter_stream.cli import main\n"
        "status = main(['serve'])\n"
        "try:\n"
        "    import emitter_stream.server\n"
        "except ImportError as exc:\n"
        "    print(exc)\n"
        "sys.exit(status)\n"
    )
    done = ended(program)
    assert done.returncode == 1, done
    for output in (done.stdout, done.stderr):
        assert "pip install 'emitter-stream[server]'" in output
    assert "Traceback" not in done.stderr
