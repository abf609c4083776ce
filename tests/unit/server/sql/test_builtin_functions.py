"""The packaged names against real servers: nothing is trusted that the server says is otherwise."""

from collections.abc import Callable

import psycopg
import pytest

from hoopd.dev.binaries import Binaries
from hoopd.dev.postgres import PostgresServer
from hoopd.sql.builtin_functions import (
    ONE_ARGUMENT_FUNCTIONS,
    STABLE_FUNCTIONS,
    TRUSTED_FUNCTIONS,
    VOLATILE_FUNCTIONS,
)
from hoopd.sql.builtin_names import BUILTIN_OPERATORS, BUILTIN_TYPES, CATALOG_RELATIONS, INFORMATION_SCHEMA
from tests.fixtures.postgres import INSTALLATIONS, name_of

Of = Callable[[Binaries], PostgresServer]
on_every_server = pytest.mark.parametrize("binaries", INSTALLATIONS, ids=name_of)


def rows(server: PostgresServer, query: str) -> list[tuple[str, ...]]:
    with psycopg.connect(server.dsn()) as connection:
        return connection.execute(query.encode()).fetchall()


@on_every_server
def test_no_trusted_function_is_volatile_but_those_that_are_listed(binaries: Binaries, postgres_of: Of) -> None:
    volatile = {
        name
        for (name,) in rows(
            postgres_of(binaries),
            "select proname::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace and provolatile = 'v'"
            " and oid < 16384 and prokind not in ('a', 'w')",
        )
    }
    assert volatile & TRUSTED_FUNCTIONS <= VOLATILE_FUNCTIONS


@on_every_server
def test_no_trusted_function_reads_text_by_a_types_input_function(binaries: Binaries, postgres_of: Of) -> None:
    """``domain_in`` and ``record_in`` run the checks of users."""
    found = rows(
        postgres_of(binaries),
        "select proname::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace and oid < 16384"
        " and 'cstring'::regtype = any (proargtypes::oid[] || prorettype)",
    )
    assert not {name for (name,) in found} & TRUSTED_FUNCTIONS


@on_every_server
def test_names_that_carry_sql_or_reach_out_are_not_trusted(binaries: Binaries, postgres_of: Of) -> None:
    """THREATS 6: whatever its name promises, no function that takes a query, a file or another session."""
    suspicious = rows(
        postgres_of(binaries),
        "select proname::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace and oid < 16384 and"
        " (proname ~ '^(lo_|lo(read|write)$|pg_read|pg_ls_|pg_stat_file|pg_advisory_(x|l)|pg_try_|pg_terminate"
        "|pg_cancel|pg_logical|pg_replication|pg_create|pg_drop|pg_stat_get|pg_notify|pg_sleep|pg_switch|pg_reload|pg_rotate"
        "|pg_promote|pg_wal|pg_export|pg_import|binary_upgrade|query_to|table_to|schema_to|database_to|cursor_to"
        "|ts_stat|ts_rewrite|current_query|pg_log_|pg_clear|pg_restore)'"
        " and proname not in ('pg_walfile_name', 'pg_walfile_name_offset', 'pg_wal_lsn_diff')"
        " or 'refcursor'::regtype = any (proargtypes::oid[]))",
    )
    allowed = {"pg_advisory_unlock_all"}
    found = {name for (name,) in suspicious} & TRUSTED_FUNCTIONS - allowed
    assert found <= {"text", "bpchar", "varchar"}


@on_every_server
def test_every_function_that_attribute_notation_reaches_is_known(binaries: Binaries, postgres_of: Of) -> None:
    """``(x).name`` calls a function of one argument: each is trusted or listed."""
    found = rows(
        postgres_of(binaries),
        "select proname::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace and oid < 16384"
        " and pronargs >= 1 and pronargs - pronargdefaults <= 1 and prokind = 'f'"
        " and not ('internal'::regtype = any (proargtypes::oid[])) "
        " and prorettype not in ('internal'::regtype, 'trigger'::regtype)",
    )
    assert {name for (name,) in found} <= TRUSTED_FUNCTIONS | ONE_ARGUMENT_FUNCTIONS


@on_every_server
def test_the_names_of_relations_types_and_operators_are_the_servers(binaries: Binaries, postgres_of: Of) -> None:
    server = postgres_of(binaries)
    system = "oid < 16384 and relkind in ('r', 'v') and relnamespace ="
    tables = rows(server, f"select relname::text from pg_class where {system} 'pg_catalog'::regnamespace")
    views = rows(server, f"select relname::text from pg_class where {system} 'information_schema'::regnamespace")
    operators = rows(server, "select oprname::text from pg_operator where oid < 16384")
    types = rows(
        server,
        "select typname::text from pg_type where oid < 16384 and typnamespace = 'pg_catalog'::regnamespace"
        " and typtype in ('b', 'r', 'm') and typname !~ '^_'",
    )
    assert {name for (name,) in tables} <= CATALOG_RELATIONS
    assert {name for (name,) in views} <= INFORMATION_SCHEMA
    assert {name for (name,) in operators} <= BUILTIN_OPERATORS
    assert {name for (name,) in types} <= BUILTIN_TYPES


def test_the_tables_agree_with_each_other() -> None:
    assert VOLATILE_FUNCTIONS <= TRUSTED_FUNCTIONS
    assert STABLE_FUNCTIONS <= TRUSTED_FUNCTIONS
    assert not TRUSTED_FUNCTIONS & ONE_ARGUMENT_FUNCTIONS
