"""The language of ``--where``: comparisons of a run's fields, joined by words. It is parsed, never executed.

::

    expression  = conjunction ("or" conjunction)*
    conjunction = negation ("and" negation)*
    negation    = "not" negation | comparison
    comparison  = operand [("==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in" | "like") operand]
    operand     = "(" expression ")" | "[" operand ("," operand)* "]" | number | text | constant | field
    constant    = "true" | "false" | "none"
    field       = e.g. status, config.env, summary.mean_episode_return, config["learning rate"]
"""

import fnmatch
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

Lookup: TypeAlias = Callable[[str], Any]
Node: TypeAlias = Callable[[Lookup], Any]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[-+]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<field>[A-Za-z_][\w./-]*(?:\[(?:"[^"]*"|'[^']*')\])?)
    | (?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,)
    )""",
    re.VERBOSE,
)
_WORDS = ("and", "or", "not", "in", "like")
_CONSTANTS = {"true": True, "false": False, "none": None, "null": None}
_DEEPEST = 50  # brackets and negations; deeper is no question that a person asks
_MOST_DIGITS = 300  # of a whole number: int refuses thousands of them, and float calls them infinite


class FilterError(ValueError):
    """A filter that cannot be read; the message points at the place."""


class _Token(NamedTuple):
    kind: str  # number, text, field, word, sign, end
    value: Any
    place: int


def parse_filter(text: str) -> Callable[[Lookup], bool]:
    """A function that tells whether a run matches.

    Args:
        text: the expression.

    Returns:
        Called with a function from a field's name to its value, none where the run lacks it. What is absent
        is equal to none, unequal to all else, and neither less nor greater; so are values of unlike types.

    Raises:
        FilterError: ``text`` is no expression of this language.
    """
    parser = _Parser(text)
    node = parser.expression(0)
    parser.expect_end()
    return lambda lookup: bool(node(lookup))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0

    def expression(self, depth: int) -> Node:
        """Alternatives."""
        return self._joined("or", any, self._conjunction, depth)

    def _conjunction(self, depth: int) -> Node:
        return self._joined("and", all, self._negation, depth)

    def _joined(
        self, word: str, decide: Callable[[Any], bool], part: Callable[[int], Node], depth: int
    ) -> Node:
        parts = [part(depth)]
        while self._take("word", word):
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else lambda lookup: decide(bool(each(lookup)) for each in parts)

    def _negation(self, depth: int) -> Node:
        self._check(depth)
        if self._take("word", "not"):
            inner = self._negation(depth + 1)
            return lambda lookup: not inner(lookup)
        return self._comparison(depth)

    def _comparison(self, depth: int) -> Node:
        left = self._operand(depth)
        decide = self._comparator()
        if decide is None:
            return left
        right = self._operand(depth)
        return lambda lookup: decide(left(lookup), right(lookup))

    def _comparator(self) -> Callable[[Any, Any], bool] | None:
        for sign, decide in _COMPARATORS.items():
            if self._take("sign", sign) or self._take("word", sign):
                return decide
        if self._take("word", "not"):
            if not self._take("word", "in"):
                raise self._error("expected 'in' after 'not'")
            return lambda left, right: not _contained(left, right)
        return None

    def _operand(self, depth: int) -> Node:
        self._check(depth)
        token = self._tokens[self._next]
        if self._take("sign", "("):
            inner = self.expression(depth + 1)
            self._close(")")
            return inner
        if self._take("sign", "["):
            items = [self._operand(depth + 1)]
            while self._take("sign", ","):
                items.append(self._operand(depth + 1))
            self._close("]")
            return lambda lookup: [item(lookup) for item in items]
        if token.kind not in ("number", "text", "field"):
            raise self._error("expected a field, a number, a text or a bracket")
        self._next += 1
        if token.kind == "field":
            return _field(token.value)
        return lambda _: token.value

    def _take(self, kind: str, value: str) -> bool:
        token = self._tokens[self._next]
        if token.kind != kind or token.value != value:
            return False
        self._next += 1
        return True

    def _close(self, bracket: str) -> None:
        if not self._take("sign", bracket):
            raise self._error(f"expected {bracket!r}")

    def expect_end(self) -> None:
        """Refuse what is left over."""
        if self._tokens[self._next].kind != "end":
            raise self._error("expected 'and', 'or' or the end")

    def _check(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise self._error(f"over {_DEEPEST} brackets deep")

    def _error(self, message: str) -> FilterError:
        return _error(self._text, self._tokens[self._next].place, message)


def _tokens(text: str) -> Sequence[_Token]:
    tokens = []
    place, end = 0, len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None:
            start = place + len(text[place:]) - len(text[place:].lstrip())
            hint = "; one '=' is none, write '=='" if text[start] == "=" else ""
            raise _error(text, start, f"{text[start]!r} is not understood{hint}")
        kind = str(found.lastgroup)
        tokens.append(_token(kind, found[kind], found.start(kind)))
        place = found.end()
    return [*tokens, _Token("end", None, end)]


def _token(kind: str, word: str, place: int) -> _Token:
    if kind == "number":
        plain = word.replace("_", "")
        whole = plain.lstrip("+-").isdecimal() and len(plain) < _MOST_DIGITS
        return _Token(kind, int(plain) if whole else float(plain), place)
    if kind == "text":
        return _Token(kind, re.sub(r"\\(.)", r"\1", word[1:-1]), place)
    if kind == "field" and word.lower() in _WORDS:
        return _Token("word", word.lower(), place)
    if kind == "field" and word.lower() in _CONSTANTS:
        return _Token("text", _CONSTANTS[word.lower()], place)
    return _Token(kind, word, place)


def _field(word: str) -> Node:
    bracket = word.find("[")
    name = word if bracket < 0 else f"{word[:bracket]}.{word[bracket + 2 : -2]}"
    return lambda lookup: lookup(name)


def _error(text: str, place: int, message: str) -> FilterError:
    return FilterError(f"--where: {message}\n  {text}\n  {' ' * place}^")


def _equal(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _ordered(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def decide(left: Any, right: Any) -> bool:
        try:
            return left is not None and right is not None and bool(compare(left, right))
        except TypeError:
            return False

    return decide


def _contained(left: Any, right: Any) -> bool:
    if isinstance(right, str):
        return isinstance(left, str) and left in right
    return isinstance(right, list | tuple) and any(_equal(left, item) for item in right)


def _like(left: Any, right: Any) -> bool:
    return isinstance(left, str) and isinstance(right, str) and fnmatch.fnmatchcase(left, right)


_COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": _contained,
    "like": _like,
}
