"""YAML read into plain values that remember where they stood.

A policy is a security control, so the parts of YAML that surprise are refused or not interpreted: one document only; no
tags, no merge keys, no duplicate or non-text keys; ``yes``, ``no``, ``on``, ``4:30``, ``012`` and dates are text, as in
YAML 1.2; aliases count at their full size, so a small file cannot expand into a large one; depth and size are bounded
(INV-9). No Python object is ever built from a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_WEIGHT = 20_000
"""Of a document with its aliases expanded: each node counts one, and one more for each 64 characters of text."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Line and column, each counted from 1."""

    line: int = 1
    column: int = 1


class Malformed(Exception):
    """The text is not YAML of the accepted kind. ``message`` is one sentence."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


@dataclass(frozen=True, slots=True)
class Scalar:
    place: Place
    value: str | int | float | bool | None
    weight: int


@dataclass(frozen=True, slots=True)
class Sequence:
    place: Place
    items: tuple[Node, ...]
    weight: int


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping; ``keys`` has the place of each key."""

    place: Place
    items: Mapping[str, Node]
    keys: Mapping[str, Place]
    weight: int


Node = Scalar | Sequence | Mapped


def read(text: str, loader: Any = None) -> Node:
    """The one document of ``text``. Raises Malformed.

    ``loader``: a loader class of PyYAML, libyaml's where there is one. Only its parser is used; values are made here,
    never by its constructor.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Malformed(Place(), f"the file is larger than {MAX_BYTES // 1024} KiB")
    chosen = loader or getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Composer(yaml.parse(text, Loader=chosen)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "cannot be read"
        raise Malformed(_place(mark) if mark else Place(), f"this is not YAML: {problem}") from None
    except (yaml.YAMLError, UnicodeError):
        raise Malformed(Place(), "this is not YAML: it holds a character that YAML does not allow") from None


def plain(node: Node) -> Any:
    """The node as dict, list, text, number, truth value or None."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(item) for key, item in node.items.items()}


def locate(root: Node, path: tuple[str | int, ...]) -> tuple[Node, Place]:
    """The deepest node on ``path``, and the place to point at: the key's where the last step is a key.

    Steps that lead nowhere (names of alternatives, keys that are missing) are passed over.
    """
    node, place = root, root.place
    for step in path:
        if isinstance(node, Mapped) and isinstance(step, str) and step in node.items:
            place = node.keys[step]
            node = node.items[step]
        elif isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
            place = node.place
    return node, place


class _Composer:
    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Node] = {}
        self._weight = 0

    def document(self) -> Node:
        event = self._next()
        while isinstance(event, yaml.StreamStartEvent):
            event = self._next()
        if not isinstance(event, yaml.DocumentStartEvent):
            raise Malformed(Place(), "the file is empty")
        root = self._node(self._next(), 0)
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise Malformed(_place(event.start_mark), "a policy is one document: take out the `---`")
        return root

    def _next(self) -> Any:
        return next(self._events)

    def _node(self, event: Any, depth: int) -> Node:
        place = _place(event.start_mark)
        if depth > MAX_DEPTH:
            raise Malformed(place, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place)
        if event.tag is not None:
            raise Malformed(place, f"tags such as `{event.tag}` are not used in a policy: take it out")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(place, _value(event), 1 + len(event.value) // 64)
            self._count(node.weight, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(place, depth)
        else:
            node = self._mapping(place, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any, place: Place) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            raise Malformed(
                place, f"the alias `*{event.anchor}` has no anchor before it; quote a `*` that begins a name"
            )
        self._count(node.weight, place)
        return node

    def _sequence(self, place: Place, depth: int) -> Sequence:
        items: list[Node] = []
        self._count(1, place)
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return Sequence(place, tuple(items), 1 + sum(item.weight for item in items))

    def _mapping(self, place: Place, depth: int) -> Mapped:
        items: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        self._count(1, place)
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event)
            where = _place(event.start_mark)
            if key in items:
                raise Malformed(where, f"`{key}` is here twice; it was first on line {keys[key].line}")
            items[key], keys[key] = self._node(self._next(), depth + 1), where
        return Mapped(place, items, keys, 1 + sum(1 + len(key) // 64 + item.weight for key, item in items.items()))

    def _key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            _refuse_key(event)
        if event.value == "<<" and event.implicit[0]:
            raise Malformed(_place(event.start_mark), "merge keys (`<<`) are not used in a policy: write the keys out")
        self._count(1 + len(event.value) // 64, _place(event.start_mark))
        return str(event.value)

    def _count(self, weight: int, place: Place) -> None:
        self._weight += weight
        if self._weight > MAX_WEIGHT:
            raise Malformed(place, f"more than {MAX_WEIGHT} values, aliases counted at their full size")


def _refuse_key(event: Any) -> NoReturn:
    raise Malformed(_place(event.start_mark), "a key must be plain text")


def _value(event: Any) -> str | int | float | bool | None:
    text = str(event.value)
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)
