"""The connections that requests uses here."""

from __future__ import annotations

import contextlib
import sys

import pytest
import requests

from emitter_stream.http.sockets import Adapter


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_is_no_larger_than_need_be(scheme):
    """The fields of thousands of open ones take the room that a dict of so many takes."""
    request = requests.Request("GET", f"{scheme}://127.0.0.1").prepare()
    with contextlib.closing(Adapter()) as adapter:
        pool = adapter.get_connection_with_tls_context(request, verify=True)
        fields = vars(pool.ConnectionCls("127.0.0.1"))
    grown = {}
    for name, value in fields.items():
        grown[name] = value
    assert len(fields) > 10
    assert sys.getsizeof(fields) <= sys.getsizeof(grown)
