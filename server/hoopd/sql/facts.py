"""What analysis says of a statement. Made by ``sql.analysis``, read by policy, masking, session and reviewers.

Frozen; no I/O. Enumerations are closed: a reader matches them to exhaustion.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What running the statement can do."""

    read = "read"
    write = "write"
    ddl = "ddl"
    privilege = "privilege"
    session = "session"
    transaction = "transaction"
    lock = "lock"
    maintenance = "maintenance"
    external = "external"
    opaque = "opaque"


class ObjectKind(StrEnum):
    table = "table"
    partitioned_table = "partitioned_table"
    partition = "partition"  # type: ignore[assignment]  # str has a method of that name
    view = "view"
    materialized_view = "materialized_view"
    foreign_table = "foreign_table"
    sequence = "sequence"
    index = "index"  # type: ignore[assignment]  # likewise
    type = "type"
    function = "function"
    schema = "schema"
    database = "database"
    role = "role"
    setting = "setting"
    extension = "extension"
    catalog = "catalog"
    unknown = "unknown"


class Predicate(StrEnum):
    """The WHERE of an UPDATE or DELETE: ``constant`` is one that is true of every row, such as ``1=1``."""

    present = "present"
    missing = "missing"
    constant = "constant"


class Copying(StrEnum):
    """A COPY whose rows go over the client's own connection."""

    from_client = "from_client"
    to_client = "to_client"


class Derivation(StrEnum):
    """How an output column comes from its sources: as it is, with its value recoverable, or otherwise."""

    column = "column"
    preserving = "preserving"
    derived = "derived"


class LockMode(StrEnum):
    """Locks on tables, from weak to strong (documentation, 13.3.1)."""

    access_share = "ACCESS SHARE"
    row_share = "ROW SHARE"
    row_exclusive = "ROW EXCLUSIVE"
    share_update_exclusive = "SHARE UPDATE EXCLUSIVE"
    share = "SHARE"
    share_row_exclusive = "SHARE ROW EXCLUSIVE"
    exclusive = "EXCLUSIVE"
    access_exclusive = "ACCESS EXCLUSIVE"

    @property
    def strength(self) -> int:
        return list(LockMode).index(self)


@dataclass(frozen=True, slots=True)
class TableLock:
    """A lock that a definition or maintenance takes on a table. ``rewrites``: all of it is (or may be) written anew."""

    mode: LockMode
    schema: str | None
    name: str
    rewrites: bool = False

    @property
    def table(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True, order=True)
class ColumnName:
    schema: str
    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class ObjectAccess:
    """One thing the statement names (or reaches), and what is done to it.

    ``schema`` is the resolved schema, or None where the object has none or could not be resolved. ``known`` is False
    where the catalog does not have it. ``columns`` are those read or written, None when not known or not applicable.
    """

    effect: Effect
    kind: ObjectKind
    schema: str | None
    name: str
    known: bool = True
    columns: tuple[str, ...] | None = None

    def __str__(self) -> str:
        """As rules match it, e.g. ``read public.orders`` or ``session search_path``."""
        return f"{self.effect} {self.schema}.{self.name}" if self.schema else f"{self.effect} {self.name}"


@dataclass(frozen=True, slots=True)
class FunctionUse:
    """A function, operator or cast that runs. ``trusted``: known by schema, name and arguments to be harmless."""

    schema: str | None
    name: str
    volatility: str | None
    trusted: bool


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column of the answer, and the base-table columns that its values come from."""

    name: str
    sources: tuple[ColumnName, ...]
    derivation: Derivation


@dataclass(frozen=True, slots=True)
class SqlError:
    """Text that does not parse. ``position`` counts characters from 1, None when unknown."""

    message: str
    position: int | None
    sqlstate: str = "42601"
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A prepared statement: ``sql`` is what it runs, ``shown`` the PREPARE that made it or could have.

    The types of its parameters are fixed when it is made: ``code`` are those whose input runs code of the database,
    ``types`` the oids of all that users made.
    """

    name: str
    sql: str
    shown: str
    code: tuple[ObjectAccess, ...] = ()
    types: frozenset[int] = frozenset()
    meant: tuple[object, ...] | None = None
    """What its names meant when the server read it (``sql.named.meaning``). None is equal to no meaning (INV-2)."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The cursor that DECLARE opens. ``holds``: it outlives its transaction (WITH HOLD)."""

    name: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one statement.

    ``sql`` is the statement's own text. ``kind`` is a word such as ``select``, ``update``, ``drop_table``, ``set``,
    ``begin``. ``output`` is None where the statement gives no rows, or where the columns could not be followed
    (``unfollowed`` then says why, in words for people); of DECLARE and PREPARE, which give none themselves, it has the
    columns of what they make. ``inferable`` are columns whose values decide which rows come
    or in what order (WHERE, JOIN, GROUP BY, ORDER BY, DISTINCT, HAVING ...) without being put out.
    ``derived`` are columns that flow into anything else: expressions, functions, other tables.

    ``barrier``: what follows it may mean something else, so it is judged only when this one has completed (settings,
    DDL, temporary objects, opaque code). ``names_depend``: it resolves names. ``runs_at_parse``: a literal or cast of
    it can run user code when the server parses it. ``forbidden``: never allowed here, whatever the rules say, and why.
    """

    sql: str
    kind: str
    effects: frozenset[Effect] = frozenset()
    accesses: tuple[ObjectAccess, ...] = ()
    functions: tuple[FunctionUse, ...] = ()
    predicate: Predicate | None = None
    output: tuple[OutputColumn, ...] | None = None
    unfollowed: str | None = None
    inferable: tuple[ColumnName, ...] = ()
    derived: tuple[ColumnName, ...] = ()
    harmless: bool = False
    """Built in as allowed: transaction control, harmless settings, SHOW, DEALLOCATE, CLOSE, plain catalog reads."""
    barrier: bool = False
    names_depend: bool = False
    runs_at_parse: bool = False
    forbidden: str | None = None
    error: SqlError | None = None
    deallocates: tuple[str, ...] | None = None
    """Prepared statements it drops: names, an empty tuple for all, None for none."""
    closes: tuple[str, ...] | None = None
    """Cursors and portals that it closes: likewise."""
    prepares: PreparedText | None = None
    """What PREPARE makes. The other facts are those of the statement inside, of which nothing runs yet."""
    opens: Opened | None = None
    continues: str | None = None
    """The known cursor that a FETCH or MOVE goes on with."""
    by_name: bool = False
    """What it does hangs on what a name means in this session: EXECUTE, FETCH, MOVE."""
    executes: tuple[str, ...] = ()
    """Names of the known prepared statements that it runs."""
    expands: tuple[str, ...] = ()
    """The PREPARE of each that was there before this text: people are shown them in front of it."""
    savepoint: str | None = None
    """The name in SAVEPOINT and ROLLBACK TO."""
    kinds: tuple[str, ...] = ()
    """``kind`` first, then those of the statements inside it: a ``delete`` in a CTE, what EXPLAIN ANALYZE runs."""
    cascades: tuple[ObjectAccess, ...] = ()
    """Tables that are not named and that foreign keys change with those that are (ON DELETE or ON UPDATE ...)."""
    copies: Copying | None = None
    """COPY FROM STDIN or TO STDOUT; None for any other statement, a COPY of the server's own files among them."""
    locks: tuple[TableLock, ...] = ()
    """Of definitions and maintenance: what they lock against others, and whether they write it anew."""
    final: bool = False
    """It cannot be rolled back, and so not run in a transaction block."""
