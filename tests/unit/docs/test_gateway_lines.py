"""docs/json.md lists the lines of hoopd, with the very fields that its sources give them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoopd.commands.analyze import as_json
from hoopd.domain.statement import SessionState
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog
from tests.fixtures.json_docs import documented
from tests.repository import ROOT

SOURCES = {
    "hoopd dev": "server/hoopd/dev/stack.py",
    "hoopd serve": "server/hoopd/commands/serve.py",
    "hoopd check": "server/hoopd/commands/check.py",
    "hoopd migrate": "server/hoopd/commands/migrate.py",
}


def _events(value: ast.expr) -> Iterator[str]:
    """The event of a line, or events where it is one of two."""
    if isinstance(value, ast.IfExp):
        yield from (*_events(value.body), *_events(value.orelse))
    else:
        assert isinstance(value, ast.Constant), ast.unparse(value)
        yield str(value.value)


def lines(source: Path) -> Iterator[tuple[str, set[str]]]:
    """Each dict with an `event` that the module writes out, by that event."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Dict):
            continue
        keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
        if "event" in keys:
            for event in _events(node.values[keys.index("event")]):
                yield event, {str(key) for key in keys}


@pytest.mark.parametrize("command", SOURCES)
def test_the_lines_are_those_of_the_page(command: str) -> None:
    assert dict(lines(ROOT / SOURCES[command])) == documented(command)


def test_the_line_of_an_analysis_is_that_of_the_page() -> None:
    state = SessionState("pg_catalog", role="", user="", transaction="I", server_version=180000)
    (facts,) = analyse("select relname from pg_class where oid > 1", state, Catalog.builtin())
    assert set(as_json(facts)) == documented("hoopd analyze")["one for each"]
