"""Answers whose bodies were not read at first: what `parse` makes of them is what the method makes."""

from __future__ import annotations

import pytest
from scripted_server import answer

from emitter_stream import APIError

KEY = "sk-secret-0123456789"


def streamed(client):
    """Ask for a model's card without reading the answer."""
    return client.models.with_streaming_response.retrieve("m")


def test_no_json_shows_no_key(connect):
    """A server may repeat the key in what is no JSON: the error has it nowhere."""
    body = f"you sent {KEY}".encode()
    with streamed(connect(answer(200, body), api_key=KEY)) as response:
        with pytest.raises(APIError, match="no JSON") as caught:
            response.parse()
        error = caught.value
        assert KEY not in f"{error} {error!r} {error.response} {error.__cause__!r}"
        assert KEY not in repr(vars(error.__cause__)) if error.__cause__ else True
        assert response.text() == body.decode()


def test_an_answer_is_as_large_as_may_be(connect):
    """`max_event_bytes` bounds it, as without `with_streaming_response`."""
    client = connect(answer(200, {"id": "m" * 2_000}), max_event_bytes=1_000)
    with streamed(client) as response, pytest.raises(APIError, match="larger than 1000 bytes"):
        response.parse()
    with streamed(client) as response:
        assert len(response.read()) > 2_000


def test_what_was_read_is_parsed(connect):
    """`parse` goes after `read`, and the other way round."""
    client = connect(answer(200, {"id": "m", "object": "model"}))
    with streamed(client) as response:
        assert (response.json()["id"], response.parse().id, response.parse().id) == ("m",) * 3
    with streamed(client) as response:
        assert (response.parse().id, response.json()["id"]) == ("m", "m")
