"""The keys that open the server, and whose objects are seen with which."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextvars import ContextVar

# Whose request is answered in this context, a run's work included; None: everything is everybody's.
OWNER: ContextVar[str | None] = ContextVar("owner", default=None)

_LINE = re.compile(
    rb"(?:([\w.@-]{1,64})[ \t]*=[ \t]*)?([\x21-\x3c\x3e-\x7e][\x21-\x7e]*)", re.ASCII
)


class Keys:
    """A file's keys by their SHA-256: they themselves are kept nowhere.

    One key a line, or `NAME=KEY`; `#` begins a comment line. Who comes with a named key owns what all
    keys of that name made, so that a key can be replaced.
    """

    def __init__(self, owners: Mapping[bytes, str]) -> None:
        self._owners = owners

    @classmethod
    def read(cls, path: str) -> Keys:
        """Read a file. Raises `ValueError` if it cannot be read or is wrong; no key is in that."""
        try:
            with open(path, "rb") as file:
                lines = file.read().removeprefix(b"\xef\xbb\xbf").splitlines()
        except OSError as exc:
            raise ValueError(f"cannot read the keys in {path}: {exc.strerror or exc}") from None
        owners: dict[bytes, str] = {}
        for number, line in enumerate(lines, 1):
            line = line.strip()
            if not line or line.startswith(b"#"):
                continue
            found = _LINE.fullmatch(line)
            # Without a name there is no "=" in a key: it would be a name, and what follows the key.
            if found is None or (found[1] is None and b"=" in found[2]):
                raise ValueError(
                    f"line {number} of {path} is neither a key (without blanks and '=') nor NAME=KEY"
                )
            digest = _digest(found[2])
            owner = f"name:{found[1].decode()}" if found[1] else f"key:{digest.hex()}"
            if owners.setdefault(digest, owner) != owner:
                raise ValueError(f"the key in line {number} of {path} has another owner above")
        if not owners:
            raise ValueError(f"there is no key in {path}")
        return cls(owners)

    def owner_of(self, key: bytes) -> str | None:
        """Return who owns what is made with this key; None if it opens nothing."""
        return self._owners.get(_digest(key))


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
