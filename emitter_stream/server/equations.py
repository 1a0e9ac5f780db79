"""Find a linear equation in one unknown in ordinary text, and write Python that solves it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_TOKEN = re.compile(r"\d{1,30}(?:\.\d{1,30})?|\.\d{1,30}|\w+|[-+*/()=]|[^\s]", re.UNICODE)
_SAME = str.maketrans({"\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u00b7": "*", "\u00f7": "/"})
_REACH = 40  # tokens looked at on either side of an "="
_MOST = 8  # "=" signs looked at


@dataclass(frozen=True)
class Side:
    """`slope * unknown + rest`."""

    slope: Fraction = Fraction(0)
    rest: Fraction = Fraction(0)


@dataclass(frozen=True)
class Equation:
    """`text` is the equation as it was written."""

    text: str
    unknown: str
    left: Side
    right: Side


class _NotLinear(Exception):
    pass


class _Reader:
    """Reads one side: sums of products, brackets, `3x` for `3 * x`."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self.unknowns: set[str] = set()

    def read(self) -> Side:
        side = self._sum()
        if self._at != len(self._tokens):
            raise _NotLinear
        return side

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._next()
        self._at += 1
        return token

    def _sum(self) -> Side:
        total = self._product()
        while self._next() in ("+", "-"):
            sign = 1 if self._take() == "+" else -1
            term = self._product()
            total = Side(total.slope + sign * term.slope, total.rest + sign * term.rest)
        return total

    def _product(self) -> Side:
        result = self._factor()
        while True:
            following = self._next()
            if following == "/":
                self._take()
                divisor = self._factor()
                if divisor.slope or not divisor.rest:
                    raise _NotLinear
                result = Side(result.slope / divisor.rest, result.rest / divisor.rest)
            elif following == "*" or following == "(" or following.isalpha():
                if following == "*":
                    self._take()
                factor = self._factor()
                if result.slope and factor.slope:
                    raise _NotLinear
                result = Side(
                    result.slope * factor.rest + result.rest * factor.slope,
                    result.rest * factor.rest,
                )
            else:
                return result

    def _factor(self) -> Side:
        token = self._take()
        if token in ("-", "+"):
            inner = self._factor()
            return Side(-inner.slope, -inner.rest) if token == "-" else inner
        if token == "(":
            inner = self._sum()
            if self._take() != ")":
                raise _NotLinear
            return inner
        if len(token) == 1 and token.isalpha():
            self.unknowns.add(token)
            return Side(slope=Fraction(1))
        if token and token[0] in ".0123456789":
            return Side(rest=Fraction(token))
        raise _NotLinear


def find_equation(text: str) -> Equation | None:
    """Return the first linear equation in `text`, as long as it can be read; None if there is none.

    Words around it do not disturb: sides are cut shorter until they make sense.
    """
    # One character for one, so that positions stay those of the text.
    matches = _split(text.translate(_SAME))
    tokens = [token for token, _, _ in matches]
    signs = [index for index, token in enumerate(tokens) if token == "="][:_MOST]
    for sign in signs:
        first = max(0, sign - _REACH)
        last = min(len(tokens), sign + 1 + _REACH)
        for start in range(first, sign):
            left = _read(tokens[start:sign])
            if left is None:
                continue
            for end in range(last, sign + 1, -1):
                right = _read(tokens[sign + 1 : end])
                if right is None:
                    continue
                unknowns = left[1] | right[1]
                if len(unknowns) == 1:
                    span = text[matches[start][1] : matches[end - 1][2]]
                    return Equation(span, unknowns.pop(), left[0], right[0])
    return None


def _split(text: str) -> list[tuple[str, int, int]]:
    """Cut text into tokens with their positions; `3x` becomes two."""
    found: list[tuple[str, int, int]] = []
    for match in _TOKEN.finditer(text):
        found.append((match.group(), match.start(), match.end()))
    return found


def _read(tokens: list[str]) -> tuple[Side, set[str]] | None:
    reader = _Reader(tokens)
    try:
        return reader.read(), reader.unknowns
    except _NotLinear:
        return None


def solving_code(equation: Equation) -> str:
    """Write a program that prints the solution."""
    x = equation.unknown
    name = x if x.isascii() else "x"
    left, right = equation.left, equation.right
    return (
        "from fractions import Fraction\n"
        "\n"
        f"# {' '.join(equation.text.split())}\n"
        f"# as a*{name} + b = c*{name} + d\n"
        f'a, b = Fraction("{left.slope}"), Fraction("{left.rest}")\n'
        f'c, d = Fraction("{right.slope}"), Fraction("{right.rest}")\n'
        "\n"
        "if a != c:\n"
        f'    print("{name} =", (d - b) / (a - c))\n'
        "elif b == d:\n"
        f'    print("every {name} is a solution")\n'
        "else:\n"
        '    print("there is no solution")\n'
    )
