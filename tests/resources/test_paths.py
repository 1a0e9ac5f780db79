"""Paths with ids in them."""

import pytest

from emitter_stream.resources._path import url_path


def test_ids_are_filled_in():
    """Each {} takes one id, in order."""
    assert url_path("/threads/{}/runs/{}", "t_1", "r_1") == "/threads/t_1/runs/r_1"


@pytest.mark.parametrize(
    "hostile", ["../assistants", "a/b", "a?b=c", "a#b", "a b", "ä", "%2e", "..a"]
)
def test_an_id_stays_one_segment(hostile):
    """Nothing in an id changes which path is asked for."""
    path = url_path("/threads/{}/runs", hostile)
    assert path.count("/") == 3
    assert not set("?# ") & set(path)


@pytest.mark.parametrize("useless", ["", ".", "..", None, 7, b"x"])
def test_what_cannot_be_an_id_is_refused(useless):
    """The message says which id it is and what was given."""
    with pytest.raises(ValueError, match="run id cannot be"):
        url_path("/threads/{}/runs/{}", "t", useless)
    with pytest.raises(ValueError, match="thread id cannot be"):
        url_path("/threads/{}/runs/{}", useless, "r")
