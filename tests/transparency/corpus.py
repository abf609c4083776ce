"""Conversations that every driver has: statements with parameters, written once and sent as each driver sends them.

Parameters are `$1`, `$2` … in the text, always with a cast, so that drivers which ask for types and drivers which guess
them send the same. A conversation leaves the database as it found it, and shows no OID of what it made: TOAST and
ANALYZE take OIDs by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Value = int | float | str | bool | None | list[int] | list[str]


class Step(NamedTuple):
    """One statement, as a driver is given it."""

    sql: str
    params: tuple[Value, ...] = ()


def _steps(*texts: str | tuple[str, *tuple[Value, ...]]) -> tuple[Step, ...]:
    return tuple(Step(text) if isinstance(text, str) else Step(text[0], text[1:]) for text in texts)


READS = _steps(
    "select 1 as one, 'two' as two, null as nothing",
    "select id, name, email, mood, born, score from people order by id limit 20",
    "select * from everything order by id",
    "select count(*), sum(score), avg(score) from people where mood = 'happy'",
    "select p.name, count(v.id) as visits from people p left join visits v on v.person = p.id group by 1 order by 2, 1",
    "with recursive n(i) as (values (1) union all select i + 1 from n where i < 50) select i, i * i from n",
    "select name, rank() over (partition by mood order by score desc) from people order by id limit 10",
    "table happy_people order by id limit 3",
    "values (1, 'a'), (2, 'b')",
    "select from people limit 2",
    "select id from people where false",
    "select p from people p order by id limit 2",
    "select tags[1], extra -> 'n', extra ->> 'even' from people order by id limit 3",
    "explain (costs off) select * from people where id = 3",
    "show server_version_num",
    "",
    "-- a remark and nothing else",
)
PARAMETERS = _steps(
    ("select $1::int + $2::int as sum", 1, 2),
    ("select $1::text || $2::text", "one", "zwei ünïcode € 𝄞"),
    ("select $1::text is null, $2::int", None, 5),
    ("select $1::bigint, $2::float8, $3::bool", 2**62, 0.1, True),
    ("select $1::int[], $2::text[]", [1, 2, 3], ["a", 'b"c', "d,e"]),
    ("select $1::text", "a 'quoted' \\ back\nslash\ttab; select 2 -- no"),
    ("select id, name from people where id = any($1::int[]) order by id", [3, 1, 2]),
    ("select id, name from people where name like $1::text order by id limit $2::int", "person 1%", 5),
    ("select count(*) from visits where at = ($1::text)::date", "2024-02-03"),
    ("select $1::int", 2**31),
    ("select ($1::text)::int", "not a number"),
    ("select $2::int", 1, 2),
    ("select 10 / $1::int", 0),
    ("select 10 / $1::int", 5),
    ("insert into scratch (id, note) values ($1::int, $2::text) returning *", 100, "an ä"),
    ("update scratch set amount = $1::int where id = $2::int", 7, 100),
    ("delete from scratch where id = $1::int returning amount", 100),
    ("select repeat($1::text, $2::int)", "0123456789", 100_000),
)
WRITES = _steps(
    "insert into scratch values (1, 'one', 10), (2, null, 20), (3, 'three', 30)",
    "insert into scratch values (1, 'again', 0)",
    "insert into scratch values (1, 'again', 5) on conflict (id) do update set amount = excluded.amount returning note",
    "insert into scratch values (2, 'again', 5) on conflict do nothing",
    "update scratch set amount = amount + 1 where id < 3 returning id, note, amount",
    "select * from scratch order by id",
    "merge into scratch s using (values (3, 1), (4, 2)) v(id, n) on s.id = v.id "
    "when matched then update set amount = v.n when not matched then insert values (v.id, 'merged', v.n)",
    "with gone as (delete from scratch where id = 4 returning *) select * from gone",
    "insert into people (name, mood) values ('nobody', 'furious')",
    "insert into people (name, score) values ('nobody', -1)",
    "insert into visits (person, at) values (-1, '2024-01-01')",
    "update scratch set id = null",
    "select id, note, amount from scratch order by id for update",
    "delete from scratch",
    "truncate scratch",
)
TRANSACTIONS = _steps(
    "begin",
    "insert into scratch values (10, 'kept?', 0)",
    "savepoint a",
    "insert into scratch values (10, 'no', 0)",
    "select 1",
    "rollback to savepoint a",
    "select * from scratch",
    "release savepoint a",
    "rollback",
    "select count(*) from scratch",
    "begin isolation level serializable read only deferrable",
    "show transaction_isolation",
    "insert into scratch values (11, 'no', 0)",
    "commit",
    "start transaction",
    "set local statement_timeout = '7s'",
    "show statement_timeout",
    "commit and chain",
    "select current_setting('statement_timeout')",
    "rollback",
    "commit",
    "rollback",
    "savepoint nowhere",
)
SYNTAX = _steps(
    "selec 1",
    "select 1 +",
    "select 'open",
    "insert into scratch valves (1)",
    ("select $1::int from where", 1),
    "select 1; selec 2",
)
ERRORS = _steps(
    "select",
    "select * from nowhere",
    "select nothing from people",
    "select nothing()",
    "select 1 / 0",
    "select 'x'::int",
    "select 1 where 'a' = 1",
    "select fails('P0001')",
    "select fails('23505')",
    "select fails('42501')",
    "select shout('aloud')",
    "insert into scratch (nothing) values (1)",
    "drop table nowhere",
    "create table people (id integer)",
    "select set_config('nothing.at_all', 'x', false), current_setting('nothing.at_all')",
    "select current_setting('nothing.else')",
    "set nothing_at_all = 1",
    "call note('a')",
    "call nothing()",
    "select pg_catalog.nothing(1)",
    "select 1; select 2",
    "select 1; select 1/0; select 3",
    "select 'the end'",
)
DEFINITIONS = _steps(
    "create table made (id serial primary key, note text default 'none', amount numeric(8, 2))",
    "insert into made (amount) values (1.5), (2.25) returning *",
    "select * from made order by id",
    "alter table made add column more integer default 3",
    "select * from made order by id",
    "alter table made alter column amount type text using amount::text",
    "select * from made order by id",
    "create index concurrently made_amount on made (amount)",
    "create index made_note on made (note)",
    "create view made_view as select id, note from made",
    "select * from made_view order by id",
    "comment on table made is 'was made'",
    "create or replace function made_f(integer) returns integer language sql as 'select $1 * 3'",
    "select made_f(14)",
    "do $$ begin raise notice 'in a block'; perform made_f(1); end $$",
    "create type made_kind as enum ('a', 'b')",
    "select 'a'::made_kind::text, array['b', 'a']::made_kind[]::text",
    "alter type made_kind add value 'c'",
    "drop table if exists made_up",
    "drop table made",
    "drop view if exists made_view",
    "drop table if exists made",
    "drop function if exists made_f(integer)",
    "drop type if exists made_kind",
    "vacuum scratch",
    "analyze scratch",
)
SETTINGS = _steps(
    "show search_path",
    "set search_path = other, public",
    "select * from people order by id limit 1",
    "set search_path to default",
    "select id, name from people order by id limit 1",
    "set datestyle = 'German, DMY'",
    "select (date '2024-03-02')::text, (timestamptz '2024-03-02 10:00:00+00')::text",
    "reset datestyle",
    "set timezone = 'Asia/Tokyo'",
    "select timestamptz '2024-03-02 10:00:00+00'::text",
    "set time zone default",
    "set application_name = 'a conversation'",
    "select current_setting('application_name')",
    "select set_config('search_path', 'other', false)",
    "select count(*) from people",
    "reset all",
    "select count(*) from people",
    "set session characteristics as transaction read only",
    "create table never (id integer)",
    "set session characteristics as transaction read write",
    "select current_user, session_user, current_database(), current_schema",
    "set role none",
    "select name, setting from pg_settings where source = 'session' order by 1",
    "discard plans",
    "set statement_timeout = '50ms'",
    "select pg_sleep(5)",
    "reset statement_timeout",
)
TEMPORARY = _steps(
    "create temporary table mine (id integer, note text)",
    "insert into mine select n, 'note ' || n from generate_series(1, 5) n",
    "select * from mine order by id",
    "create temporary table people (id integer)",
    "select * from people",
    "select count(*) from public.people",
    "drop table people",
    "select count(*) from people",
    "create temporary view mine_view as select id from mine where id > 3",
    "select * from mine_view",
    "select id into temporary mine_too from mine",
    "drop table mine, mine_too cascade",
    "select * from mine",
)
SESSION = _steps(
    "listen chat",
    "select pg_notify('chat', 'hello')",
    "notify chat, 'again'",
    "select 'they have come'",
    "unlisten *",
    "select pg_advisory_lock(5), pg_try_advisory_lock(6)",
    "select pg_advisory_unlock(5), pg_advisory_unlock(6)",
    "select pg_advisory_unlock(7)",
    "select nextval('tickets') - lastval(), currval('tickets') - lastval()",
    "lock table scratch",
    "begin",
    "lock table scratch in share mode nowait",
    "select mode from pg_locks where relation = 'scratch'::regclass order by 1",
    "rollback",
    "checkpoint",
    "set client_min_messages = debug1",
    "set client_min_messages = error",
    "select shout('unheard')",
    "reset client_min_messages",
    "select shout('heard')",
    "discard all",
    "select count(*) from people",
)
CATALOGS = _steps(
    "select table_name, table_type from information_schema.tables where table_schema = 'public' order by 1",
    "select column_name, data_type, is_nullable, column_default from information_schema.columns "
    "where table_name = 'people' and table_schema = 'public' order by ordinal_position",
    "select oid::regclass::text, relkind from pg_class where relnamespace = 'public'::regnamespace order by 1",
    "select typname, typtype, typlen from pg_type where typnamespace = 'public'::regnamespace order by 1",
    "select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = 'people'::regclass order by 1",
    "select pg_get_viewdef('happy_people'::regclass), pg_get_indexdef('visits_by_note'::regclass)",
    "select pg_get_functiondef('shout'::regproc)",
    "select name, setting from pg_settings where name ~ '^(max_identifier_length|block_size)$' order by 1",
    "select has_table_privilege('people', 'select'), pg_is_in_recovery(), pg_backend_pid() > 0",
    "select datname, usename, state, query from pg_stat_activity where pid = pg_backend_pid()",
    (
        "select c.oid::regclass::text from pg_class c where c.relname = $1::text and pg_table_is_visible(c.oid)",
        "visits",
    ),
)
PINNED = _steps("select name, setting from pg_settings where source = 'client' order by 1")
MALFORMED = _steps(
    ("select 1", 1),
    ("select $1::int, $2::int", 1),
)
SQL_PREPARE = _steps(
    "prepare doubled (integer) as select $1 * 2 as twice",
    "execute doubled (21)",
    "execute doubled ('x')",
    "select name, parameter_types from pg_prepared_statements where name = 'doubled'",
    "deallocate doubled",
    "execute doubled (1)",
    "deallocate all",
)
SQL_CURSORS = _steps(
    "begin",
    "declare walker scroll cursor for select id, name from people order by id",
    "fetch 3 from walker",
    "fetch backward 1 from walker",
    "move absolute 100 in walker",
    "fetch next from walker",
    "close walker",
    "fetch next from walker",
    "rollback",
    "declare kept cursor with hold for select id from people order by id limit 3",
    "fetch all from kept",
    "close kept",
    "close all",
)
CONVERSATIONS: Mapping[str, Sequence[Step]] = {
    "reads": READS,
    "parameters": PARAMETERS,
    "writes": WRITES,
    "transactions": TRANSACTIONS,
    "errors": ERRORS,
    "syntax": SYNTAX,
    "definitions": DEFINITIONS,
    "settings": SETTINGS,
    "temporary": TEMPORARY,
    "session": SESSION,
    "catalogs": CATALOGS,
    "pinned": PINNED,
    "malformed": MALFORMED,
    "sql-prepare": SQL_PREPARE,
    "sql-cursors": SQL_CURSORS,
}
