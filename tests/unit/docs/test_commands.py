"""The documents and the command line agree: what they name exists, and what exists is described."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from hoopctl import app as hoopctl_app
from hoopd.commands.app import app as hoopd_app
from tests import repository
from tests.repository import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
JSON_PAGE = (ROOT / "docs/json.md").read_text(encoding="utf-8")

# hoopctl or hoopd, options, and the words behind it, as far as the line of code or the quotation goes.
MENTION = re.compile(r"\b(hoopctl|hoopd)((?: (?:--?[a-z][\w-]*|[a-z][\w|-]*|[A-Z][\w:.-]*))*)")
CODE = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`", re.DOTALL | re.MULTILINE)


def _commands() -> dict[str, dict[str, set[str]]]:
    """For each program its commands, as words behind its name, each with the options that it takes."""
    found: dict[str, dict[str, set[str]]] = {"hoopctl": {}, "hoopd": {}}

    def add(program: str, words: str, command: object) -> None:
        found[program][words] = {name for param in command.params for name in param.opts} | {"--help", "-h"}  # type: ignore[attr-defined]
        for name, below in getattr(command, "commands", {}).items():
            add(program, f"{words} {name}".strip(), below)

    add("hoopctl", "", hoopctl_app.root())
    for name in hoopctl_app.COMMANDS:
        add("hoopctl", name, hoopctl_app.load(name))
    add("hoopd", "", typer.main.get_command(hoopd_app))
    return found


COMMANDS = _commands()


def mentions(document: Path) -> Iterator[tuple[str, list[str]]]:
    """Every call of a program in the document's code, with the words behind it. `--` ends a call."""
    for block, inline in CODE.findall(document.read_text(encoding="utf-8")):
        for line in (block or inline).replace("\\\n", " ").splitlines():
            if block and not re.search(r"(?:^|\$ )\s*(?:hoopctl|hoopd) ", line):
                continue
            for program, words in MENTION.findall(line):
                yield program, words.split()


def problems(program: str, words: list[str]) -> list[str]:
    """What of a call does not exist."""
    command, found = "", []
    for word in words:
        if word.startswith("-"):
            if word not in COMMANDS[program][command] and word not in COMMANDS[program][""]:
                found.append(f"{program} {command} has no option {word}")
            continue
        for choice in word.split("|"):
            deeper = f"{command} {choice}".strip()
            if deeper not in COMMANDS[program] and _wants_command(program, command):
                found.append(f"{program} has no command {deeper}")
        command = f"{command} {word.split('|')[0]}".strip() if _wants_command(program, command) else command
        if command not in COMMANDS[program]:
            break
    return found


def _wants_command(program: str, command: str) -> bool:
    """Whether the next word is a command, and not an argument."""
    return any(known.startswith(f"{command} ".lstrip()) and known != command for known in COMMANDS[program])


@pytest.mark.parametrize("document", DOCUMENTS, ids=repository.name)
def test_commands_and_options_that_are_named_exist(document: Path) -> None:
    assert not [problem for program, words in mentions(document) for problem in problems(program, words)]


def test_a_command_that_does_not_exist_is_seen() -> None:
    assert problems("hoopctl", ["requests", "aprove"]) == ["hoopctl has no command requests aprove"]
    assert problems("hoopctl", ["connect", "prod-db", "--prot"]) == ["hoopctl connect has no option --prot"]
    assert problems("hoopctl", ["requests", "list|show|approve|reject"]) == []
    assert problems("hoopd", ["serv"]) == ["hoopd has no command serv"]


def test_the_readme_shows_commands() -> None:
    shown = {" ".join(words[:2]) for _, words in mentions(ROOT / "README.md")}
    assert {"connect prod-db", "requests reject", "audit search", "audit replay", "audit verify"} <= shown


@pytest.mark.parametrize("name", sorted({name.split(" ")[0] for name in COMMANDS["hoopctl"] if name}))
def test_every_command_is_described(name: str) -> None:
    """By its JSON lines, or on a page for people."""
    if f"## hoopctl {name}" in JSON_PAGE:
        return
    named = [document for document in DOCUMENTS if f"hoopctl {name}" in document.read_text(encoding="utf-8")]
    assert [document for document in named if document.name in ("README.md", "operations.md")]


@pytest.mark.parametrize("name", sorted(name for name in COMMANDS["hoopd"] if name))
def test_every_command_of_the_gateway_is_described(name: str) -> None:
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/operations.md"))
    assert re.search(rf"\bhoopd {name}\b", text)
