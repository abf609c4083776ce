"""PostgreSQL's own grammar: text in, plain trees out. The one importer of the SQL parser (libpg_query, by postgast).

The JSON entry point is used, since the protobuf one refuses trees deeper than 100. Text is bounded with the scanner
before the grammar sees it: a chain of 100,000 operators makes a tree whose printing overflows the C stack.

Invariants: text that is not parsed whole gives an error and no statement (INV-2); what is returned covers exactly the
text given. Must not judge what a statement means.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from postgast import native, pg_query_pb2

from hoopd.sql.bounds import TooDeep, check, check_runs
from hoopd.sql.facts import SqlError

Tree = dict[str, Any]

MAX_BYTES = 1 << 20
"""Longest text that is judged, in bytes of UTF-8."""
_PLAIN_BYTES = 300
"""Text this short cannot nest deeply enough to matter, so it is not scanned first."""
_PYTHON_FRAMES = 9000
"""Recursion allowed while a deep tree is decoded and walked; past it 54001."""
_CALLERS = 1000
"""Frames of whoever asks for judgement, for ``allow_deep_recursion``; Python's own limit, so that it is not less."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of PostgreSQL's scanner: ``start`` and ``end`` are byte offsets, ``name`` is the grammar's word."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its own text, its node's type and the node. Locations in the tree are bytes of the whole text.

    So are ``start`` and ``end``, between which it stands, blanks and comments around it included.
    """

    sql: str
    node_type: str
    node: Tree
    start: int = 0
    end: int = 0


class ParseFailure(Exception):
    """The text is not what PostgreSQL would read."""

    def __init__(self, error: SqlError) -> None:
        super().__init__(error.message)
        self.error = error


def _fields() -> Mapping[str, Mapping[str, str]]:
    """For each node type, its fields that hold nodes, and the type of those (``Node``: tagged in the tree itself)."""
    table: dict[str, dict[str, str]] = {}
    for name, message in pg_query_pb2.DESCRIPTOR.message_types_by_name.items():
        table[name] = {f.json_name: f.message_type.name for f in message.fields if f.message_type is not None}
    return table


FIELDS = _fields()
STATEMENT_TYPES = tuple(
    field.message_type.name
    for field in pg_query_pb2.DESCRIPTOR.message_types_by_name["Node"].oneofs[0].fields
    if field.message_type.name.endswith("Stmt")
)
_TOKEN_NAMES = {value.number: value.name for value in pg_query_pb2.DESCRIPTOR.enum_types_by_name["Token"].values}


def _encode(text: str) -> bytes:
    if "\0" in text:
        raise ParseFailure(SqlError("a statement cannot hold a NUL character", text.index("\0") + 1, "22021"))
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        message = "the text is not valid UTF-8"
        raise ParseFailure(SqlError(message, error.start + 1, "22021")) from None
    if len(data) > MAX_BYTES:
        message = f"the text has {len(data)} bytes; at most {MAX_BYTES} are judged"
        raise ParseFailure(SqlError(message, None, "54000", "Send it in smaller parts."))
    try:
        check_runs(data)
    except TooDeep as error:
        raise ParseFailure(SqlError(str(error), None, "54001", "Put blanks between them.")) from None
    return data


def _raise_c(result: Any) -> None:
    if not result.error:
        return
    error = result.error.contents
    message = (error.message or b"unknown error").decode("utf-8", "replace")
    raise ParseFailure(SqlError(message, error.cursorpos if error.cursorpos > 0 else None, "42601"))


def tokens(text: str) -> tuple[Token, ...]:
    """PostgreSQL's tokens of ``text``, comments included. Raises ParseFailure where the scanner does."""
    return tuple(Token(_name(t.token), t.start, t.end) for t in _scan(_encode(text)))


def _scan(data: bytes) -> Any:
    """The scanner's own tokens."""
    result = native.lib.pg_query_scan(data)
    try:
        _raise_c(result)
        scanned = pg_query_pb2.ScanResult.FromString(ctypes.string_at(result.pbuf.data, result.pbuf.len))
    finally:
        native.lib.pg_query_free_scan_result(result)
    return scanned.tokens


def _name(number: int) -> str:
    """The grammar's word for a token; a single character that has none is named by its code."""
    return _TOKEN_NAMES.get(number) or f"ASCII_{number}"


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Let Python recurse deeper for a while, wherever on the stack the caller stands. Not for I/O or waiting.

    In one thread only, unless ``allow_deep_recursion`` was called before: the limit is that of the whole process.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _PYTHON_FRAMES + _frames()))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def allow_deep_recursion() -> None:
    """Let every thread of this process recurse that deep from now on.

    The limit is one for all threads: of two in ``deep_recursion`` the first to leave would take it from the other half
    way, which would then call an innocent statement too deep. After this neither changes it.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _PYTHON_FRAMES + _CALLERS))


def _frames() -> int:
    count, frame = 0, sys._getframe()  # noqa: SLF001  (there is no public way to count one's own frames)
    while frame.f_back is not None:
        count, frame = count + 1, frame.f_back
    return count


def too_deep() -> SqlError:
    """As PostgreSQL says it of its own stack (appendix A, 54001)."""
    return SqlError("the statement is too deeply nested", None, "54001", "Write it with fewer levels.")


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of ``text``, () for none.

    Raises ParseFailure with what PostgreSQL's parser says, or that the text is past a limit (54000, 54001).
    """
    data = _encode(text)
    if len(data) > _PLAIN_BYTES:
        try:
            check(_name(token.token) for token in _scan(data))
        except TooDeep as error:
            raise ParseFailure(SqlError(str(error), None, "54001", error.hint)) from None
    tree = _tree(data)
    return tuple(_statement(data, raw) for raw in tree.get("stmts", ()))


def _tree(data: bytes) -> Tree:
    result = native.lib.pg_query_parse(data)
    try:
        _raise_c(result)
        printed = result.parse_tree
    finally:
        native.lib.pg_query_free_parse_result(result)
    try:
        tree: Tree = json.loads(printed)
    except RecursionError:
        raise ParseFailure(too_deep()) from None
    except ValueError:
        raise ParseFailure(SqlError("the parser's own answer cannot be read", None, "0A000")) from None
    return tree


def _statement(data: bytes, raw: Mapping[str, Any]) -> Statement:
    start = raw.get("stmt_location", 0)
    length = raw.get("stmt_len", 0)
    own = data[start : start + length] if length else data[start:]
    ((node_type, node),) = raw["stmt"].items()
    shown = own.decode("utf-8").strip().rstrip(";").rstrip()
    return Statement(shown, node_type, node, start, start + len(own))


def same_tree(one: str, other: str) -> bool:
    """Whether both texts parse to the same statements, apart from where they stand in the text."""
    try:
        trees = [[(s.node_type, _bare(s.node)) for s in parse(text)] for text in (one, other)]
    except ParseFailure:
        return False
    return trees[0] == trees[1]


_PLACES = frozenset(
    {"location", "stmt_location", "stmt_len", "rexpr_list_start", "rexpr_list_end", "list_start", "list_end"}
)


def _bare(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _bare(value) for key, value in node.items() if key not in _PLACES}
    if isinstance(node, list):
        return [_bare(item) for item in node]
    return node


def inside(value: Any) -> Iterator[tuple[str, Any]]:
    """Every field of a tree, with its name."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, Mapping):
            yield from one.items()
            waiting += one.values()
