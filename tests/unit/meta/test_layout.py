"""Each module says what it is for and has its tests where one looks for them; no file knows its author's machine."""

import ast
import os
import re
import sys
from pathlib import Path

import pytest

from tests import repository
from tests.repository import PACKAGES, ROOT

# Source modules without a test file of their own, and why. A name that ends with a slash is a package that is tested as
# a whole by the files in its mirrored directory. Short, and getting shorter.
WITHOUT_OWN_TESTS: dict[str, str] = {
    "server/hoopd/domain/": "frozen types; what uses them tests them",
    "server/hoopd/sql/facts.py": "frozen types; every test of the analysis compares them",
    "server/hoopd/session/commands.py": "frozen types; every transcript of the machine compares them",
    "server/hoopd/session/core.py": "the state that every transcript of the machine moves",
    "server/hoopd/session/events.py": "frozen types; every transcript of the machine feeds them",
    "server/hoopd/session/tables.py": "plain entries; the transcripts of the extended protocol fill and empty them",
    "server/hoopd/recording/ports.py": "protocols, which mypy checks against what implements them",
}


# Modules whose own test file is still due. The list only gets shorter: a new module does not go into it, and a line
# whose test is there has to go.
DUE = (Path(__file__).parent / "tests_due.txt").read_text(encoding="utf-8").split()


def mirrored(module: Path) -> Path:
    package = next(package for package in PACKAGES if module.is_relative_to(package))
    inside = module.relative_to(package)
    return PACKAGES[package] / inside.with_name(f"test_{inside.stem.strip('_')}.py")


def test_every_module_opens_with_its_purpose() -> None:
    silent = [
        repository.name(path)
        for path in repository.modules()
        if path.read_text(encoding="utf-8").strip() and ast.get_docstring(repository.syntax(path)) is None
    ]
    assert not silent


def is_excepted(module: Path) -> bool:
    name = repository.name(module)
    return name in {*WITHOUT_OWN_TESTS, *DUE} or any(
        name.startswith(entry) for entry in WITHOUT_OWN_TESTS if entry.endswith("/")
    )


def test_every_module_has_its_tests_in_the_mirrored_place() -> None:
    missing = [
        f"{repository.name(path)}: {repository.name(mirrored(path))}"
        for path in repository.modules()
        if path.name != "__init__.py" and not mirrored(path).exists() and not is_excepted(path)
    ]
    if missing:
        pytest.fail(
            "write the test, or say in WITHOUT_OWN_TESTS why there is none:\n" + "\n".join(missing), pytrace=False
        )


@pytest.mark.parametrize("entry", WITHOUT_OWN_TESTS)
def test_the_list_of_exceptions_holds_what_exists_and_says_why(entry: str) -> None:
    assert WITHOUT_OWN_TESTS[entry]
    assert (ROOT / entry).is_dir() if entry.endswith("/") else (ROOT / entry).is_file()


@pytest.mark.parametrize("entry", DUE)
def test_what_is_due_is_not_there_yet(entry: str) -> None:
    assert (ROOT / entry).is_file(), "the module is gone: take its line out of tests_due.txt"
    assert not mirrored(ROOT / entry).exists(), "its test is there: take its line out of tests_due.txt"


def test_what_is_run_can_be_run() -> None:
    scripts = [path for path in repository.files() if path.read_bytes()[:2] == b"#!"]
    assert {"scripts/demo", "scripts/test", "scripts/gen-protos", ".ci/run"} <= {
        repository.name(path) for path in scripts
    }
    assert not [repository.name(path) for path in scripts if not os.access(path, os.X_OK)]


def test_no_file_knows_the_machine_it_was_made_on() -> None:
    places = {str(ROOT), str(Path.home()), sys.base_prefix} - {"/", "/usr", "/usr/local"}
    machine = re.compile("|".join(rf"{re.escape(place)}(?=[/\s\"'`:])" for place in sorted(places)))
    # An index of packages at an address of its own; the public one is nobody's secret, and examples are examples.
    registry = re.compile(
        r"https?://(?!pypi\.org/|127\.0\.0\.1|[\w.-]*\.(?:example|invalid|test)\b)[^\s\"'/]+/\S*simple\b"
    )
    found = []
    for path in repository.files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{repository.name(path)}: {match[0]}" for match in machine.finditer(text)]
        found += [f"{repository.name(path)}: {match[0]}" for match in registry.finditer(text)]
    assert not found
