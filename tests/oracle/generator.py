"""Random statements over ``schema.sql``: ordinary reads, and reads with one thing in them that is more than reading.

The same seed makes the same statements. Whether a part is ordinary is known from where it stands below; nothing else is
told of it, and the server has the last word.
"""

# ruff: noqa: E501
from __future__ import annotations

import random

ORDINARY_TABLES = [
    "public.plain", "plain", "public.other o", "public.numbered", "public.parent", "public.child_2020", "public.graded", "public.view_of_email", "public.kept_code", "view_of_kept_code",
    "public.index_of_sql", "public.index_plain_code",
    "public.view_plain", "public.kept_rows", "only public.parent", "public.secured_plainly", "public.generated",
    "(select id, name from public.plain where id < 5) s", "generate_series(1, 3) as id", "(values (1), (2)) v (id)",
    "public.plain tablesample system (50)", "public.plain natural join public.numbered",
    "public.plain join public.numbered using (id)", "public.plain left join lateral (select 1 as one) l on true",
    "unnest(array[1, 2]) as id", "json_each('{\"a\": 1}') j", "rows from (generate_series(1, 2), generate_series(1, 3)) r",
    "jsonb_to_recordset('[{\"id\": 1}]') as x (id int)", "pg_class c", "information_schema.tables i",
    "xmltable('/a/b' passing xml '<a><b>1</b></a>' columns id int path '.') t",
]  # fmt: skip
ORDINARY_VALUES = [
    "1", "'x'", "null", "count(*)", "now()", "current_user", "current_date", "random()", "gen_random_uuid()",
    "clock_timestamp()", "coalesce(1, 2)", "case when 1 = 1 then 2 end", "1 + 2", "'a' || 'b'", "array[1, 2]",
    "row(1, 2)", "(select max(id) from public.plain)", "exists (select 1 from public.other)", "upper('x')",
    "1 in (select id from public.plain)", "'2020-01-01'::date", "extract(year from now())", "substring('abc' from 1)",
    "(array[1, 2])[1]", "'{\"a\": 1}'::jsonb -> 'a'", "to_char(now(), 'YYYY')", "1 between 0 and 2", "nullif(1, 2)",
    "greatest(1, 2)", "'a' like 'b'", "'a' ~ 'b'", "not true", "1 is distinct from 2", "(1, 2) = (1, 2)",
    "row_number() over ()", "sum(1) over (order by 1)", "string_agg('a', ',')", "jsonb_build_object('a', 1)",
    "array(select id from public.plain)", "1 = any (array[1, 2])", "age(now())", "date_trunc('day', now())",
    "to_tsvector('a') @@ to_tsquery('b')", "xmlelement(name a)", "current_setting('work_mem')", "pg_backend_pid()",
    "format('%s', 1)", "md5('x')", "length('x')", "trim('x')", "overlay('abc' placing 'x' from 1)", "position('a' in 'b')",
    "percentile_cont(0.5) within group (order by 1)", "count(*) filter (where true)", "json_build_array(1)",
    "timestamp '2020-01-01' at time zone 'UTC'", "round(1.5, 1)", "'low'::app.grade", "interval '1 day'", "'a@b'::app.email", "app.hours(1, 2)", "row('x', 1, 'c@d')::app.place",
    "pg_size_pretty(pg_relation_size('public.plain'))", "regexp_replace('a', 'a', 'b')", "grouping(1)", "session_user",
    "app.pure(1)", "app.pure_text('x')", "app.pure_of_pure(3)", "app.pure_case(2)", "app.pure(id)",
]  # fmt: skip
CODE_TABLES = [
    "public.view_of_code", "public.view_of_operator", "public.view_of_cast", "public.view_of_view", "view_of_domain",
    "public.view_of_aggregate", "public.view_as_invoker", "view_of_row_type", "view_of_array", "view_of_recordset",
    "view_of_json", "view_of_json_value", "public.index_of_hiding", "public.index_case", "public.index_operator", "public.statistics_family", "public.view_of_default", "public.view_that_locks", "public.view_of_nextval",
    "public.view_of_secured", "public.secured", "app.rows_of(1)", "rows from (app.rows_of(1), generate_series(1, 2)) r",
    "public.index_of_constant", "public.index_where", "public.index_plain_code", "public.statistics_of_constant",
    "public.check_parent", "public.check_child", "public.check_inherits", "public.check_inheriting", "public.keyed",
    "public.keyed_part", "public.default_parent", "public.defaults",
    "lateral app.charge(1) as c", "jsonb_to_recordset('[{\"d\": 1}]') as x (d app.positive)",
    "json_populate_record(null::app.holder, '{\"p\": 1}') p", "json_to_record('{\"d\": 1}') as x (d app.positive)",
    "xmltable('/a' passing xml '<a>1</a>' columns d app.positive path '.') t",
    "public.typed a join public.typed b on a.m = b.id", "public.typed a join public.numbered b on a.m = b.n",
    "json_table(jsonb '[1]', '$[*]' columns (d app.positive path '$')) t", "(select app.charge(1)) s", "pg_ls_dir('.') as f", "dblink('x', 'y') as d (id int)",
    "public.typed tablesample bernoulli (app.charge(1) * 100)", "public.check_parent where n = 1 and id > 0",
]  # fmt: skip
CODE_VALUES = [
    "lower(app.mood('fine'))", "lower(coalesce(app.mood('fine')))", "lower(app.tones('sad', 'fine'))", "now('fine')",
    "1 || 'fine'", "1 || null", "1 -> 'fine'", "lower(app.gives_a_mood(1))", "app.gives_mood('fine')", "app.gives_row('fine')",
    "app.takes_strict(lower('A'))", "'fine'::app.strict_mood::text", "(select name::app.strict_mood from plain limit 1)",
    "(select array[name]::app.strict_mood[] from plain limit 1)", "(select row(name)::app.with_mood from plain limit 1)",
    "(select ms::text[] from holds_strict)", "(select length(m) from holds_strict)", "(select upper(m::text) from holds_strict)",
    "app.charge(1)", "app.twice(1)", "app.inlined(1)", "app.with_default()", "app.total(1)", "app.lower('X')",
    "app.of_any(1)", "app.many(1, 2, 3)", "app.many(variadic array[1])", "app.reads_a_table(1)", "app.two_statements(1)", "app.inserts(1)",
    "app.deep_code(1)", "app.defaulted()", "app.defaulted(1)", "app.itself(0)", "app.polymorphic(1)", "app.sets(1)",
    "app.sequence(1)", "app.as_definer(1)", "app.casts_in(1)", "app.sql_of_mood('fine')",
    "(select app.sql_of_mood_by_path(m) from public.typed limit 1)", "app.pure_text(app.charge(1)::text)", "1 ### 2", "1 operator(public.###) 2",
    "'1'::app.positive", "1::app.positive", "cast(1 as app.positive)", "row(1)::app.holder", "'(1)'::app.holder",
    "(select m + 1 from public.typed limit 1)", "(select m = 1 from public.typed limit 1)",
    "(select p || 'x' from public.typed limit 1)", "(select abs(m) from public.typed limit 1)",
    "(select length(p) from public.typed limit 1)", "(select sum(m) from public.typed)",
    "(select plain.id_of from public.plain limit 1)", "(select (plain).id_of from public.plain limit 1)",
    "(select id_of(plain) from public.plain limit 1)", "(select m::int from public.typed limit 1)",
    "(select m in (1, 2) from public.typed limit 1)", "(select case m when 1 then 2 end from public.typed limit 1)",
    "(select m between 1 and 2 from public.typed limit 1)", "(select nullif(m, 1) from public.typed limit 1)",
    "(select m = any (array[1]) from public.typed limit 1)", "(select m = any (select 1) from public.typed limit 1)",
    "(select coalesce(m::int, 1) from public.typed limit 1)", "(select greatest(m, 1) from public.typed limit 1)",
    "(select array[m::int, 1] from public.typed limit 1)", "(select m is distinct from 1 from public.typed limit 1)",
    "(select m from public.typed union select 1 limit 1)", "(select n from public.plain order by n using operator(public.###) limit 1)",
    "(select case when true then m else 1 end from public.typed limit 1)", "(select concat(p) from public.typed limit 1)",
    "(select substring(p from 1) from public.typed limit 1)", "(select p like 'x' from public.typed limit 1)",
    "(select (p, 1) = ('x', 1) from public.typed limit 1)", "(select xmlelement(name a, p) from public.typed limit 1)",
    "(select overlay(p placing 'x' from 1) from public.typed limit 1)", "(select p::text from public.typed limit 1)",
    "(select generate_series(1, m) from public.typed limit 1)", "(select to_json(m::int) from public.typed limit 1)",
    "json_populate_record(null::app.holder, '{\"p\": 1}')", "jsonb_populate_recordset(null::app.holder, '[{\"p\": 1}]')",
    "json_value(jsonb '1', '$' returning app.positive)", "nextval('public.counter')", "nextval('public.counter'::regclass)", "setval('public.counter', 5)", "lastval()",
    "pg_notify('news', 'x')", "set_config('work_mem', '5MB', false)", "set_config('hoop.reason', 'x', true)",
    "lo_create(0)", "lo_from_bytea(0, 'x')", "lo_put({lob}, 0, 'y')", "pg_advisory_lock(1)", "pg_try_advisory_lock(2)",
    "pg_advisory_xact_lock(3)", "pg_try_advisory_lock_shared(4)", "pg_read_file('canary.txt')", "pg_ls_dir('.')",
    "pg_read_binary_file('canary.txt')", "pg_stat_file('canary.txt')", "lo_import('canary.txt')", "pg_export_snapshot()",
    "pg_terminate_backend({pid})", "pg_cancel_backend({pid})", "pg_reload_conf()", "pg_stat_reset()", "txid_current()",
    "pg_create_restore_point('x')", "pg_switch_wal()", "pg_logical_emit_message(true, 'a', 'b')", "pg_sleep(0)",
    "query_to_xml('select app.leave(''query'')', true, true, '')", "database_to_xml(true, true, '')",
    "table_to_xml('public.view_of_code', true, true, '')", "cursor_to_xml('c', 1, true, true, '')",
    "ts_stat('select to_tsvector(app.leave(''ts'')::text)')", "ts_rewrite('a'::tsquery, 'select app.leave(''x'')::text::tsquery, null')",
    "pg_create_physical_replication_slot('s')", "pg_replication_origin_create('o')", "pg_backup_start('x')",
    "pg_stat_reset_shared('bgwriter')", "pg_stat_reset_slru(null)", "pg_log_backend_memory_contexts({pid})",
    "pg_rotate_logfile()", "current_query()", "(0).pg_sleep", "lo_unlink({lob})", "pg_current_xact_id()",
    "setseed(0.5)", "has_table_privilege('public.plain', 'select')", "inet_server_port()",
    "schema_to_xml('public', true, true, '')", "pg_get_viewdef('public.view_of_code'::regclass)",
    "pg_get_expr('x', 'public.plain'::regclass)", "to_regclass('public.plain')", "pg_drop_replication_slot('s')",
]  # fmt: skip
WRITES = [
    "insert into public.plain (id) values (99) returning id", "update public.plain set n = n + 1 returning id",
    "delete from public.other returning id", "delete from public.plain where id = 20 returning id",
    "insert into public.numbered select id, n from public.plain returning id",
    "merge into public.numbered m using public.plain p on m.id = p.id when matched then update set n = 7 returning m.id",
    "insert into public.triggered values (1) returning id", "insert into public.ruled values (1)",
]  # fmt: skip
_OTHER_STATEMENTS = [
    "select id into temp made from public.plain", "create temp table made as select 1 as x", "listen news", "notify news, 'x'",
    "lock table public.plain in access share mode", "declare c cursor with hold for select 1", "prepare q as select app.charge(1)",
    "explain analyze delete from public.other", "explain analyze select app.charge(1)", "copy public.plain to '/tmp/x'",
    "copy (select app.charge(1)) to stdout", "copy public.plain to program 'true'", "set work_mem = '5MB'", "reset all",
    "discard all", "vacuum public.plain", "analyze public.plain", "checkpoint", "do $$ begin perform 1; end $$",
    "call app.nothing()", "refresh materialized view public.kept_rows", "cluster", "reindex table public.plain",
    "comment on table public.plain is 'x'", "security label on table public.plain is 'x'", "load 'plpgsql'",
    "create table public.made (id int)", "drop table public.other", "truncate public.other", "alter table public.plain add x int",
    "grant select on public.plain to public", "create role made", "alter system set work_mem = '5MB'", "set role service",
    "set transaction isolation level serializable", "begin; select 1; commit", "prepare transaction 'x'",
    "explain (analyze, costs off) select nextval('public.counter')", "explain select app.twice(1)",
    "execute q", "deallocate all", "close all", "fetch 1 from c", "move c", "unlisten *", "savepoint s", "end", "show all",
    "alter default privileges grant select on tables to public", "import foreign schema x from server y into public",
    "create extension if not exists plpgsql", "create schema made", "create view public.made as select 1",
    "alter sequence public.counter restart", "create index on public.plain (n)", "reassign owned by service to service",
    "create function public.made() returns int language sql as 'select 1'", "create type public.made as enum ()",
]  # fmt: skip


class Generator:
    """``lob`` and ``pid`` as in ``calls``."""

    def __init__(self, seed: int, pid: int, lob: int) -> None:
        self._random = random.Random(seed)
        self._given = {"{pid}": str(pid), "{lob}": str(lob)}

    def ordinary(self) -> str:
        """A read with nothing in it but reading."""
        return self._query(ORDINARY_TABLES, ORDINARY_VALUES, 2)

    def doubtful(self) -> str:
        """A statement with, as a rule, one part that is more than reading, anywhere in it."""
        kind = self._random.random()
        if kind < 0.06:
            return self.filled(self._random.choice(_OTHER_STATEMENTS))
        if kind < 0.16:
            return f"with w as ({self._random.choice(WRITES)}) {self.ordinary()}"
        if kind < 0.22:
            return f"{self._query(ORDINARY_TABLES[:8], ['1'], 0)} for {self._random.choice(['update', 'share'])}"
        if kind < 0.3:
            wrapped = self._with_one_part()
            return self._random.choice(
                [
                    "explain {}",
                    "explain analyze {}",
                    "copy ({}) to stdout",
                    "declare c cursor for {}",
                    "prepare q as {}",
                ]
            ).format(wrapped)
        return self._with_one_part()

    def _with_one_part(self) -> str:
        mark = "'#part#'"
        if self._random.random() < 0.35:
            text = self._query([*ORDINARY_TABLES[:4], "public.plain /*#part#*/"], ORDINARY_VALUES, 2)
            part = self._random.choice(CODE_TABLES)
            put = text.replace("public.plain /*#part#*/", part, 1) if "/*#part#*/" in text else f"select * from {part}"
            return self.filled(put.replace("/*#part#*/", ""))
        text = self._query(ORDINARY_TABLES, [*ORDINARY_VALUES[:20], *[mark] * 10], 2)
        part = self._random.choice(CODE_VALUES)
        put = text.replace(mark, part, 1) if mark in text else f"select {part}"
        return self.filled(put)

    def filled(self, text: str) -> str:
        for mark, value in self._given.items():
            text = text.replace(mark, value)
        return text

    def _query(self, tables: list[str], values: list[str], depth: int) -> str:
        choose = self._random
        kind = choose.random()
        if depth and kind < 0.1:
            arms = [self._query(tables, values, depth - 1) for _ in range(2)]
            return f"({arms[0]}) {choose.choice(['union', 'union all', 'except', 'intersect'])} ({arms[1]})"
        if depth and kind < 0.2:
            return f"with c as ({self._query(tables, values, depth - 1)}) select {choose.choice(values)} from c"
        if depth and kind < 0.3:
            return f"select {choose.choice(values)} from ({self._query(tables, values, depth - 1)}) as {self._name()}"
        if kind < 0.36:
            return f"values ({choose.choice(values)}), ({choose.choice(values)})"
        items = ", ".join(f"{choose.choice(values)} as {self._name()}" for _ in range(choose.randint(1, 2)))
        text = f"select {choose.choice(['', '', '', 'distinct '])}{items} from {choose.choice(tables)}"
        if " where " not in text and choose.random() < 0.3:
            condition = choose.choice(["{} is not null", "true or {} is null", "({})::text <> $$x$$"])
            text += f" where {condition.format(choose.choice(values))}"
        if choose.random() < 0.15:
            text += f" group by {choose.choice(['1', '()', 'rollup (1)'])}"
        if choose.random() < 0.2:
            text += f" order by {choose.choice(['1', '1 desc nulls last', choose.choice(values)])}"
            return text + choose.choice(["", " fetch first 2 rows with ties"])
        return text + choose.choice(["", " limit 5", " limit 3 offset 1"])

    def _name(self) -> str:
        return self._random.choice("abcdefgh") + str(self._random.randint(1, 99))
