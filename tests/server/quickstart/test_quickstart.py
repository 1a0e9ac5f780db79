"""The official quickstart's routes and page, ported to this package, against the embedded server."""

from __future__ import annotations

import importlib.util
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from node_script import run_node_script
from server_helpers import PATIENCE

from emitter_stream import AssistantStream

HERE = Path(__file__).parent
NOTES = b"The capital of France is Paris. It lies on the Seine."
CAPITAL = "What is the capital of France?"
CAPITAL_TOLD = 'Of course. notes.md says: "The capital of France is Paris"【0:0†notes.md】.'
WEATHER = "Determine the weather in Oslo, please."
EQUATION = "I need to solve the equation `3x + 11 = 14`."


def load_app() -> Any:
    spec = importlib.util.spec_from_file_location("quickstart_app", HERE / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def address(start) -> Iterator[str]:
    """Serve the program; give its address."""
    config = uvicorn.Config(load_app().app(start().base_url), log_config=None, ws="none")
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: server.run([listener]))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(PATIENCE)
    listener.close()
    assert not thread.is_alive()


class Page:
    """What the page does, over HTTP."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.ask("POST", "/api/assistants")
        self.thread = self.ask("POST", "/api/assistants/threads").json()["threadId"]

    def ask(self, method: str, path: str, **given: Any) -> requests.Response:
        reply = requests.request(method, self.address + path, timeout=PATIENCE, **given)
        reply.raise_for_status()
        return reply

    def stream(self, route: str, body: Any) -> tuple[list[Any], Any]:
        """Follow a streamed answer; gives what was heard, and the run at its end."""
        heard: list[Any] = []
        path = f"/api/assistants/threads/{self.thread}/{route}"
        with self.ask("POST", path, json=body, stream=True) as reply:
            stream = AssistantStream.from_readable_stream(reply.iter_content(None))
            stream.on("toolCallCreated", lambda call: heard.append(call.type))
            stream.on("textDone", lambda text, _: heard.append(text))
            stream.on("imageFileDone", lambda image, _: heard.append(image))
            return heard, stream.final_run()

    def say(self, content: str) -> tuple[list[Any], Any]:
        return self.stream("messages", {"content": content})

    def upload(self, name: str, data: bytes) -> dict[str, Any]:
        """Give the assistant a file and wait until it has been read."""
        self.ask("POST", "/api/assistants/files", files={"file": (name, data)})
        for _ in range(6_000):
            (file,) = self.ask("GET", "/api/assistants/files").json()
            if file["status"] != "in_progress":
                return file
            time.sleep(0.02)  # as the page does
        raise AssertionError(file)


def test_a_conversation(address):
    """A function is called on the page's side, code is run, and what was said stays in the thread."""
    page = Page(address)
    heard, run = page.say(WEATHER)
    assert (heard, run.status) == (["function"], "requires_action")
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert call.function.name == "get_weather"
    outputs = [{"tool_call_id": call.id, "output": "sunny"}]
    (text,), run = page.stream("actions", {"toolCallOutputs": outputs, "runId": run.id})
    assert (text.value, run.status) == ("Of course. get_weather says: sunny.", "completed")
    (tool, text), run = page.say(EQUATION)
    assert (tool, run.status) == ("code_interpreter", "completed")
    assert text.value.endswith("is: x = 1.")


def test_files_to_search(address):
    """A file that was given is listed, searched and cited; its citation leads to it; it can go again."""
    page = Page(address)
    assert page.ask("GET", "/api/assistants/files").json() == []
    file = page.upload("notes.md", NOTES)
    assert (file["filename"], file["status"]) == ("notes.md", "completed")
    (tool, text), run = page.say(CAPITAL)
    assert (tool, text.value, run.status) == ("file_search", CAPITAL_TOLD, "completed")
    (mark,) = text.annotations
    cited = page.ask("GET", f"/api/files/{mark.file_citation.file_id}")
    assert cited.content == NOTES
    assert cited.headers["content-disposition"] == "attachment; filename*=UTF-8''notes.md"
    page.ask("DELETE", "/api/assistants/files", json={"fileId": file["file_id"]})
    assert page.ask("GET", "/api/assistants/files").json() == []


def test_the_page_of_node(address):
    """Node's `fromReadableStream` reads what the routes stream, as the official page does."""
    weather, equation = run_node_script(HERE / "page.mjs", address, WEATHER, EQUATION)
    assert weather == ["function", "Of course. get_weather says: Oslo: sunny."]
    assert equation[0] == "code_interpreter" and equation[1].endswith("is: x = 1.")


def test_the_page(address, visit_page, tmp_path):
    """In a browser: a file is given, a question answered with a link to it, a function called."""
    page = visit_page(address)
    page.wait_for_selector("body[data-runs]")
    (tmp_path / "notes.md").write_bytes(NOTES)
    page.set_input_files("#file", tmp_path / "notes.md")
    page.wait_for_selector("text=notes.md: completed")

    def say(text: str, runs: int) -> str:
        page.fill("#question", text)
        page.click("text=Send")
        page.wait_for_selector(f"body[data-runs='{runs}']")
        return str(page.locator(".assistant").last.inner_text())

    assert say(CAPITAL, 1) == CAPITAL_TOLD
    link = page.locator(".assistant a")
    assert link.inner_text() == "【0:0†notes.md】"
    reply = page.request.get(address + link.get_attribute("href"))
    assert reply.body() == NOTES
    page.click("text=Remove notes.md")
    page.wait_for_selector("#files li", state="detached")
    assert say(WEATHER, 2) == "Of course. get_weather says: Oslo: sunny."
    assert say(EQUATION, 3).endswith("is: x = 1.")
    assert "Fraction" in page.locator(".code").inner_text()
