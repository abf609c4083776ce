"""The closed list of what a client may see differently under a policy that allows all and masks nothing.

Each entry is a row of docs/transparency.md, and names its cases. Taking an entry out turns their comparison on.
"""

from tests.transparency.comparison import Difference

KNOWN = (
    Difference(
        cases=("psql/errors/verbose-syntax",),
        why="nothing that the grammar does not take reaches the database, and the gateway has no place in its source",
        page="PostgreSQL's own error, but made by the gateway",
        lacks="LOCATION:  scanner_yyerror",
    ),
    Difference(
        cases=("psql/statements/many-in-one-with-a-trigger", "psql/transactions/batch-with-a-trigger"),
        why="a trigger's code could change what the statements behind it in the batch mean",
        page="send them apart, each in its own query",
        answer="ERROR:  INSERT can change what the statements after it mean: send them apart, each in its own query",
    ),
)
