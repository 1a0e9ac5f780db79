"""Python functions as tools of a model: their schemas, their arguments, their results."""

from __future__ import annotations

import enum
import functools
import inspect
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import attrs

from ..engine.emitter import is_coroutine_function
from ..engine.wire import loads
from ..exceptions import OpenAIError, shown
from ..types import Model
from ..types.params import AssistantToolParam, FunctionToolParam
from .docstrings import Documentation, class_documentation, documentation
from .schema import JSONType, NoSchemas, Unfit, arguments_type, hints_of, to_json

__all__ = ["Call", "FunctionTool", "Toolbox", "ToolsParam", "call_directly", "function_tool"]

ToolsParam = (
    Sequence[Callable[..., Any] | AssistantToolParam]
    | Mapping[str, Callable[..., Any] | FunctionToolParam]
)
"""What ``run_tools`` takes as ``tools``."""

Call = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
"""How a function is called: ``call(function, args, kwargs)`` returns what it returns."""


def call_directly(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a plain function, on the thread that this is called on."""
    return function(*args, **kwargs)


class FunctionTool(dict[str, Any]):
    """What ``function_tool`` returns: a tool's JSON, which knows the Python function behind it."""

    def __init__(
        self, schema: Mapping[str, Any], implementation: Callable[..., Any], arguments: JSONType
    ) -> None:
        super().__init__(type="function", function=schema)
        self.implementation = implementation
        self._arguments = arguments

    @property
    def name(self) -> str:
        """The name that the model knows the function by."""
        name: str = self["function"]["name"]
        return name

    def renamed(self, name: str) -> FunctionTool:
        """Return the same tool under another name."""
        schema = {**self["function"], "name": _checked_name(name)}
        return FunctionTool(schema, self.implementation, self._arguments)

    def read_arguments(self, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments from the JSON that the model wrote.

        Raises ``Unfit`` with a text for the model.
        """
        try:
            # For a function without arguments some models write nothing at all.
            value = loads(text) if text.strip() else {}
        except OpenAIError as error:
            raise Unfit(
                f"The arguments for {self.name} are no valid JSON ({error.__cause__}). "
                "Please try again."
            ) from error
        try:
            bound: inspect.BoundArguments = self._arguments.convert(value, "")
        except Unfit as unfit:
            problems = "".join(f"\n- {problem}" for problem in unfit.problems)
            raise Unfit(
                f"The arguments do not fit {self.name}:{problems}\nPlease try again."
            ) from unfit
        return bound.args, bound.kwargs


def function_tool(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> FunctionToolParam:
    """Return the dict for ``assistants.create(tools=[...])`` that describes a Python function.

    The JSON schema of its arguments comes from its signature and type hints: ``str``, ``int``,
    ``float``, ``bool``, ``None``, ``Any``, unions, ``Literal``, enums (by value), lists, sets, tuples,
    dicts, ``TypedDict``, named tuples, dataclasses, attrs classes, dates and times, ``UUID``,
    ``Decimal``, ``Path``, pydantic models, and whatever else pydantic knows; ``Annotated[X, "text"]``
    describes. An argument with a default may be left out; ``*args`` and ``**kwargs`` are not shown.
    The docstring gives the description, and those of the arguments (Google, NumPy or Sphinx style).

    ``name``, ``description`` and ``parameters`` (a JSON schema) replace what would be found. For
    ``run_tools`` the dict still knows its function, and the arguments are converted by the hints.

    Schemas and conversion come with the extra ``tools``. Without it, ``parameters`` must be given
    (``TypeError``), and the arguments are passed on as the model wrote them. Raises ``TypeError``
    for a type that has no schema, ``ValueError`` for a name that the API does not take. Node: the ``tools`` of ``runTools`` with ``zodFunction``.
    """
    if not callable(function):
        raise TypeError(f"function_tool() takes a function, not {shown(function)}")
    name = _checked_name(_name_of(function) if name is None else name)
    documented = _documented(function)
    arguments = _arguments_type(
        function, name, documented.arguments, has_schema=parameters is not None
    )
    schema: dict[str, Any] = {"name": name}
    if description is None:
        description = documented.description
    if description:
        schema["description"] = description
    schema["parameters"] = arguments.schema if parameters is None else dict(parameters)
    return cast(FunctionToolParam, FunctionTool(schema, function, arguments))


@attrs.frozen
class Toolbox:
    """The tools of a run: the functions by name, and the dicts for the API."""

    functions: Mapping[str, FunctionTool]
    params: list[Any]

    @classmethod
    def of(cls, tools: ToolsParam, *, coroutines: bool = False) -> Toolbox:
        """Take the tools that the user gave.

        Raises ``TypeError`` for what is no tool, for a function's schema without a function, and
        for ``async def`` unless ``coroutines``; ``ValueError`` for two of one name.
        """
        if isinstance(tools, Mapping):
            named = cast(Mapping[str, Any], tools)
            given: list[Any] = [_as_function_tool(named[name], name) for name in named]
        elif isinstance(tools, Iterable):
            given = [_as_tool(tool) for tool in tools]
        else:
            raise TypeError(f"tools are a list of functions or a dict of them, not {tools!r}")
        functions: dict[str, FunctionTool] = {}
        for tool in given:
            if isinstance(tool, FunctionTool):
                if tool.name in functions:
                    raise ValueError(f"there are two tools with the name {tool.name!r}")
                if not coroutines and is_coroutine_function(tool.implementation):
                    raise TypeError(
                        f"the tool {tool.name!r} is an `async def`, which this stream cannot "
                        "await; emitter_stream.aio has the streams that can"
                    )
                functions[tool.name] = tool
        return cls(functions, given)

    def answer(self, name: str, arguments: str, call: Call = call_directly) -> str:
        """Call a function; return its result as text, or what was wrong with the model's call.

        Raises what the function raises, and ``TypeError`` for a result that JSON cannot say.
        """
        tool = self.functions.get(name)
        if tool is None:
            known = ", ".join(map(repr, self.functions)) or "none"
            return f"There is no function {name!r}; there are: {known}. Please try again."
        try:
            args, kwargs = tool.read_arguments(arguments)
        except Unfit as unfit:
            return str(unfit)
        return result_text(call(tool.implementation, args, kwargs))


def result_text(result: Any) -> str:
    """Return a function's result as it is sent: a string as it is, anything else as JSON."""
    if isinstance(result, enum.Enum):
        result = result.value
    if isinstance(result, str):
        return str(result)
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("the function returned a coroutine; emitter_stream.aio can await it")
    return json.dumps(to_json(result), ensure_ascii=False, separators=(",", ":"))


def _as_tool(tool: Any) -> Any:
    if isinstance(tool, FunctionTool):
        return tool
    if isinstance(tool, Mapping | Model):
        kind = tool.get("type") if isinstance(tool, Mapping) else getattr(tool, "type", None)
        if kind == "function":
            raise TypeError(
                "this tool has a schema but no function to call; pass the function itself, or "
                f"function_tool(function, parameters=...): {tool!r:.200}"
            )
        return tool
    return _as_function_tool(tool, None)


def _as_function_tool(tool: Any, name: str | None) -> FunctionTool:
    if isinstance(tool, FunctionTool):
        return tool if name is None else tool.renamed(name)
    if not callable(tool):
        of_name = "" if name is None else f" under the name {name!r}"
        raise TypeError(
            f"a tool is a function or what function_tool() made of one, not {tool!r:.200}{of_name}"
        )
    return cast(FunctionTool, function_tool(tool, name=name))


def _arguments_type(
    function: Callable[..., Any], name: str, descriptions: Mapping[str, str], *, has_schema: bool
) -> JSONType:
    """Return the type of the object with a function's arguments; it becomes a ``BoundArguments``."""
    signature = inspect.signature(function)
    try:
        found = arguments_type(signature, hints_of(_hinted(function), name), descriptions, name)
    except NoSchemas:
        if signature.parameters and not has_schema:
            raise
        found = _unchecked(signature)

    def bind(value: Any, path: str) -> inspect.BoundArguments:
        bound = inspect.BoundArguments(signature, OrderedDict(found.convert(value, path)))
        bound.apply_defaults()
        return bound

    return JSONType(found.schema, bind)


def _unchecked(signature: inspect.Signature) -> JSONType:
    """Return the type of arguments that are passed on as they come."""

    def convert(value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise Unfit("an object with the arguments is needed")
        try:
            return signature.bind(**value).arguments
        except TypeError as error:
            raise Unfit(str(error)) from error

    return JSONType({"type": "object", "properties": {}, "additionalProperties": False}, convert)


def _unwrapped(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _hinted(function: Any) -> Any:
    """Return what has the type hints of something callable."""
    function = _unwrapped(function)
    if inspect.isclass(function):
        return function.__init__
    return function if inspect.isroutine(function) else type(function).__call__


def _documented(function: Any) -> Documentation:
    function = _unwrapped(function)
    if inspect.isclass(function):
        return class_documentation(function)
    if inspect.isroutine(function):
        return documentation(function.__doc__)
    return documentation(type(function).__call__.__doc__ or type(function).__doc__)


def _name_of(function: Any) -> str:
    function = _unwrapped(function)
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
        raise ValueError(
            f"{name!r} is no name for a tool: 1 to 64 letters, digits, _ or -; "
            "give it one with function_tool(function, name=...)"
        )
    return name
