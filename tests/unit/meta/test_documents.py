"""Documents: their links lead somewhere, each decision is in the list, and scripts that they name exist."""

import re
from pathlib import Path

import pytest

from tests import repository
from tests.repository import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?!https?:|mailto:|#)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=repository.name)
def test_links_lead_to_files_that_exist(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert not [link for link in links if not (document.parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=repository.name)
def test_scripts_that_are_named_exist(document: Path) -> None:
    named = re.findall(r"(?<![\w/.])scripts/[a-z][\w-]*(?:/[\w.-]+\w)?", document.read_text(encoding="utf-8"))
    assert not [script for script in named if not (ROOT / script).exists()]


def test_every_decision_is_in_the_list() -> None:
    pages = {path.name for path in (ROOT / "docs/adr").glob("[0-9]*.md")}
    listed = set(LINK.findall((ROOT / "docs/adr/README.md").read_text(encoding="utf-8")))
    assert pages
    assert listed == pages


def test_the_changelog_has_a_place_for_what_is_not_released() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_lock_command_is_the_one_that_made_the_lock() -> None:
    """The command in CONTRIBUTING.md leaves no address in the lock, and locks every platform."""
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("\\\n", " ").split())
    options = "--extra server --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url"
    assert f"uv pip compile pyproject.toml {options} --no-emit-find-links --no-header -o requirements.lock" in text
