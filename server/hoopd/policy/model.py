"""The policy file as types: what it may hold, nothing else. The JSON Schema is made from this module.

Values are frozen. What spans several places (names that must differ, terms that are needed elsewhere) is in
``policy.checks``; where a problem stands in the file, in ``policy.problems``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from hoopd.domain.decision import Outcome
from hoopd.domain.limits import NO_LIMITS, Limits
from hoopd.domain.mask import ColumnMask, MaskKind
from hoopd.policy.clients import Client
from hoopd.policy.values import (
    Application,
    ColumnPattern,
    Duration,
    FunctionPattern,
    If,
    Kind,
    Name,
    ObjectPattern,
    Size,
    Text,
    Timezone,
)
from hoopd.sql.facts import Effect, Predicate

MAX_RULES = 500
MAX_ENTRIES = 200
MOST = 10**12
DEFAULT_HOLD = timedelta(minutes=4)
DEFAULT_EXPIRES = timedelta(minutes=30)

Item = TypeVar("Item")
Some = Annotated[tuple[Item, ...], Field(min_length=1, max_length=MAX_ENTRIES)]


class Strict(BaseModel):
    """Nothing unknown, nothing converted, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=False)


def nearest(word: str, words: Mapping[str, Any] | tuple[str, ...]) -> str | None:
    """The valid word that ``word`` was probably meant to be."""
    found = get_close_matches(word.lower(), list(words), n=1, cutoff=0.5)
    return found[0] if found else None


def _shape(*keys: str) -> Discriminator:
    """Tells a bare word from a mapping by the key that it has, or was probably meant to have."""

    def shape(value: Any) -> str | None:
        if value is None or isinstance(value, str):
            return "word"
        if not isinstance(value, dict):
            return None
        return next((key for key in keys if key in value), None) or next(
            (found for key in value if (found := nearest(str(key), keys))), None
        )

    return Discriminator(shape)


class People(Strict):
    """A person is one of them when any of the two lists names them. ``users`` are e-mails or subjects."""

    users: Annotated[Some[Name] | None, Field(description="E-mails, in any case, or subjects.")] = None
    groups: Annotated[Some[Name] | None, Field(description="Groups, as the identity provider names them.")] = None


class Labels(Strict):
    """Connections that have every one of these labels."""

    labels: Annotated[
        dict[Name, Name], Field(min_length=1, max_length=MAX_ENTRIES, description="All of them have to be there.")
    ]


def _list_of_connections(value: Any) -> str:
    return "labels" if isinstance(value, dict) else "names"


Connections = Annotated[
    Annotated[Some[Name], Tag("names")] | Annotated[Labels, Tag("labels")], Discriminator(_list_of_connections)
]


def _one_or_many(value: Any) -> str:
    return "many" if isinstance(value, list | tuple) else "one"


Predicates = Annotated[
    Annotated[Predicate, Tag("one")] | Annotated[Some[Predicate], Tag("many")], Discriminator(_one_or_many)
]


class Match(Strict):
    """The selectors of a rule, ANDed; entries inside one selector are alternatives. One left out fits everything."""

    connections: Annotated[Connections | None, Field(description="Names of connections, or labels of theirs.")] = None
    effects: Annotated[Some[Effect] | None, Field(description="What is done.")] = None
    kinds: Annotated[Some[Kind] | None, Field(description="Kinds of statements; `*` stands for any characters.")] = None
    objects: Annotated[Some[ObjectPattern] | None, Field(description="Patterns of `schema.name`.")] = None
    columns: Annotated[
        Some[ColumnPattern] | None, Field(description="Patterns of `schema.table.column`, read or written.")
    ] = None
    functions: Annotated[
        Some[FunctionPattern] | None, Field(description="Patterns of `schema.name` of functions that run.")
    ] = None
    predicate: Annotated[
        Predicates | None, Field(description="The WHERE of an UPDATE or DELETE; `constant` is true of every row.")
    ] = None
    principals: Annotated[People | None, Field(description="Who asks.")] = None
    client: Annotated[
        Client | None, Field(description="What is behind the client, by the name that it gives itself.")
    ] = None
    application: Annotated[Some[Application] | None, Field(description="Patterns of `application_name`.")] = None
    condition: Annotated[If | None, Field(alias="if", description="A condition in CEL.")] = None

    @property
    def declared(self) -> bool:
        """Whether it hangs on what the client says of itself: then the rule may forbid and ask, and opens nothing."""
        named = self.client is not None or self.application is not None
        return named or (self.condition is not None and self.condition.declared)


class Seat(Strict):
    """So many distinct people out of any of the groups."""

    groups: Annotated[Some[Name], Field(alias="from", description="Any of these groups.")]
    approvals: Annotated[int, Field(ge=1, le=10, description="So many distinct people.")] = 1


class Review(Strict):
    """Who releases a held statement, and how long it may wait. Either ``from`` or ``all``."""

    groups: Annotated[Some[Name] | None, Field(alias="from", description="Any of these groups.")] = None
    approvals: Annotated[int | None, Field(ge=1, le=10, description="So many distinct people; 1 unless said.")] = None
    all: Annotated[
        Annotated[tuple[Seat, ...], Field(min_length=1, max_length=10)] | None,
        Field(description="Several, each of which has to be met, in place of `from`."),
    ] = None
    hold: Annotated[Duration, Field(description="How long the statement waits on the wire.")] = DEFAULT_HOLD
    expires: Annotated[Duration, Field(description="How long the request stays open.")] = DEFAULT_EXPIRES
    reason: Annotated[Literal["required", "optional"], Field(description="Whether whoever asks has to say why.")] = (
        "optional"
    )


class DenyWith(Strict):
    """A denial, and what the person who asked is told."""

    deny: Annotated[Text, Field(description="What is told.")]


class ReviewBy(Strict):
    """A review on terms of its own."""

    review: Annotated[Review, Field(description="The terms.")]


Word = Annotated[Literal["allow", "deny", "review"], Tag("word")]
Verdict = Annotated[
    Word | Annotated[DenyWith, Tag("deny")] | Annotated[ReviewBy, Tag("review")], _shape("deny", "review")
]


class Connect(Strict):
    """The rule speaks of opening a session, not of statements."""

    connect: Annotated[Verdict, Field(description="What becomes of it.")]


Then = Annotated[
    Word | Annotated[DenyWith, Tag("deny")] | Annotated[ReviewBy, Tag("review")] | Annotated[Connect, Tag("connect")],
    _shape("deny", "review", "connect"),
]


class Bounds(Strict):
    """What bounds a statement that runs. Of several, the least counts."""

    rows: Annotated[int | None, Field(ge=1, le=MOST, description="Rows of one answer.")] = None
    bytes: Annotated[Size | None, Field(description="Bytes of one answer's rows.")] = None
    changed_rows: Annotated[int | None, Field(ge=1, le=MOST, description="Rows that one statement changes.")] = None
    statement_timeout: Annotated[Duration | None, Field(description="How long one statement may run.")] = None

    @property
    def limits(self) -> Limits:
        return Limits(self.rows, self.bytes, self.changed_rows, self.statement_timeout)


class Rule(Strict):
    """When the selectors fit, what follows."""

    name: Annotated[Name, Field(description="What decisions, requests and the record call it.")]
    match: Annotated[Match, Field(description="What it fits; everything unless said.")] = Match()
    then: Annotated[Then, Field(description="`allow`, `review`, `deny`, or one of them with more to say.")]
    limits: Annotated[Bounds | None, Field(description="Of each statement that the rule fits.")] = None

    @property
    def bounds(self) -> Limits:
        return self.limits.limits if self.limits is not None else NO_LIMITS

    @property
    def connects(self) -> bool:
        """Whether it speaks of opening a session."""
        return isinstance(self.then, Connect)

    @property
    def outcome(self) -> Outcome:
        match self._verdict:
            case DenyWith():
                return Outcome.deny
            case ReviewBy():
                return Outcome.review
            case str() as word:
                return Outcome(word)

    @property
    def message(self) -> str | None:
        """Of a denial that has one."""
        return self._verdict.deny if isinstance(self._verdict, DenyWith) else None

    @property
    def review(self) -> Review | None:
        """The terms of its own; a bare ``review`` takes the policy's ``reviewers``."""
        return self._verdict.review if isinstance(self._verdict, ReviewBy) else None

    @property
    def _verdict(self) -> str | DenyWith | ReviewBy:
        return self.then.connect if isinstance(self.then, Connect) else self.then


class KeepLast(Strict):
    """The end of a value stays."""

    last: Annotated[int, Field(ge=1, le=64, description="So many characters.")]


class KeepFirst(Strict):
    """The beginning of a value stays."""

    first: Annotated[int, Field(ge=1, le=64, description="So many characters.")]


class Replace(Strict):
    """A text in place of every value."""

    replace: Annotated[Text, Field(description="The text.")]


With = Annotated[
    Annotated[Literal["full", "null", "hash", "email", None], Tag("word")]
    | Annotated[KeepLast, Tag("last")]
    | Annotated[KeepFirst, Tag("first")]
    | Annotated[Replace, Tag("replace")],
    _shape("last", "first", "replace"),
]
"""YAML's own null is as good as the word."""


class Mask(Strict):
    """How the values of columns are replaced, for everybody but ``except``."""

    name: Annotated[Name | None, Field(description="What decisions call it; its first column unless said.")] = None
    columns: Annotated[Some[ColumnPattern], Field(description="Patterns of `schema.table.column`.")]
    how: Annotated[With, Field(alias="with", description="What becomes of a value.")]
    excepted: Annotated[People | None, Field(alias="except", description="Who sees the values as they are.")] = None
    connections: Annotated[Connections | None, Field(description="Where it holds; everywhere unless said.")] = None
    predicates: Annotated[Outcome, Field(description="What a masked column in WHERE, JOIN, ORDER BY … leads to.")] = (
        Outcome.review
    )

    @property
    def title(self) -> str:
        """Its name, or else its first column, for decisions and messages."""
        return f"mask: {self.name or self.columns[0].text}"

    @property
    def mask(self) -> ColumnMask:
        match self.how:
            case KeepLast(last=keep):
                return ColumnMask(MaskKind.last, keep=keep)
            case KeepFirst(first=keep):
                return ColumnMask(MaskKind.first, keep=keep)
            case Replace(replace=text):
                return ColumnMask(MaskKind.replacement, text=text)
            case None:
                return ColumnMask(MaskKind.null)
            case str() as word:
                return ColumnMask(MaskKind(word))


class Policy(Strict):
    """A whole policy file."""

    version: Annotated[Literal[1], Field(description="The version of this format.")]
    timezone: Annotated[Timezone | None, Field(description="Of `now` in conditions.")] = None
    default: Annotated[Outcome, Field(description="For what no rule covers.")] = Outcome.deny
    reviewers: Annotated[
        Review | None,
        Field(description="The terms of reviews that have none of their own: a bare `review`, `default`, masks."),
    ] = None
    rules: Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES, description="Their order never matters.")] = ()
    masks: Annotated[
        tuple[Mask, ...], Field(max_length=MAX_RULES, description="Every one that fits a column holds.")
    ] = ()
    limits: Annotated[Bounds | None, Field(description="Of each statement, whatever the rules say of it.")] = None

    @property
    def bounds(self) -> Limits:
        return self.limits.limits if self.limits is not None else NO_LIMITS

    @cached_property
    def timed(self) -> bool:
        """Whether any rule hangs on the time, so that what it says now need not hold later."""
        return any(rule.match.condition is not None and rule.match.condition.timed for rule in self.rules)
