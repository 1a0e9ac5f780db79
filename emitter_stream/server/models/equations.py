"""Find a linear equation in one unknown in ordinary text, and write Python that solves it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from .arguments import words_set

_SAME = str.maketrans("\u2212\u2013\u00d7\u00b7\u00f7", "--**/")
# One term or sign, or several: nothing else, and no word.
_TERM = r"[-+*/()=]|[0-9]+(?:\.[0-9]+)?|(?<![A-Za-z])[A-Za-z](?![A-Za-z])"
_TERMS = re.compile(rf"[\"`]?(?:{_TERM})+[\"`]?[.,;:?]?[\"`]?")
_TOKEN = re.compile(r"[0-9]+(?:\.[0-9]+)?|\S")
_WORD = re.compile(r"[\"'`(]*(?:[A-Za-z]{2,}(?:'[a-z]+)?|[aAI])[\"'`)]*[.,;:?!]*")
_ENDS = '"`.,;:?'
# Words that make it another equation than it seems: sin x = 1, x = 3 million, x = 1 or 2.
_MATHEMATICS = words_set(
    "sin cos tan log ln exp sqrt root roots of mod or and squared cubed plus minus times over "
    "divided percent hundred thousand million billion half third double twice than"
)
_LONGEST = 80  # characters of one equation


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


def find_equation(text: str) -> Equation | None:
    """Return the first linear equation in `text` as it was written; None if there is none.

    It is taken whole or not at all: it stands between ordinary words, or alone. Anything else
    beside it (`x² + y = 3`, `log x = 2`) is a part of it that is not understood.
    """
    chunks = list(re.finditer(r"\S+", text))
    plain = [chunk.group().translate(_SAME) for chunk in chunks]
    at = 0
    while at < len(plain):
        end = at
        while end < len(plain) and _TERMS.fullmatch(plain[end]):
            end += 1
            if plain[end - 1][-1] in _ENDS:
                break
        if end == at:
            at += 1
            continue
        # "a 3x + 11 = 14 I think": an article and a pronoun.
        first = at + 1 if plain[at] == "a" and end - at > 3 else at
        last = end - 1 if plain[end - 1] == "I" and end < len(plain) else end
        written = text[chunks[first].start() : chunks[last - 1].end()]
        found = _parse(written) if _stands_alone(plain, first, last) else None
        if found is not None:
            return found
        at = end
    return None


def _stands_alone(chunks: list[str], first: int, last: int) -> bool:
    before, after = chunks[first - 1 : first], chunks[last : last + 1]
    beside = [*before, *after]
    words = [re.sub(r"[^a-z]", "", chunk.lower()) for chunk in beside]
    signed = chunks[first] in ("+", "-") or (chunks[first][0] in "+-" and len("".join(before)) < 3)
    return (
        all(_WORD.fullmatch(chunk) for chunk in beside)
        and not _MATHEMATICS.intersection(words)
        and not (before and signed)
    )


def _parse(written: str) -> Equation | None:
    text = written.strip(_ENDS)
    if text[:1] == "(" and text[-1:] == ")" and "(" not in text[1:]:
        text = text[1:-1]  # "(3x + 11 = 14)"
    plain = text.translate(_SAME)
    unknowns = set(re.findall("[A-Za-z]", plain))
    if len(unknowns) != 1 or plain.count("=") != 1 or len(plain) > _LONGEST:
        return None
    try:
        left, right = (_Reader(_TOKEN.findall(side)).read() for side in plain.split("="))
    except _NotLinearError:
        return None
    return Equation(text, unknowns.pop(), left, right)


class _NotLinearError(Exception):
    pass


class _Reader:
    """Reads one side: sums of products, brackets, `3x` for `3 * x`."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [*tokens, ""]

    def read(self) -> Side:
        side = self._sum()
        if self._tokens != [""]:
            raise _NotLinearError
        return side

    def _sum(self) -> Side:
        total = self._product()
        while self._tokens[0] in ("+", "-"):
            sign = 1 if self._tokens.pop(0) == "+" else -1
            term = self._product()
            total = Side(total.slope + sign * term.slope, total.rest + sign * term.rest)
        return total

    def _product(self) -> Side:
        result = self._factor()
        while (following := self._tokens[0]) in ("*", "/", "(") or following.isalpha():
            if following in ("*", "/"):
                self._tokens.pop(0)
            factor = self._factor()
            if following == "/":
                if factor.slope or not factor.rest:
                    raise _NotLinearError
                factor = Side(rest=1 / factor.rest)
            if result.slope and factor.slope:
                raise _NotLinearError
            slope = result.slope * factor.rest + result.rest * factor.slope
            result = Side(slope, result.rest * factor.rest)
        return result

    def _factor(self) -> Side:
        token = self._tokens.pop(0) if len(self._tokens) > 1 else ""
        if token in ("-", "+"):
            inner = self._factor()
            return Side(-inner.slope, -inner.rest) if token == "-" else inner
        if token == "(":
            inner = self._sum()
            if self._tokens.pop(0) != ")" or not self._tokens:
                raise _NotLinearError
            return inner
        if token.isalpha() and self._tokens[0] != "(":  # f(2)
            return Side(slope=Fraction(1))
        if token[:1].isdigit():
            return Side(rest=Fraction(token))
        raise _NotLinearError


def solving_code(equation: Equation) -> str:
    """Write a program that prints the solution."""
    name, left, right = equation.unknown, equation.left, equation.right
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
