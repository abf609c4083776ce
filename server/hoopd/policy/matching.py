"""Whether a rule's selectors fit: to who asks and where, to a statement, and to one access.

An access fits in two ways, and doubt falls on the strict side of both. An allow rule must *surely* fit: an object that
the catalog does not have is fitted by a lone ``*`` (or ``*.*``, or no ``objects`` at all) only. A review or deny rule
need only *possibly* fit: such an object fits by its name in any schema it could be in, a pattern of one part fits that
name in every schema, and dropping a schema touches everything in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hoopd.domain.connection import Connection
from hoopd.domain.patterns import NamePattern
from hoopd.domain.principal import Principal
from hoopd.policy.model import Connections, Labels, Match, People
from hoopd.policy.values import kind_matches
from hoopd.sql.facts import Effect, Facts, ObjectAccess, ObjectKind, Predicate

_TOUCHES_NOTHING = frozenset({Effect.read, Effect.session, Effect.transaction})
"""Effects that, where no access goes with them, concern no object of the database."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who asks, on which connection, with what client. ``application`` is the client's own word."""

    principal: Principal
    connection: Connection
    application: str = ""


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
    """The selectors that speak of who and where."""
    return fits_connection(match.connections, circumstances.connection) and (
        match.principals is None or is_one_of(match.principals, circumstances.principal)
    )


def fits_statement(match: Match, facts: Facts, *, surely: bool) -> bool:
    """The selectors that speak of the statement as a whole.

    A statement can hold others (CTEs, EXPLAIN): for an allow rule (``surely``) all of their kinds must be named, for a
    review or deny rule one is enough.
    """
    if match.kinds is not None:
        named = [any(kind_matches(entry, kind) for entry in match.kinds) for kind in facts.kinds or (facts.kind,)]
        if not (all(named) if surely else any(named)):
            return False
    if match.predicate is None or isinstance(match.predicate, Predicate):
        return match.predicate in (None, facts.predicate)
    return facts.predicate in match.predicate


def surely_fits(match: Match, need: Need) -> bool:
    """Whether an allow rule covers it: the whole pair."""
    if match.effects is not None and need.effect not in match.effects:
        return False
    if match.objects is None:
        return True
    if need.access is None:
        # A read of nothing needs an allow for reads, of whatever; any other effect of nothing by name, one for all.
        return need.effect is Effect.read or any(pattern.everything for pattern in match.objects)
    return any(_surely(pattern, need.access) for pattern in match.objects)


def possibly_fits(match: Match, need: Need) -> bool:
    """Whether a review or deny rule matches it."""
    if match.effects is not None and need.effect not in match.effects:
        return False
    if match.objects is None:
        return True
    if need.access is None:
        # What it touches is not known by name (`VACUUM`, a `DO` block), so it may be this.
        return need.effect not in _TOUCHES_NOTHING or any(pattern.everything for pattern in match.objects)
    return any(_possibly(pattern, need.access) for pattern in match.objects)


def any_fits(match: Match, all_needs: Iterable[Need]) -> bool:
    return any(possibly_fits(match, need) for need in all_needs)


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


def _names(access: ObjectAccess) -> tuple[str, ...]:
    return (access.name,) if access.schema is None else (access.schema, access.name)
