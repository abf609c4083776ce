"""Verdicts that were given before, for all sessions of one connection.

A verdict is a function of the exact text, the session's state, who asks with what client, the catalog and the policy
(``session.judgement``), so the same question has the same answer. All of that is the key, and a new catalog or policy
empties the cache. Under a policy that asks for the time the minute is part of the key: conditions see no finer. A
fingerprint of the text is never the key: it is equal for texts that mean different things. Where a plain SELECT differs
in numbers that no fact depends on (``sql.alike``), its verdict is told again of the other text. What runs something by
its name in a session (EXECUTE, FETCH) is not kept. Bounded in entries and in the length of a text (INV-9). For the
event loop's thread alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from hoopd.domain.connection import Connection
from hoopd.domain.principal import Principal
from hoopd.domain.statement import SessionState
from hoopd.policy.matching import Circumstances
from hoopd.session.judgement import PolicyInForce, Retelling, Verdict
from hoopd.sql.alike import shape
from hoopd.sql.catalog import Catalog

ENTRIES = 2_000
LONGEST = 4_000
HEAVIEST = 200
"""Characters of a text, and columns, accesses and the like of a verdict, of what is kept."""


class VerdictCache:
    """The verdicts on one connection, under one catalog and one policy; those asked for last."""

    def __init__(self, entries: int = ENTRIES) -> None:
        self._entries = entries
        self._under: tuple[Catalog, PolicyInForce, Connection] | None = None
        self._found: OrderedDict[tuple[str, int], Verdict] = OrderedDict()
        self._alike: OrderedDict[tuple[str, int], Retelling] = OrderedDict()
        self._askers: dict[tuple[SessionState, Principal, str, datetime | None], int] = {}
        self._seen: dict[int, tuple[SessionState, Circumstances, int]] = {}

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
        under = self._under
        if (
            under is None
            or under[0] is not catalog
            or under[1] is not in_force
            or under[2] is not circumstances.connection
        ):
            self._forget()
            self._under = catalog, in_force, circumstances.connection
        key = (text, self._asker(state, circumstances))
        known = self._found.get(key)
        if known is not None:
            self._found.move_to_end(key)
            return known
        shaped = shape(text)
        if shaped is None:
            return self._keep(key, make())
        alike = (shaped[0], key[1])
        told = self._alike.get(alike)
        if told is not None and told.fits(shaped[1]):
            return told.on(text)
        made = self._keep(key, make())
        retelling = Retelling.of(made, text, shaped[1]) if _weight(made) <= HEAVIEST else None
        if retelling is not None:
            self._alike[alike] = retelling
            if len(self._alike) > self._entries:
                self._alike.popitem(last=False)
        return made

    def _keep(self, key: tuple[str, int], made: Verdict) -> Verdict:
        if _weight(made) <= HEAVIEST and not any(one.facts.by_name for one in made.statements):
            self._found[key] = made
            if len(self._found) > self._entries:
                self._found.popitem(last=False)
        return made

    def _asker(self, state: SessionState, circumstances: Circumstances) -> int:
        """A number for who asks, in which state: equal ones have the same.

        A session asks with the same objects again and again, so that they are looked up by their identity, which
        holds for as long as they are kept here; to compare all that is in them costs more than the rest.
        """
        seen = self._seen.get(id(state))
        if seen is not None and seen[0] is state and seen[1] is circumstances:
            return seen[2]
        if len(self._seen) >= self._entries:  # each transaction has states of its own
            self._seen.clear()
        if len(self._askers) >= self._entries:
            self._forget()
        who = (state, circumstances.principal, circumstances.application, circumstances.now)
        number = self._askers.setdefault(who, len(self._askers))
        self._seen[id(state)] = state, circumstances, number
        return number

    def _forget(self) -> None:
        self._found.clear()
        self._alike.clear()
        self._askers.clear()
        self._seen.clear()


def _weight(verdict: Verdict) -> int:
    """How much a verdict holds, about: its text may be short and name a wide table over and over."""
    facts = [one.facts for one in verdict.statements]
    outputs = sum(1 + len(column.sources) for one in facts for column in one.output or ())
    others = sum(
        len(one.inferable) + len(one.derived) + len(one.accesses) + len(one.functions) + len(one.cascades)
        for one in facts
    )
    return len(facts) + outputs + others + len(verdict.identity) + len(verdict.meets)
