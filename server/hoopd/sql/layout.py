"""SQL laid out for people, and only where that changes nothing.

sqlparse does not validate and cuts statements where PostgreSQL does not, so its layout is shown only if it parses to
the same tree; else the text stays as it is. For the review inbox and replay; never for what is sent to the server.
"""

from __future__ import annotations

import sqlparse
from sqlparse.exceptions import SQLParseError

from hoopd.sql.parser import deep_recursion, same_tree

MAX_CHARACTERS = 20_000
"""Longer text is shown as it is: laying it out would take too long."""


def layout(text: str) -> str:
    """``text`` with its clauses on lines of their own, or ``text`` itself."""
    if len(text) > MAX_CHARACTERS:
        return text
    try:
        shown: str = sqlparse.format(text, reindent=True, keyword_case="upper")
        with deep_recursion():
            return shown if same_tree(text, shown) else text
    except (SQLParseError, RecursionError):
        return text
