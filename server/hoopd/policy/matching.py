"""Whether a rule's selectors fit: to who asks and where, to a statement, and to one access.

An access fits in two ways, and doubt falls on the strict side of both. An allow rule must *surely* fit: an object that
the catalog does not have is fitted by a lone ``*`` (or ``*.*``, or no ``objects`` at all) only. A review or deny rule
need only *possibly* fit: such an object fits by its name in any schema it could be in, a pattern of one part fits that
name in every schema, and dropping a schema touches everything in it. Where the columns of an access are not known, it
surely fits no column, and possibly any of its table; code that has no name possibly calls any function. A condition
without an answer surely does not hold, and possibly does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from hoopd.domain.connection import Connection
from hoopd.domain.patterns import NamePattern
from hoopd.domain.principal import Principal
from hoopd.policy import clients, conditions
from hoopd.policy.calls import called, is_call, runs_nameless_code
from hoopd.policy.conditions import TOUCH_NOTHING
from hoopd.policy.model import Connections, Labels, Match, People
from hoopd.policy.values import kind_matches
from hoopd.sql.facts import Effect, Facts, ObjectAccess, ObjectKind, Predicate

_HAVE_COLUMNS = frozenset(
    {
        ObjectKind.table,
        ObjectKind.partitioned_table,
        ObjectKind.partition,
        ObjectKind.view,
        ObjectKind.materialized_view,
        ObjectKind.foreign_table,
        ObjectKind.catalog,
        ObjectKind.unknown,
    }
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who asks, on which connection, with what client. ``application`` is the client's own word.

    ``now``: aware; needed where the policy is ``timed``, and in its zone (``local``) where conditions are asked.
    """

    principal: Principal
    connection: Connection
    application: str = ""
    now: datetime | None = None


def local(circumstances: Circumstances, timezone: str | None) -> Circumstances:
    """With the time as it is in ``timezone``, and without any where none is named."""
    now = circumstances.now
    if now is None:
        return circumstances
    return replace(circumstances, now=now.astimezone(ZoneInfo(timezone)) if timezone is not None else None)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a rule must cover: an access, or an effect that has none (``access`` is None)."""

    effect: Effect
    access: ObjectAccess | None = None

    def __str__(self) -> str:
        """In the words of a denial."""
        if self.access is not None:
            return f"{self.access}" + ("" if self.access.known else " (which the database's catalog does not have)")
        return "reading" if self.effect is Effect.read else f"the effect {self.effect}"


def needs(facts: Facts) -> tuple[Need, ...]:
    """Everything a statement does, each once: its accesses, then its effects and untrusted functions that have none.

    A statement that does nothing at all is a read of nothing.
    """
    found = [Need(access.effect, access) for access in facts.accesses]
    named = {(access.effect, access.schema, access.name) for access in facts.accesses}
    for function in facts.functions:
        if not function.trusted and (Effect.opaque, function.schema, function.name) not in named:
            known = function.schema is not None
            access = ObjectAccess(Effect.opaque, ObjectKind.function, function.schema, function.name, known)
            found.append(Need(Effect.opaque, access))
    spoken_for = {need.effect for need in found}
    found += [Need(effect) for effect in sorted(facts.effects - spoken_for)]
    return tuple(dict.fromkeys(found)) or (Need(Effect.read),)


def is_built_in(need: Need) -> bool:
    """Whether no allow rule is asked for: a read of a catalog that carries no data, also beside other reads."""
    access = need.access
    return access is not None and access.effect is Effect.read and access.kind is ObjectKind.catalog and access.known


def is_one_of(people: People, principal: Principal) -> bool:
    """Whether the principal is named by e-mail (in any case), subject or group."""
    users = {user.casefold() for user in people.users or ()}
    email = principal.email
    return (
        (email is not None and email.casefold() in users)
        or principal.subject in (people.users or ())
        or not principal.groups.isdisjoint(people.groups or ())
    )


def fits_connection(connections: Connections | None, connection: Connection) -> bool:
    """Whether the connection is one of those named, or has all of the labels."""
    if connections is None:
        return True
    if isinstance(connections, Labels):
        return all(connection.labels.get(key) == value for key, value in connections.labels.items())
    return connection.name in connections


def fits_circumstances(match: Match, circumstances: Circumstances) -> bool:
    """The selectors that speak of who, where, and with what client."""
    application = circumstances.application
    return (
        fits_connection(match.connections, circumstances.connection)
        and (match.principals is None or is_one_of(match.principals, circumstances.principal))
        and (match.client is None or match.client in clients.possible(application))
        and (match.application is None or any(pattern.matches(application) for pattern in match.application))
    )


def fits_condition(match: Match, circumstances: Circumstances | None, facts: Facts | None, *, surely: bool) -> bool:
    """The rule's ``if``. Without an answer an allow rule (``surely``) does not fit, and a review or deny rule does."""
    condition, who = match.condition, circumstances
    if condition is None:
        return True
    holds: bool | None = None
    if who is not None:
        holds = condition.holds(_values(who, facts if condition.of_statement else None))
    return holds is True if surely else holds is not False


_made: tuple[Circumstances, Facts | None, conditions.Values] | None = None
"""What conditions were given last: a policy has many, and they are asked one behind the other of the same statement."""


def _values(who: Circumstances, facts: Facts | None) -> conditions.Values:
    global _made
    last = _made
    if last is not None and last[0] is who and last[1] is facts:
        return last[2]
    given = conditions.circumstantial(who.principal, who.connection, who.application, who.now)
    if facts is not None:
        given = {**given, **conditions.of_statement(facts)}
    _made = (who, facts, given)
    return given


def fits_statement(match: Match, facts: Facts, *, surely: bool, circumstances: Circumstances | None = None) -> bool:
    """The selectors that speak of the statement as a whole.

    A statement can hold others (CTEs, EXPLAIN): for an allow rule (``surely``) all of their kinds must be named, for a
    review or deny rule one is enough. A review or deny rule asks for one function among all that run; what an allow
    rule covers of them is asked one by one (``surely_fits``). ``circumstances`` are for the condition (``local``).
    """
    if match.functions is not None and not surely and not _may_call(match.functions, facts):
        return False
    if match.kinds is not None:
        named = [any(kind_matches(entry, kind) for entry in match.kinds) for kind in facts.kinds or (facts.kind,)]
        if not (all(named) if surely else any(named)):
            return False
    if match.predicate is not None:
        wanted = (match.predicate,) if isinstance(match.predicate, Predicate) else match.predicate
        if facts.predicate not in wanted:
            return False
    return fits_condition(match, circumstances, facts, surely=surely)


def surely_fits(match: Match, need: Need) -> bool:
    """Whether an allow rule, or a review rule that holds the statement, covers it: the whole pair.

    What hangs on the client's own word covers nothing, whatever the rule says: else the same statement under another
    name would be let further.
    """
    if match.declared:
        return False
    if match.effects is not None and need.effect not in match.effects:
        return False
    if match.functions is not None and not _surely_call(match.functions, need):
        return False
    if match.columns is not None and not _surely_columns(match.columns, need):
        return False
    if match.objects is None:
        return True
    if need.access is None:
        # A read of nothing needs an allow for reads, of whatever; any other effect of nothing by name, one for all.
        return need.effect is Effect.read or any(pattern.everything for pattern in match.objects)
    return any(_surely(pattern, need.access) for pattern in match.objects)


def possibly_fits(match: Match, need: Need) -> bool:
    """Whether a review or deny rule matches it, by what it speaks of other than functions (``fits_statement``)."""
    if match.effects is not None and need.effect not in match.effects:
        return False
    if match.columns is not None and not _possibly_columns(match.columns, need):
        return False
    if match.objects is None:
        return True
    if need.access is None:
        # What it touches is not known by name (`VACUUM`, a `DO` block), so it may be this.
        return need.effect not in TOUCH_NOTHING or any(pattern.everything for pattern in match.objects)
    return any(_possibly(pattern, need.access) for pattern in match.objects)


def any_fits(match: Match, all_needs: Iterable[Need]) -> bool:
    return any(possibly_fits(match, need) for need in all_needs)


def column_reads(facts: Facts) -> tuple[Need, ...]:
    """Every column that the statement is known to read, those of tables that inherit from the ones it names among
    them: for review and deny rules with ``columns``, beside the needs. Nobody has to cover them.
    """
    outputs = (source for column in facts.output or () for source in column.sources)
    found = dict.fromkeys((*outputs, *facts.inferable, *facts.derived))
    return tuple(
        Need(Effect.read, ObjectAccess(Effect.read, ObjectKind.table, one.schema, one.table, columns=(one.column,)))
        for one in found
    )


def _surely(pattern: NamePattern, access: ObjectAccess) -> bool:
    if pattern.everything:
        return True
    if not access.known:
        return False
    return pattern.matches(*_names(access))


def _possibly(pattern: NamePattern, access: ObjectAccess) -> bool:
    if pattern.everything or pattern.matches(*_names(access)):
        return True
    if len(pattern.parts) == 1:
        return pattern.part_matches(0, access.name)
    if access.kind is ObjectKind.schema:
        return pattern.part_matches(0, access.name)
    return not access.known and access.schema is None and pattern.part_matches(-1, access.name)


def _may_call(patterns: Iterable[NamePattern], facts: Facts) -> bool:
    """By any function that runs, trusted or not, or by code that has no function's name."""
    if runs_nameless_code(facts):
        return True
    functions = called(facts)
    return any(_possibly_calls(pattern, *one) for pattern in patterns for one in functions)


def _possibly_calls(pattern: NamePattern, schema: str | None, name: str) -> bool:
    if schema is None or len(pattern.parts) == 1:
        return pattern.part_matches(-1, name)
    return pattern.matches(schema, name)


def _surely_call(patterns: Iterable[NamePattern], need: Need) -> bool:
    access = need.access
    if access is None or not is_call(access) or not access.known or access.schema is None:
        return False
    return any(pattern.matches(access.schema, access.name) for pattern in patterns)


def _surely_columns(patterns: Iterable[NamePattern], need: Need) -> bool:
    """A read whose columns are known and all named. As for PostgreSQL's own privileges, a read of none of them
    (``count(*)``) asks for any one column of the table (documentation, SELECT).
    """
    access = need.access
    if access is None or access.effect is not Effect.read or access.columns is None or not access.known:
        return False
    if access.schema is None or access.kind not in _HAVE_COLUMNS:
        return False
    of_table = [p for p in patterns if p.part_matches(0, access.schema) and p.part_matches(1, access.name)]
    return bool(of_table) and all(any(p.part_matches(2, column) for p in of_table) for column in access.columns)


def _possibly_columns(patterns: Iterable[NamePattern], need: Need) -> bool:
    access = need.access
    if access is None:
        return need.effect not in TOUCH_NOTHING
    return any(_possibly_column(pattern, access) for pattern in patterns)


def _possibly_column(pattern: NamePattern, access: ObjectAccess) -> bool:
    if access.kind is ObjectKind.schema:
        return pattern.part_matches(0, access.name)
    if access.kind not in _HAVE_COLUMNS or not pattern.part_matches(1, access.name):
        return False
    if access.schema is not None and not pattern.part_matches(0, access.schema):
        return False
    return access.columns is None or any(pattern.part_matches(2, column) for column in access.columns)


def _names(access: ObjectAccess) -> tuple[str, ...]:
    return (access.name,) if access.schema is None else (access.schema, access.name)
