-- case: formats
select id, name, mood, born, score from people order by id limit 3;
\x
select * from people where id = 4;
\x
\pset format csv
select * from everything order by id;
\pset format unaligned
select id, tags, extra from people order by id limit 3;
\pset format html
select id, name from people order by id limit 2;
\pset format aligned
\pset null '<none>'
select id, email from people where email is null order by id limit 2;
\pset border 2
select 1 as one, null as nothing;
\t
select 'only rows';
\a
select 1, 2;
-- case: gdesc
select id, name, score * 2 as twice, tags, extra->'n' as n from people \gdesc
select * from everything \gdesc
select nonsense from people \gdesc
update scratch set note = 'x' returning id, note \gdesc
create table never (id integer) \gdesc
select 1 as "a ""b""", 'x'::varchar(7), 1.5::numeric(9,3), null \gdesc
\gdesc
-- case: bind
select $1::text || $2 as joined \bind 'one' 'two' \g
select $1::int + $2::int as sum \bind 1 2 \g
select $1::int \bind notanumber \g
select $1, $2 \bind onlyone \g
select id, name from people where id = $1 \bind 5 \g
select count(*) from people where mood = $1 and score > $2 \bind happy 100 \gx
insert into scratch (id, note) values ($1, $2) returning * \bind 900 'bound' \g
delete from scratch where id = $1 \bind 900 \g
-- case: prepared
select $1::int * 2 as twice \parse doubled
\bind_named doubled 21 \g
\bind_named doubled 4 \g
\bind_named missing 1 \g
\close_prepared doubled
\bind_named doubled 1 \g
select name from pg_prepared_statements order by 1;
select $1::int as a \parse ''
\bind_named '' 3 \g
-- case: watch
select 1 as again \watch c=3 i=0.05
select count(*) from people \watch i=0.02 c=2 m=1
select 1/0 \watch c=2 i=0.02
-- case: gset
select id as first_id, name as first_name from people order by id limit 1 \gset
\echo :first_id :first_name :'first_name' :"first_name"
select :first_id + 1 as next, :'first_name' as name;
select 1 as x, 2 as y \gset pre_
\echo :pre_x :pre_y
select * from people \gset
select 1 where false \gset
\set limit 3
select id from people order by id limit :limit;
select :{?limit} as there, :{?nothing} as missing;
-- case: gexec-and-crosstab
select format('select %s as n', n) from generate_series(1, 3) n \gexec
select mood, extract(year from born)::int % 2 as odd, count(*) from people group by 1, 2 order by 1, 2 \crosstabview
select 'select 1/0' union all select 'select 2' \gexec
-- case: status-variables
select id from people where id < 4 order by id;
\echo :ROW_COUNT :SQLSTATE :ERROR :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
select 1/0;
\echo :ROW_COUNT :SQLSTATE :ERROR :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
insert into scratch values (1), (2);
\echo :ROW_COUNT :SQLSTATE
delete from scratch;
\echo :ROW_COUNT :SERVER_VERSION_NAME :SERVER_VERSION_NUM :ENCODING :DBNAME :USER
-- case: large
select n, md5(n::text), repeat('x', n % 100) from generate_series(1, 5000) n;
select length(string_agg(md5(n::text), '')) from generate_series(1, 100000) n;
select repeat('0123456789', 100000) as wide;
-- case: fetch-count
\set FETCH_COUNT 100
select n, n * n as square from generate_series(1, 1000) n;
select 1000 / (n - 500) as fails_late from generate_series(1, 1000) n;
-- case: many-in-one
\set SHOW_ALL_RESULTS on
select 1 as a\; select 'two' as b\; select null as c;
select 1\; select 1/0\; select 3;
insert into other.people values (10, 'a')\; update other.people set name = 'b' where id = 10 returning *\; delete from other.people where id = 10;
select 1\; ;
;
-- case: many-in-one-with-a-trigger
insert into scratch values (10, 'a')\; update scratch set note = 'b' where id = 10 returning *\; delete from scratch;
-- case: writes
insert into scratch values (1, 'one', 1), (2, null, 2) returning *;
insert into scratch values (1, 'again') on conflict (id) do update set note = excluded.note returning id, note;
update scratch set amount = amount + 1;
update scratch set amount = 0 where id = 99;
merge into scratch s using (values (2, 'merged'), (3, 'new')) v(id, note) on s.id = v.id
  when matched then update set note = v.note when not matched then insert values (v.id, v.note, 0)
  returning merge_action(), s.*;
with gone as (delete from scratch where id = 3 returning *) select * from gone;
select * from scratch order by id;
truncate scratch;
-- case: functions
select double(21), shout('hello');
call note('well');
do $$ begin raise notice 'from a block'; raise warning 'a warning'; raise info 'an info'; end $$;
select fails('22000');
select * from generate_series(1, 3) with ordinality;
select count(*) filter (where mood = 'sad'), array_agg(id order by id) filter (where id < 4) from people;
with recursive t(n) as (values (1) union all select n + 1 from t where n < 5) select * from t;
select id, rank() over (partition by mood order by score desc) from people order by id limit 5;
table other.people;
values (1, 'a'), (2, 'b');
select nextval('tickets'), currval('tickets'), lastval();
select setval('tickets', 1000, false);
-- case: explain
explain select * from people where id = 1;
explain (format json) select * from people where id = 1;
explain (costs off) select p.name, count(*) from people p join visits v on v.person = p.id group by p.name;
explain (analyze, timing off, summary off, costs off, buffers off) select * from people where id < 10;
explain (verbose, costs off) update scratch set note = 'x';
explain (generic_plan, costs off) select * from people where id = $1;
-- case: settings
show search_path;
show all \gdesc
set work_mem = '8MB';
show work_mem;
set application_name to 'another name';
show application_name;
set datestyle = 'German';
select date '2024-02-29';
set time zone 'Europe/Berlin';
select timestamptz '2024-02-29 12:00+00';
set intervalstyle = iso_8601;
select interval '1 year 2 days';
set local work_mem = '9MB';
set bytea_output = escape;
select '\x00ff41'::bytea;
set extra_float_digits = 0;
select 0.1::float8 + 0.2::float8;
set nonsense = 1;
set my.variable = 'own';
show my.variable;
select current_setting('my.variable'), set_config('my.variable', 'x', false), current_setting('my.none', true);
reset all;
show work_mem;
show nonsense;
discard all;
set client_min_messages = warning;
select shout('quiet');
reset client_min_messages;
set statement_timeout = '50ms';
select pg_sleep(5);
reset statement_timeout;
select current_user, session_user, current_database(), current_schema, current_schemas(true);
set role hoop_service;
select current_user, session_user;
reset role;
set session authorization default;
-- case: conninfo
\encoding
\conninfo
select inet_server_addr(), inet_client_addr() is not null as has_client;
-- case: copy-out
\copy people (id, name) to stdout
\copy (select id, note from visits order by id limit 5) to stdout csv header
copy (select 1, 'two', null) to stdout;
\copy people to 'people.copy'
-- To where errors go: on one output with psql's own, which of the two comes first is a matter of chance.
\copy (select n from generate_series(1, 3) n) to program 'cat >&2'
copy people to stdout (format binary, no_such_option);
-- case: copy-in
copy scratch from stdin;
1	one	5
2	\N	6
\.
select * from scratch order by id;
\copy scratch (id, note) from stdin csv
3,"three, quoted"
4,
\.
select * from scratch order by id;
copy scratch from stdin;
notanumber	x	1
\.
select count(*) from scratch;
delete from scratch;
-- case: sql-prepare
prepare one as select $1::int + 1;
execute one(41);
prepare one as select 1;
execute one('x');
select name, statement, parameter_types from pg_prepared_statements;
deallocate one;
execute one(1);
deallocate all;
deallocate nothing;
-- case: sql-cursors
begin;
declare c cursor for select id, name from people order by id;
fetch c;
fetch 3 from c;
fetch backward 2 from c;
move 10 in c;
fetch next from c;
fetch absolute 300 from c;
fetch forward all from c;
select name, is_holdable, is_scrollable from pg_cursors;
close c;
fetch c;
rollback;
declare h cursor with hold for select n from generate_series(1, 3) n;
fetch all h;
close h;
declare outside cursor for select 1;
