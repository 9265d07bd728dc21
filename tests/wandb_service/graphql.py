"""Enough GraphQL to answer a client: a document is parsed, and its selections are cut out of Python objects.

A field that no object has is never answered with a guess: it raises ``UnknownFieldError``, which fails the test.
"""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(
    r'[\s,]+|#[^\n]*|(?P<string>"""(?:.|\n)*?"""|"(?:\\.|[^"\\])*")|(?P<spread>\.\.\.)'
    r"|(?P<name>[_A-Za-z]\w*)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<mark>[{}()\[\]:=!$@|])"
)


class UnknownFieldError(Exception):
    """The client asked for something that the stand-in does not know."""


class RefusedError(Exception):
    """The service answers with an error on purpose."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Node:
    """An object of the schema; a field is a value, or a function of the field's arguments in snake case."""

    typename: str
    fields: Mapping[str, Any]
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variable:
    name: str


@dataclass
class Selection:
    """A field, an inline fragment (``on``) or a spread, by which of its names is set."""

    name: str = ""
    alias: str = ""
    on: str = ""
    spread: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    directives: dict[str, dict[str, Any]] = field(default_factory=dict)
    selections: "list[Selection]" = field(default_factory=list)


@dataclass
class Document:
    kind: str = "query"
    name: str = ""
    defaults: dict[str, Any] = field(default_factory=dict)
    selections: list[Selection] = field(default_factory=list)
    fragments: dict[str, Selection] = field(default_factory=dict)


class Parser:
    """Reads one document, token by token."""

    def __init__(self, text: str) -> None:
        self.tokens = [m for m in TOKEN.finditer(text) if m.lastgroup]
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at].group() if self.at < len(self.tokens) else ""

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if not token or (expected is not None and token != expected):
            raise RefusedError(400, f"syntax error: expected {expected!r}, found {token!r}")
        self.at += 1
        return token

    def document(self) -> Document:
        document = Document()
        while self.peek():
            if self.peek() == "fragment":
                self.take()
                name = self.take()
                self.take("on")
                document.fragments[name] = Selection(on=self.take(), selections=self.selection_set())
                continue
            if self.peek() in ("query", "mutation"):
                document.kind = self.take()
                if self.peek() not in "({":
                    document.name = self.take()
                if self.peek() == "(":
                    document.defaults = self.variable_definitions()
            document.selections = self.selection_set()
        return document

    def variable_definitions(self) -> dict[str, Any]:
        defaults: dict[str, Any] = {}
        self.take("(")
        while self.peek() != ")":
            self.take("$")
            name = self.take()
            self.take(":")
            while self.peek() not in ("$", ")", "="):
                self.take()
            if self.peek() == "=":
                self.take()
                defaults[name] = self.value()
        self.take(")")
        return defaults

    def selection_set(self) -> list[Selection]:
        selections = []
        self.take("{")
        while self.peek() != "}":
            selections.append(self.selection())
        self.take("}")
        return selections

    def selection(self) -> Selection:
        found = Selection()
        if self.peek() == "...":
            self.take()
            if self.peek() == "on":
                self.take()
                found.on = self.take()
            elif self.peek() not in ("{", "@"):
                found.spread = self.take()
        else:
            found.name = found.alias = self.take()
            if self.peek() == ":":
                self.take()
                found.name = self.take()
            found.arguments = self.arguments()
        while self.peek() == "@":
            self.take()
            directive = self.take()
            found.directives[directive] = self.arguments()
        if self.peek() == "{":
            found.selections = self.selection_set()
        return found

    def arguments(self) -> dict[str, Any]:
        return self.pairs("(", ")") if self.peek() == "(" else {}

    def pairs(self, opening: str, closing: str) -> dict[str, Any]:
        pairs = {}
        self.take(opening)
        while self.peek() != closing:
            name = self.take()
            self.take(":")
            pairs[name] = self.value()
        self.take(closing)
        return pairs

    def value(self) -> Any:
        token = self.peek()
        if token == "$":
            self.take()
            return Variable(self.take())
        if token == "{":
            return self.pairs("{", "}")
        if token == "[":
            self.take()
            values = []
            while self.peek() != "]":
                values.append(self.value())
            self.take("]")
            return values
        self.take()
        words = {"true": True, "false": False, "null": None}
        if token in words:
            return words[token]
        if token.startswith('"') or token[0] in "-0123456789":
            return json.loads(token)
        return token  # a name of an enumeration


def snake(name: str) -> str:
    """``minStep`` as ``min_step``, ``runID`` as ``run_id``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@dataclass
class Execution:
    """One document run against one root object."""

    document: Document
    variables: Mapping[str, Any]

    def run(self, roots: Mapping[str, Node]) -> dict[str, Any]:
        return self.cut(roots[self.document.kind], self.document.selections)

    def resolved(self, value: Any) -> Any:
        if isinstance(value, Variable):
            return self.variables.get(value.name, self.document.defaults.get(value.name))
        if isinstance(value, dict):
            given = {k: v for k, v in value.items() if not self.is_absent(v)}
            return {key: self.resolved(part) for key, part in given.items()}
        return [self.resolved(part) for part in value] if isinstance(value, list) else value

    def is_absent(self, value: Any) -> bool:
        """Whether it is a variable that the client left out: an input without it, not one with null."""
        known = (
            value.name in self.variables or value.name in self.document.defaults
            if isinstance(value, Variable)
            else True
        )
        return not known

    def included(self, selection: Selection) -> bool:
        conditions = {name: self.resolved(a.get("if")) for name, a in selection.directives.items()}
        if set(conditions) - {"include", "skip"}:
            raise UnknownFieldError(f"directive in {self.document.name}: {sorted(conditions)}")
        return conditions.get("include", True) and not conditions.get("skip", False)

    def cut(self, node: Node, selections: list[Selection]) -> dict[str, Any]:
        reply: dict[str, Any] = {}
        for selection in selections:
            if not self.included(selection):
                continue
            if selection.name:
                reply[selection.alias] = self.field(node, selection)
                continue
            inner = self.document.fragments[selection.spread] if selection.spread else selection
            if inner.on in ("", node.typename, *node.interfaces):
                merge(reply, self.cut(node, inner.selections))
        return reply

    def field(self, node: Node, selection: Selection) -> Any:
        if selection.name == "__typename":
            return node.typename
        if selection.name not in node.fields:
            raise UnknownFieldError(
                f"{self.document.kind} {self.document.name}: {node.typename}.{selection.name}"
            )
        value = node.fields[selection.name]
        if callable(value):
            value = self.call(value, f"{node.typename}.{selection.name}", self.resolved(selection.arguments))
        return self.project(value, selection)

    def call(self, resolver: Callable[..., Any], where: str, arguments: dict[str, Any]) -> Any:
        """Call a resolver; ``input`` is unpacked, so that a key that it does not know is an unknown field too."""
        given = {snake(k): v for k, v in {**arguments.pop("input", {}), **arguments}.items()}
        signature = inspect.signature(resolver)
        # wandb-core writes every key of an input, most of them with null
        given = {k: v for k, v in given.items() if v is not None or k in signature.parameters}
        try:
            signature.bind(**given)
        except TypeError as error:
            raise UnknownFieldError(f"{self.document.kind} {self.document.name}: {where}: {error}") from None
        return resolver(**given)

    def project(self, value: Any, selection: Selection) -> Any:
        if isinstance(value, Node):
            return self.cut(value, selection.selections)
        if isinstance(value, list) and selection.selections:
            return [self.project(item, selection) for item in value]
        return value


def only(arguments: Mapping[str, Any], *ignored: str) -> None:
    """Let a resolver ignore the arguments that are named, and no others."""
    if set(arguments) - set(ignored):
        raise UnknownFieldError(f"arguments: {sorted(set(arguments) - set(ignored))}")


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Join two cuts of one object, as the same field may be selected in several fragments."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def execute(text: str, variables: Mapping[str, Any], roots: Mapping[str, Node]) -> dict[str, Any]:
    """The ``data`` of the reply to a document; ``roots`` has ``query`` and ``mutation``."""
    return Execution(Parser(text).document(), variables).run(roots)


def connection(nodes: list[Node], extra: list[Mapping[str, Any]] | None = None, **fields: Any) -> Node:
    """The edges-and-nodes form in which lists are paged; everything is on one page."""
    extras = extra or [{} for _ in nodes]
    edges = [
        Node("Edge", {"node": node, "cursor": str(n), **more})
        for n, (node, more) in enumerate(zip(nodes, extras, strict=True))
    ]
    page = Node("PageInfo", {"endCursor": None, "hasNextPage": False})
    return Node("Connection", {"edges": edges, "pageInfo": page, "totalCount": len(nodes), **fields})
