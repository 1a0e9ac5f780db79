"""What a fork does to the library: the child begins anew and leaves alone what is its parent's.

A child has a copy of all memory and of one thread, the one that forked. A lock that another thread
held stays locked for ever; a connection is open in both processes, and whoever reads, shuts down
or says goodbye on it does so for both. So, as soon as a child exists,

- what belongs to a module, a lock or a register, is made anew there: ``renew``;
- what belongs to an exchange, a stream or a recording remembers the ``generation`` that it was made
  in, and does nothing in another.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from .exceptions import OpenAIError

__all__ = ["LeftBehind", "generation", "renew"]

generation = 0
"""How many forks there are between the first process and this one; read it from the module."""

_renewals: list[Callable[[], object]] = []


def renew(function: Callable[[], object]) -> None:
    """Call ``function()`` in every child, before anything else happens there."""
    _renewals.append(function)


class LeftBehind(OpenAIError):
    """Raised to who waits in a child for what only its parent can give."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"This {what} lives on in the process that made it, and not in this one, which was "
            f"forked from that. What it had received can be read here; for more, make a new "
            f"{what} in this process: the client can be used in both."
        )


def _begin_anew() -> None:
    global generation
    generation += 1
    for function in _renewals:
        function()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
