"""The objects of emitter_stream.types."""

import copy
import pickle
import typing

import openai.types.beta as official_beta
import openai.types.beta.threads as official_threads
import openai.types.beta.threads.runs as official_runs
import pydantic
import pytest

from emitter_stream import types
from emitter_stream.types._model import _view_classes

MODELS = [
    value
    for name in types.__all__
    if isinstance(value := getattr(types, name), type) and issubclass(value, types.Model)
]


def official_classes():
    """Give the Assistants objects that the official Python SDK has at its packages' top."""
    for package in (official_threads, official_runs):
        for name, value in vars(package).items():
            if isinstance(value, type) and issubclass(value, pydantic.BaseModel):
                yield name, value
    for name in ("Assistant", "AssistantDeleted", "Thread", "ThreadDeleted", "FunctionTool"):
        yield name, getattr(official_beta, name)


OFFICIAL = list(official_classes())


def test_all_is_complete_and_sorted():
    """Everything public in the package is in __all__, in order, and the other way round."""
    public = {name for name, value in vars(types).items() if name[0] != "_" and name.isidentifier()}
    modules = {name for name in public if isinstance(getattr(types, name), type(types))}
    assert set(types.__all__) == public - modules
    kinds = [(not name.isupper(), name[0].islower(), name) for name in types.__all__]
    assert kinds == sorted(kinds)  # constants, classes, functions


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_annotations_resolve_and_objects_are_small(model):
    """Each class's annotations name classes that exist, and its objects have no dict of their own."""
    _view_classes(model)
    assert not hasattr(model({}), "__dict__")


@pytest.mark.parametrize(("name", "official"), OFFICIAL, ids=lambda value: str(value))
def test_every_field_of_the_official_sdk_is_there(name, official):
    """A class of the official SDK exists here by its name, with all of its fields."""
    ours = getattr(types, name)
    assert set(official.model_fields) <= set(ours._field_names)


@pytest.mark.parametrize(("name", "official"), OFFICIAL, ids=lambda value: str(value))
def test_nested_objects_have_the_fields_of_the_official_sdk(name, official):
    """What is inside an object has all the fields that the official SDK knows there."""

    def check(ours, theirs, path):
        for field, info in theirs.model_fields.items():
            for inner in classes_in(info.annotation):
                view = ours({})._view_class(field)
                # pydantic's own methods make the official SDK call one field schema_.
                fields = {name.rstrip("_") for name in inner.model_fields}
                missing = fields - set(view._field_names)
                assert not missing, f"{path}.{field}: {missing}"
                check(view, inner, f"{path}.{field}")

    check(getattr(types, name), official, name)


def classes_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return [annotation]
    return [found for item in typing.get_args(annotation) for found in classes_in(item)]


def test_absent_fields_read_as_none_and_unknown_ones_as_they_are():
    """A declared field that was not sent is None, an unknown key reads, any other name is an error."""
    run = types.Run({"id": "run_1", "novelty": {"a": [{"b": 1}]}})
    assert run.usage is None
    assert run.novelty.a[0].b == 1
    with pytest.raises(AttributeError, match="Run has no attribute 'statsu'"):
        _ = run.statsu


def test_fields_of_another_variant_read_as_none():
    """As in Node, where they are undefined, so that programs can test for them."""
    call = types.ToolCall({"id": "call_1", "type": "file_search", "file_search": {}})
    assert call.function is None
    assert call.code_interpreter is None
    assert call.file_search == types.FileSearchCall({})


def test_metadata_and_schemas_are_plain_dicts():
    """What the user's own keys are in is no view."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assistant = types.Assistant({"metadata": {"k": "v"}, "tools": [tool]})
    assert type(assistant.metadata) is dict
    assert type(assistant.tools[0].function.parameters) is dict


@pytest.mark.parametrize(
    ("model", "data", "variant", "other"),
    [
        (types.Tool, {"type": "function"}, types.FunctionTool, types.FileSearchTool),
        (
            types.MessageContent,
            {"type": "text"},
            types.TextContentBlock,
            types.ImageFileContentBlock,
        ),
        (
            types.MessageContentDelta,
            {"type": "image_url"},
            types.ImageURLDeltaBlock,
            types.TextDeltaBlock,
        ),
        (
            types.Annotation,
            {"type": "file_path"},
            types.FilePathAnnotation,
            types.FileCitationAnnotation,
        ),
        (
            types.ToolCallDelta,
            {"type": "function"},
            types.FunctionToolCallDelta,
            types.CodeInterpreterToolCallDelta,
        ),
        (
            types.StepDetails,
            {"type": "tool_calls"},
            types.ToolCallsStepDetails,
            types.MessageCreationStepDetails,
        ),
        (
            types.AssistantStreamEvent,
            {"event": "thread.message.delta"},
            types.ThreadMessageDelta,
            types.ThreadMessageCreated,
        ),
    ],
)
def test_isinstance_of_a_variant_looks_at_the_data(model, data, variant, other):
    """isinstance with the official SDK's class names tells variants apart."""
    thing = model(data)
    assert isinstance(thing, variant)
    assert not isinstance(thing, other)
    assert isinstance(variant({}), variant)


def test_isinstance_of_a_variant_holds_within_its_family_only():
    """An object of another family with the same type is no variant; neither is any other object."""
    delta = types.MessageContentDelta({"type": "text"})
    assert not isinstance(delta, types.TextContentBlock)
    assert not isinstance({"type": "text"}, types.TextContentBlock)


def test_a_live_object_becomes_a_variant_when_its_type_comes():
    """Which variant an object is follows its data as they grow."""
    data = {}
    block = types.MessageContent(data)
    assert not isinstance(block, types.TextContentBlock)
    data["type"] = "text"
    assert isinstance(block, types.TextContentBlock)


def test_unknown_variants_come_through():
    """A type that this library does not know is an object of its family like any other."""
    message = types.Message({"content": [{"type": "hologram", "hologram": {"url": "x"}}]})
    assert message.content[0].type == "hologram"
    assert message.content[0].hologram.url == "x"


def test_the_repr_of_large_objects_is_short():
    """A run shows what identifies it, and that there is more."""
    run = types.Run({"id": "run_1", "status": "queued", "instructions": "x" * 1000, "tools": []})
    assert repr(run) == "Run(id='run_1', status='queued', ...)"
    assert repr(types.Thread({"id": "thread_1"})) == "Thread(id='thread_1')"
    long = {"id": "msg_1", "role": "user", "content": [{"type": "text"}] * 9, "metadata": {}}
    assert repr(types.Message(long)) == "Message(id='msg_1', role='user', content=[... 9], ...)"


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_objects_can_be_copied_and_pickled(again):
    """A copy is of the same class and equal, and does not grow with the original."""
    data = {"type": "text", "text": {"value": "a", "annotations": []}}
    block = types.TextContentBlock(data)
    twin = again(block)
    assert type(twin) is types.TextContentBlock
    assert twin == block
    data["text"]["value"] = "ab"
    assert twin.text.value == "a"
