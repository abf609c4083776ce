"""The closed list of what a client may see differently under a policy that allows all and masks nothing.

Each entry is a row of docs/transparency.md, and names its cases. Taking an entry out turns their comparison on.
"""

from tests.transparency.comparison import Difference

BATCH = "send them apart, each in its own query"

KNOWN = (
    Difference(
        cases=(
            "psql/errors/verbose-syntax",
            "psycopg/*/syntax",
            "asyncpg/*/syntax",
            "node-*/*/syntax",
            "jdbc/*/syntax",
        ),
        why="nothing that the grammar does not take reaches the database, and the gateway has no place in its source",
        page="PostgreSQL's own error, but made by the gateway",
        lacks="scanner_yyerror",
        lines=67,
    ),
    Difference(
        cases=("psycopg/libpq-pipeline-of-*/malformed", "psycopg/raw/malformed", "node-*/*/malformed"),
        why="the gateway has to know what a Bind means before it sends it, and has no place in PostgreSQL's source",
        page="that does not have the parameters of its statement",
        lacks="exec_bind_message",
        lines=6,
    ),
    Difference(
        cases=("psycopg/*/sql-prepare", "asyncpg/*/sql-prepare", "node-*/*/sql-prepare", "jdbc/*/sql-prepare"),
        why="the gateway has to know what an EXECUTE runs before it sends it, and has no place in PostgreSQL's source",
        page="an EXECUTE or FETCH of a name that there is not",
        lacks="FetchPreparedStatement",
        lines=102,
    ),
    Difference(
        cases=("psycopg/*/sql-cursors", "asyncpg/*/sql-cursors", "node-*/*/sql-cursors", "jdbc/*/sql-cursors"),
        why="the gateway has to know what a FETCH reads before it sends it, and has no place in PostgreSQL's source",
        page="an EXECUTE or FETCH of a name that there is not",
        lacks="PerformPortalFetch",
        lines=102,
    ),
    Difference(
        cases=("psql/statements/many-in-one-with-a-trigger", "psql/transactions/batch-with-a-trigger"),
        why="a trigger's code could change what the statements behind it in the batch mean",
        page=BATCH,
        answer=f"ERROR:  INSERT can change what the statements after it mean: {BATCH}",
        lines=10,
    ),
    Difference(
        cases=("psycopg/*/pinned", "asyncpg/[!e]*/pinned", "node-*/*/pinned", "jdbc/*/pinned"),
        why="the gateway sets at start-up what decides how the server reads statements",
        page="`pg_settings` says that the client has set them",
        answer="standard_conforming_strings",
        lines=6,
    ),
    Difference(
        cases=("asyncpg/execute/pinned",),
        why="as above; it shows how many there are",
        page="`pg_settings` says that the client has set them",
        answer="SELECT 2",
    ),
    Difference(
        cases=("*/startup/unknown",),
        why="what the gateway does not know could change what statements mean",
        page="other start-up options",
        answer='start-up option "nothing_of_this_name" is refused by the gateway: use SET after connecting',
    ),
    Difference(
        cases=("*/startup/bad-value",),
        why="the gateway starts the session, and says who refused it",
        page="a start-up option that the database refuses",
        answer='the database of prod-db refused the gateway: invalid value for parameter "statement_timeout": "soon"',
    ),
    Difference(
        cases=("*/startup/latin1",),
        why="statements are read in UTF8",
        page="client_encoding latin1 is refused: the gateway reads UTF8 only",
        answer="client_encoding latin1 is refused: the gateway reads UTF8 only",
        lines=10,
    ),
    Difference(
        cases=("*/startup/database",),
        why="a tunnel is to one database",
        page='this tunnel is for the database "shop", not "other"',
        answer='this tunnel is for the database "shop", not "other"',
        lines=7,
    ),
    Difference(
        cases=("*/startup/wrong-password",),
        why="the password is the tunnel's",
        page="a password that is not the tunnel's",
        answer="wrong password: use the one that hoopctl connect printed for this tunnel",
        lines=7,
    ),
    Difference(
        cases=("*/startup/replication",),
        why="changes that are streamed are not seen by rules and masks",
        page="replication is refused by the gateway",
        answer="replication is refused by the gateway",
    ),
)
