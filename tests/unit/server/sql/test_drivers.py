"""What psql and drivers ask of the catalogs is built in as allowed, so that they work under ``default: deny``."""

import os
import re
import subprocess

import asyncpg.introspection
import pytest
import sqlalchemy
from sqlalchemy import event, inspect
from sqlalchemy.engine.reflection import Inspector

from hoopd.dev.binaries import Binaries
from hoopd.sql.analysis import analyse
from tests.unit.server.sql.conftest import Sample

LISTS = "d d+ dt+ l l+ du dg+ df df+ dv+ di+ dm+ ds+ dn+ dT+ dx dp ddp do dC db+ dA dy dRp dc dD dL dF dX dconfig"
NAMED = ["customers", "events", "events_2020", "customer_cards", "watched", "child", "numbers", "typed"]
PSQL = [*(f"\\{word}" for word in LISTS.split()), *(f"\\d+ {name}" for name in NAMED)]
STATEMENTS = [
    "select pg_catalog.version()",
    "SELECT CURRENT_SCHEMA",
    "select current_user, session_user",
    "show standard_conforming_strings",
    "SHOW TRANSACTION ISOLATION LEVEL",
    "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;",
    "SET extra_float_digits = 3",
    "SET application_name = 'PostgreSQL JDBC Driver'",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> all ('{a}'::text[])",
    "select * from pg_catalog.pg_settings where name = $1",
    (
        "SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d"
        " ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass ORDER BY nspname"
    ),
    asyncpg.introspection.INTRO_LOOKUP_TYPES,
    asyncpg.introspection.TYPE_BY_NAME,
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "DISCARD ALL",
    "DEALLOCATE ALL",
]


def harmless(sample: Sample, text: str) -> bool:
    found = analyse(text, sample.state, sample.catalog)
    return bool(found) and all(facts.harmless for facts in found)


@pytest.mark.parametrize("text", STATEMENTS)
def test_what_drivers_send_at_start(sample: Sample, text: str) -> None:
    assert harmless(sample, text)


def test_what_psql_asks_for_its_backslash_commands(sample: Sample) -> None:
    psql = Binaries.find().directory / "psql"
    asked = 0
    for command in PSQL:
        done = subprocess.run(
            [psql, "-E", "-X", sample.dsn, "-c", command],
            capture_output=True, text=True, check=True, env={**os.environ, "PAGER": "cat"}, timeout=60,
        )  # fmt: skip
        for query in re.findall(r"/\*+ QUERY \*+/\n(.*?)\n/\*{5,}/", done.stdout, re.DOTALL):
            asked += 1
            assert harmless(sample, query), (command, query)
    assert asked > len(PSQL)


def _reflect(inspector: Inspector) -> None:
    for table in set(inspector.get_table_names()) - {"typed"}:  # it has no name for a composite type
        for ask in ("columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints", "check_constraints"):
            getattr(inspector, f"get_{ask}")(table)
    inspector.get_view_definition("customer_cards")
    inspector.get_enums()  # type: ignore[attr-defined]
    inspector.get_schema_names()


def test_what_sqlalchemy_asks_when_it_reflects(sample: Sample) -> None:
    url = sqlalchemy.make_url(sample.dsn).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with engine.connect() as connection:
        _reflect(inspect(connection))
    engine.dispose()
    assert asked
    for query in asked:
        numbered = re.sub(r"%\(\w+\)s", "$1", query)
        assert harmless(sample, numbered), query
