"""What is wrong with a policy file, where, and the nearest valid word: pydantic's findings as sentences for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from hoopd.domain.errors import InvalidInput
from hoopd.policy import model
from hoopd.policy.kinds import KINDS
from hoopd.policy.nodes import Mapped, Node, Place, Scalar, locate, plain

Path = tuple[str | int, ...]

MOST_PROBLEMS = 50
"""Told of one file: each costs a search for the word that was meant (INV-9)."""

NOT_YET: Mapping[str, frozenset[str]] = {
    "match": frozenset({"rows"}),
    "review": frozenset({"detach", "scope"}),
    "reviewers": frozenset({"detach", "scope"}),
    "rules": frozenset({"rows"}),
    "masks": frozenset({"if", "rows"}),
    "with": frozenset({"range"}),
    "connections": frozenset({"hosts"}),
}
"""Words that the file format keeps for later, by the key that they stand under: refused by name, never ignored."""

_DECLARED = frozenset({"client", "application"})
_PEOPLE = frozenset({"principals", "except"})

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "then": ("allow", "deny", "review", "connect"),
    "connect": ("allow", "deny", "review"),
    "with": ("full", "null", "hash", "email", "last", "first", "replace"),
}
_MODELS: Mapping[str, type[BaseModel]] = {
    "": model.Policy,
    "rules": model.Rule,
    "masks": model.Mask,
    "match": model.Match,
    "review": model.Review,
    "limits": model.Bounds,
    "reviewers": model.Review,
    "all": model.Seat,
    "principals": model.People,
    "except": model.People,
    "connections": model.Labels,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, and where."""

    source: str
    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.source}:{self.place.line}:{self.place.column}: {self.message}"


class PolicyError(InvalidInput):
    """A policy that cannot be used: nothing of it is in force (INV-2). ``problems`` has all that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.place, problem.message)))
        more = len(self.problems) - 1
        super().__init__(f"{self.problems[0]}" + (f" ({more} more like it)" if more else ""))


def from_validation(error: ValidationError, root: Node, source: str) -> list[Problem]:
    """Every finding of pydantic as a problem with its place."""
    found = error.errors(include_url=False)[:MOST_PROBLEMS]
    meant = {_meant(finding, root) for finding in found if finding["type"] == "extra_forbidden"}
    return [_problem(finding, root, source) for finding in found if not _follows(finding, found, meant)]


def at(path: Path, root: Node, source: str, message: str) -> Problem:
    """A problem at the place that ``path`` leads to."""
    return Problem(source, locate(root, path)[1], message)


def _problem(finding: Mapping[str, Any], root: Node, source: str) -> Problem:
    path: Path = tuple(finding["loc"])
    node, place = locate(root, path)
    section = _section(path, root)
    match finding["type"]:
        case "extra_forbidden":
            message = _unknown_word(str(path[-1]), section)
        case "missing":
            message = f"{_called(section)} needs `{path[-1]}`"
        case "literal_error" if path[-1:] == ("version",):
            message = "`version` must be the number 1, the version of the policy file that this gateway reads"
        case "enum" | "literal_error" | "union_tag_not_found" | "union_tag_invalid" | "kind":
            message = _unknown_value(plain(node), section, finding)
        case "policy":
            message = str(finding["ctx"]["sentence"])
        case kind:
            message = _plain_finding(kind, finding, section, node)
    # A value is pointed at itself, a word that should not be there or is missing at its key.
    if isinstance(node, Scalar) and node.value is not None and finding["type"] != "extra_forbidden":
        place = node.place
    return Problem(source, place, message)


def _section(path: Path, root: Node) -> str:
    """The innermost key of the file on the way to the last step of ``path``."""
    node, section = root, ""
    for step in path[:-1]:
        if isinstance(node, Mapped) and step in node.items:
            section, node = str(step), node.items[str(step)]
        elif isinstance(step, int):
            node = locate(node, (step,))[0]
    return section


def _follows(finding: Mapping[str, Any], found: Sequence[Mapping[str, Any]], meant: set[Path]) -> bool:
    """Whether it only follows from another: a missing word that was misspelt, a list too short for its bad entries."""
    path: Path = tuple(finding["loc"])
    if finding["type"] == "missing":
        return path in meant
    return finding["type"] == "too_short" and any(
        len(other["loc"]) > len(path) and tuple(other["loc"])[: len(path)] == path for other in found
    )


def _meant(finding: Mapping[str, Any], root: Node) -> Path:
    """The path of the word that a misspelt one was meant to be: to say that it is missing would say it twice."""
    path: Path = tuple(finding["loc"])
    return (*path[:-1], model.nearest(str(path[-1]), _words(_section(path, root))) or "")


def _called(section: str) -> str:
    return {
        "": "a policy",
        "rules": "a rule",
        "masks": "a mask",
        "all": "an entry of `all`",
    }.get(section, f"`{section}`")


def _words(section: str) -> tuple[str, ...]:
    if section in _SECTIONS:
        return _SECTIONS[section]
    found = _MODELS.get(section)
    return tuple(field.alias or name for name, field in found.model_fields.items()) if found else ()


def _unknown_word(word: str, section: str) -> str:
    if word in NOT_YET.get(section, ()):
        return f"`{word}` is not supported yet: take it out, for it would not be enforced"
    if section == "rules" and word in _words("match"):
        return f"`{word}` is a selector: it belongs under `match`"
    if word in _DECLARED and section in _PEOPLE:
        return f"`{word}` is the client's own word, which anybody can choose: `{section}` names people"
    return f"{_called(section)} has no `{word}`{_suggestion(word, _words(section))}"


def _unknown_value(value: Any, section: str, finding: Mapping[str, Any]) -> str:
    key = next((str(step) for step in reversed(finding["loc"]) if step in _SECTIONS), section)
    words = _expected(finding, key)
    if isinstance(value, Mapping) and value:
        return _unknown_word(str(next(iter(value))), key)
    if isinstance(value, str):
        if value in NOT_YET.get(key, ()):
            return f"`{value}` is not supported yet: take it out, for it would not be enforced"
        return f"`{value}` is not known here{_suggestion(value, words)}"
    return f"this must be one of {_listed(words)}"


def _expected(finding: Mapping[str, Any], key: str) -> tuple[str, ...]:
    if finding["type"] == "kind":
        return tuple(sorted(KINDS))
    if key in _SECTIONS:
        return _SECTIONS[key]
    expected = str(finding.get("ctx", {}).get("expected", ""))
    return tuple(expected.replace(" or ", ", ").replace("'", "").split(", "))


def _suggestion(word: str, words: tuple[str, ...]) -> str:
    found = model.nearest(word, words)
    if found:
        return f"; did you mean `{found}`?"
    return f"; it may be {_listed(words)}" if 0 < len(words) <= 12 else ""


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _plain_finding(kind: str, finding: Mapping[str, Any], section: str, node: Node) -> str:
    path = finding["loc"]
    name = next((str(step) for step in reversed(path) if isinstance(step, str)), section)
    if kind in _TYPES:
        return f"`{name}` must be {_TYPES[kind]}, and is {_described(plain(node))}" if name else "a policy is a mapping"
    if kind == "too_short":
        return f"`{name}` is empty: leave it out, or name at least one"
    message = str(finding["msg"])
    return f"`{name}`: {message[0].lower()}{message[1:]}"


def _described(value: Any) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"
