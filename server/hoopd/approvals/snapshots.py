"""A snapshot as JSON, and its digest: what a reviewer saw is what they decide on, and what runs (INV-5).

Pure. The JSON is canonical (sorted keys, no blanks, ASCII), so equal snapshots have equal text. Every field takes
part, by construction: a field that is added to ``Snapshot`` is in the digest unless someone takes it out here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any

from hoopd.domain.decision import ReviewTerms, Seats
from hoopd.domain.ids import PolicyVersion, SessionId, StatementNo
from hoopd.domain.request import Meeting, Snapshot, StatementFacts
from hoopd.domain.statement import Param


def encode(snapshot: Snapshot) -> str:
    """Canonical JSON of every field."""
    return json.dumps(_plain(snapshot), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def decode(text: str) -> Snapshot:
    """The inverse of ``encode``.

    Raises:
        ValueError, KeyError, TypeError: ``text`` was not made by ``encode``.
    """
    raw: dict[str, Any] = json.loads(text)
    terms = raw["terms"]
    return Snapshot(
        **{
            **raw,
            "session": SessionId(raw["session"]),
            "statement": StatementNo(raw["statement"]),
            "groups": frozenset(raw["groups"]),
            "params": tuple(Param(**param) for param in raw["params"]),
            "facts": tuple(_facts(facts) for facts in raw["facts"]),
            "rules": tuple(raw["rules"]),
            "terms": ReviewTerms(
                seats=tuple(Seats(s["rule"], frozenset(s["groups"]), s["needed"]) for s in terms["seats"]),
                hold=timedelta(microseconds=terms["hold"]),
                expires=timedelta(microseconds=terms["expires"]),
                reason_required=terms["reason_required"],
            ),
            "policy_version": PolicyVersion(raw["policy_version"]),
            "meets": _meets(raw),
        }
    )


def digest(snapshot: Snapshot) -> str:
    """Hex SHA-256 over everything that is matched and everything that is shown."""
    return hashlib.sha256(encode(snapshot).encode("ascii")).hexdigest()


def _facts(raw: Mapping[str, Any]) -> StatementFacts:
    return StatementFacts(
        kind=raw["kind"],
        effects=tuple(raw["effects"]),
        accesses=tuple(raw["accesses"]),
        functions=tuple(raw["functions"]),
        predicate=raw["predicate"],
        notes=tuple(raw.get("notes", ())),
    )


def _meets(raw: Mapping[str, Any]) -> tuple[Meeting, ...]:
    """A row from before meetings were kept counts as one where nothing could be told (INV-2)."""
    if "meets" not in raw:
        params = tuple(range(1, len(raw["params"]) + 1))
        return (Meeting(((0, len(raw["sql"])),), params, (), anything=True),)
    return tuple(
        Meeting(
            spans=tuple((start, end) for start, end in one["spans"]),
            params=tuple(one["params"]),
            columns=tuple((schema, table, column) for schema, table, column in one["columns"]),
            anything=one["anything"],
        )
        for one in raw["meets"]
    )


def _plain(value: object) -> object:
    """Dataclasses to objects, sets to sorted lists, durations to whole microseconds."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"a snapshot holds a {type(value).__name__}, which has no canonical form")
