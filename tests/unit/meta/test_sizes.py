"""The size budgets: a file of at most 600 lines, a function of at most 60. Complexity is ruff's to check."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests import repository

FILE_LINES = 600
FUNCTION_LINES = 60


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(repository.syntax(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > FUNCTION_LINES:
            yield f"{repository.name(path)}:{node.lineno} {node.name} has {body_lines(node)} lines"


def test_no_file_is_past_its_budget() -> None:
    scripts = [path for path in repository.files() if path.is_relative_to(repository.ROOT / "scripts")]
    protos = [path for path in repository.files() if path.suffix == ".proto"]
    counted = {path: len(path.read_text().splitlines()) for path in {*repository.python_files(), *scripts, *protos}}
    assert counted
    long = {repository.name(path): lines for path, lines in counted.items() if lines > FILE_LINES}
    assert not long, f"split these along what they are about (budget {FILE_LINES} lines): {long}"


def test_no_function_is_past_its_budget() -> None:
    long = [line for path in repository.python_files() for line in long_functions(path)]
    assert not long, f"budget {FUNCTION_LINES} lines:\n" + "\n".join(long)


def test_the_count_is_of_the_body_alone() -> None:
    text = 'def f():\n    """Says\n    much."""\n' + "    x = 1\n" * 61
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert body_lines(function) == 61
