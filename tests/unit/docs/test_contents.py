"""Pictures and places that documents point at are there, and the YAML that they show is taken by the gateway."""

import re
from pathlib import Path

import pytest
import yaml

from hoopd.policy import load
from tests import repository
from tests.repository import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PICTURE = re.compile(r"!\[([^\]\n]*)\]\(([^)\s]+)\)")
PLACE = re.compile(r"(?<!!)\[[^\]\n]*\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)")
YAML = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def places(document: Path) -> set[str]:
    """The anchors of a document's headings, as they are made from their words."""
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=repository.name)
def test_pictures_are_there_small_and_described(document: Path) -> None:
    for words, target in PICTURE.findall(document.read_text(encoding="utf-8")):
        picture = document.parent / target
        assert picture.stat().st_size < 200_000
        assert len(words) > 20
        assert "http" not in re.sub(r"https?://(?:www\.)?(?:w3\.org|textualize\.io)\S*", "", picture.read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=repository.name)
def test_places_inside_documents_are_there(document: Path) -> None:
    missing = [
        f"{target}#{place}"
        for target, place in PLACE.findall(document.read_text(encoding="utf-8"))
        if place not in places(document.parent / target if target else document)
    ]
    assert not missing


def test_the_readme_shows_a_picture_and_a_place() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert PICTURE.search(readme)
    assert PLACE.search(readme)


@pytest.mark.parametrize("document", DOCUMENTS, ids=repository.name)
def test_yaml_is_a_policy_that_loads(document: Path) -> None:
    """Settings are shown in `deploy/hoopd.yaml` alone, which has a test of its own."""
    for text in YAML.findall(document.read_text(encoding="utf-8")):
        assert "version" in yaml.safe_load(text)
        assert load(text, repository.name(document)).version == 1
