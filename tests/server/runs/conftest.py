"""What these tests say of runs holds on each database."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import pytest
from databases import new_database

from emitter_stream.server import LocalServer


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def new_store(request) -> Callable[[], str]:
    """Give a function that returns a new database."""
    if request.param == "sqlite":
        return lambda: ":memory:"
    return functools.partial(new_database, request.getfixturevalue("postgres"))


@pytest.fixture(scope="module")
def server(new_store) -> Iterator[LocalServer]:
    with LocalServer(db=new_store()) as shared:
        yield shared


@pytest.fixture
def start(start, new_store) -> Callable[..., LocalServer]:
    """Start servers, by default each with a database of its own."""

    def make(**options: object) -> LocalServer:
        return start(**{"db": new_store(), **options})

    return make
