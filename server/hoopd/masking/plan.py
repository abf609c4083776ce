"""Where masked columns go in a statement, and what follows: rows masked column by column, a review, or a denial.

A value that cannot be followed is not given out (INV-4): what derives from a masked column is denied with a sentence
that names the column, and so is every road around the analysis (views, partitions, foreign tables, functions that are
not known, catalogs with statistics) while any mask is in force. Pure; the plan is for one statement under one catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hoopd.domain.decision import Outcome
from hoopd.domain.mask import ColumnMask, MaskRule, strongest
from hoopd.domain.patterns import NamePattern
from hoopd.masking.placeholders import refusal
from hoopd.sql.catalog import SYSTEM_SCHEMAS, Catalog, Relation
from hoopd.sql.facts import ColumnName, Derivation, Effect, Facts, ObjectAccess, ObjectKind

_REACHING = frozenset({Effect.read, Effect.write, Effect.opaque, Effect.external})
"""Effects by which rows of an object can come out or go elsewhere."""

_MAKING = frozenset({"create_table_as", "create_materialized_view", "select_into"})
"""Statements that write a relation which is not there before them."""

_ROUNDABOUT = {
    ObjectKind.view: "is a view",
    ObjectKind.materialized_view: "is a materialized view",
    ObjectKind.partition: "is a partition that is named directly",
    ObjectKind.foreign_table: "is a foreign table",
}
_RELATIONS = frozenset(
    {ObjectKind.table, ObjectKind.partitioned_table, ObjectKind.unknown, ObjectKind.sequence, *_ROUNDABOUT}
)


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """What masking says of one statement.

    ``columns`` has one entry for each output column, None where its values pass as they are. ``masked`` are the columns
    that come out masked, ``rules`` the masks that decided. ``in_force``: the principal is under a mask that some column
    has; then DETAIL, HINT, CONTEXT and notification payloads are withheld (``masking.errors``). ``unmasked``: nothing
    masked is in reach, so rows of any shape pass. ``withhold_errors``: masked columns are in reach, so messages are
    withheld too. ``writes_masked``: parameters are to be tried with ``placeholders.refusal`` at Bind. ``relations``:
    the oids of all that the statement names, since the server says of each plain column of its answer whose it is.
    """

    outcome: Outcome
    message: str | None = None
    columns: tuple[ColumnMask | None, ...] = ()
    masked: tuple[ColumnName, ...] = ()
    rules: tuple[str, ...] = ()
    in_force: bool = False
    unmasked: bool = False
    withhold_errors: bool = False
    writes_masked: bool = False
    sqlstate: str = "42501"
    relations: frozenset[int] = frozenset()

    def for_rows(self, count: int) -> tuple[ColumnMask | None, ...] | None:
        """The masks for a result of ``count`` columns; None where its rows must not be passed on (INV-4).

        The server's own count is the check on the analysis: rows of another shape are not the rows that were planned.
        """
        if self.outcome is Outcome.deny:
            return None
        if self.unmasked:
            return (None,) * count
        return self.columns if len(self.columns) == count else None


class _Denial(Exception):
    """Ends the making of a plan; never leaves this module."""

    def __init__(self, message: str, rules: tuple[str, ...] = (), sqlstate: str = "42501") -> None:
        super().__init__(message)
        self.message = message
        self.rules = rules
        self.sqlstate = sqlstate


class MaskedColumns:
    """Which columns of a catalog the rules mask. Made once for a set of rules and a catalog."""

    def __init__(self, rules: Sequence[MaskRule], catalog: Catalog) -> None:
        self._rules = tuple(rules)
        self._catalog = catalog
        self._found: dict[ColumnName, tuple[MaskRule, ...]] = {}
        self.relations = self._relations()

    @property
    def in_force(self) -> bool:
        """Whether some column is masked. A catalog that is not complete may hold any column, so there all are."""
        return bool(self._rules) and (bool(self.relations) or not self._catalog.complete)

    def on(self, column: ColumnName) -> tuple[MaskRule, ...]:
        """The rules that mask a column: its own, and those of the same column where the relation inherits or is
        inherited from, since reading a parent reads its children and the other way round for what is declared."""
        found = self._found.get(column)
        if found is not None:
            return found
        relation = self._catalog.relations.get((column.schema, column.table))
        family = {(column.schema, column.table)}
        if relation is not None:
            family |= {(one.schema, one.name) for one in self._catalog.family(relation)}
        found = tuple(rule for rule in self._rules if any(rule.covers(*names, column.column) for names in family))
        # Names that the catalog does not have come from whoever asks, and are not kept (INV-9).
        if relation is not None and column.column in {one.name for one in relation.columns or ()}:
            self._found[column] = found
        return found

    def oids(self, facts: Facts) -> frozenset[int]:
        """Of the relations that a statement names, itself or by its names."""
        found = (self._catalog.relations.get((access.schema or "", access.name)) for access in facts.accesses)
        return frozenset(relation.oid for relation in found if relation is not None)

    def in_reach(self, access: ObjectAccess) -> bool:
        """Whether an access may meet masked values: its relation has some, or cannot be known not to."""
        if access.schema is not None and (access.schema, access.name) in self._catalog.relations:
            return (access.schema, access.name) in self.relations
        return access.kind in _RELATIONS

    def _relations(self) -> frozenset[tuple[str, str]]:
        """Relations with a masked column, and those that such a one inherits from or is inherited by."""
        patterns = [pattern for rule in self._rules for pattern in rule.columns]
        found: set[tuple[str, str]] = set()
        for key, relation in self._catalog.relations.items():
            if relation.schema not in SYSTEM_SCHEMAS and any(_has_column(relation, pattern) for pattern in patterns):
                found.add(key)
                found.update((one.schema, one.name) for one in self._catalog.family(relation))
        return frozenset(found)


def _has_column(relation: Relation, pattern: NamePattern) -> bool:
    """Whether a relation has a column that fits; one whose columns are not known may."""
    if not (pattern.part_matches(0, relation.schema) and pattern.part_matches(1, relation.name)):
        return False
    return relation.columns is None or any(pattern.part_matches(2, column.name) for column in relation.columns)


def plan(facts: Facts, rules: Sequence[MaskRule], catalog: Catalog) -> MaskPlan:
    """What becomes of a statement under the masks that are in force for who asks (``policy.masks_in_force``)."""
    masked = _masked_columns(tuple(rules), catalog)
    if not masked.in_force:
        return MaskPlan(Outcome.allow, columns=(None,) * len(facts.output or ()), unmasked=True)
    try:
        return _plan(facts, masked)
    except _Denial as denial:
        return MaskPlan(
            Outcome.deny,
            denial.message,
            rules=denial.rules or ("built-in: what masks cannot follow",),
            in_force=True,
            withhold_errors=True,
            sqlstate=denial.sqlstate,
        )


@lru_cache(maxsize=32)
def _masked_columns(rules: tuple[MaskRule, ...], catalog: Catalog) -> MaskedColumns:
    return MaskedColumns(rules, catalog)


def _plan(facts: Facts, masked: MaskedColumns) -> MaskPlan:
    for check in _CHECKS:
        check(facts, masked)
    columns, sources = _output(facts, masked)
    reviewed = _predicates(facts, masked)
    reach = any(masked.in_reach(access) for access in facts.accesses)
    writes = any(access.effect is Effect.write and masked.in_reach(access) for access in facts.accesses)
    written_back = refusal(facts.sql, ()) if writes else None
    if written_back:
        raise _Denial(written_back)
    return MaskPlan(
        Outcome.review if reviewed else Outcome.allow,
        _because_of_predicates(reviewed),
        columns,
        sources,
        _names(rule for column in reviewed for rule in masked.on(column)),
        in_force=True,
        unmasked=not reach and not sources,
        withhold_errors=reach or bool(sources),
        writes_masked=writes,
        relations=masked.oids(facts),
    )


def _refuse_roads_around(facts: Facts, masked: MaskedColumns) -> None:
    for access in facts.accesses:
        if access.effect not in _REACHING or access.kind is ObjectKind.catalog:
            continue
        name = _qualified(access)
        if access.schema in SYSTEM_SCHEMAS and access.kind in _RELATIONS:
            raise _Denial(
                f"{name} can hold values of masked columns or statements of others, so it is not readable here"
            )
        if access.kind in _ROUNDABOUT:
            raise _Denial(
                f"{name} {_ROUNDABOUT[access.kind]}, through which masked columns cannot be followed yet: "
                "name the tables themselves"
            )
        made = access.effect is Effect.write and facts.kind in _MAKING
        if access.kind in _RELATIONS and not made and (not access.known or access.kind is ObjectKind.unknown):
            raise _Denial(f'relation "{name}" is not in the catalog of this database', sqlstate="42P01")


def _refuse_unknown_code(facts: Facts, masked: MaskedColumns) -> None:
    for function in facts.functions:
        if not function.trusted:
            name = f"{function.schema}.{function.name}" if function.schema else function.name
            raise _Denial(f"what {name} does with values is not known, so it cannot run while columns are masked")
    if Effect.opaque in facts.effects or Effect.external in facts.effects:
        why = facts.unfollowed or f"what {facts.kind.replace('_', ' ').upper()} does here cannot be followed"
        raise _Denial(f"{why}, so it cannot run while columns are masked")


def _refuse_copies_of_rows(facts: Facts, masked: MaskedColumns) -> None:
    if facts.kind != "copy":
        return
    for access in facts.accesses:
        if access.effect is Effect.read and masked.in_reach(access):
            name = _qualified(access)
            raise _Denial(f"COPY of {name}, which has masked columns, cannot be masked yet: use SELECT")
        if access.effect is Effect.write and masked.in_reach(access):
            name = _qualified(access)
            raise _Denial(
                f"{name} has masked columns, and whether what COPY brings are masked values cannot be seen before it "
                "is written: use INSERT"
            )


def _refuse_the_unfollowed(facts: Facts, masked: MaskedColumns) -> None:
    if facts.unfollowed is None:
        return
    reached = [access for access in facts.accesses if access.effect in _REACHING and masked.in_reach(access)]
    if reached or not facts.accesses:
        near = f", and {_qualified(reached[0])} has masked columns" if reached else ""
        raise _Denial(f"{facts.unfollowed}{near}: name the columns that you need")


def _refuse_derivations(facts: Facts, masked: MaskedColumns) -> None:
    for column in facts.derived:
        rules = masked.on(column)
        if rules:
            raise _Denial(
                f"{column} is masked, and here it flows into an expression, a function or another table, where its "
                "values cannot be masked yet: select the column by itself",
                _names(rules),
            )


_Check = Callable[[Facts, MaskedColumns], None]
_CHECKS: tuple[_Check, ...] = (
    _refuse_roads_around,
    _refuse_unknown_code,
    _refuse_copies_of_rows,
    _refuse_the_unfollowed,
    _refuse_derivations,
)


def _output(facts: Facts, masked: MaskedColumns) -> tuple[tuple[ColumnMask | None, ...], tuple[ColumnName, ...]]:
    masks: list[ColumnMask | None] = []
    sources: list[ColumnName] = []
    for output in facts.output or ():
        meant = [column for column in output.sources if masked.on(column)]
        if meant and output.derivation is not Derivation.column:
            raise _Denial(
                f"the output column {output.name} is made from {meant[0]}, which is masked, in a way that cannot be "
                "masked yet: select the column by itself",
                _names(masked.on(meant[0])),
            )
        masks.append(strongest(rule.mask for column in meant for rule in masked.on(column)))
        sources += meant
    return tuple(masks), tuple(dict.fromkeys(sources))


def _predicates(facts: Facts, masked: MaskedColumns) -> tuple[ColumnName, ...]:
    """Masked columns that decide which rows come, and for which somebody must be asked."""
    reviewed: list[ColumnName] = []
    for column in facts.inferable:
        outcomes = {rule.predicates for rule in masked.on(column)}
        if Outcome.deny in outcomes:
            raise _Denial(
                f"{column} is masked, and which rows come, or in what order, would tell its values: take it out of "
                "WHERE, JOIN, GROUP BY, ORDER BY and the like",
                _names(masked.on(column)),
            )
        if Outcome.review in outcomes:
            reviewed.append(column)
    return tuple(dict.fromkeys(reviewed))


def _because_of_predicates(columns: tuple[ColumnName, ...]) -> str | None:
    if not columns:
        return None
    listed = ", ".join(map(str, columns))
    return f"{listed} {'is' if len(columns) == 1 else 'are'} masked and would decide which rows come, or in what order"


def _names(rules: Iterable[MaskRule]) -> tuple[str, ...]:
    return tuple(sorted({rule.name for rule in rules}))


def _qualified(access: ObjectAccess) -> str:
    return f"{access.schema}.{access.name}" if access.schema else access.name
