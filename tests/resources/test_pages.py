"""Lists that come in pages."""

import copy
import itertools

import pytest
from fake_transport import fake_api

from emitter_stream import OpenAIError
from emitter_stream.resources import CursorPage, Messages
from emitter_stream.types import Message


def page(*ids, more=False, **fields):
    """Give the JSON of a page with objects of these ids."""
    return {"object": "list", "data": [{"id": id} for id in ids], "has_more": more} | fields


def listing(*pages, **options):
    """List messages from a server that answers with these pages."""
    api, sent = fake_api(*pages)
    return Messages(api).list("t", **options), sent


def test_iteration_goes_through_all_pages():
    """for message in list(...) gives the objects of each page, in order."""
    first, sent = listing(page("a", "b", more=True), page("c", more=True), page("d"))
    assert [message.id for message in first] == ["a", "b", "c", "d"]
    assert [request.query for request in sent] == [{}, {"after": "b"}, {"after": "c"}]
    assert all(isinstance(message, Message) for message in first)


def test_pages_are_fetched_when_they_are_needed():
    """A loop that is left early asks for no page beyond."""
    first, sent = listing(page("a", "b", more=True), page("c"))
    assert [message.id for message in itertools.islice(first, 2)] == ["a", "b"]
    assert len(sent) == 1


def test_the_query_stays_the_same_on_each_page():
    """Only the cursor changes, also where the caller gave one, in whichever way."""
    first, sent = listing(
        page("a", more=True),
        page("b"),
        limit=1,
        order="asc",
        after="x",
        extra_query={"after": "y"},
        extra_headers={"h": "1"},
        timeout=3,
    )
    list(first)
    assert [request.query["after"] for request in sent] == ["y", "a"]
    for request in sent:
        assert request.query == {"limit": "1", "order": "asc", "after": request.query["after"]}
        assert request.headers == {"h": "1"}
        assert request.timeout == 3


def test_a_page_shows_what_came():
    """Its fields, its objects and its repr are those of the one answer."""
    first, _ = listing(page("a", "b", more=True, first_id="a", last_id="b"))
    assert (first.has_more, first.first_id, first.last_id) == (True, "a", "b")
    assert [message.id for message in first.data] == ["a", "b"]
    assert first.to_dict() == page("a", "b", more=True, first_id="a", last_id="b")
    assert repr(first).startswith("CursorPage(object='list', data=[... 2]")


def test_pages_can_be_turned_by_hand():
    """has_next_page and get_next_page, from any page and more than once."""
    first, _ = listing(page("a", more=True), page("b"))
    assert first.has_next_page()
    second = first.get_next_page()
    assert isinstance(second, CursorPage)
    assert not second.has_next_page()
    assert first.get_next_page() == second
    assert [len(each.data) for each in first.iter_pages()] == [1, 1]
    with pytest.raises(RuntimeError, match="no next page"):
        second.get_next_page()


@pytest.mark.parametrize("last", [page(more=True), {"data": None, "has_more": True}, {}])
def test_an_empty_page_is_the_last(last):
    """Whatever the server says of more, an empty page has no cursor to go on from."""
    first, _ = listing(page("a", more=True), last)
    assert [message.id for message in first] == ["a"]


def test_a_list_without_has_more_ends_with_an_empty_page():
    """Without has_more the next page is tried."""
    first, sent = listing({"data": [{"id": "a"}]}, {"data": []})
    assert [message.id for message in first] == ["a"]
    assert len(sent) == 2


@pytest.mark.parametrize("loop", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_a_server_that_repeats_pages_does_not_loop_us(loop):
    """A cursor that comes again is an error, however long the way round."""
    pages = [page(id, more=True) for id in loop * 3]
    first, _ = listing(*pages)
    seen = []
    with pytest.raises(OpenAIError, match=r"repeats pages of the list: 'a'"):
        for message in first:
            seen.append(message.id)
    assert seen == [*loop, "a"]


def test_a_page_is_not_copied():
    """It holds on to the client; saying so is better than a copy that cannot go on."""
    first, _ = listing(page("a"))
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        copy.copy(first)
