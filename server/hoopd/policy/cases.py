"""A policy's own tests: a YAML file of statements, who asks, and what has to come of it.

The form of a file is in docs/policy.md. Only reading it is here; ``runtime.policy_desk`` decides.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from hoopd.domain.decision import Outcome
from hoopd.domain.principal import Principal
from hoopd.policy.model import Some, Strict
from hoopd.policy.nodes import Malformed, plain, read
from hoopd.policy.problems import PolicyError, Problem, at, from_validation
from hoopd.policy.values import Name, Text

MAX_CASES = 1_000
MAX_SQL = 100_000

Sql = Annotated[str, Field(min_length=1, max_length=MAX_SQL)]


class Asker(Strict):
    """Who asks. A case that names nobody is asked by somebody in no group."""

    user: Name = "somebody@example.com"
    groups: Annotated[tuple[Name, ...], Field(max_length=200)] = ()
    application: Annotated[str, Field(max_length=200)] = ""

    @property
    def principal(self) -> Principal:
        """As a token would name them. It never leaves the evaluation: nothing can be done in its name."""
        return Principal("policy test", self.user, self.user, frozenset(self.groups), frozenset(), _NEVER)


_NEVER = datetime.max.replace(tzinfo=UTC)


class Case(Strict):
    """One statement, or with ``connect: true`` the opening of a session, and what is expected.

    ``rules``: exactly those that decide. ``seats``: how many have to be filled, of
    all rules together; one approval may fill several. ``masked``: exactly the columns
    that come out masked. What is left out is not looked at. ``at``: now, where it is not said.
    """

    name: Name
    asker: Annotated[Asker, Field(alias="as")] = Asker()
    connection: Annotated[Name | None, Field(alias="on")] = None
    sql: Sql | None = None
    connect: Literal[True] | None = None
    search_path: Annotated[str, Field(max_length=1_000)] | None = None
    at: Annotated[datetime | None, Field(description="When; without an offset in the policy's zone.")] = None
    expect: Outcome
    rules: Some[Name] | None = None
    seats: Annotated[int | None, Field(ge=1, le=100)] = None
    masked: Annotated[tuple[Text, ...], Field(max_length=200)] | None = None


class Cases(Strict):
    """A file of cases. ``connection`` is where those are asked that name none of their own."""

    version: Literal[1] = 1
    connection: Name | None = None
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=MAX_CASES)]


def load_cases(text: str, source: str) -> Cases:
    """Read a file of cases. Raises PolicyError with every problem, each with line and column."""
    try:
        root = read(text)
    except Malformed as error:
        raise PolicyError([Problem(source, error.place, error.message)]) from None
    try:
        cases = Cases.model_validate_json(json.dumps(plain(root)))
    except ValidationError as error:
        raise PolicyError(from_validation(error, root, source)) from None
    problems = [
        at(("cases", number), root, source, sentence)
        for number, case in enumerate(cases.cases)
        for sentence in _contradictions(case, cases)
    ]
    if problems:
        raise PolicyError(problems)
    return cases


def _contradictions(case: Case, cases: Cases) -> list[str]:
    found = []
    if (case.sql is None) == (case.connect is None):
        found.append(f"`{case.name}` needs either `sql` or `connect: true`")
    if case.connection is None and cases.connection is None:
        found.append(f"`{case.name}` says on no connection: give `on`, or `connection` at the top of the file")
    return found
