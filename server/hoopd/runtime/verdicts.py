"""Verdicts that were given before, for all sessions of one connection.

A verdict is a function of the exact text, the session's state, who asks with what client, the catalog and the policy
(``session.judgement``), so the same question has the same answer. All of that is the key, and a new catalog or policy
empties the cache. A fingerprint of the text is never the key: it is equal for texts that mean different things. What
runs something by its name in a session (EXECUTE, FETCH) is not kept. Bounded in entries and in the length of a text
(INV-9). For the event loop's thread alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from hoopd.domain.connection import Connection
from hoopd.domain.principal import Principal
from hoopd.domain.statement import SessionState
from hoopd.policy.matching import Circumstances
from hoopd.session.judgement import PolicyInForce, Verdict
from hoopd.sql.catalog import Catalog

ENTRIES = 2_000
LONGEST = 4_000
HEAVIEST = 200
"""Characters of a text, and columns, accesses and the like of a verdict, of what is kept."""

_Key = tuple[str, SessionState, Principal, str]


class VerdictCache:
    """The verdicts on one connection, under one catalog and one policy; those asked for last."""

    def __init__(self, entries: int = ENTRIES) -> None:
        self._entries = entries
        self._under: tuple[Catalog, PolicyInForce, Connection] | None = None
        self._found: OrderedDict[_Key, Verdict] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    def verdict(
        self,
        text: str,
        state: SessionState,
        catalog: Catalog,
        in_force: PolicyInForce,
        circumstances: Circumstances,
        make: Callable[[], Verdict],
    ) -> Verdict:
        """The verdict that was given before, or the one that ``make`` gives now. What it raises is not kept."""
        if len(text) > LONGEST:
            return make()
        under = catalog, in_force, circumstances.connection
        if self._under is None or any(now is not before for now, before in zip(under, self._under, strict=True)):
            self._found.clear()
            self._under = under
        key = (text, state, circumstances.principal, circumstances.application)
        known = self._found.get(key)
        if known is not None:
            self._found.move_to_end(key)
            return known
        made = make()
        if _weight(made) > HEAVIEST or any(one.facts.by_name for one in made.statements):
            return made
        self._found[key] = made
        if len(self._found) > self._entries:
            self._found.popitem(last=False)
        return made


def _weight(verdict: Verdict) -> int:
    """How much a verdict holds, about: its text may be short and name a wide table over and over."""
    facts = [one.facts for one in verdict.statements]
    outputs = sum(1 + len(column.sources) for one in facts for column in one.output or ())
    others = sum(
        len(one.inferable) + len(one.derived) + len(one.accesses) + len(one.functions) + len(one.cascades)
        for one in facts
    )
    return len(facts) + outputs + others + len(verdict.identity) + len(verdict.meets)
