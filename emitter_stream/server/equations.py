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
    """Return the first linear equation in `text` as it was written; None if there is none.

    A side reaches from the "=" to the first thing that cannot belong to one: a word, a full stop,
    a backtick. Only what prose puts next to an equation may be cut off it, never a term.
    """
    # One character for one, so that positions stay those of the text.
    tokens = list(_TOKEN.finditer(text.translate(_SAME)))
    words = [token.group() for token in tokens]
    signs = [index for index, word in enumerate(words) if word == "="][:_MOST]
    for sign in signs:
        first, last = _edges(tokens, words, sign)
        if first is None or last is None:
            continue
        left = _left_side(words, first, sign)
        right = _right_side(words, sign + 1, last)
        if left is None or right is None:
            continue
        (start, one), (end, two) = left, right
        unknowns = one.unknowns | two.unknowns
        if len(unknowns) == 1:
            span = text[tokens[start].start() : tokens[end - 1].end()]
            return Equation(span, min(unknowns), one.side, two.side)
    return None


def _edges(
    tokens: list[re.Match[str]], words: list[str], sign: int
) -> tuple[int | None, int | None]:
    """Return where the two sides begin and end; None for one that goes on in higher mathematics."""
    first = sign
    while first > max(0, sign - _REACH) and _belongs(words[first - 1]):
        first -= 1
    last = sign + 1
    while last < min(len(words), sign + _REACH) and _belongs(words[last]):
        last += 1
    begins, ends = first > 0, last < len(words)
    left_open = begins and _goes_on(
        words[first - 1], tokens[first - 1].end() == tokens[first].start()
    )
    right_open = ends and _goes_on(words[last], tokens[last - 1].end() == tokens[last].start())
    return (None if left_open else first), (None if right_open else last)


def _belongs(word: str) -> bool:
    return (
        (word[0] in ".0123456789" and word != ".")
        or word in "+-*/()"
        or (len(word) == 1 and word.isalpha())
    )


def _goes_on(word: str, touches: bool) -> bool:
    """True for a neighbour that makes a side more than it seems: `^`, another `=`, `x2`."""
    return word in "=^%<>_&|" or _belongs(word) or (touches and word[0].isalnum())


@dataclass(frozen=True)
class _Found:
    side: Side
    unknowns: frozenset[str]


def _left_side(words: list[str], first: int, sign: int) -> tuple[int, _Found] | None:
    while first < sign:
        found = _read(words[first:sign])
        if found is not None:
            return first, found
        if words[first] not in ("a", "A", "I", "("):
            break
        first += 1
    return None


def _right_side(words: list[str], first: int, last: int) -> tuple[int, _Found] | None:
    while first < last:
        found = _read(words[first:last])
        # "= 14 I think": the pronoun reads like a factor.
        if found is not None and not (last - first > 1 and words[last - 1] == "I"):
            return last, found
        if words[last - 1] not in ("a", "A", "I", ")", "-"):
            break
        last -= 1
    return None


def _read(tokens: list[str]) -> _Found | None:
    reader = _Reader(tokens)
    try:
        return _Found(reader.read(), frozenset(reader.unknowns))
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
