-- case: syntax
selec 1;
select from where;
select 'unterminated;
';
select 1 +;
select * frm people;
create tabel x (id integer);
select 1 as;
insert into scratch (id values (1);
select (1;
select $1;
-- case: names
select * from nothing;
select nothing from people;
select nothing.id from people;
select people.nothing from people;
select * from nowhere.people;
select nofunction(1);
select upper(1, 2);
select 1 || 2;
select 'a'::notype;
select id from people, visits;
select name from people group by mood;
update people set nothing = 1;
insert into people (nothing) values (1);
delete from nothing;
drop table nothing;
drop table if exists nothing;
select * from people p1 join people p1 on true;
-- case: values
select 1/0;
select 'x'::int;
select '2024-13-01'::date;
select 'nomood'::mood;
select 0::positive;
select 99999999999::int;
select 2147483647 + 1;
select sqrt(-1);
select '{'::json;
select substring('x' from 1 for -1);
select array[1, 2]::int[][] + 1;
select ('{1,2' )::int[];
select repeat('x', 2000000000);
select 'ab' ~ '(';
select to_date('x', 'YYYY');
-- case: constraints
insert into people (name, email) values ('x', 'p1@example.com');
insert into people (name) values (null);
insert into people (id, name) values (1, 'x');
insert into people (name, score) values ('x', -1);
insert into visits (person, at) values (9999, '2024-01-01');
insert into measures values ('1999-01-01', 1);
insert into visits values (1, 1, '2024-01-01', repeat('x', 41));
delete from people where id in (select person from visits limit 0);
update people set initial = 'x';
-- case: kinds
select fails('23505');
select fails('P0001');
select fails('40001');
select fails('57014');
select fails('XX000');
select fails('0A000');
select pg_read_file('/etc/hostname');
copy scratch from '/nonexistent';
create database shop;
vacuum full pg_class;
drop database shop;
set default_transaction_read_only = on;
insert into scratch values (1);
set default_transaction_read_only = off;
create role somebody superuser;
alter system set work_mem = '1MB';
load 'nonsense';
lock table people;
-- case: syntax-of-listen
listen;
-- case: verbose
\set VERBOSITY verbose
select 1/0;
select nothing from people;
insert into people (name, email) values ('x', 'p1@example.com');
select fails('P0001');
select shout('verbose');
\set VERBOSITY terse
select 1/0;
select shout('terse');
\set VERBOSITY sqlstate
select 1/0;
\set VERBOSITY default
\set SHOW_CONTEXT always
select shout('with context');
select 1/0;
\errverbose
select fails('22012');
\errverbose
-- case: verbose-syntax
\set VERBOSITY verbose
select 1 frm people x y;
selec 1;
select 'unterminated
;';
-- case: stop-at-error
\set ON_ERROR_STOP on
select 1;
select 1/0;
select 'never';
