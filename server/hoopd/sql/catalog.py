"""A database's objects, frozen, and how PostgreSQL resolves their names (documentation, 5.10.3 and chapter 10).

Built from rows that ``runtime.catalog`` reads, or from the packaged names alone (``Catalog.builtin``). No I/O. Must not
guess: a name that could mean several things is answered with all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from hoopd.domain.statement import SessionState
from hoopd.sql import builtin_names
from hoopd.sql.builtin_functions import TRUSTED_FUNCTIONS
from hoopd.sql.builtin_names import FIRST_USER_OID
from hoopd.sql.catalog_queries import CATALOG_QUERIES, FINGERPRINT_QUERY, NEWS_QUERY
from hoopd.sql.facts import ObjectKind
from hoopd.sql.stored_trees import StoredFunction, evaluated, types_made

__all__ = [
    "CATALOG_QUERIES",
    "FINGERPRINT_QUERY",
    "FIRST_USER_OID",
    "NEWS_QUERY",
    "Catalog",
    "Column",
    "Function",
    "Relation",
    "UserType",
]

SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema"})
_CARRIES_DATA = frozenset(
    """pg_authid pg_shadow pg_user_mapping pg_user_mappings pg_subscription pg_statistic pg_statistic_ext_data pg_stats
    pg_stats_ext pg_stats_ext_exprs pg_stat_activity pg_stat_statements pg_stat_statements_info pg_stat_replication
    pg_stat_wal_receiver pg_stat_ssl pg_stat_gssapi pg_largeobject pg_largeobject_metadata pg_prepared_statements
    pg_prepared_xacts pg_cursors pg_hba_file_rules pg_ident_file_mappings pg_file_settings pg_foreign_server
    pg_foreign_data_wrapper pg_foreign_table pg_db_role_setting pg_replication_slots pg_replication_origin
    pg_replication_origin_status pg_backend_memory_contexts pg_shmem_allocations pg_shmem_allocations_numa pg_aios
    pg_seclabel pg_seclabels pg_shseclabel pg_sequences pg_stat_subscription pg_config
    user_mapping_options user_mappings _pg_user_mappings foreign_server_options _pg_foreign_servers
    foreign_table_options _pg_foreign_tables foreign_data_wrapper_options _pg_foreign_data_wrappers
    _pg_foreign_table_columns
    column_options""".split()  # noqa: SIM905
)
"""Catalogs that show rows of tables, statements of others, credentials or options with credentials."""
_KINDS = {
    "r": ObjectKind.table,
    "p": ObjectKind.partitioned_table,
    "v": ObjectKind.view,
    "m": ObjectKind.materialized_view,
    "f": ObjectKind.foreign_table,
    "S": ObjectKind.sequence,
}


_MAX_RESOLUTIONS = 64
_HARMLESS_INSIDE = TRUSTED_FUNCTIONS | {"nextval"}
"""In defaults, a table's own sequence is part of writing to it."""
Item = TypeVar("Item", bound=Any)


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type_oid: int


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view, sequence and the like. ``columns`` is None where they are not known."""

    oid: int
    schema: str
    name: str
    relkind: str
    columns: tuple[Column, ...] | None
    is_partition: bool = False
    row_security: bool = False
    has_rules: bool = False
    parents: tuple[int, ...] = ()
    children: tuple[int, ...] = ()
    triggers: tuple[tuple[str, str, str], ...] = ()
    """Schema, name and volatility of the functions that its triggers run."""
    calls: tuple[tuple[str, str, str], ...] = ()
    """The same for functions that a view's own query runs, views below it included."""
    hidden_calls: tuple[tuple[str, str, str], ...] = ()
    """The same for its defaults, check constraints, index expressions and row-security policies."""
    on_delete: tuple[int, ...] = ()
    """Oids of relations that foreign keys change when its rows are deleted."""
    on_update: tuple[int, ...] = ()
    """The same for when its keys are updated."""
    reads: tuple[int, ...] = ()
    """Oids of all relations that a view reaches."""
    planned_calls: tuple[tuple[str, str, str], ...] = ()
    """As ``calls``: functions in indexes, statistics and checks that run when a query of the table is planned."""
    makes: tuple[int, ...] = ()
    """Oids of users' types that a view's own query makes values of, views below it included."""
    locks: bool = False
    """It is a view that locks rows (FOR UPDATE and its kin), or reads one."""

    @property
    def kind(self) -> ObjectKind:
        """``catalog`` only for those that carry no data; ``pg_stats`` and its kin keep their own kind."""
        if self.schema in SYSTEM_SCHEMAS and self.name not in _CARRIES_DATA and self.oid < FIRST_USER_OID:
            return ObjectKind.catalog
        if self.is_partition and self.relkind == "r":
            return ObjectKind.partition
        return _KINDS.get(self.relkind, ObjectKind.unknown)


@dataclass(frozen=True, slots=True)
class Function:
    schema: str
    name: str
    arg_types: tuple[int, ...]
    defaults: int
    variadic: bool
    volatility: str
    language: str
    kind: str
    security_definer: bool
    body: str = ""
    """Of a function in SQL that gives one value, in the old style and with no settings of its own."""
    returns: int = 0

    def takes(self, count: int) -> bool:
        """Whether a call with ``count`` arguments could mean it."""
        if self.variadic:
            return count >= len(self.arg_types) - self.defaults - 1
        return len(self.arg_types) - self.defaults <= count <= len(self.arg_types)


@dataclass(frozen=True, slots=True)
class UserType:
    """``typtype`` as in pg_type: b base, c composite, d domain, e enum, p pseudo, r range, m multirange.

    ``parts``: of a composite type those of its columns, of a domain and a range that below it; a range with a function
    of its own has none. ``checks``: the functions that a domain's checks call, where any is not known to be harmless.
    """

    oid: int
    schema: str
    name: str
    typtype: str
    element: int
    parts: tuple[int, ...] = ()
    checks: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Operator:
    schema: str
    name: str
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Cast:
    """``runs``: code of the database, or the input of a type, makes the value. ``context``: ``i`` where it is not
    asked for.
    """

    source: int
    target: int
    context: str
    runs: bool = True


@dataclass(frozen=True, eq=False)
class Catalog:
    """Everything that names in a statement can mean. Made by ``build`` or ``builtin``.

    ``complete`` is False for ``builtin``: there a name that is not known counts as a table of the first schema of the
    search path, and every function that PostgreSQL does not bring is opaque.
    """

    relations: Mapping[tuple[str, str], Relation]
    schemas: frozenset[str]
    functions: Mapping[str, tuple[Function, ...]] = field(default_factory=dict)
    types: Mapping[str, tuple[UserType, ...]] = field(default_factory=dict)
    operators: Mapping[str, tuple[Operator, ...]] = field(default_factory=dict)
    casts: tuple[Cast, ...] = ()
    own_operators: frozenset[tuple[str, int]] = frozenset()
    """PostgreSQL's own that have one type on both sides: name and type."""
    event_triggers: tuple[tuple[str, str, str], ...] = ()
    """Schema, name and volatility of the functions that DDL sets off."""
    temp_schema: str | None = None
    unusable: frozenset[tuple[str, str]] = frozenset()
    """Role and schema: of the roles that a session can have, those without the right to use a schema, which PostgreSQL
    passes over in their search path."""
    complete: bool = True
    fingerprint: str = ""
    flows: dict[int, Any] = field(default_factory=dict, init=False)
    """Kept by ``from_items``: the columns of each relation, with their family's."""
    resolutions: dict[tuple[str, str, bool], Names] = field(default_factory=dict, init=False)
    expressions: dict[tuple[Function, tuple[str, ...], bool, int], bool] = field(default_factory=dict, init=False)
    """Kept by ``bodies``: which functions in SQL are expressions, under a path and a version."""

    @classmethod
    def build(cls, rows: Mapping[str, Sequence[Sequence[Any]]], fingerprint: str = "") -> Catalog:
        """From the rows of each of CATALOG_QUERIES, by its name. Raises KeyError where one is missing."""
        temp = next((str(row[1]) for row in rows["schemas"] if row[2]), None)
        functions = (Function(schema, name, tuple(args), *rest) for schema, name, args, *rest in rows["functions"])
        return cls(
            relations=_relations(rows),
            schemas=frozenset(str(row[1]) for row in rows["schemas"]),
            functions=_by_name(functions),
            types=_by_name(_types(rows)),
            operators=_by_name(Operator(*row) for row in rows["operators"]),
            casts=tuple(Cast(*row) for row in rows["casts"]),
            own_operators=frozenset((str(name), int(oid)) for name, oid in rows["own_operators"]),
            event_triggers=tuple((s, n, v) for s, n, v in rows["event_triggers"]),
            temp_schema=temp,
            unusable=frozenset((str(role), str(schema)) for role, schema in rows["unusable"]),
            fingerprint=fingerprint,
        )

    @classmethod
    def builtin(cls) -> Catalog:
        """PostgreSQL's own names only."""
        return _builtin()

    @cached_property
    def by_oid(self) -> Mapping[int, Relation]:
        return {relation.oid: relation for relation in self.relations.values()}

    @cached_property
    def types_by_oid(self) -> Mapping[int, UserType]:
        return {one.oid: one for many in self.types.values() for one in many}

    def inside(self, oids: Iterable[int]) -> set[int]:
        """Users' types, with those that are in them or below them: of columns, elements, domains, ranges."""
        found: set[int] = set()
        waiting = [oid for oid in oids if oid >= FIRST_USER_OID]
        while waiting:
            oid = waiting.pop()
            if oid in found:
                continue
            found.add(oid)
            one = self.types_by_oid.get(oid)
            if one is not None:
                waiting += [part for part in (*one.parts, one.element) if part >= FIRST_USER_OID]
        return found

    @cached_property
    def taken_for(self) -> frozenset[int]:
        """Users' types that values of PostgreSQL's own types are taken for without being asked to."""
        return frozenset(
            cast.target for cast in self.casts if cast.context == "i" and cast.source < FIRST_USER_OID <= cast.target
        )

    @cached_property
    def _harmless_types(self) -> dict[int, bool]:
        return {}

    def reads_harmlessly(self, oid: int) -> bool:
        """Whether making a value of the type, out of text or of another type, runs PostgreSQL's own code alone."""
        known = self._harmless_types.get(oid)
        if known is None:
            self._harmless_types[oid] = False  # for a type that holds itself
            known = self._harmless_types[oid] = self._reads_harmlessly(oid)
        return known

    def _reads_harmlessly(self, oid: int) -> bool:
        if oid < FIRST_USER_OID:
            return True
        one = self.types_by_oid.get(oid)
        if one is None:
            return False
        match one.typtype:
            case "e":
                return True
            case "b":
                return bool(one.element) and one.name.startswith("_") and self.reads_harmlessly(one.element)
            case "c" | "d" | "r" | "m":
                return bool(one.parts) and not one.checks and all(map(self.reads_harmlessly, one.parts))
        return False

    def family(self, relation: Relation) -> tuple[Relation, ...]:
        """The relation, all that inherit from it, and all that it inherits from (partitions alike)."""
        if not relation.parents and not relation.children:
            return (relation,)
        found = {relation.oid: relation}
        for step in ("parents", "children"):
            waiting = [relation]
            while waiting:
                for oid in getattr(waiting.pop(), step):
                    other = self.by_oid.get(oid)
                    if other is not None and oid not in found:
                        found[oid] = other
                        waiting.append(other)
        return tuple(found.values())

    def names(self, state: SessionState) -> Names:
        """Resolution under one session's search path and role."""
        key = (state.search_path, state.current_role, state.temporary_objects)
        found = self.resolutions.get(key)
        if found is None:
            if len(self.resolutions) >= _MAX_RESOLUTIONS:
                self.resolutions.clear()
            found = self.resolutions[key] = _names(self, *key)
        return found


@dataclass(frozen=True)
class Names:
    """How names resolve for one search path. ``path`` is in the order that PostgreSQL searches for relations."""

    catalog: Catalog
    path: tuple[str, ...]
    temporary_unknown: bool
    """The session has temporary objects that this catalog does not show."""

    @property
    def first_schema(self) -> str:
        """Where a name without schema would be made."""
        own = (s for s in self.path if s not in SYSTEM_SCHEMAS and not s.startswith("pg_temp"))
        return next(own, "public")

    def _schema(self, schema: str) -> str:
        return self.catalog.temp_schema or schema if schema == "pg_temp" else schema

    def relation(self, schema: str | None, name: str) -> Relation | None:
        """The one relation that a name means, None if there is none in this catalog."""
        if schema is not None:
            return self.catalog.relations.get((self._schema(schema), name))
        for each in self.path:
            found = self.catalog.relations.get((each, name))
            if found is not None:
                return found
        return None

    def behind(self, relation: Relation) -> tuple[Relation, ...]:
        """Those of the same name further on in the path: what an unqualified name means by then, if that one has gone
        while the server waited for its lock."""
        if relation.schema not in self.path or relation.schema in SYSTEM_SCHEMAS:
            return ()
        later = self.path[self.path.index(relation.schema) + 1 :]
        found = (self.catalog.relations.get((each, relation.name)) for each in later)
        return tuple(one for one in found if one is not None)

    def functions(self, schema: str | None, name: str) -> tuple[Function, ...]:
        """The user's functions of that name that the path reaches (never temporary ones without their schema)."""
        every = self.catalog.functions.get(name, ())
        if not every:
            return ()
        if schema is not None:
            return tuple(f for f in every if f.schema == self._schema(schema))
        return tuple(f for f in every if f.schema in self.path and f.schema != self.catalog.temp_schema)

    def operators(self, schema: str | None, name: str) -> tuple[Operator, ...]:
        every = self.catalog.operators.get(name, ())
        if schema is not None:
            return tuple(o for o in every if o.schema == self._schema(schema))
        return tuple(o for o in every if o.schema in self.path)

    def type(self, schema: str | None, name: str) -> UserType | None:
        """The user's type that a name means, None if it is PostgreSQL's own or not known."""
        for each in self.path if schema is None else (self._schema(schema),):
            if each == "pg_catalog" and is_builtin_type(name):
                return None
            for one in self.catalog.types.get(name, ()):
                if one.schema == each:
                    return one
        return None


def is_builtin_type(name: str) -> bool:
    """Whether ``pg_catalog`` has a type of this name that is not the row type of a catalog."""
    return name in builtin_names.BUILTIN_TYPES or (name.startswith("_") and name[1:] in builtin_names.BUILTIN_TYPES)


def split_path(text: str) -> tuple[str, ...]:
    """The names in a ``search_path`` setting, as the server cuts and folds them (``SplitIdentifierString``): blanks are
    those of ASCII, unquoted names have no blank in them and are folded in ASCII alone, and all end at 63 bytes.

    What the server would not have taken as a setting gives the names in front of the fault.
    """
    names: list[str] = []
    at = _past_blanks(text, 0)
    while at < len(text):
        if text[at] == '"':
            at, name = _quoted(text, at)
        else:
            start = at
            while at < len(text) and text[at] != "," and text[at] not in BLANKS:
                at += 1
            name = "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text[start:at])
        names.append(cut_name(name))
        at = _past_blanks(text, at)
        if at < len(text) and text[at] != ",":
            break
        at = _past_blanks(text, at + 1)
    return tuple(name for name in names if name)


BLANKS = " \t\n\r\f\v"
"""What the server's scanner takes for blanks. Before PostgreSQL 16 without the last, which no setting may have here."""


def _past_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in BLANKS:
        at += 1
    return at


def cut_name(name: str) -> str:
    """As ``truncate_identifier``: NAMEDATALEN less one, in bytes of whole characters."""
    raw = name.encode()
    return name if len(raw) < 64 else raw[:63].decode("utf-8", "ignore")


def _quoted(text: str, at: int) -> tuple[int, str]:
    """Where the name in quotes at ``at`` ends, and the name."""
    place, name = at + 1, ""
    while place < len(text):
        if text[place] == '"':
            if text[place + 1 : place + 2] != '"':
                return place + 1, name
            place += 1
        name += text[place]
        place += 1
    return place, name


def _names(catalog: Catalog, search_path: str, role: str, temporary: bool) -> Names:
    listed = [role if name == "$user" else name for name in split_path(search_path)]
    path = [catalog.temp_schema or name if name == "pg_temp" else name for name in listed]
    if catalog.complete:
        path = [name for name in path if name in catalog.schemas and (role, name) not in catalog.unusable]
    elif "$user" in split_path(search_path):
        path = [name for name in path if name != role]
    if "pg_catalog" not in path:
        path.insert(0, "pg_catalog")
    if catalog.temp_schema and catalog.temp_schema not in path:
        path.insert(0, catalog.temp_schema)
    return Names(catalog, tuple(path), temporary and catalog.temp_schema is None)


def _by_name(items: Iterable[Any]) -> dict[str, tuple[Any, ...]]:
    table: dict[str, list[Any]] = {}
    for item in items:
        table.setdefault(item.name, []).append(item)
    return {name: tuple(found) for name, found in table.items()}


def _pairs(rows: Iterable[Sequence[Any]], key: int, value: int) -> dict[int, tuple[int, ...]]:
    table: dict[int, list[int]] = {}
    for row in rows:
        table.setdefault(row[key], []).append(row[value])
    return {oid: tuple(found) for oid, found in table.items()}


def _uses(
    rows: Iterable[Sequence[Any]], harmless: frozenset[str] = TRUSTED_FUNCTIONS
) -> dict[int, tuple[tuple[str, str, str], ...]]:
    table: dict[int, list[tuple[str, str, str]]] = {}
    for oid, schema, name, volatility, *made_by_users in rows:
        if all(made_by_users) or name not in harmless:
            table.setdefault(oid, []).append((schema, name, volatility))
    return {oid: tuple(sorted(set(found))) for oid, found in table.items()}


def _relations(rows: Mapping[str, Sequence[Sequence[Any]]]) -> dict[tuple[str, str], Relation]:
    children, parents = _pairs(rows["inherits"], 0, 1), _pairs(rows["inherits"], 1, 0)
    ruled = {row[0] for row in rows["rules"]}
    triggers = _uses(rows["triggers"])
    below = _pairs((row for row in rows["view_relations"] if row[0] >= FIRST_USER_OID), 0, 1)
    kept = {row[0] for row in rows["relations"] if row[3] == "m"}
    calls = _through_views(_uses(rows["view_calls"]), below, kept)
    makes = _through_views({row[0]: tuple(sorted(types_made(row[1]))) for row in rows["view_types"]}, below, kept)
    locks = _through_views({row[0]: (True,) for row in rows["view_locks"]}, below, kept)
    hidden = _uses(rows["table_calls"], _HARMLESS_INSIDE)
    planned = _planned(rows)
    on_delete = _pairs((row for row in rows["cascades"] if row[2]), 0, 1)
    on_update = _pairs((row for row in rows["cascades"] if row[3]), 0, 1)
    table = {}
    for oid, schema, name, kind, partition, row_security, columns, types in rows["relations"]:
        table[schema, name] = Relation(
            oid=oid,
            schema=schema,
            name=name,
            relkind=kind,
            columns=tuple(Column(c, t) for c, t in zip(columns, types, strict=True)),
            is_partition=partition,
            row_security=row_security,
            has_rules=oid in ruled,
            parents=parents.get(oid, ()),
            children=children.get(oid, ()),
            triggers=triggers.get(oid, ()),
            calls=calls.get(oid, ()),
            reads=_below(oid, below),
            on_delete=on_delete.get(oid, ()),
            on_update=on_update.get(oid, ()),
            hidden_calls=hidden.get(oid, ()),
            planned_calls=planned.get(oid, ()),
            makes=makes.get(oid, ()),
            locks=bool(locks.get(oid)),
        )
    return table


def _types(rows: Mapping[str, Sequence[Sequence[Any]]]) -> Iterator[UserType]:
    checks = _uses(rows["domain_calls"])
    casts = {row[0] for row in rows["domain_types"]}
    for oid, schema, name, typtype, element, parts in rows["types"]:
        known = () if oid in casts else tuple(parts)
        yield UserType(oid, schema, name, typtype, element, known, checks.get(oid, ()))


def _planned(rows: Mapping[str, Sequence[Sequence[Any]]]) -> dict[int, tuple[tuple[str, str, str], ...]]:
    made = {row[0]: StoredFunction(*row[1:]) for row in rows["bodies"]} if rows["planned"] else {}
    table: dict[int, set[tuple[str, str, str]]] = {}
    for relation, tree in rows["planned"]:
        table.setdefault(relation, set()).update(evaluated(tree, made.get))
    return {oid: tuple(sorted(found)) for oid, found in table.items()}


def _below(view: int, below: Mapping[int, tuple[int, ...]]) -> tuple[int, ...]:
    found: dict[int, None] = {}
    waiting = list(below.get(view, ()))
    while waiting:
        oid = waiting.pop()
        if oid not in found and oid != view:
            found[oid] = None
            waiting += below.get(oid, ())
    return tuple(found)


def _through_views(
    own: Mapping[int, tuple[Item, ...]], below: Mapping[int, tuple[int, ...]], kept: Set[int]
) -> dict[int, tuple[Item, ...]]:
    """What a view has of its own, with what those that it reads have. Of materialized views (``kept``) only the rows
    are read."""
    found: dict[int, tuple[Item, ...]] = {}
    for view in {*own, *below}:
        seen, waiting, items = {view}, [view], set(own.get(view, ()))
        while waiting:
            for other in below.get(waiting.pop(), ()):
                if other not in seen and other not in kept:
                    seen.add(other)
                    waiting.append(other)
                    items.update(own.get(other, ()))
        if items:
            found[view] = tuple(sorted(items))
    return found


@lru_cache(maxsize=1)
def _builtin() -> Catalog:
    table = {}
    for schema, names in (
        ("pg_catalog", builtin_names.CATALOG_RELATIONS),
        ("information_schema", builtin_names.INFORMATION_SCHEMA),
    ):
        for number, name in enumerate(sorted(names)):
            table[schema, name] = Relation(
                number + (7000 if schema == "pg_catalog" else 11000), schema, name, "v", None
            )
    return Catalog(relations=table, schemas=frozenset({*SYSTEM_SCHEMAS, "public"}), complete=False)
