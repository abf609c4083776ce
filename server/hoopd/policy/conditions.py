"""Conditions: CEL expressions over who asks, where, when and what, checked against their types when a policy is loaded.

An expression is compiled once, by the CEL project's own implementation; nothing of it is ever Python. It cannot run
away: its length, its loops and the values it is given are bounded, the library stops it after 10,000 steps of its loops
together, and nothing in it makes a value longer than those it is made of (``map``, and ``+`` of texts and lists, would
double one over and over). What is not known is not given: a condition that needs it has no answer, and the caller takes
the strict side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from hoopd.domain.connection import Connection
from hoopd.domain.principal import Principal
from hoopd.policy.calls import called, runs_nameless_code
from hoopd.sql.facts import Effect, Facts

LONGEST = 500
"""Characters of one expression."""
MOST_LOOPS = 3
MOST_ITEMS = 200
MOST_CHARACTERS = 1_000
"""Of a list, and of a text, that an expression is given; a longer one is not given at all."""

TOUCH_NOTHING = frozenset({Effect.read, Effect.session, Effect.transaction})
"""Effects that, where no access goes with them, concern no object of the database."""

_TEXT, _NUMBER = cel.Type.STRING, cel.Type.INT
_TEXTS = cel.Type.List(_TEXT)

CLOCK: Mapping[str, Any] = {
    "now.hours": _NUMBER,
    "now.minutes": _NUMBER,
    "now.weekday": _NUMBER,
    "now.date": _TEXT,
}
DECLARED: Mapping[str, Any] = {"application": _TEXT}
STATEMENT: Mapping[str, Any] = {
    "statement.kind": _TEXT,
    "statement.kinds": _TEXTS,
    "statement.effects": _TEXTS,
    "statement.objects": _TEXTS,
    "statement.functions": _TEXTS,
    "statement.predicate": _TEXT,
}
VARIABLES: Mapping[str, Any] = {
    **CLOCK,
    "principal.email": _TEXT,
    "principal.subject": _TEXT,
    "principal.groups": _TEXTS,
    "connection.name": _TEXT,
    "connection.labels": cel.Type.Map(_TEXT, _TEXT),
    **DECLARED,
    **STATEMENT,
}

_WITHOUT = """
stdlib:
  exclude_macros: [map]
  exclude_functions:
    - name: dyn
    - {name: _+_, overloads: [{id: add_string}, {id: add_bytes}, {id: add_list}]}
"""
"""What of CEL there is not: what makes values grow, and what gets round the types."""

_LOOP = re.compile(r"\b(?:all|exists|exists_one|existsOne|filter|map)\b")
_PLACED = re.compile(r"ERROR: <input>:(-?[0-9]+):(-?[0-9]+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '([^']*)'")

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Condition:
    """``text`` compiled. Two with one text are equal.

    ``timed``: it hangs on the time. ``declared``: on what the client says of itself. ``of_statement``: on a statement.
    """

    text: str
    timed: bool = field(compare=False)
    declared: bool = field(compare=False)
    of_statement: bool = field(compare=False)
    _program: Any = field(repr=False, compare=False)

    @staticmethod
    def parse(text: str) -> Condition:
        """Compile and check an expression; ValueError with one sentence where it cannot be used."""
        if len(text) > LONGEST:
            raise ValueError(f"a condition has at most {LONGEST} characters")
        if len(_LOOP.findall(text)) > MOST_LOOPS:
            raise ValueError(f"a condition has at most {MOST_LOOPS} loops such as `all` and `exists`")
        try:
            program = _environment(frozenset()).compile(text)
        except RuntimeError as error:
            raise ValueError(_sentence(str(error))) from None
        if program.return_type() != cel.Type.BOOL:
            kind = program.return_type().name().lower()
            raise ValueError(f"a condition is true or false, and this is of type {kind}: compare it with something")
        return Condition(text, _needs(text, CLOCK), _needs(text, DECLARED), _needs(text, STATEMENT), program)

    def holds(self, values: Values) -> bool | None:
        """True or false; None where there is no answer: a value that is not known, or that cannot be computed with."""
        try:
            answer = self._program.eval(data=values).value()
        except (RuntimeError, ValueError, TypeError):
            return None
        return answer if isinstance(answer, bool) else None


def circumstantial(principal: Principal, connection: Connection, application: str, now: datetime | None) -> Values:
    """What is known of who asks, where and when; ``now`` in the zone that the policy names, or None.

    Nothing finer than a minute, since verdicts are kept for one (``runtime.judging``).
    """
    values: dict[str, object] = {
        "principal.email": principal.email,
        "principal.subject": principal.subject,
        "principal.groups": sorted(principal.groups),
        "connection.name": connection.name,
        "connection.labels": dict(connection.labels),
        "application": application,
    }
    if now is not None:
        values |= {
            "now.hours": now.hour,
            "now.minutes": now.minute,
            "now.weekday": now.isoweekday(),
            "now.date": now.date().isoformat(),
        }
    return {name: value for name, value in values.items() if _is_given(value)}


def of_statement(facts: Facts) -> Values:
    """What is known of a statement. Lists of which it is not known that they are whole are left out."""
    values: dict[str, object] = {
        "statement.kind": facts.kind,
        "statement.kinds": list(facts.kinds or (facts.kind,)),
        "statement.effects": sorted(effect.value for effect in facts.effects),
        "statement.predicate": facts.predicate.value if facts.predicate is not None else "",
    }
    named = {access.effect for access in facts.accesses}
    if facts.effects - named <= TOUCH_NOTHING and all(access.known for access in facts.accesses):
        values["statement.objects"] = _dotted((access.schema, access.name) for access in facts.accesses)
    functions = called(facts)
    if not runs_nameless_code(facts) and all(schema is not None for schema, _ in functions):
        values["statement.functions"] = _dotted(functions)
    return {name: value for name, value in values.items() if _is_given(value)}


def _dotted(names: Iterable[tuple[str | None, str]]) -> list[str]:
    return sorted({f"{schema}.{name}" if schema else name for schema, name in names})


def _is_given(value: object) -> bool:
    match value:
        case str():
            return len(value) <= MOST_CHARACTERS
        case list():
            return len(value) <= MOST_ITEMS and all(map(_is_given, value))
        case dict():
            return len(value) <= MOST_ITEMS and all(map(_is_given, (*value, *value.values())))
        case _:
            return value is not None


@lru_cache
def _environment(without: frozenset[str]) -> Any:
    config = cel.NewEnvConfigFromYaml(_WITHOUT)
    return cel.NewEnv(config=config, variables={name: kind for name, kind in VARIABLES.items() if name not in without})


def _needs(text: str, variables: Mapping[str, Any]) -> bool:
    """Whether an expression that compiles no longer does without these."""
    try:
        _environment(frozenset(variables)).compile(text)
    except RuntimeError:
        return True
    return False


def _sentence(error: str) -> str:
    """The library's first complaint in words for people."""
    found = _PLACED.search(error)
    if found is None or int(found[1]) < 1:
        return "the condition is nested too deeply: take it apart"
    where = f"at character {found[2]}" if found[1] == "1" else f"at line {found[1]}, character {found[2]}"
    problem = found[3].removesuffix(" [INVALID_ARGUMENT]")
    unknown, overload = _UNDECLARED.search(problem), _OVERLOAD.search(problem)
    if unknown is not None:
        near = get_close_matches(unknown[1], list(VARIABLES), n=1, cutoff=0.5)
        return f"a condition has no `{unknown[1]}` ({where})" + (f"; did you mean `{near[0]}`?" if near else "")
    if overload is not None:
        name = overload[1].strip("_@").replace("_", " ")
        return f"`{name}` cannot be used with {overload[2][1:-1]} ({where})"
    return f"this is no condition in CEL ({where}): {problem.removeprefix('Syntax error: ').split(' expecting ')[0]}"
