"""Verdicts for one session: the catalog of the moment, the policy in force, the principal as last verified.

A plain read that nothing masks is judged from a catalog that may be a second old; everything else from one that was
looked at after the question was put. A long text is judged in a thread, since the event loop serves every session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hoopd.domain.connection import Connection
from hoopd.domain.decision import Outcome
from hoopd.domain.errors import Refused
from hoopd.domain.statement import SessionState
from hoopd.policy.matching import Circumstances
from hoopd.recording.recorder import Recorder
from hoopd.runtime import clock
from hoopd.runtime.catalog import CatalogReader
from hoopd.runtime.policies import Policies
from hoopd.runtime.verdicts import VerdictCache
from hoopd.runtime.visa import Visa
from hoopd.session.commands import Judge
from hoopd.session.judgement import PolicyInForce, Verdict, judge
from hoopd.sql.catalog import Catalog
from hoopd.sql.parser import allow_deep_recursion

AT_ONCE = 8_000
"""Characters that are judged in the event loop, which stands still meanwhile: 10,000 took 28 ms where it was tried."""


class Judging:
    """Both of its methods raise HoopError where no verdict can be had (INV-2)."""

    def __init__(
        self,
        visa: Visa,
        connection: Connection,
        application: str,
        catalog: CatalogReader,
        policies: Policies,
        recorder: Recorder,
        redaction_key: bytes,
        verdicts: VerdictCache,
    ) -> None:
        self._visa = visa
        self._connection = connection
        self._application = application
        self._catalog = catalog
        self._policies = policies
        self._recorder = recorder
        self._redaction_key = redaction_key
        self._verdicts = verdicts
        self._asking: Circumstances | None = None
        allow_deep_recursion()

    def now(self, asked: Judge) -> Verdict | None:
        """The verdict, if it can be given without waiting."""
        self._recorder.check_ready()
        catalog = self._catalog.fresh()
        if catalog is None or _takes_long(asked):
            return None
        verdict = self._known(asked, catalog)
        return verdict if verdict.plain else None

    async def later(self, asked: Judge) -> Verdict:
        """The verdict under the catalog as it is now."""
        catalog = await self._catalog.current()
        if _takes_long(asked):
            verdict = await asyncio.to_thread(self._judge, asked, catalog)
        else:
            verdict = self._known(asked, catalog)
        # Asked again, since that took a while: a store that went away denies the statement, not the session.
        self._recorder.check_ready()
        return verdict

    async def may_start(self, settings: Mapping[str, str], user: str) -> None:
        """Whether this person may have these settings from the start: those that a SET of the same would be let
        through with. Nothing has run yet, so that there is nothing to hold.

        Raises:
            Refused: the policy denies the SET, or has it reviewed.
        """
        state = SessionState(search_path="", role="none", user=user, transaction="I", server_version=0)
        for name, value in settings.items():
            quoted = value.replace("'", "''")
            verdict = await self.later(Judge(0, f"SET {name} TO '{quoted}'", state))
            if verdict.decision.outcome is not Outcome.allow:
                why = verdict.decision.message or f"the policy does not let {name} be set without a review"
                text = f'start-up option "{name}" is refused: {why}'
                raise Refused(text, hint="connect without it, and use SET")

    def _known(self, asked: Judge, catalog: Catalog) -> Verdict:
        """As ``_judge``, or the verdict that was given on the same before."""
        if asked.types:  # which are no part of what is kept
            return self._judge(asked, catalog)
        in_force = self._policies.current
        circumstances = self._circumstances(in_force)
        return self._verdicts.verdict(
            asked.text, asked.state, catalog, in_force, circumstances, lambda: self._judge(asked, catalog)
        )

    def _judge(self, asked: Judge, catalog: Catalog) -> Verdict:
        in_force = self._policies.current
        circumstances = self._circumstances(in_force)
        key, named = self._redaction_key, asked.named
        return judge(asked.text, asked.state, catalog, in_force, circumstances, key, named, asked.types)

    def _circumstances(self, in_force: PolicyInForce) -> Circumstances:
        """As of now: the time is given where the policy asks for it, to the minute, which is what conditions see."""
        now = clock.now().replace(second=0, microsecond=0) if in_force.policy.timed else None
        asking = self._asking
        if asking is None or asking.principal is not self._visa.principal or asking.now != now:
            asking = Circumstances(self._visa.principal, self._connection, self._application, now)
            self._asking = asking
        return asking


def _takes_long(asked: Judge) -> bool:
    """By its text, and by the longest one that it may run by name."""
    size = len(asked.text)
    if size <= AT_ONCE and "execute" in asked.text.lower():
        size += asked.named.longest
    return size > AT_ONCE
