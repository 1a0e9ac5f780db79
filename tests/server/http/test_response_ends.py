"""How a response ends when it is cancelled, or its server stops, while its end is being stored."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from server_helpers import PATIENCE, GatedModel, Raw

from emitter_stream.server import LocalServer, Text, Turn
from emitter_stream.server.answers.work import Work
from emitter_stream.server.http.responses import ResponsesApi


class SlowStore:
    """A clock at which the database's thread waits, once it is told to."""

    def __init__(self) -> None:
        self.is_slow = False
        self.error: Exception | None = None
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self) -> float:
        if self.is_slow and threading.current_thread().name.startswith("assistants-db"):
            self.reached.set()
            self.go.wait(PATIENCE)
            if self.error is not None:
                raise self.error
        return time.time()


class FailingModel(GatedModel):
    """Says "one", waits at the gate, and fails."""

    async def respond(self, turn: Turn) -> AsyncIterator[Text]:
        async for part in super().respond(turn):
            if part.piece != "one":
                raise RuntimeError("no more")
            yield part


class Ending:
    """A response in the background whose end is about to be stored, and who follows it."""

    def __init__(self, start: Callable[..., LocalServer], model: GatedModel, pool: Any) -> None:
        self.store = SlowStore()
        self.server = start(model=model, clock=self.store)
        self.raw = Raw(self.server.base_url)
        asked = {"model": "m", "input": "Hello", "background": True}
        self.path = f"/responses/{self.raw('POST', '/responses', asked).body['id']}"
        connection = self.raw.connection()
        connection.request(
            "GET",
            f"{self.raw.prefix}{self.path}?stream=true",
            headers={"Authorization": "Bearer x"},
        )
        self.heard = pool.submit(self._hear, connection, connection.getresponse())
        assert model.waiting.wait(PATIENCE)
        self.store.is_slow = True
        model.open()
        assert self.store.reached.wait(PATIENCE)

    def _hear(self, connection: Any, answer: Any) -> bytes:
        try:
            return answer.read()
        finally:
            connection.close()

    def goes_on(self) -> None:
        self.store.is_slow = False
        self.store.go.set()


@pytest.fixture
def pool():
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def cancelled(monkeypatch) -> threading.Event:
    """Is set when an answer has been asked to end before its time."""
    asked, cancel = threading.Event(), Work.cancel

    def noted(work: Work, why: Any) -> None:
        cancel(work, why)
        asked.set()

    monkeypatch.setattr(Work, "cancel", noted)
    return asked


@pytest.fixture
def watch(monkeypatch) -> Callable[[], threading.Event]:
    """Give an event that is set when somebody next asks for a response that is at work."""

    def begin() -> threading.Event:
        looked, at_work = threading.Event(), ResponsesApi._at_work

        def noted(api: ResponsesApi, response: str) -> Any:
            looked.set()
            return at_work(api, response)

        monkeypatch.setattr(ResponsesApi, "_at_work", noted)
        return looked

    return begin


@pytest.mark.parametrize("how", ["POST", "DELETE"])
def test_cancelled_while_its_end_is_stored(start, pool, watch, how):
    """A response that is about to be complete is completed, for who cancels and who follows it."""
    ending = Ending(start, GatedModel(), pool)
    path = f"{ending.path}/cancel" if how == "POST" else ending.path
    looked = watch()
    answer = pool.submit(ending.raw, how, path, {} if how == "POST" else None)
    assert looked.wait(PATIENCE)
    ending.goes_on()
    assert answer.result(PATIENCE).body.get("status") == ("completed" if how == "POST" else None)
    assert b"event: response.completed\n" in ending.heard.result(PATIENCE)
    assert ending.raw("GET", ending.path).status == (200 if how == "POST" else 404)


def test_an_end_that_cannot_be_stored(start, pool, watch):
    """A response is not said to be completed before that is stored, since it may fail yet."""
    ending, looked = Ending(start, GatedModel(), pool), watch()
    ending.store.error = RuntimeError("no room")
    answer = pool.submit(ending.raw, "GET", ending.path)
    assert looked.wait(PATIENCE)
    ending.goes_on()
    assert answer.result(PATIENCE).body["status"] == "failed"
    assert ending.raw("GET", ending.path).body["status"] == "failed"
    assert b"event: response.failed\n" in ending.heard.result(PATIENCE)


def test_a_stop_while_a_failure_is_stored(start, pool, cancelled):
    """A server that stops sees the end of a response that fails through, and tells it."""
    ending = Ending(start, FailingModel(), pool)
    stopped = pool.submit(ending.server.stop)
    assert cancelled.wait(PATIENCE)
    ending.goes_on()
    stopped.result(PATIENCE)
    assert b"event: response.failed\n" in ending.heard.result(PATIENCE)
