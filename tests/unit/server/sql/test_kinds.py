"""Every statement of the grammar has its word, and what has none is opaque."""

import pytest

from hoopd.sql.facts import Effect
from hoopd.sql.kinds import KNOWN, NEVER_PARSED, kind_of
from hoopd.sql.parser import STATEMENT_TYPES, parse


def test_every_statement_node_of_the_grammar_is_listed() -> None:
    """INV-2: a new grammar with a new statement fails here before it can pass as nothing."""
    assert set(STATEMENT_TYPES) == KNOWN | NEVER_PARSED


def test_what_is_not_listed_is_opaque() -> None:
    assert kind_of("BrandNewStmt", {}) == ("unknown", frozenset({Effect.opaque}))
    assert kind_of("TransactionStmt", {"kind": "TRANS_STMT_NEW"}) == ("unknown", frozenset({Effect.opaque}))


CASES = {
    "select 1": ("select", {"read"}),
    "table t": ("select", {"read"}),
    "values (1)": ("select", {"read"}),
    "select 1 into t": ("select_into", {"read", "ddl", "write"}),
    "create table t as select 1": ("create_table_as", {"ddl", "write"}),
    "create materialized view v as select 1": ("create_materialized_view", {"ddl"}),
    "drop table t": ("drop_table", {"ddl"}),
    "drop materialized view v": ("drop_materialized_view", {"ddl"}),
    "drop schema s cascade": ("drop_schema", {"ddl"}),
    "drop foreign table f": ("drop_foreign_table", {"ddl", "external"}),
    "drop policy p on t": ("drop_policy", {"ddl", "privilege"}),
    "drop database d": ("drop_database", {"ddl", "external"}),
    "alter table t add column x int": ("alter_table", {"ddl"}),
    "alter table t rename column a to b": ("alter_table", {"ddl"}),
    "alter table t owner to x": ("alter_table", {"ddl", "privilege"}),
    "alter table t disable row level security": ("alter_table", {"ddl", "privilege"}),
    "alter view v rename to w": ("alter_view", {"ddl"}),
    "alter table t set schema s": ("alter_table", {"ddl"}),
    "alter function f() owner to x": ("alter_function", {"ddl", "privilege"}),
    "truncate t": ("truncate", {"write"}),
    "grant select on t to x": ("grant", {"privilege"}),
    "revoke select on t from x": ("revoke", {"privilege"}),
    "grant a to b": ("grant_role", {"privilege"}),
    "vacuum t": ("vacuum", {"maintenance"}),
    "analyze t": ("analyze", {"maintenance"}),
    "begin": ("begin", {"transaction"}),
    "start transaction": ("begin", {"transaction"}),
    "abort": ("rollback", {"transaction"}),
    "prepare transaction 'x'": ("prepare_transaction", {"transaction"}),
    "set a.b to c": ("set", {"session"}),
    "reset a.b": ("reset", {"session"}),
    "set transaction read only": ("set_transaction", {"transaction"}),
    "create function f() returns int language sql as ''": ("create_function", {"ddl", "opaque"}),
    "create extension x": ("create_extension", {"ddl", "external", "opaque"}),
    "load 'x'": ("load", {"external", "opaque"}),
    "do ''": ("do", {"opaque"}),
    "alter system set a to b": ("alter_system", {"external"}),
    "create aggregate a (int) (sfunc = f, stype = int)": ("create_aggregate", {"ddl"}),
}


@pytest.mark.parametrize(("text", "expected"), CASES.items(), ids=CASES.keys())
def test_words_and_effects(text: str, expected: tuple[str, set[str]]) -> None:
    statement = parse(text)[0]
    kind, effects = kind_of(statement.node_type, statement.node)
    assert (kind, {str(e) for e in effects}) == expected
