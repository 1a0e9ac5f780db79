"""The connections that requests uses here."""

from __future__ import annotations

import contextlib
import sys

import requests

from emitter_stream.http.sockets import Adapter


def test_a_connection_is_no_larger_than_need_be():
    """The fields of thousands of open ones take the room that a dict of so many takes."""
    request = requests.Request("GET", "https://127.0.0.1").prepare()
    with contextlib.closing(Adapter()) as adapter:
        pool = adapter.get_connection_with_tls_context(request, verify=True)
        fields = vars(pool.ConnectionCls("127.0.0.1"))
    grown = {}
    for name, value in fields.items():
        grown[name] = value
    assert len(fields) > 30
    assert sys.getsizeof(fields) <= sys.getsizeof(grown)
