"""Writing to objects: what was set reads so, in that object, and in nothing else."""

from __future__ import annotations

import copy
import json
import pickle
import random

import pytest

from emitter_stream import types
from emitter_stream.types._model import (
    GrowingText,
    live_view,
    plain_copy,
    received,
    shared_view,
    untouched,
)


def sent():
    """Give a message as the API sends it."""
    citation = {"type": "file_citation", "text": "[0]", "file_citation": {"file_id": "file_1"}}
    text = {"value": "As said [0].", "annotations": [citation]}
    return {
        "id": "msg_1",
        "content": [{"type": "text", "text": text}],
        "metadata": {"k": "v", "deep": {"a": [1]}},
        "attachments": [{"file_id": "file_1", "tools": []}, {"file_id": "file_2"}],
        "novelty": {"names": ["a", "b"], "grid": [[{"x": 1}]]},
    }


@pytest.fixture(params=["shared", "live"])
def message(request):
    """Give a message whose JSON is shared, and one whose JSON is its own."""
    data = sent()
    if request.param == "live":
        return live_view(types.Message, data)
    message = types.Message(data)
    request.addfinalizer(lambda: check(data == sent()))  # whatever was done to the message
    return message


def check(holds):
    assert holds


def agree(message, **changes):
    """Say whether the message reads as it was sent but for ``changes``, by all ways to read it."""
    whole = {**sent(), **changes}
    assert message.to_dict() == message.model_dump() == json.loads(message.to_json()) == whole
    assert message == types.Message(whole)
    assert pickle.loads(pickle.dumps(message)) == copy.deepcopy(message) == copy.copy(message)
    assert untouched(message) in (types.Message(sent()), message)
    return True


def text_of(**changes):
    return [{"type": "text", "text": {**sent()["content"][0]["text"], **changes}}]


def test_the_official_file_search_sample(message):
    """A text whose citations are replaced reads with them replaced, wherever it is read."""
    text = message.content[0].text
    for index, annotation in enumerate(text.annotations):
        text.value = text.value.replace(annotation.text, f"(source {index})")
    assert text.value == message.content[0].text.value == "As said (source 0)."
    assert text.to_dict()["value"] == "As said (source 0)."
    assert agree(message, content=text_of(value="As said (source 0)."))


def test_a_field_that_is_set_reads_so(message):
    """Also one that was not there, one that no schema has, and one set to None."""
    message.role = "user"
    message.note = 5
    message.id = None
    assert (message.role, message.note, message.id) == ("user", 5, None)
    assert "role='user'" in repr(message)
    assert agree(message, role="user", note=5, id=None)
    del message.note, message.role, message.novelty
    assert message.role is None
    for name in ("note", "novelty", "role"):
        with pytest.raises(AttributeError):
            delattr(message, name)


def test_names_that_are_no_fields_cannot_be_set(message):
    """A method is not overwritten by what would not read back."""
    with pytest.raises(AttributeError, match="'to_dict' of Message cannot be set"):
        message.to_dict = None
    assert agree(message)


def test_dicts_and_lists_that_are_set_read_equal(message):
    """And a change of them shows in the object."""
    message.metadata = {"a": "b"}
    message.metadata["c"] = "d"
    message.attachments = [{"file_id": "file_9"}]
    assert message.metadata == {"a": "b", "c": "d"}
    assert message.attachments == [{"file_id": "file_9"}]
    message.attachments.append({"file_id": "file_10"})
    attachments = [{"file_id": "file_9"}, {"file_id": "file_10"}]
    assert message.attachments == attachments
    assert agree(message, metadata={"a": "b", "c": "d"}, attachments=attachments)


def test_objects_that_are_set_read_equal(message):
    """An object of another tree may be put in; the two are changed apart from a live one."""
    text = types.Text(value="new", annotations=[types.FilePathAnnotation(type="file_path")])
    message.content[0].text = text
    assert message.content[0].text == text
    assert message.content[0].text.annotations[0].type == "file_path"
    message.content = [message.content[0], types.MessageContent(type="refusal", refusal="no")]
    assert [block.type for block in message.content] == ["text", "refusal"]
    new = {"value": "new", "annotations": [{"type": "file_path"}]}
    blocks = [{"type": "text", "text": new}, {"type": "refusal", "refusal": "no"}]
    assert agree(message, content=blocks)


def test_bare_dicts_are_written_through(message):
    """What is written to metadata is in the object, at any depth."""
    message.metadata["k"] = "changed"
    message.metadata["deep"]["a"].append(2)
    message.metadata.update(new="1")
    assert message.metadata is message.metadata
    assert agree(message, metadata={"k": "changed", "deep": {"a": [1, 2]}, "new": "1"})


CHANGES = {
    "append": lambda items: items.append({"file_id": "new"}),
    "extend": lambda items: items.extend([{"file_id": "new"}] * 2),
    "+=": lambda items: items.__iadd__([{"file_id": "new"}]),
    "*=": lambda items: items.__imul__(2),
    "insert": lambda items: items.insert(0, {"file_id": "new"}),
    "pop": lambda items: items.pop(),
    "pop(0)": lambda items: items.pop(0),
    "remove": lambda items: items.remove(items[1]),
    "clear": lambda items: items.clear(),
    "reverse": lambda items: items.reverse(),
    "sort": lambda items: items.sort(key=lambda item: dict(item)["file_id"], reverse=True),
    "shuffle": lambda items: random.Random(5).shuffle(items),
    "[0] =": lambda items: items.__setitem__(0, {"file_id": "new"}),
    "[:] =": lambda items: items.__setitem__(slice(0, 1), [{"file_id": "a"}, {"file_id": "b"}]),
    "del": lambda items: items.__delitem__(0),
    "del [:]": lambda items: items.__delitem__(slice(None, None, 2)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_lists_are_changed_as_any_list(message, change):
    """Each way to change a list does to it, and to what the object is, what it does to a list."""
    plain = sent()["attachments"]
    assert CHANGES[change](message.attachments) == CHANGES[change](plain)
    assert message.attachments == plain
    assert list(message.attachments) == plain
    assert agree(message, attachments=plain)


def test_lists_are_lists(message):
    """They pass for lists with isinstance, json, join, +, ==, slices, unpacking and copies."""
    names, items = message.novelty.names, message.attachments
    assert isinstance(names, list)
    assert isinstance(items, list)
    assert json.dumps(names) == '["a", "b"]'
    assert ",".join(names) == "a,b"
    assert names + ["c"] == ["a", "b", "c"] == [*names, "c"]  # noqa: RUF005
    assert ["c"] + names == ["c", "a", "b"]  # noqa: RUF005
    assert names == ["a", "b"] != names[:1]
    assert names[::-1] == list(reversed(names)) == ["b", "a"]
    assert type(items[:1]) is list
    assert items[0] is items[0] is message.attachments[0]
    assert len(items) == 2 and items[1] in items and items.index(items[1]) == 1
    first, second = items
    assert (first.file_id, second.file_id) == ("file_1", "file_2")
    assert message.novelty.grid[0][0].x == 1
    for again in (copy.copy(items), copy.deepcopy(items), pickle.loads(pickle.dumps(items))):
        again.pop()
        assert len(items) == 2
    assert agree(message)


def test_an_object_in_a_list_is_written_to(message):
    """Also after the list was turned round, and when the list is read no more."""
    message.attachments.reverse()
    first = message.attachments[0]
    first.file_id = "changed"
    attachments = [{"file_id": "changed"}, sent()["attachments"][0]]
    assert agree(message, attachments=attachments)


def test_views_of_one_json_are_apart():
    """A write to one object shows in no other that was made of the same JSON."""
    data = sent()
    one, other = types.Message(data), types.Message(data)
    assert other.content[0].text.value  # read before, so that it has views as well
    one.content[0].text.value = "x"
    one.metadata["k"] = "x"
    one.attachments.clear()
    one.id = "x"
    assert other == types.Message(sent())
    assert received(one) is received(other) is data
    assert untouched(one) == other


def test_pages_can_be_turned_round():
    """Turning a list round, or emptying it, changes neither what follows nor how it is printed."""
    from emitter_stream.resources import CursorPage

    pages = {
        "": {"data": [{"id": "m1"}, {"id": "m2"}], "has_more": True},
        "m2": {"data": [{"id": "m3"}], "has_more": False},
    }
    page = CursorPage(pages[""], types.Message, pages.__getitem__)
    assert isinstance(page.data, list)
    page.data.reverse()
    assert [message.id for message in page] == ["m2", "m1", "m3"]
    page.data.clear()
    assert [message.id for message in page] == ["m3"]
    assert json.loads(page.to_json())["data"] == []


def test_dumps_take_the_options_of_the_official_sdk(message):
    """include, exclude, exclude_none, indent and the others, with pydantic's meaning."""
    message.note = None
    assert message.model_dump(include={"id"}) == {"id": "msg_1"}
    assert message.model_dump(include={"content": {0: {"type"}}}) == {"content": [{"type": "text"}]}
    assert message.model_dump(include={"attachments": {"__all__": {"file_id"}}}) == {
        "attachments": [{"file_id": "file_1"}, {"file_id": "file_2"}]
    }
    rest = {"content", "metadata", "novelty", "note"}
    assert message.model_dump(exclude={*rest, "attachments"}) == {"id": "msg_1"}
    assert message.model_dump(exclude=dict.fromkeys(rest, True) | {"attachments": {-1: ...}}) == {
        "id": "msg_1",
        "attachments": [sent()["attachments"][0]],
    }
    assert "note" in message.model_dump(mode="json", by_alias=True, exclude_unset=True)
    for option in ("exclude_none", "exclude_defaults"):
        assert "note" not in message.to_dict(**{option: True})
        assert "note" not in json.loads(message.model_dump_json(**{option: True}))
    assert message.model_dump_json(include={"id"}) == '{"id":"msg_1"}'
    assert message.model_dump_json(include={"id"}, indent=1) == '{\n "id": "msg_1"\n}'
    assert types.Message({"id": "é"}).to_json() == '{\n  "id": "é"\n}'
    assert types.Message({"id": "é"}).to_json(indent=None) == '{"id":"é"}'


def test_dumps_are_the_official_sdks():
    """What is selected of an object is what pydantic selects of the same."""
    from openai.types.beta.threads import Message as Official

    data = {**sent(), "metadata": {"k": "v"}}
    ours, theirs = types.Message(data), Official.construct(**data)
    for options in (
        {"include": {"id", "attachments"}},
        {"include": {"attachments": {1: {"file_id"}}}},
        {"exclude": {"content", "novelty"}},
        {
            "include": {"attachments": True, "metadata": ...},
            "exclude": {"attachments": {0: {"tools"}}},
        },
        {"exclude": {"attachments": {"__all__": {"tools"}}}},
    ):
        dumped = theirs.model_dump(exclude_unset=True, **options)
        assert ours.model_dump(exclude_unset=True, **options) == dumped
        text = theirs.model_dump_json(exclude_unset=True, **options)
        ours_as_text = ours.model_dump_json(exclude_unset=True, **options)
        assert json.loads(ours_as_text) == json.loads(text)
        assert len(ours_as_text) == len(text)
    assert len(ours.to_json()) == len(theirs.to_json())


def test_copies_and_objects_made_by_hand(message):
    """model_copy, construct and the like give objects of their own."""
    twin = message.model_copy(update={"id": "msg_2"})
    twin.content[0].text.value = "x"
    assert agree(message)
    assert twin.id == "msg_2" and type(twin) is types.Message
    for made in (
        types.Text(value="x"),
        types.Text.construct(value="x"),
        types.Text.model_construct(value="x"),
        types.Text.model_validate({"value": "x"}),
        types.Text.model_validate_json('{"value": "x"}'),
    ):
        assert made == types.Text({"value": "x"}) == {"value": "x"}
        assert made.annotations is None and made.model_fields_set == {"value"}
    assert dict(types.Message(sent()))["content"][0].text.value == "As said [0]."
    assert set(message.model_extra) == {"novelty"}


def test_objects_that_were_changed_can_be_sent():
    """Parameters take objects, with what was written to them, and lists of them."""
    from emitter_stream.resources._body import json_body

    message = types.Message(sent())
    message.attachments[0].file_id = "changed"
    body = json_body({"attachments": message.attachments, "messages": [message]})
    assert body["attachments"][0]["file_id"] == "changed"
    assert body["messages"][0]["attachments"][0]["file_id"] == "changed"
    json.dumps(body)


# Live objects


def test_a_live_list_follows_its_array():
    """A list that is held shows what comes, also in the place of a hole, and for C code once read."""
    data = {"content": [None], "names": ["a"]}
    message = live_view(types.Message, data)
    content, names = message.content, message.names
    assert content == [None]
    data["content"][0] = {"type": "text"}
    data["content"].append({"type": "refusal"})
    data["names"].append("b")
    assert content[0].type == "text" and len(content) == 2
    assert [block.type for block in content] == ["text", "refusal"]
    assert json.dumps(message.names) == '["a", "b"]'
    assert names is message.names
    content.pop(0)
    assert data["content"] == [{"type": "refusal"}]


def test_what_is_written_to_a_live_object_is_json():
    """So that deltas can be merged with it, whatever was put in."""
    data = {}
    message = live_view(types.Message, data)
    text = types.Text(value="x")
    message.content = (types.MessageContent(type="text", text=text),)
    assert data == {"content": [{"type": "text", "text": {"value": "x"}}]}
    data["content"][0]["text"]["value"] = "y"
    assert text.value == "x"
    message.metadata = mine = {"a": "b"}
    data["metadata"]["a"] = "c"
    assert mine == {"a": "b"}


def test_a_text_that_grows_is_told_of_a_write_around_it():
    """Nobody appends to a text that no longer stands where it stood."""
    growing = GrowingText("a")
    data = {"content": [{"type": "text", "text": {"value": growing}}]}
    message = live_view(types.Message, data)
    text = message.content[0].text
    assert growing.append("b") and text.value == "ab"
    text.value = "x"
    assert not growing.append("c")
    assert text.value == "x" and plain_copy(data)["content"][0]["text"] == {"value": "x"}
    data["content"][0]["text"]["value"] = growing = GrowingText("a")
    taken = message.content.pop()
    assert not growing.append("b") and taken.text.value == "a"


def test_views_of_what_is_no_object_are_what_it_is():
    """A server may send anything where an object is expected."""
    assert shared_view(types.Text, "x") == "x"
    assert shared_view(types.Text, None) is None
    assert shared_view(types.Text, [{"value": "x"}, 5])[0].value == "x"
