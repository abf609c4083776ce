"""What legitimately differs from one run to the next is replaced by a word, on both sides alike.

A pattern here hides what it matches from every comparison, so each says why, and none matches more than that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class Rule(NamedTuple):
    why: str
    pattern: re.Pattern[str]
    word: str


def _rule(why: str, pattern: str, word: str) -> Rule:
    return Rule(why, re.compile(pattern), word)


RULES = (
    _rule("each server process has its own id", r"\b(PID|process) \d+\b", r"\1 <pid>"),
    _rule(
        "each run of \\watch says its time",
        r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} +\d+ [\d:]{8} \d{4}",
        "<moment>",
    ),
    _rule(
        "how long it took",
        r"\b(Time|latency average|(?:initial|average) connection time|tps)(:| =) [\d.]+.*",
        r"\1\2 <time>",
    ),
    _rule("what a database takes hangs on what was done to it before", r"\b\d+ kB\b", "<size>"),
    _rule("pg_dump guards its text with a random key", r"^\\(un)?restrict \w+$", r"\\\1restrict <key>"),
    _rule("a temporary schema has the number of its server process", r"\bpg_(toast_)?temp_\d+ *", r"pg_\1temp_<n> "),
    _rule("what \\conninfo says of the connection itself", r"\b(Server Port|Backend PID) +\| \d+", r"\1 | <number>"),
    _rule("the two listen at ports of their own", r'\bport "?\d+"?', "port <port>"),
)


def normal(lines: Iterable[str]) -> list[str]:
    """The lines, with what is allowed to differ replaced."""
    found = []
    for line in lines:
        for rule in RULES:
            line = rule.pattern.sub(rule.word, line)
        found.append(line)
    return found
