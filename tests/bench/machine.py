"""What else the machine did during a run: the cores that were busy with the work of others, from /proc/stat (proc(5)).

The relay needs more processors for a statement than the database alone, so that other work pushes down its ratio to
direct. Without this a busy machine would pass for a slower relay.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

STAT = Path("/proc/stat")
ALONE = 0.1
"""The part of all cores that others may take in a run that counts as undisturbed."""


class Others:
    """Counts from when it is made. Processes of this run count as others' until they have ended and were waited for."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = _busy_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """How many cores others kept busy since then, on average; None where that cannot be told."""
        busy, own = _busy_seconds(), _own_seconds()
        if busy is None or self._before[0] is None:
            return None
        spent = (busy - self._before[0]) - (own - self._before[1])
        return round(max(0.0, spent / (time.monotonic() - self._began)), 2)


def disturbed(others: float | None) -> bool:
    """Whether others took so much of this machine that its ratios cannot be held against those of another run."""
    return others is not None and others > ALONE * (os.cpu_count() or 1)


def _busy_seconds() -> float | None:
    """User, nice, system, irq, softirq and steal time of all cores together."""
    if not STAT.exists():
        return None
    fields = [int(word) for word in STAT.read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _waiting, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Of this process, and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
