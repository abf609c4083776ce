-- Names that can be taken for one another, and a value of its own in nearly every cell. No indexes and no constraints but
-- one: what a statement gives must depend on values alone, not on where a row lies or how it is found.
create schema app;
create schema "Third One";
create type app.grade as enum ('low', 'high', 'top');
create type app.mood as enum ('sad', 'fine');
create type app.place as (street text, number int);
create domain app.email as text check (value like '%@%');
create function app.is_positive(int) returns bool language plpgsql immutable as 'begin return $1 > -1000000; end';
create domain app.positive as int check (app.is_positive(value));
create type app.holder as (p app.positive, note text);

create table public.people (id int, name text, mail text, born date, boss int, tags text[], info jsonb);
create table app.people (id int, name text, iban text, "name of" text, boss int);
create table "Third One".people (id int, "Name" text, name text, card text);
create table public.orders (id int, people int, total int, note text, mail text, g app.grade, at app.place);
create table app.orders (id int, people int, status text, note text);
create table public.notes (id int, note text, name text, seen bool);
create table public."select" ("id" int, "from" text, "Id" text, "a.b" text);
create table public.parent (id int, hidden text, name text);
create table public.child (extra text) inherits (public.parent);
create table public.grandchild (more text, extra text) inherits (public.child);
create table public.events (id int, secret text, kind int, day date) partition by list (kind);
create table public.events_1 partition of public.events for values in (1);
create table app.events_rest (day date, id int, kind int, secret text);
alter table public.events attach partition app.events_rest default;
create table public.dropped (gone text, id int, gone_too int, name text, card text);
alter table public.dropped drop column gone, drop column gone_too;
create table public.typed (id int, mail app.email, p app.positive, h app.holder, m app.mood, name text);
create table app.keyed (id int primary key, name text, iban text);

create function app.shout(text) returns text language sql immutable as 'select upper($1)';
create function app.least_of(int, int default 0) returns int language sql immutable as 'select least($1, $2)';
create function public.full_name(public.people) returns text language sql stable as 'select $1.name || $1.mail';
create function app.orders_of(int) returns setof public.orders language sql stable as
  'select * from public.orders where people = $1';
create function app.adds(int, int) returns int language sql immutable as 'select $1 + coalesce($2, 0)';
create aggregate app.total(int) (sfunc = app.adds, stype = int, initcond = '0');
create operator app.### (leftarg = int, rightarg = int, function = app.adds);
create operator public.### (leftarg = text, rightarg = text, function = textcat);
create function app.mood_number(app.mood) returns int language sql immutable as
  $$ select case $1 when 'sad' then 1 else 2 end $$;
create cast (app.mood as int) with function app.mood_number(app.mood);

create view public.mails as select id, mail as address, name from public.people where boss > 0;
create view app.people_and_orders as
  select p.*, o.total, o.note from public.people p join public.orders o on o.people = p.id;
create view public.view_of_views as select m.address, v.note, v.id from public.mails m join app.people_and_orders v using (id);
create view public.view_of_code as select id, app.shout(name) as name from public.people;
create view "Third One"."A View" ("Some id", name) as select id, card from "Third One".people;
create materialized view public.kept as select id, name, iban from app.people;

insert into public.people select n, 'name-' || n, 'mail-' || n, date '1990-01-01' + n * 100, n % 3,
  array['tag-' || n, 'tag'], jsonb_build_object('k', 'info-' || n, 'n', n) from generate_series(1, 4) n;
insert into app.people select n, 'name-' || n, 'iban-' || n, 'of-' || n, 4 - n from generate_series(2, 5) n;
insert into "Third One".people select n, 'Name-' || n, 'name-' || n, 'card-' || n from generate_series(1, 3) n;
insert into public.orders select n, n % 4 + 1, n * 7 % 11, 'note-' || n, 'mail-' || n % 4,
  (array['low', 'high', 'top'])[n % 3 + 1]::app.grade, row('street-' || n, n)::app.place from generate_series(1, 6) n;
insert into app.orders select n, n, 'status-' || n % 2, 'note-' || n from generate_series(1, 4) n;
insert into public.notes select n, 'note-' || n, 'name-' || n % 3, n % 2 = 0 from generate_series(1, 5) n;
insert into public."select" select n, 'from-' || n, 'Id-' || n, 'dot-' || n from generate_series(1, 3) n;
insert into public.parent select n, 'hidden-' || n, 'name-' || n from generate_series(1, 2) n;
insert into public.child select n, 'hidden-' || n, 'name-' || n, 'extra-' || n from generate_series(3, 4) n;
insert into public.grandchild select 5, 'hidden-5', 'name-5', 'extra-5', 'more-5';
insert into public.events select n, 'secret-' || n, n, date '2020-01-01' + n from generate_series(1, 4) n;
insert into public.dropped select n, 'name-' || n, 'card-' || n from generate_series(1, 3) n;
insert into public.typed select n, 'mail@' || n, n, row(n, 'held-' || n)::app.holder,
  'fine', 'name-' || n from generate_series(1, 3) n;
refresh materialized view public.kept;
insert into app.keyed select n, 'name-' || n, 'iban-' || n from generate_series(1, 3) n;
