"""Which words of the database's errors and notices may be passed on while columns are masked (THREATS 15, INV-4).

PostgreSQL quotes values and whole rows in DETAIL, in CONTEXT, and in messages (``invalid input syntax for type integer:
"4111…"``). The SQLSTATE always stays. Which fields go is said in ``pgwire.errors`` (``without_values``).
"""

from __future__ import annotations

from hoopd.masking.plan import MaskPlan


def message(plan: MaskPlan, sqlstate: str, text: str, position: str | None) -> str:
    """The message for the client and the record.

    An error of class 42 with a position is about the statement's own words: it was found before any row was read, since
    what fails while rows are read has no position in the text. It stays, so that a misspelt column is called so.
    """
    if not plan.withhold_errors or (position and sqlstate.startswith("42")):
        return text
    return f"the database gave SQLSTATE {sqlstate}; its words are withheld, since they can quote masked columns"
