"""What docstrings say: by ``docstring_parser`` where it is installed, else the first paragraph."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import attrs

__all__ = ["Documentation", "class_documentation", "documentation"]


@attrs.frozen
class Documentation:
    """A docstring's text before its sections, and what it says of each argument or field."""

    description: str = ""
    arguments: Mapping[str, str] = attrs.field(factory=dict)


def documentation(docstring: str | None) -> Documentation:
    """Read a docstring in the style of Google, NumPy or Sphinx.

    Without ``docstring_parser`` (the extra ``tools``) the description is its first paragraph, and
    arguments have none.
    """
    text = inspect.cleandoc(docstring or "")
    try:
        import docstring_parser
    except ImportError:
        return Documentation(_one_line(text.partition("\n\n")[0]))
    parsed = docstring_parser.parse(text)
    paragraphs = (parsed.short_description, parsed.long_description)
    return Documentation(
        "\n\n".join(paragraph for paragraph in paragraphs if paragraph),
        {one.arg_name: _one_line(one.description or "") for one in parsed.params},
    )


def class_documentation(kind: type) -> Documentation:
    """Read a class's docstring, unless it is the one that Python makes up for a class."""
    docstring = kind.__doc__ or ""
    return documentation("" if docstring.startswith(f"{kind.__name__}(") else docstring)


def _one_line(text: str) -> str:
    return " ".join(text.split())
