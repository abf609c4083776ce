-- case: savepoints
begin;
insert into scratch values (1, 'kept');
savepoint a;
insert into scratch values (2, 'undone');
rollback to savepoint a;
select 1/0;
select 'refused while aborted';
rollback to a;
release a;
select * from scratch;
rollback;
select * from scratch;
-- case: states
begin;
begin;
commit;
commit;
rollback;
abort;
end;
savepoint outside;
release nothing;
rollback to nothing;
begin;
release nothing;
commit;
start transaction isolation level serializable read only deferrable;
show transaction_isolation;
insert into scratch values (1);
rollback;
begin isolation level repeatable read;
select 1;
set transaction isolation level serializable;
rollback;
begin;
commit and chain;
select 1;
rollback and chain;
rollback;
set session characteristics as transaction read only;
insert into scratch values (1);
set session characteristics as transaction read write;
-- case: on-error-rollback
\set ON_ERROR_ROLLBACK on
begin;
insert into scratch values (1);
select 1/0;
insert into scratch values (2);
select id from scratch order by id;
rollback;
-- case: no-autocommit
\set AUTOCOMMIT off
select 1;
insert into scratch values (1);
select 1/0;
select 2;
rollback;
select count(*) from scratch;
commit;
-- case: single-transaction-errors
begin\; insert into other.people values (5)\; select 1/0\; select 2;
select 3;
rollback;
begin\; select 1\; commit;
insert into other.people values (6)\; select 1/0;
select count(*) from other.people;
-- case: batch-with-a-trigger
begin\; insert into scratch values (5)\; select 1/0\; select 2;
rollback;
-- case: prepared-transactions
begin;
insert into scratch values (7);
prepare transaction 'tx';
rollback;
commit prepared 'tx';
-- case: set-local
begin;
set local search_path = other;
select * from people;
savepoint s;
set local search_path = public;
select count(*) from people;
rollback to s;
select * from people;
commit;
show search_path;
begin;
set search_path = other;
rollback;
show search_path;
-- case: locks
begin;
lock table people in share mode;
select id from people where id = 1 for update;
select id from people where id = 1 for share skip locked;
select pg_advisory_xact_lock(5), pg_try_advisory_lock(6), pg_advisory_unlock(6), pg_advisory_unlock(7);
rollback;
-- case: deferred
begin;
create temporary table t (id integer primary key deferrable initially deferred);
insert into t values (1), (1);
commit;
select * from t;
