-- The record: sessions, their hash-chained events, and the statements derived from them for search.

CREATE TABLE hoop.sessions (
    id text PRIMARY KEY,
    gateway text NOT NULL,              -- id of the record key of the gateway that writes it
    issuer text NOT NULL,
    subject text NOT NULL,
    email text,
    connection text NOT NULL,
    database text NOT NULL,
    role text NOT NULL,
    application text NOT NULL,
    host text NOT NULL,
    reason text NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz,
    ended_because text,
    events bigint NOT NULL,             -- how many events the chain has
    head bytea NOT NULL,                -- hash of the last of them
    seal bytea                          -- Ed25519 over id, events, head and end; with `ended`, never without
);
CREATE INDEX sessions_started ON hoop.sessions (started, id);

CREATE TABLE hoop.events (
    session text NOT NULL REFERENCES hoop.sessions (id),
    seq bigint NOT NULL,
    body bytea NOT NULL,                -- hoop.v1.RecordEvent; the bytes that were hashed
    hash bytea NOT NULL,
    PRIMARY KEY (session, seq)
);

-- Derived from the events, in the transaction that writes them; `audit verify` compares the two.
CREATE TABLE hoop.statements (
    session text NOT NULL REFERENCES hoop.sessions (id),
    statement bigint NOT NULL,
    at timestamptz NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    principal text NOT NULL,
    connection text NOT NULL,
    sql text NOT NULL,
    params jsonb NOT NULL,
    kind text NOT NULL,
    effects text[] NOT NULL,
    decision text NOT NULL,
    rules text[] NOT NULL,
    request text,
    approvals jsonb NOT NULL,
    outcome text,
    rows bigint,
    duration_ms double precision,
    masked text[] NOT NULL,
    error text NOT NULL,
    changed_by bigint NOT NULL,         -- the event that this row was last changed by
    -- A tsvector holds 1 MiB at most; what is behind the first 100,000 characters is found by substring only.
    words tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, left(sql, 100000))) STORED,
    PRIMARY KEY (session, statement)
);
CREATE INDEX statements_at ON hoop.statements (at, session, statement);
CREATE INDEX statements_words ON hoop.statements USING gin (words);

CREATE TABLE hoop.policies (
    version bigint PRIMARY KEY,
    text text NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL,
    source text NOT NULL
);
