"""The policy in force: the store's newest version, loaded. A text that does not load never replaces one that does."""

from __future__ import annotations

from hoopd.domain.errors import Unavailable
from hoopd.session.judgement import PolicyInForce


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
