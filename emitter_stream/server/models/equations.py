"""Find a linear equation in one unknown in ordinary text, and write Python that solves it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from .arguments import words_set

# A word's characters are one token whatever they are, so that `x²`, `x2` and `½` stay whole.
_TOKEN = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30})?(?!\w\w|[0-9])|\.[0-9]{1,30}|\w+|\S")
_SAME = str.maketrans({"\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u00b7": "*", "\u00f7": "/"})
_REACH = 40  # tokens looked at on either side of an "="
_MOST = 8  # "=" signs looked at
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
# Short words that are no products of letters.
_SHORT = words_set(
    "a i am an as at be by do go he hi if in is it me my no of oh ok on so to up us we all "
    "and any are ask but can did for get got had has her him his how its let may new not now "
    "one our out put say see set she the try use was way who why yes yet you"
) - {"one"}
# Words that make an equation another one than it seems.
_MATHEMATICAL = words_set(
    "sin sine cos cosine tan tangent sec csc cot sinh cosh tanh arcsin arccos arctan log "
    "logarithm exp sqrt cbrt root roots square cube squared cubed power raised mod modulo "
    "modulus div abs absolute value min max lim limit det factorial floor ceil inverse "
    "reciprocal negative opposite derivative integral sum product quotient difference ratio "
    "plus minus times over divided multiplied added subtracted point half third thirds "
    "quarter quarters fifth fifths twice double triple thrice dozen percent per hundred "
    "hundreds thousand thousands million millions billion billions zero three four five six "
    "seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety more less fewer greater "
    "smaller than base degrees degree or"
)
_JOINING = words_set("a an and by in is of the to")


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
            elif following == "*" or following == "(" or (following and _is_unknown(following)):
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
        if _is_unknown(token):
            if self._next() == "(":  # f(2)
                raise _NotLinear
            self.unknowns.add(token)
            return Side(slope=Fraction(1))
        if token and token[0] in ".0123456789":
            return Side(rest=Fraction(token))
        raise _NotLinear


def find_equation(text: str) -> Equation | None:
    """Return the first linear equation in `text` as it was written; None if there is none.

    An equation is taken whole or not at all: it reaches as far as there are terms and operators,
    and around it there may be nothing but ordinary words, the marks of a sentence, and quotes.
    Anything else beside it (`x²`, `1,000x`, `[3x + 1] + y`) is a part of it that is not understood.
    """
    # One character for one, so that positions stay those of the text.
    tokens = _Tokens(text.translate(_SAME))
    for sign in tokens.signs()[:_MOST]:
        first, last = tokens.edges(sign)
        left, right = _read(tokens.words[first:sign]), _read(tokens.words[sign + 1 : last])
        if left is None or right is None:
            continue
        if not (tokens.begins(first) and tokens.ends(last)):
            continue
        unknowns = left.unknowns | right.unknowns
        if len(unknowns) == 1:
            return Equation(tokens.span(text, first, last), min(unknowns), left.side, right.side)
    return None


class _Tokens:
    """The tokens of a text, and what stands around an equation in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        found = list(_TOKEN.finditer(text))
        self.words = [token.group() for token in found]
        self._starts = [token.start() for token in found]
        self._ends = [token.end() for token in found]

    def signs(self) -> list[int]:
        return [index for index, word in enumerate(self.words) if word == "="]

    def span(self, text: str, first: int, last: int) -> str:
        return text[self._starts[first] : self._ends[last - 1]]

    def edges(self, sign: int) -> tuple[int, int]:
        """Return where the terms and operators around the "=" begin and end."""
        first, last = sign, sign + 1
        while first > max(0, sign - _REACH) and _belongs(self.words[first - 1]):
            if first < sign and self._new_line(first):
                break
            first -= 1
        while last < min(len(self.words), sign + _REACH) and _belongs(self.words[last]):
            if last > sign + 1 and self._new_line(last):
                break
            last += 1
        # "(3x + 11 = 14)": the brackets around the whole are marks of the sentence.
        left, right = self.words[first:sign], self.words[sign + 1 : last]
        around = left[:1] == ["("] and right[-1:] == [")"]
        if around and left.count("(") > left.count(")"):
            first, last = first + 1, last - 1
        # "a 3x + 11 = 14 I think": an article and a pronoun.
        article = first + 1 < sign and self.words[first] in ("a", "A") and self._gap(first + 1)
        if article and _is_operand(self.words[first + 1]) and self._is_prose(first - 1):
            first += 1
        ended = last - 2 > sign and self.words[last - 1] in ("a", "A", "I") and self._gap(last - 1)
        if ended and _is_operand(self.words[last - 2]) and self._is_word(last):
            last -= 1
        return first, last

    def begins(self, first: int) -> bool:
        """True if what stands before this token is no part of the equation."""
        signed = self.words[first] in "+-"
        if signed and self._gap(first + 1):
            return first == 0 and self.words[first] == "+"  # "- 3x": a dash, a bullet, or a minus
        at = first - 1
        if at >= 0 and self.words[at] == "(":
            at -= 1
            if at >= 0 and not self._gap(at + 1):
                return False
        while at >= 0 and self.words[at] in _QUOTES and not self._operand_touches_before(at):
            at -= 1
        if at < 0 or self._is_prose(at):
            return at < 0 or self._gap(at + 1) or at + 1 < first
        return not signed and _is_operand(self.words[at]) and self._new_line(at + 1)

    def ends(self, last: int) -> bool:
        """True if what stands from this token on is no part of the equation."""
        at, size = last, len(self.words)
        if at < size and self.words[at] == ")":
            at += 1
        quoted = 0
        for mark in range(2):  # `14`. and 14."
            while at < size and self.words[at] in _QUOTES and not self._gap(at):
                if self.words[at] in "'\u2019" and not self._opened(at):
                    return False
                at, quoted = at + 1, quoted + 1
            if mark == 0 and at < size and self.words[at] in ".,;:?" and not self._gap(at):
                if not self._closed(at):
                    return False
                at += 1
                quoted += 1
        if at == size:
            return True
        if not self._gap(at):
            return False
        if self._new_line(at) and (_is_operand(self.words[at]) or self.words[at] in _QUOTES):
            return True
        if quoted and (_is_operand(self.words[at]) or self.words[at] in _QUOTES + "("):
            return True
        return self._is_word(at) and not self._leads_to_mathematics(at, 1)

    def _closed(self, at: int) -> bool:
        """True for a mark of the sentence: nothing touches it from behind, no `1, 000`."""
        after = at + 1
        if after == len(self.words) or (self.words[after] in _QUOTES and not self._gap(after)):
            return True
        if not self._gap(after):
            return False
        if self.words[at] in ",:" and self.words[after][0].isdigit():
            return False
        return self._new_line(after) or self.words[after] not in "+-*/=^.,;:!?"

    def _opened(self, at: int) -> bool:
        return re.search(r"(?:^|[\s(])['\u2018]", self._text[: self._starts[at]]) is not None

    def _operand_touches_before(self, at: int) -> bool:
        if at == 0 or self._gap(at):
            return False
        return self.words[at - 1] not in _QUOTES + "("

    def _is_prose(self, at: int) -> bool:
        """True for the beginning, an ordinary word, or the mark at the end of one or a sentence."""
        if at < 0:
            return True
        word = self.words[at]
        if word in ".,;:?!":
            if at == 0 or self._gap(at) or not self._gap(at + 1):
                return False
            before, after = self.words[at - 1], self.words[at + 1]
            if word in ".;?":
                return before not in "+-*/=^.,;:!?"
            return (len(before) > 1 and before.isalpha()) or (
                word == "," and before.isalnum() and not after[0].isdigit()
            )
        return self._is_word(at) and not self._leads_to_mathematics(at, -1)

    def _is_word(self, at: int) -> bool:
        """True for an ordinary word: nothing but letters, and a gap on either side."""
        if not 0 <= at < len(self.words):
            return False
        word = self.words[at]
        if not word.isalpha() or (len(word) < 4 and word.lower() not in _SHORT):
            return False
        if at > 0 and not self._gap(at) and self.words[at - 1] not in _QUOTES + "(-":
            return False
        following = at + 1
        return (
            following == len(self.words)
            or self._gap(following)
            or self.words[following] in _QUOTES + ".,;:?!-)"
        )

    def _leads_to_mathematics(self, at: int, step: int) -> bool:
        while 0 <= at < len(self.words) and self.words[at].lower() in _JOINING:
            at += step
            # "y and 3x = 6", "x = 2 and 3"
            joined = 0 <= at < len(self.words) and self.words[at - step].lower() == "and"
            if joined and _is_operand(self.words[at]):
                return True
        return 0 <= at < len(self.words) and self.words[at].lower() in _MATHEMATICAL

    def _gap(self, at: int) -> bool:
        """True if there is space before this token."""
        return 0 < at < len(self.words) and self._ends[at - 1] < self._starts[at]

    def _new_line(self, at: int) -> bool:
        """True if a line ends before this token, and no term goes on over its end."""
        between = self._text[self._ends[at - 1] : self._starts[at]]
        sides = (self.words[at - 1], self.words[at])
        return "\n" in between and not any(word in "+-*/=^" for word in sides)


def _is_operand(word: str) -> bool:
    return _is_number(word) or _is_unknown(word) or word in "()"


def _is_number(word: str) -> bool:
    return (word[0] in ".0123456789" and word != "." and word.isascii() and not word.isalnum()) or (
        word.isascii() and word.isdigit()
    )


def _is_unknown(word: str) -> bool:
    """True for a letter: not `ª` or `ⁿ`, and not a number's name."""
    return (
        len(word) == 1
        and unicodedata.category(word) in ("Ll", "Lu")
        and unicodedata.normalize("NFKC", word) == word
        and word != "\u03c0"
    )


def _belongs(word: str) -> bool:
    return _is_operand(word) or word in "+-*/"


@dataclass(frozen=True)
class _Found:
    side: Side
    unknowns: frozenset[str]


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
