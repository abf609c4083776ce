-- Every place in which PostgreSQL runs code that a statement does not name. Each leaves a row in app.trace when it runs.
create schema app;
create table app.trace (what text);
create function app.leave(what text) returns int language plpgsql as
  $$ begin insert into app.trace values (what); return 1; end $$;

create function app.charge(int) returns int language plpgsql as
  $$ begin return app.leave('function'); end $$;
create function app.twice(int) returns int language plpgsql immutable as
  $$ begin perform app.leave('a function that says it is immutable'); return $1 * 2; end $$;
create function app.rows_of(int) returns setof int language sql as $$ select app.leave('set of rows') $$;
create function app.inlined(int) returns int language sql stable as $$ select app.twice($1) $$;
create function app.with_default(int default app.leave('default')) returns int language sql immutable as 'select $1';
create function app.adds(int, int) returns int language plpgsql as
  $$ begin perform app.leave('aggregate'); return $1 + $2; end $$;
create aggregate app.total(int) (sfunc = app.adds, stype = int, initcond = '0');
create function app.lower(text) returns text language plpgsql as
  $$ begin perform app.leave('overload'); return 'mine'; end $$;
create function app.of_any(anyelement) returns anyelement language plpgsql as
  $$ begin perform app.leave('polymorphic'); return $1; end $$;
create function app.many(variadic int[]) returns int language plpgsql as
  $$ begin return app.leave('variadic'); end $$;

create function app.pure(int) returns int language sql immutable as 'select $1 * 2 + 1';
create function app.pure_text(a text) returns text language sql as $$ select lower(a) || coalesce(a, 'x') $$;
create function app.pure_of_pure(n int) returns int language sql stable as 'select app.pure(n) + app.pure($1)';
create function app.pure_case(n int) returns text language sql as $$ select case when n > 1 then 'a' else now()::text end $$;
create function app.reads_a_table(int) returns int language sql as 'select app.leave(''body'')';
create function app.two_statements(int) returns int language sql as 'select app.leave(''first''); select 1';
create function app.inserts(int) returns int language sql as $$ insert into app.trace values ('insert'); select 1 $$;
create function app.deep_code(n int) returns int language sql as 'select app.pure(app.charge(n))';
create function app.defaulted(n int default app.leave('default of sql')) returns int language sql as 'select n + 1';
create function app.itself(n int) returns int language sql as 'select case when n > 0 then 1 else app.leave(''x'') end';
create function app.polymorphic(anyelement) returns anyelement language sql as 'select $1';
create function app.sets(n int) returns text language sql as $$ select set_config('hoop.reason', 'x', false) $$;
create sequence public.counter;
create function app.sequence(n int) returns bigint language sql as $$ select nextval('public.counter') $$;
create function app.as_definer(int) returns int language sql security definer as 'select $1';

create type app.mood as enum ('sad', 'fine');
create type app.pair as (a int, b text);
create domain app.positive as int check (app.twice(value) > 0);
create type app.holder as (p app.positive);
create function app.mood_is(app.mood, int) returns bool language plpgsql as
  $$ begin perform app.leave('operator'); return true; end $$;
create operator app.= (leftarg = app.mood, rightarg = int, function = app.mood_is);
create operator public.### (leftarg = int, rightarg = int, function = app.adds);
create function app.lower(app.mood) returns text language plpgsql as
  $$ begin perform app.leave('overload of a built-in name'); return 'mine'; end $$;
create function app.now(app.mood) returns text language plpgsql as
  $$ begin perform app.leave('another arity of a built-in name'); return 'mine'; end $$;
create function app.joins(int, app.mood) returns text language plpgsql as
  $$ begin perform app.leave('an operator that a literal chooses'); return 'mine'; end $$;
create operator app.|| (leftarg = int, rightarg = app.mood, function = app.joins);
create operator app.-> (leftarg = int, rightarg = app.mood, function = app.joins);
create type app.tones as range (subtype = app.mood);
create domain app.strict_mood as app.mood;
create type app.with_mood as (m app.mood);
create function app.text_mood(text) returns app.mood language plpgsql as
  $$ begin perform app.leave('cast of text'); return 'fine'; end $$;
create cast (text as app.mood) with function app.text_mood(text) as assignment;
create function app.gives_mood(text) returns app.mood language sql as 'select $1';
create function app.gives_a_mood(int) returns app.mood language sql as $$ select 'fine'::app.mood $$;
create function app.gives_row(text) returns app.with_mood language sql as 'select $1';
create function app.takes_strict(app.strict_mood) returns bool language sql as 'select $1 is null';
create table public.holds_strict (m app.strict_mood, ms app.mood[]);
insert into public.holds_strict values ('fine', '{fine}');
create domain app.by_default as int default app.leave('default of a domain');
create table public.of_default (id int, d app.by_default);
create function app.mood_number(app.mood) returns int language plpgsql immutable as
  $$ begin return app.leave('cast'); end $$;
create cast (app.mood as int) with function app.mood_number(app.mood) as implicit;
create function app.pair_text(app.pair) returns text language plpgsql immutable as
  $$ begin perform app.leave('cast of a row'); return 'x'; end $$;
create cast (app.pair as text) with function app.pair_text(app.pair) as implicit;
create function app.canonical_diff(float8, float8) returns float8 language plpgsql immutable as
  $$ begin perform app.leave('difference of a range'); return 1; end $$;
create type app.span as range (subtype = float8, subtype_diff = app.canonical_diff);

create function app.casts_in(int) returns int language sql as 'select $1::app.positive::int';
create function app.sql_of_mood(app.mood) returns bool language sql as 'select $1 operator(app.=) 5';
set search_path = app, public;
create function app.sql_of_mood_by_path(app.mood) returns bool language sql as 'select $1 = 5';
reset search_path;

-- Types of users' that run nothing of theirs.
create type app.grade as enum ('low', 'high');
create domain app.email as text check (value like '%@%');
create type app.hours as range (subtype = int4);
create type app.place as (street text, number int, mail app.email);
create table public.graded (id int primary key, g app.grade, mail app.email, at app.hours, place app.place, gs app.grade[]);
insert into public.graded values (1, 'low', 'a@b', app.hours(1, 3), row('x', 1, 'c@d'), '{low}');

create table public.plain (id int primary key, name text, n int, day date, tags text[], info jsonb);
insert into public.plain select i, 'name ' || i, i, date '2020-01-01' + i, array['a', 'b'], '{"k": 1}'
  from generate_series(1, 20) i;
create table public.other (id int primary key, plain_id int references public.plain on delete cascade, note text);
insert into public.other select i, i, 'note ' || i from generate_series(1, 10) i;
create table public.typed (id int primary key, m app.mood, p app.pair, d app.positive, s app.span, h app.holder);
insert into public.typed select i, 'fine', row(i, 'b')::app.pair, i, app.span(i, i + 1), row(i)::app.holder
  from generate_series(1, 5) i;
create function public.id_of(public.plain) returns int language plpgsql as
  $$ begin return app.leave('attribute'); end $$;
create table public.numbered (id int, n int);
insert into public.numbered values (1, 1), (2, 2);
create sequence public.sure;
create table public.parent (id int, day date) partition by range (day);
create table public.child_2020 partition of public.parent for values from ('2020-01-01') to ('2021-01-01');
create table public.child_2021 partition of public.parent for values from ('2021-01-01') to ('2022-01-01');
insert into public.parent values (1, '2020-05-05'), (2, '2021-05-05');

-- Planning evaluates what is immutable and has constants for arguments.
create table public.index_of_constant (id int, n int);
create index on public.index_of_constant ((app.twice(1) + n));
create table public.index_where (id int, n int);
create index on public.index_where (n) where app.twice(2) > n;
create table public.index_plain_code (id int, n int);
create index on public.index_plain_code ((app.twice(n)));
create table public.statistics_of_constant (id int, n int);
create statistics public.kept on (app.twice(3) + n), id from public.statistics_of_constant;
create table public.check_parent (id int, n int) partition by list (n);
create table public.check_child partition of public.check_parent (check (app.twice(4) > 0)) for values in (1, 2);
create table public.check_inherits (id int, n int);
create table public.check_inheriting (check (app.twice(5) > n)) inherits (public.check_inherits);
create function app.as_text(int) returns text language sql immutable as $$ select lower($1::text) $$;
create table public.index_of_sql (id int, n int);
create index on public.index_of_sql ((app.as_text(n)));
create function app.hides(int) returns int language sql immutable as $$ select app.twice(7) + $1 $$;
create table public.index_of_hiding (id int, n int);
create index on public.index_of_hiding ((app.hides(n)));
create table public.index_case (id int, n int);
create index on public.index_case ((app.twice(case when true then 8 else n end)));
create table public.index_operator (id int, n int);
create index on public.index_operator ((coalesce(n, app.twice(9))));
create table public.statistics_family (id int, n int) partition by list (id);
create table public.statistics_part partition of public.statistics_family for values in (1);
create statistics public.kept_too on (app.twice(10) + n), id from public.statistics_part;
create table public.keyed (id int, n int) partition by range ((app.twice(n)));
create table public.keyed_part partition of public.keyed for values from (0) to (100);
create table public.generated (id int, n int generated always as (app.twice(id)) stored);
create table public.defaults (id int default app.leave('column default'), n int);
create table public.default_parent (id int, n int check (app.twice(6) > 0));

-- Row security runs for whoever is not above it.
create table public.secured (id int, owner text);
insert into public.secured values (1, 'service'), (2, 'other');
alter table public.secured enable row level security;
create policy own on public.secured using (app.charge(id) > 0);
create table public.secured_plainly (id int, owner text);
alter table public.secured_plainly enable row level security;
create policy own on public.secured_plainly using (owner = current_user);

create view public.view_plain as select id, name from public.plain where n > 1;
create view public.view_of_code as select app.charge(id) as charged from public.plain;
create view public.view_of_operator as select id ### n as x from public.plain;
create view public.view_of_cast as select m::int as x from public.typed;
create view public.view_of_view as select * from public.view_of_code;
create view public.view_of_domain as select n::app.positive as x from public.plain;
create materialized view public.kept_code as select app.charge(id) as charged from public.plain;
create view public.view_of_row_type as select ('(' || n || ')')::app.holder as x from public.plain;
create view public.view_of_array as select array[n]::app.positive[] as x from public.plain;
create view public.view_of_recordset as select d from jsonb_to_recordset('[{"d": 1}]') as x (d app.positive);
do $do$ begin
  if current_setting('server_version_num')::int >= 170000 then
    execute $$ create view public.view_of_json as
      select d from json_table(jsonb '[1]', '$[*]' columns (d app.positive path '$')) t $$;
    execute $$ create view public.view_of_json_value as
      select json_value(jsonb '1', '$' returning app.positive) as d from public.plain $$;
  end if;
end $do$;
create view public.view_of_email as select (name || '@x')::app.email as mail, 'low'::app.grade as g from public.plain;
create view public.view_of_aggregate as select app.total(n) as x from public.plain;
create view public.view_of_default as select app.with_default() as x;
create view public.view_that_locks as select id from public.plain for update;
create view public.view_of_nextval as select nextval('public.counter') as x;
create view public.view_as_invoker with (security_invoker) as select id from public.secured;
create view public.view_of_kept_code as select charged from public.kept_code;
create view public.view_of_secured as select id from public.secured;
create materialized view public.kept_rows as select id, name from public.plain;

create table public.triggered (id int);
create function app.on_change() returns trigger language plpgsql as
  $$ begin perform app.leave('trigger'); return new; end $$;
create trigger watch before insert or update or delete on public.triggered for each row execute function app.on_change();
create table public.ruled (id int);
create rule also as on insert to public.ruled do also insert into app.trace values ('rule');

grant usage on schema app, public to public;
grant all on all tables in schema public, app to public;
grant all on all sequences in schema public to public;
