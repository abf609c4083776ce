"""SQLAlchemy with psycopg and with asyncpg: reflection of everything there is, Core and ORM, streams, isolation."""

from __future__ import annotations

import asyncio
import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine

from tests.transparency import lines
from tests.transparency.comparison import Case, Suite, Transcript
from tests.transparency.sides import Side

# The texts of defaults and conditions are what `reflection` tells.
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
SCHEMAS = (None, "public", "other", "pg_catalog")
# Each gives what it knows of all tables of a schema at once.
MULTI = ("columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints", "check_constraints",
         "table_comment", "table_options")  # fmt: skip
Work = Callable[[sa.Connection, Transcript], None]


def _url(side: Side, driver: str) -> str:
    return side.dsn.replace("postgresql://", f"postgresql+{driver}://").replace(
        "?sslmode=disable", "" if driver == "asyncpg" else "?sslmode=disable"
    )


def on(driver: str, work: Work) -> Case:
    """A case on a connection of ``driver``."""

    async def with_asyncpg(side: Side, told: Transcript) -> None:
        engine = create_async_engine(_url(side, driver), pool_pre_ping=True)
        try:
            async with engine.connect() as connection:
                await connection.run_sync(work, told)
        finally:
            await engine.dispose()

    def case(side: Side) -> Transcript:
        told: Transcript = []
        if driver == "asyncpg":
            asyncio.run(with_asyncpg(side, told))
            return told
        engine = sa.create_engine(_url(side, driver), pool_pre_ping=True)
        try:
            with engine.connect() as connection:
                work(connection, told)
        finally:
            engine.dispose()
        return told

    return case


@contextlib.contextmanager
def of_unknown_types() -> Iterator[None]:
    """SQLAlchemy warns of columns whose types it has no class for; what it makes of them is compared."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type", sa.exc.SAWarning)
        yield


def reflection(connection: sa.Connection, told: Transcript) -> None:
    inspector: Any = sa.inspect(connection)
    told += [str(inspector.default_schema_name), str(inspector.get_schema_names())]
    told += [str(inspector.get_enums()), str(inspector.get_domains())]
    for schema in SCHEMAS:
        told += [str(schema), str(inspector.get_table_names(schema)), str(inspector.get_view_names(schema))]
        told += [str(inspector.get_materialized_view_names(schema)), str(inspector.get_sequence_names(schema))]
        told.append(str(inspector.get_temp_table_names()))
        if schema == "pg_catalog":
            continue
        for what in MULTI:
            with of_unknown_types():
                found = getattr(inspector, f"get_multi_{what}")(schema, kind=sa.engine.reflection.ObjectKind.ANY)
            told += [f"{what} {name}: {found[name]}" for name in sorted(found, key=str)]
        told += [str(inspector.get_view_definition(name, schema)) for name in inspector.get_view_names(schema)]
    told += [str(inspector.has_table(name)) for name in ("people", "happy_people", "nothing")]


def metadata(connection: sa.Connection, told: Transcript) -> None:
    found = sa.MetaData()
    with of_unknown_types():
        found.reflect(connection, views=True)
    for table in found.sorted_tables:
        parts = [*table.columns, *table.constraints, *table.indexes]
        told += sorted(ADDRESS.sub("", repr(part)) for part in parts)
    people = found.tables["people"]
    told += lines.rows(connection.execute(sa.select(people).order_by(people.c.id).limit(5)))


def definitions(connection: sa.Connection, told: Transcript) -> None:
    """create_all and drop_all, which look for each thing before they make it."""
    made = sa.MetaData()
    kind = postgresql.ENUM("a", "b", name="sa_kind", metadata=made)
    parent = sa.Table("sa_parent", made, sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
                      sa.Column("name", sa.String(20), nullable=False, unique=True),
                      sa.Column("kind", kind, server_default="a", comment="which"))  # fmt: skip
    child = sa.Table("sa_child", made, sa.Column("id", sa.BigInteger, primary_key=True),
                     sa.Column("parent", sa.ForeignKey(parent.c.id, ondelete="CASCADE"), index=True),
                     sa.Column("amount", sa.Numeric(8, 2)), sa.Column("extra", postgresql.JSONB),
                     sa.Column("tags", postgresql.ARRAY(sa.Text)), sa.Column("at", sa.DateTime(timezone=True)),
                     sa.CheckConstraint("amount > 0", name="sa_positive"))  # fmt: skip
    made.create_all(connection)
    found = connection.execute(
        sa.insert(parent).returning(parent.c.id, parent.c.kind), [{"name": f"n{n}"} for n in range(2500)]
    )
    told += lines.rows(found)
    connection.execute(sa.insert(child), [{"id": n, "parent": n + 1, "amount": n + 1, "extra": {"n": n},
                                           "tags": [str(n)]} for n in range(50)])  # fmt: skip
    upsert = postgresql.insert(parent).values(name="n1", kind="b")
    told += lines.rows(
        connection.execute(
            upsert.on_conflict_do_update(index_elements=["name"], set_={"kind": "b"}).returning(parent.c.kind)
        )
    )
    for wrong in ({"id": 1, "parent": 1}, {"id": 900, "parent": -1}, {"id": 901, "amount": -1}):
        point = connection.begin_nested()
        try:
            connection.execute(sa.insert(child), wrong)
        except sa.exc.IntegrityError as problem:
            told.append(str(problem.orig))
        point.rollback()
    joined = sa.select(parent.c.name, sa.func.sum(child.c.amount)).join(child).group_by(parent.c.name)
    told += lines.rows(connection.execute(joined.order_by(parent.c.name)))
    made.drop_all(connection)
    connection.commit()
    told.append(str(sa.inspect(connection).has_table("sa_parent")))


class Base(orm.DeclarativeBase):
    pass


class Scratch(Base):
    __tablename__ = "scratch"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    note: orm.Mapped[str | None]
    amount: orm.Mapped[int]


def session(connection: sa.Connection, told: Transcript) -> None:
    with orm.Session(connection, join_transaction_mode="control_fully") as work:
        work.add_all([Scratch(id=n, note=f"n{n}" if n % 2 else None, amount=n) for n in range(40)])
        work.flush()
        told += [str([one.note for one in work.scalars(sa.select(Scratch).order_by(Scratch.id).limit(5))])]
        found = work.get_one(Scratch, 3)
        found.amount = 99
        with work.begin_nested() as point:
            work.execute(sa.delete(Scratch))
            point.rollback()
        work.commit()
        told.append(str(work.get_one(Scratch, 3).amount))
        found = work.scalars(sa.select(Scratch).where(Scratch.id == 5).with_for_update(skip_locked=True)).one()
        work.delete(found)
        work.commit()
        told.append(str(work.scalar(sa.select(sa.func.count()).select_from(Scratch))))
        work.execute(sa.delete(Scratch))
        work.commit()


def isolation(connection: sa.Connection, told: Transcript) -> None:
    told += [str(connection.default_isolation_level), str(connection.get_isolation_level())]
    connection.rollback()
    for level in ("AUTOCOMMIT", "REPEATABLE READ", "SERIALIZABLE", "READ COMMITTED"):
        connection.execution_options(isolation_level=level)
        told.append(f"{connection.get_isolation_level()} {connection.execute(sa.text('select 1')).scalar()}")
        connection.rollback()
    told += [str(connection.dialect.server_version_info), str(connection.dialect.default_schema_name)]


def errors(connection: sa.Connection, told: Transcript) -> None:
    for text in (
        "select * from nowhere",
        "select 1/0",
        "select fails('40001')",
        "insert into people (name) values (null)",
    ):
        try:
            connection.execute(sa.text(text))
        except sa.exc.DBAPIError as problem:
            told += [type(problem).__name__, str(problem.orig), str(problem.connection_invalidated)]
        connection.rollback()


def stream(connection: sa.Connection, told: Transcript) -> None:
    """Rows in portions: a cursor of SQL with psycopg, a portal of the protocol with asyncpg."""
    found = connection.execution_options(stream_results=True, max_row_buffer=50).execute(
        sa.text("select n, n * 2 from generate_series(1, 3000) n")
    )
    told += lines.rows(found)


WORK: dict[str, Work] = {
    "reflection": reflection,
    "metadata": metadata,
    "definitions": definitions,
    "session": session,
    "isolation": isolation,
    "errors": errors,
    "stream": stream,
}


def suite() -> Suite:
    cases = {f"{driver}/{name}": on(driver, work) for driver in ("psycopg", "asyncpg") for name, work in WORK.items()}
    return Suite.of("sqlalchemy", cases)
