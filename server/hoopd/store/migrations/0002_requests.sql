-- Requests and the words said on them. A row changes only by compare-and-swap on (state, words).

CREATE TABLE hoop.requests (
    id text PRIMARY KEY,
    gateway text NOT NULL,              -- which gateway raised it, and settles it when it starts again
    state text NOT NULL CHECK (state IN ('pending', 'approved', 'running', 'done', 'rejected', 'expired',
                                         'cancelled', 'void')),
    issuer text NOT NULL,               -- the requester
    subject text NOT NULL,
    asked text[] NOT NULL,              -- the groups that may decide
    snapshot json NOT NULL,             -- canonical (hoopd.approvals.snapshots); json, not jsonb, keeps its text
    created timestamptz NOT NULL,
    hold_until timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    words integer NOT NULL DEFAULT 0,   -- how many rows it has in request_words
    message text NOT NULL DEFAULT ''
);
CREATE INDEX requests_created ON hoop.requests (created DESC, id);
CREATE INDEX requests_open ON hoop.requests (state, created DESC) WHERE state IN ('pending', 'approved', 'running');

CREATE TABLE hoop.request_words (
    request text NOT NULL REFERENCES hoop.requests (id),
    number integer NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('approve', 'reject')),
    issuer text NOT NULL,
    subject text NOT NULL,
    email text,
    groups text[] NOT NULL,
    comment text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (request, number)
);
-- A person's approval counts once, whatever the program believes (INV-6).
CREATE UNIQUE INDEX request_words_once ON hoop.request_words (request, issuer, subject) WHERE verdict = 'approve';
