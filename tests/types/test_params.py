"""The shapes of what is sent."""

import typing

import openai.types.beta as official_beta
import openai.types.beta.threads as official_threads
import openai.types.beta.threads.message_create_params as official_message
import openai.types.beta.threads.run_create_params as official_run
import openai.types.beta.threads.run_submit_tool_outputs_params as official_outputs
import openai.types.shared_params as official_shared
import pytest

from emitter_stream.types import params

PAIRS = [
    (params.FunctionDefinitionParam, official_shared.FunctionDefinition),
    (params.FunctionToolParam, official_beta.FunctionToolParam),
    (params.FileSearchToolParam, official_beta.FileSearchToolParam),
    (params.CodeInterpreterToolParam, official_beta.CodeInterpreterToolParam),
    (params.AssistantToolChoiceParam, official_beta.AssistantToolChoiceParam),
    (params.ResponseFormatJSONSchemaParam, official_shared.ResponseFormatJSONSchema),
    (params.ThreadParam, official_beta.ThreadCreateParams),
    (params.ImageFileParam, official_threads.ImageFileParam),
    (params.ImageURLParam, official_threads.ImageURLParam),
    (params.TextContentBlockParam, official_threads.TextContentBlockParam),
    (params.MessageParam, official_message.MessageCreateParams),
    (params.MessageParam, official_run.AdditionalMessage),
    (params._TruncationStrategyParam, official_run.TruncationStrategy),
    (params._AttachmentParam, official_message.Attachment),
    (params.ToolOutput, official_outputs.ToolOutput),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda value: value.__name__)
def test_params_have_the_keys_of_the_official_sdk(ours, theirs):
    """A dict written for the official SDK's type fits ours: same keys, same ones required."""
    assert set(typing.get_type_hints(ours)) == set(typing.get_type_hints(theirs))
    # 3.10 cannot tell which keys of a class with Required are required.
    hints = typing.get_type_hints(theirs, include_extras=True)
    required = {key for key, hint in hints.items() if "Required" in str(hint)}
    assert ours.__required_keys__ == (required or theirs.__required_keys__)


def test_all_is_complete_and_sorted():
    """Every public type of the module is in __all__, in order."""
    own = {
        name
        for name, value in vars(params).items()
        if name[0] != "_" and getattr(value, "__module__", "") == params.__name__
    }
    assert own <= set(params.__all__)
    assert params.__all__ == sorted(params.__all__)
