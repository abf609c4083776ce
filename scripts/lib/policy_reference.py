"""Makes docs/policy-reference.md from the JSON Schema of policy files, which is made from ``hoopd.policy.model``.

Run by `scripts/gen-docs`; a test compares the committed page with it. The text at the top is kept here.
"""

from __future__ import annotations

import sys
from typing import Any

from hoopd.policy.loading import schema

HEAD = """\
# Every key of a policy file

What each means, and how a decision is made, is told in [policy.md](policy.md); this page lists the keys, what may stand
there, and what holds where they are left out. A key that is not listed is an error.

This page is made by `scripts/gen-docs` from [the JSON Schema](../protos/hoop/policy/schema.json), which `hoopctl policy
schema` prints.
"""
SECTIONS = {
    "Rule": "An entry of `rules`",
    "Match": "`match`",
    "People": "`principals`, and `except` of a mask",
    "Labels": "`connections` by labels",
    "DenyWith": "`then` with a message",
    "ReviewBy": "`then` with terms of review",
    "Connect": "`then` of a rule for opening a session",
    "Review": "`review`, and `reviewers` at the top",
    "Seat": "An entry of `all` in a review",
    "Mask": "An entry of `masks`",
    "KeepLast": "`with` that keeps the end",
    "KeepFirst": "`with` that keeps the beginning",
    "Replace": "`with` of a text",
    "Bounds": "`limits`",
}
"""Definitions of the schema in the order of the page, and what they are called there."""
PLAIN = ("Client", "Effect", "Outcome", "Predicate")
"""Definitions that are words, told where they are used."""


def page() -> str:
    """The whole page."""
    whole = schema()
    definitions: dict[str, Any] = whole["$defs"]
    missing = set(definitions) - set(SECTIONS) - set(PLAIN)
    if missing:
        raise SystemExit(f"policy_reference.py: say in SECTIONS what these are called: {', '.join(sorted(missing))}")
    sections = [_table("At the top", whole, definitions)]
    sections += [_table(title, definitions[name], definitions) for name, title in SECTIONS.items()]
    return "\n".join([HEAD, *sections])


def _table(title: str, section: dict[str, Any], definitions: dict[str, Any]) -> str:
    about = " ".join(section.get("description", "").replace("``", "`").split())
    required = section.get("required", ())
    rows = []
    for name, value in section["properties"].items():
        cells = (f"`{name}`", _kind(value, definitions), _default(name, value, required), value.get("description", ""))
        rows.append(f"| {' | '.join(cells)} |")
    head = "| key | value | default | |\n|---|---|---|---|\n"
    return f"## {title}\n\n{about}\n\n{head}" + "\n".join(rows) + "\n"


def _kind(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return _listed(definitions[name]["enum"]) if name in PLAIN else f"[mapping](#{_anchor(SECTIONS[name])})"
    for several in ("anyOf", "oneOf"):
        if several in value:
            parts = [_kind(part, definitions) for part in value[several] if part.get("type") != "null"]
            return ", or ".join(dict.fromkeys(parts))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return _listed(value["enum"])
    return _simple(value, definitions)


def _simple(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    match value.get("type"):
        case "array":
            return f"list of {_kind(value['items'], definitions)}"
        case "object":
            return "mapping of names to texts"
        case "integer":
            bounds = [str(value[end]) for end in ("minimum", "maximum") if end in value]
            return f"number, {' to '.join(bounds)}" if len(bounds) == 2 else "number"
        case "string" if value.get("default", "").startswith("PT"):
            return "duration, such as `4m` or `1h30m`"
        case kind:
            return {"string": "text", None: "text"}.get(kind, str(kind))


def _listed(words: list[Any]) -> str:
    return ", ".join(f"`{'null' if word is None else word}`" for word in dict.fromkeys(words) if word is not None)


def _default(name: str, value: dict[str, Any], required: Any) -> str:
    if name in required:
        return "must be given"
    given = value.get("default")
    if given is None or isinstance(given, list | dict):
        return ""
    return f"`{given.removeprefix('PT').lower() if str(given).startswith('PT') else given}`"


def _anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


if __name__ == "__main__":
    sys.stdout.write(page())
