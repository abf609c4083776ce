-- case: tables
create schema work;
set search_path = work, public;
create table t (id serial primary key, note text default 'x', other integer references public.people);
\d t
insert into t (other) values (1), (2) returning *;
alter table t add column more numeric(5, 2) not null default 1.5, alter column note type varchar(30);
alter table t rename column other to person;
\d t
create unique index concurrently t_note on t (note, id);
select * from t order by id;
create table t2 as select * from t;
create table t3 (like t including all);
select * into t4 from t;
create table t (id integer);
create table if not exists t (id integer);
comment on column t.note is 'a note';
alter table t drop column person;
create view v as select id, note from t;
select * from v order by id;
create or replace view v as select id, note, more from t;
drop table t;
drop table t cascade;
create materialized view m as select * from t2 with no data;
refresh materialized view m;
select * from m order by id;
truncate t2, t3 restart identity;
cluster t3 using t3_pkey;
drop schema work cascade;
\dn
reset search_path;
-- case: temporary
create temp table people (id integer, note text);
insert into people values (1, 'shadow');
select * from people;
select count(*) from public.people;
create temp table gone (id integer) on commit drop;
select * from gone;
create temp view tv as select * from people;
select * from tv;
drop table people cascade;
select count(*) from people;
discard temp;
-- case: types-and-functions
create type colour as enum ('red');
alter type colour add value 'blue' after 'red';
select 'blue'::colour;
create type pair as (a integer, b text);
select (1, 'x')::pair, ((1, 'x')::pair).b;
create domain short as varchar(3) check (value <> 'bad');
select 'bad'::short;
create function add(a integer, b integer default 1) returns integer language sql as 'select a + b';
select add(1), add(1, 2), add(b => 5, a => 1);
create or replace function add(a integer, b integer default 1) returns integer language sql as 'select a - b';
select add(1);
create function add(a text) returns text language sql as 'select a';
select add('x'::text);
create function broken() returns integer language sql as 'select nothing';
create aggregate total(integer) (sfunc = int4pl, stype = integer, initcond = '0');
select total(id) from people where id < 5;
create operator === (leftarg = integer, rightarg = integer, function = int4eq);
select 1 === 1;
create cast (pair as text) with inout as implicit;
drop cast (pair as text);
drop operator === (integer, integer);
drop aggregate total(integer);
drop function add(integer, integer), add(text);
drop domain short;
drop type pair, colour;
-- case: rights
grant select on people to public;
\dp people
revoke select on people from public;
grant select on people to nobody_at_all;
alter default privileges grant select on tables to public;
\ddp
alter default privileges revoke select on tables from public;
alter table scratch owner to hoop_service;
alter table scratch owner to postgres;
reassign owned by hoop_service to hoop_service;
security label on table scratch is 'x';
alter role hoop_service set work_mem = '5MB';
\drds
alter role hoop_service reset work_mem;
-- case: triggers-and-rules
create trigger again before delete on scratch for each row execute function touched();
alter table scratch disable trigger again;
\d scratch
drop trigger again on scratch;
create rule nothing as on delete to scratch do instead nothing;
delete from scratch;
drop rule nothing on scratch;
create policy p on people for select using (id > 1);
drop policy p on people;
create statistics st (dependencies) on mood, born from people;
drop statistics st;
create publication pub for table people;
drop publication pub;
create event trigger et on ddl_command_start execute function touched();
create extension if not exists plpgsql;
create extension nothing_of_this_name;
-- case: maintenance
vacuum scratch;
analyze scratch;
vacuum (verbose false, analyze) scratch;
vacuum nothing;
reindex table scratch;
checkpoint;
begin;
vacuum scratch;
rollback;
