"""The programs of docs/web.md, each run by what it is written for, where that is installed.

`tox -e programs` installs them all.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from emitter_stream import EventSource
from emitter_stream.server import LocalServer

PROGRAMS = Path(__file__).parent.parent / "docs" / "programs"
TIMEOUT = 120
QUESTION = "What is a thread?"
ANSWER = f'Hello! You asked: "{QUESTION}". I am a scripted model, so this is all I can say.'

# What other people's packages warn of is theirs to mend.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def server(monkeypatch) -> Iterator[LocalServer]:
    """Run a server that `OpenAI()` finds."""
    with LocalServer() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        yield running


def load(name: str) -> ModuleType:
    """Import a program anew."""
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(ready: str, *command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program in the folder of programs, once it has printed ``ready``."""
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=PROGRAMS,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if ready in line:
                    break
            else:
                pytest.fail("".join(lines))
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=TIMEOUT)


def read(url: str) -> str:
    """Ask as a browser's EventSource does; give the text of the events."""
    with urllib.request.urlopen(f"{url}?q={urllib.parse.quote(QUESTION)}", timeout=TIMEOUT) as got:
        assert got.headers["Content-Type"].startswith("text/event-stream")
        return "".join(json.loads(event.data) for event in EventSource(got).events())


def test_flask(server):
    """Flask's own server passes the answer on as events."""
    pytest.importorskip("flask")
    port = free_port()
    command = ("-m", "flask", "--app", "flask_app", "run", "--port", str(port))
    with running("Running on", *command):
        assert read(f"http://127.0.0.1:{port}/ask") == ANSWER


def test_fastapi(server):
    """FastAPI under uvicorn passes the answer on as events."""
    pytest.importorskip("fastapi")
    port = free_port()
    with running("running on", "-m", "uvicorn", "fastapi_app:app", "--port", str(port)):
        assert read(f"http://127.0.0.1:{port}/ask") == ANSWER


def test_streamlit(server):
    """A session of Streamlit shows the answer, and the next one knows the first question."""
    testing = pytest.importorskip("streamlit.testing.v1")
    app = testing.AppTest.from_file(str(PROGRAMS / "streamlit_app.py"), default_timeout=TIMEOUT)
    app.run()
    app.chat_input[0].set_value(QUESTION).run()
    assert not app.exception
    assert [message.markdown[0].value for message in app.chat_message] == [QUESTION, ANSWER]
    app.chat_input[0].set_value("And a process?").run()
    assert not app.exception
    texts = [message.markdown[0].value for message in app.chat_message]
    assert texts[:3] == [QUESTION, ANSWER, "And a process?"]
    assert f'Before that you said: "{QUESTION}"' in texts[3]


def test_gradio(server, monkeypatch):
    """Gradio's server gives a client of its own the answer, and a text that grows to it."""
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")  # it would tell its makers
    pytest.importorskip("gradio")
    gradio_client = pytest.importorskip("gradio_client")
    port = free_port()
    where = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    with running("Running on local URL", "gradio_app.py", **where):
        client = gradio_client.Client(f"http://127.0.0.1:{port}", verbose=False)
        assert client.submit(QUESTION, api_name="/answer").result(timeout=TIMEOUT) == ANSWER
    answer = load("gradio_app").answer
    texts = list(answer("And?", [{"role": "user", "content": QUESTION}]))
    assert all(later.startswith(text) for text, later in itertools.pairwise(texts))
    assert f'Before that you said: "{QUESTION}"' in texts[-1]


def test_celery(server, tmp_path, monkeypatch):
    """A forked worker of Celery answers with a client that was made before the fork."""
    pytest.importorskip("celery")
    if not hasattr(os, "fork"):
        pytest.skip("workers are not forked here")
    (tmp_path / "results").mkdir()
    (tmp_path / "queue").mkdir()
    monkeypatch.setenv("BROKER", "filesystem://")
    monkeypatch.setenv("BACKEND", (tmp_path / "results").as_uri())
    config = tmp_path / "celeryconfig.py"
    folder = str(tmp_path / "queue")
    options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder}
    config.write_text(f"broker_transport_options = {options!r}\n")
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "celeryconfig")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.syspath_prepend(str(tmp_path))
    program = load("celery_app")
    program.app.config_from_object("celeryconfig")
    worker = ("-m", "celery", "--app", "celery_app", "worker", "--concurrency", "2")
    quiet = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
    with running("ready", *worker, *quiet):
        results = [program.answer.delay(QUESTION) for _ in range(4)]
        assert [result.get(timeout=TIMEOUT) for result in results] == [ANSWER] * 4


def test_jupyter(server):
    """A kernel runs the cells, and each shows what its listeners print."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = (PROGRAMS / "notebook.py").read_text(encoding="utf-8").split("# %%")[1:]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(f"#{cell}") for cell in cells]
    )
    nbclient.NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3").execute()
    shown = ["".join(output["text"] for output in cell["outputs"]) for cell in notebook["cells"]]
    assert shown == [
        ANSWER.replace(QUESTION, "What is a cell?"),
        ANSWER.replace(QUESTION, "What is a kernel?"),
        "completed\n",
    ]
