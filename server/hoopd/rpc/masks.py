"""Which masks hold for who looks at a request: those of the policy in force, on that request's connection (INV-4)."""

from __future__ import annotations

from collections.abc import Mapping

from hoopd.domain.connection import Connection
from hoopd.domain.mask import MaskRule
from hoopd.domain.principal import Principal
from hoopd.policy.evaluation import masks_in_force
from hoopd.policy.matching import Circumstances
from hoopd.runtime.policies import Policies


class ViewerMasks:
    """Asked anew for each request that is shown: policies change. No role lifts a mask, only the policy does."""

    def __init__(self, policies: Policies, connections: Mapping[str, Connection]) -> None:
        self._policies = policies
        self._connections = connections

    def masks_for(self, viewer: Principal, connection: str) -> tuple[MaskRule, ...] | None:
        """The masks that hold for ``viewer``; None where the gateway does not have the connection any more.

        Raises:
            Unavailable: no policy is loaded.
        """
        found = self._connections.get(connection)
        if found is None:
            return None
        return masks_in_force(self._policies.current.policy, Circumstances(viewer, found, ""))
