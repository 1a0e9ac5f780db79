"""A transport without a network: it notes each request and answers from a list."""

from __future__ import annotations

from typing import Any, NamedTuple

from emitter_stream.resources import Api


class Sent(NamedTuple):
    """One request as the transport got it."""

    method: str
    path: str
    query: dict[str, Any]
    body: Any
    headers: dict[str, str]
    timeout: Any
    max_retries: int | None
    not_found_hint: str | None = None


class FakeExchange:
    """An answer: JSON with headers, or the bytes of an event stream."""

    max_event_bytes = 1_000_000
    head = None

    def __init__(self, answer: Any, headers: dict[str, str]) -> None:
        self._answer = answer
        self._chunks = [answer] if isinstance(answer, bytes) else []
        self.headers = headers

    def json(self) -> Any:
        return self._answer

    def open(self) -> None: ...

    def read(self) -> bytes:
        return self._chunks.pop() if self._chunks else b""

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class FakeTransport:
    """Answers the n-th request with the n-th answer, and further ones with the last.

    An answer is what the decoded JSON would be, a ``(JSON, headers)`` pair, or bytes: a stream.
    """

    base_url = "http://fake/v1"

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers) or [{}]
        self.sent: list[Sent] = []
        self.closed = 0

    def request(self, method: str, path: str, **options: Any) -> Any:
        return self.exchange(method, path, **options).json()

    def exchange(self, method: str, path: str, **options: Any) -> FakeExchange:
        self.sent.append(Sent(method, path, **options))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return FakeExchange(*answer) if isinstance(answer, tuple) else FakeExchange(answer, {})

    def close(self) -> None:
        self.closed += 1


def fake_api(*answers: Any, **options: Any) -> tuple[Api, list[Sent]]:
    """Give an API over a fake transport, and the list that its requests go to."""
    transport = FakeTransport(*answers)
    return Api(transport, **options), transport.sent
