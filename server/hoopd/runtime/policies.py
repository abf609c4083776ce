"""The policy in force: the store's newest version, loaded. A text that does not load never replaces one that does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hoopd.domain.errors import HoopError, Unavailable
from hoopd.domain.ids import PolicyVersion
from hoopd.policy.model import Policy
from hoopd.runtime import clock
from hoopd.session.judgement import PolicyInForce
from hoopd.store.listener import Listener
from hoopd.store.policies import CHANNEL, PolicyRepository

log = logging.getLogger("hoopd.policy")

AGAIN_SECONDS = 0.5

Load = Callable[[str, str], Policy]
"""From a text and where it came from to a policy; raises HoopError."""


class Policies:
    """Holds what decides now, for every session of this gateway."""

    def __init__(self) -> None:
        self._current: PolicyInForce | None = None

    def put(self, policy: PolicyInForce) -> None:
        self._current = policy

    @property
    def current(self) -> PolicyInForce:
        """Raises Unavailable where there is none (INV-2)."""
        if self._current is None:
            raise Unavailable("no policy is loaded: nothing can be judged")
        return self._current

    def now(self) -> tuple[PolicyVersion, int]:
        """The version in force and, where it hangs on the time, the minute; else 0. Raises as ``current``."""
        current = self.current
        return current.version, int(clock.now().timestamp() // 60) if current.policy.timed else 0


class PolicyFollower:
    """Puts each new version of the store in force, whichever gateway put it there."""

    def __init__(self, policies: Policies, repository: PolicyRepository, listener: Listener, load: Load) -> None:
        self._policies = policies
        self._repository = repository
        self._listener = listener
        self._load = load
        self._told = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled. What cannot be read or loaded changes nothing, and is said in the log."""
        unsubscribe = self._listener.subscribe(CHANNEL, lambda _: self._told.set())
        try:
            while True:
                await self._told.wait()
                self._told.clear()
                try:
                    await self._look()
                except Unavailable as problem:
                    log.error("the store's policy cannot be read, and is asked for again: %s", problem.message)
                    await asyncio.sleep(AGAIN_SECONDS)
                    self._told.set()
                except HoopError as problem:
                    log.error("the policy in the store is not put in force: %s", problem.message)
        finally:
            unsubscribe()

    async def _look(self) -> None:
        newest = await self._repository.current()
        if newest is not None and newest.version > self._policies.current.version:
            self._policies.put(PolicyInForce(self._load(newest.text, newest.source), newest.version))
            log.warning("policy version %d by %s is in force", newest.version, newest.by)
