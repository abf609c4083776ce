"""Statements that are not queries: settings, transactions, objects by name (THREATS 4, 7, 8)."""

from collections.abc import Callable

import pytest

from hoopd.sql.facts import Effect, Facts, ObjectKind

Alone = Callable[..., tuple[Facts, ...]]

FORBIDDEN = [
    "set standard_conforming_strings = off",
    "set local Standard_Conforming_Strings to 'off'",
    "set client_encoding to 'SJIS'",
    "set names 'latin1'",
    "select set_config('standard_conforming_strings', 'off', false)",
    "select pg_catalog.set_config('client_encoding', 'GBK', false)",
    "select 1 where set_config('client_encoding'::text, 'GBK', false) = 'x'",
    "with x as (select set_config('client_encoding', 'GBK', true)) select 1",
    "explain select set_config('client_encoding', 'GBK', true)",
    "alter role x set client_encoding to 'GBK'",
    "alter database d set standard_conforming_strings to off",
    "alter system set standard_conforming_strings to off",
    "set hoop.session = 'x'",
    "reset hoop.principal",
]


@pytest.mark.parametrize("text", FORBIDDEN)
def test_what_is_never_allowed_says_why(alone: Alone, text: str) -> None:
    (found,) = alone(text)
    assert found.forbidden
    assert not found.harmless


HARMLESS = [
    "begin",
    "begin isolation level serializable",
    "commit",
    "rollback",
    "savepoint a",
    "release a",
    "rollback to a",
    "set application_name = 'x'",
    "set datestyle to 'ISO'",
    "set time zone 'UTC'",
    "set statement_timeout to 0",
    "set extra_float_digits = 3",
    "set client_encoding to 'UTF8'",
    "set names 'utf8'",
    "set standard_conforming_strings = on",
    "set transaction read only",
    "set session characteristics as transaction isolation level serializable",
    "set hoop.reason = 'x'",
    "select set_config('application_name', 'x', false)",
    "reset all",
    "reset search_path",
    "reset role",
    "reset session authorization",
    "set search_path to default",
    "show all",
    "show search_path",
    "deallocate a",
    "deallocate all",
    "close c",
    "close all",
    "discard all",
    "discard plans",
    "unlisten *",
    "select version()",
    "select current_schema()",
    "select pg_catalog.current_database(), pg_backend_pid()",
    "select pg_advisory_unlock_all()",
    "select * from pg_catalog.pg_class c join pg_namespace n on n.oid = c.relnamespace",
    "select * from information_schema.columns where table_name ~ 'x'",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_drivers_need_is_harmless(alone: Alone, text: str) -> None:
    (found,) = alone(text)
    assert found.harmless, found
    assert found.forbidden is None


NOT_HARMLESS = [
    "select 1",
    "set search_path to x",
    "set role x",
    "set session authorization x",
    "set session_replication_role to replica",
    "select set_config('search_path', 'x', false)",
    "select set_config('role', 'x', false)",
    "select set_config(a, b, false) from t",
    "select set_config('application_name', 'x', false) from t",
    "select set_config('application_name', f(), false)",
    "select set_config('application_name', 'x', false), set_config('role', 'x', false)",
    "insert into t select set_config('application_name', 'x', false)",
    "create function f() returns int language sql set work_mem = 1 as ''",
    "explain analyze delete from t",
    "prepare transaction 'x'",
    "commit prepared 'x'",
    "set transaction snapshot 'x'",
    "listen x",
    "notify x",
    "lock t",
    "vacuum",
    "select * from pg_class for update",
    "select * from pg_class, t",
    "select f(oid) from pg_class",
    "select version(), f()",
    "delete from pg_class",
    "update pg_settings set setting = 'x'",
    "select * from pg_stats",
    "select * from pg_catalog.pg_statistic",
    "select * from pg_statistic_ext_data",
    "select * from pg_stat_activity",
    "select * from pg_largeobject",
    "select * from pg_authid",
    "select * from pg_shadow",
    "select * from pg_user_mapping",
    "select * from pg_user_mappings",
    "select * from pg_subscription",
    "select * from pg_prepared_statements",
    "select * from pg_cursors",
    "select * from pg_hba_file_rules",
    "select * from pg_file_settings",
    "select * from pg_foreign_server",
    "select * from information_schema.user_mapping_options",
    "select * from information_schema.foreign_server_options",
]


@pytest.mark.parametrize("text", NOT_HARMLESS)
def test_what_rules_decide_on_is_not_harmless(alone: Alone, text: str) -> None:
    """THREATS 4, 16."""
    assert not alone(text)[0].harmless


@pytest.mark.parametrize(
    "text", ["select * from pg_stats", "select * from pg_stat_activity", "select * from pg_authid"]
)
def test_catalogs_that_carry_data_are_not_of_kind_catalog(alone: Alone, text: str) -> None:
    (access,) = alone(text)[0].accesses
    assert access.kind is not ObjectKind.catalog


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("set search_path to x", "search_path"),
        ("set schema 'x'", "search_path"),
        ("set role x", "role"),
        ("set session authorization x", "session_authorization"),
        ("select set_config('Search_Path', 'x', true)", "search_path"),
    ],
)
def test_a_change_of_names_or_identity_is_an_access_and_a_barrier(alone: Alone, text: str, name: str) -> None:
    (found,) = alone(text)
    assert [str(a) for a in found.accesses] == [f"session {name}"]
    assert Effect.session in found.effects
    assert found.barrier


def test_a_setting_that_is_not_known_before_it_runs_is_opaque(alone: Alone) -> None:
    (found,) = alone("select set_config(name, 'off', false) from t")
    assert Effect.opaque in found.effects
    assert alone("select set_config('client_encoding', name, false) from t")[0].forbidden


@pytest.mark.parametrize("text", ["commit", "rollback", "rollback to a"])
def test_the_end_of_a_transaction_may_take_settings_back(alone: Alone, text: str) -> None:
    assert alone(text, transaction="T", settings_local=True)[0].barrier
    assert not alone(text, transaction="T")[0].barrier


BARRIERS = [
    "drop table t",
    "create temp table t (a int)",
    "select 1 into temp t",
    "do ''",
    "reset all",
    "discard all",
    "grant a to b",
    "set search_path to x",
    "reset role",
    "create function f() returns int language sql as ''",
]


@pytest.mark.parametrize("text", BARRIERS)
def test_barriers(alone: Alone, text: str) -> None:
    assert alone(text)[0].barrier


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("deallocate a", ("a",)),
        ('deallocate "A b"', ("A b",)),
        ("deallocate all", ()),
        ("discard all", ()),
        ("discard plans", None),
        ("select 1", None),
    ],
)
def test_what_is_deallocated(alone: Alone, text: str, names: tuple[str, ...] | None) -> None:
    assert alone(text)[0].deallocates == names


OBJECTS = {
    "drop table a.t, u": {"ddl a.t", "ddl public.u"},
    "drop function a.f(int)": {"ddl a.f"},
    "drop type a.t": {"ddl a.t"},
    "drop schema s": {"ddl s"},
    "drop trigger x on a.t": {"ddl a.t"},
    "drop role r": {"privilege r"},
    "truncate a.t, u": {"write a.t", "write public.u"},
    "alter table a.t rename to u": {"ddl a.t"},
    "alter table a.t owner to x": {"ddl a.t"},
    "alter function a.f() owner to x": {"privilege a.f"},
    "comment on column a.t.c is 'x'": {"ddl a.t"},
    "comment on table a.t is 'x'": {"ddl a.t"},
    "grant select on a.t to x": {"privilege a.t"},
    "grant usage on schema s to x": {"privilege s"},
    "grant select on all tables in schema s to x": {"privilege s"},
    "create index on a.t (x)": {"ddl a.t"},
    "create table a.t (x int references b.u)": {"ddl a.t", "ddl b.u"},
    "create view a.v as select * from b.t": {"ddl a.v", "read b.t"},
    "lock table a.t": {"lock a.t"},
    "vacuum a.t": {"maintenance a.t"},
    "refresh materialized view a.v": {"maintenance a.v"},
    "create schema s": {"ddl s"},
    "create role r password 'x'": {"privilege r"},
    "select nextval('a.s')": {"write a.s"},
    "select nextval('A.S'::regclass), setval('\"Q\"', 1)": {"write a.s", "write public.Q"},
    "copy a.t to stdout": {"read a.t"},
    "copy a.t from stdin": {"write a.t"},
}


@pytest.mark.parametrize(("text", "expected"), OBJECTS.items(), ids=OBJECTS.keys())
def test_objects_by_name(alone: Alone, text: str, expected: set[str]) -> None:
    assert {str(a) for a in alone(text)[0].accesses} == expected


@pytest.mark.parametrize(
    "text",
    [
        "copy t to program 'x'",
        "copy t from '/etc/passwd'",
        "create server s foreign data wrapper f",
        "alter system set a to b",
        "create subscription s connection '' publication p",
        "create tablespace t location '/x'",
        "drop database d",
        "import foreign schema a from server b into c",
        "notify a",
    ],
)
def test_what_leaves_the_database_is_external(alone: Alone, text: str) -> None:
    """THREATS 8."""
    assert Effect.external in alone(text)[0].effects
