"""What the command says about itself: the layout of its help, and completion in shells."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

__all__ = ["Examples", "ExamplesAndDefaults", "completion_script"]

# Options and arguments that take the path of a file.
_FILES = frozenset(("--api-key-file", "--db", "--functions", "--html", "file"))


class Examples(argparse.HelpFormatter):
    """Keeps the lines of an epilog of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("example") else super()._fill_text(text, width, indent)


class ExamplesAndDefaults(Examples, argparse.ArgumentDefaultsHelpFormatter):
    """Says each option's default as well, if there is one to be said."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default not in (None, []) else action.help


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return a script for a shell; ``ImportError`` without the extra ``completion``."""
    import shtab  # late: nothing else needs it

    for action in _actions(parser):
        if not _FILES.isdisjoint({*action.option_strings, action.dest}):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    script: str = shtab.complete(parser, shell)
    return script


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Give a parser's actions, and those of its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
