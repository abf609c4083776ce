-- What both databases hold before anything is compared. Everything belongs to the role that both sides sign in as.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE point3 AS (x integer, y integer, z integer);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE SEQUENCE tickets START 100 INCREMENT 5;

CREATE TABLE people (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email text UNIQUE,
    mood mood NOT NULL DEFAULT 'ok',
    born date,
    score numeric(10, 2) CHECK (score >= 0),
    tags text[] NOT NULL DEFAULT '{}',
    extra jsonb,
    seen timestamptz,
    initial text GENERATED ALWAYS AS (left(name, 1)) STORED
);
COMMENT ON TABLE people IS 'who there is';
COMMENT ON COLUMN people.email IS 'ünique, and may be missing';
INSERT INTO people (name, email, mood, born, score, tags, extra, seen)
    SELECT 'person ' || n, CASE WHEN n % 7 <> 0 THEN 'p' || n || '@example.com' END,
           (ARRAY['sad', 'ok', 'happy']::mood[])[n % 3 + 1], date '1970-01-01' + n * 97, n * 1.25,
           ARRAY['t' || n % 4, 'ü' || n % 3], jsonb_build_object('n', n, 'even', n % 2 = 0),
           timestamptz '2024-01-01 00:00:00+00' + n * interval '37 minutes'
    FROM generate_series(1, 300) n;

CREATE TABLE visits (
    id bigint PRIMARY KEY DEFAULT nextval('tickets'),
    person integer NOT NULL REFERENCES people ON DELETE CASCADE,
    at date NOT NULL,
    note varchar(40)
);
CREATE INDEX visits_by_date ON visits (at DESC) WHERE note IS NOT NULL;
CREATE INDEX visits_by_note ON visits (lower(note), person);
INSERT INTO visits (person, at, note)
    SELECT n % 300 + 1, date '2024-01-01' + n % 90, CASE WHEN n % 5 <> 0 THEN 'note ' || n END
    FROM generate_series(1, 1000) n;
GRANT SELECT (person, at) ON visits TO PUBLIC;

CREATE TABLE everything (
    id integer PRIMARY KEY,
    a_bool boolean, a_int2 smallint, a_int8 bigint, a_float4 real, a_float8 double precision, a_numeric numeric,
    a_char char(5), a_varchar varchar(9), a_text text, a_bytea bytea, a_date date, a_time time, a_timetz timetz,
    a_timestamp timestamp, a_timestamptz timestamptz, a_interval interval, a_uuid uuid, a_json json, a_jsonb jsonb,
    a_inet inet, a_cidr cidr, a_macaddr macaddr, a_bit bit(4), a_varbit varbit, a_point point, a_box box, a_path path,
    a_range int4range, a_multirange int4multirange, a_mood mood, a_point3 point3, a_positive positive, a_money money,
    a_tsvector tsvector, a_array integer[], a_texts text[][], a_moods mood[], a_oid oid, a_name name
);
INSERT INTO everything VALUES
    (1, true, 1, 9223372036854775807, 1.5, 0.1, 12345678901234567890.123456789, 'ab', 'varchar', E'tab\tünï', '\x00ff10',
     '2024-02-29', '12:34:56.789', '12:34:56+02', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789+00',
     '1 year 2 mons 3 days 04:05:06', '00000000-0000-0000-0000-000000000001', '{"a": [1, 2]}', '{"b": null}',
     '10.0.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', B'1010', B'101', '(1,2)', '(3,4),(1,2)', '((0,0),(1,1))',
     '[1,5)', '{[1,3),[7,9)}', 'happy', '(1,2,3)', 7, 12.34, 'a fat cat', '{1,NULL,3}', '{{a,b},{"c d",NULL}}',
     '{sad,ok}', 42, 'a name'),
    (2, false, -1, -9223372036854775808, 'NaN', '-Infinity', 'NaN', '', '', '', '', 'infinity', '00:00', '00:00+00',
     '-infinity', 'infinity', '-1 day', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'null', '[]', '::1', '::/0',
     'ff:ff:ff:ff:ff:ff', B'0000', B'', '(0,0)', '(0,0),(0,0)', '[(0,0)]', 'empty', '{}', 'sad', '(,,)', 1, 0, '',
     '{}', '{}', '{}', 0, '');
INSERT INTO everything (id) VALUES (3);

CREATE TABLE measures (at date NOT NULL, value integer) PARTITION BY RANGE (at);
CREATE TABLE measures_2023 PARTITION OF measures FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE measures_2024 PARTITION OF measures FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO measures SELECT date '2023-12-01' + n, n FROM generate_series(0, 60) n;

CREATE TABLE scratch (id integer PRIMARY KEY, note text, amount integer NOT NULL DEFAULT 0);

CREATE VIEW happy_people AS SELECT id, name, email FROM people WHERE mood = 'happy';
CREATE MATERIALIZED VIEW visit_counts AS SELECT person, count(*) AS visits FROM visits GROUP BY person;
CREATE INDEX ON visit_counts (person);
CREATE FUNCTION double(n integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS 'SELECT n * 2';
CREATE FUNCTION shout(words text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'shouting %', words USING DETAIL = 'a detail', HINT = 'a hint';
    RETURN upper(words);
END $$;
CREATE FUNCTION fails(code text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'failed on purpose' USING ERRCODE = code, DETAIL = 'why', HINT = 'what', TABLE = 'people',
        COLUMN = 'email', CONSTRAINT = 'none', SCHEMA = 'public', DATATYPE = 'text';
END $$;
CREATE PROCEDURE note(INOUT words text) LANGUAGE plpgsql AS $$ BEGIN words := words || '!'; END $$;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.note := coalesce(NEW.note, 'untold');
    RETURN NEW;
END $$;
CREATE TRIGGER scratch_touched BEFORE INSERT OR UPDATE ON scratch FOR EACH ROW EXECUTE FUNCTION touched();
CREATE SCHEMA other;
CREATE TABLE other.people (id integer, name text);
INSERT INTO other.people VALUES (1, 'another');
ALTER TABLE visits ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_them ON visits USING (true);
ANALYZE;
