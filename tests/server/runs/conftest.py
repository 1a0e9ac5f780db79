"""What these tests say of runs holds on each database.

By default one is tried on SQLite and the next on PostgreSQL, those on both that rest on what the
databases do in different ways; `tox -e exhaustive` tries the others on the other one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import pytest
from databases import new_database

from emitter_stream.server import LocalServer

DATABASES = ("sqlite", "postgres")
ON_BOTH = {
    "test_only_one_of_many_gets_the_thread",
    "test_delete_a_thread_at_work",
    "test_a_run_reads_what_was_said_as_it_was",
    "test_a_run_that_is_over",
    "test_a_run_at_work",
    "test_a_run_begins_while_others_never_stop",
}
_functions: dict[str, int] = {}  # their numbers


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave a test on one of the databases to `tox -e exhaustive`."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or "new_store" not in callspec.params:
        return
    if item.originalname in ON_BOTH or item.get_closest_marker("sample"):
        return
    number = _functions.setdefault(item.nodeid.partition("[")[0], len(_functions))
    if callspec.params["new_store"] != DATABASES[number % 2]:
        item.add_marker("exhaustive")


@pytest.fixture(scope="module", params=DATABASES)
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
