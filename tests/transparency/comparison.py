"""Runs suites of cases on both sides, and says which of them a client sees differently.

A **case** does something with one side and returns what a client saw of it, as lines: its transcript. Two transcripts
that differ after `normal` are a defect, unless the case is in the list of `differences`. A listed case is run all the
same, and has to differ as its entry says: an entry that is no longer true fails the comparison too.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.transparency.normal import normal
from tests.transparency.sides import Side

Transcript = list[str]
Case = Callable[[Side], Transcript]
SHOWN = 40


@dataclass(frozen=True)
class Difference:
    """Cases that a client may see differently, why, and what the gateway's answer has in it more often than
    PostgreSQL's, or ``lacks``.

    ``cases`` are patterns of `suite/case`. ``page`` is a phrase of docs/transparency.md, whose row this is.
    """

    cases: Sequence[str]
    why: str
    page: str
    answer: str = ""
    lacks: str = ""
    lines: int = 2
    """How many lines differ at most in any of the cases, both sides' together: more is another difference beside it."""

    def covers(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.cases)


@dataclass(frozen=True)
class Suite:
    """Cases of one client. ``run`` gives the transcript of each; ``lacking`` is why it cannot run here; ``cases`` are
    the names of those that are known before they run.
    """

    name: str
    run: Callable[[Side], Mapping[str, Transcript]]
    lacking: str | None = None
    cases: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, cases: Mapping[str, Case], lacking: str | None = None) -> Suite:
        """A suite of cases that are functions of a side."""
        return cls(name, lambda side: transcripts(cases, side), lacking, tuple(cases))


def transcripts(cases: Mapping[str, Case], side: Side) -> dict[str, Transcript]:
    return {name: _transcript(case, side) for name, case in cases.items()}


def _transcript(case: Case, side: Side) -> Transcript:
    """A case that ends in an exception has that as its last line, so that one side alone failing is a difference."""
    try:
        return case(side)
    except Exception as problem:
        return [f"the case itself failed: {type(problem).__name__}: {problem}"]


@dataclass
class Outcome:
    """What the comparison of one suite found. Names are `suite/case`."""

    suite: Suite
    collected: dict[str, int] = field(default_factory=dict)
    """Cases by side."""

    lines: int = 0
    same: list[str] = field(default_factory=list)
    listed: dict[str, Difference] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def run(self) -> int:
        """Cases that were compared."""
        return len(self.same) + len(self.failures)


def compare(suite: Suite, sides: Iterable[Side], known: Sequence[Difference]) -> Outcome:
    """Run ``suite`` on both sides, direct first."""
    outcome = Outcome(suite)
    if suite.lacking is not None:
        return outcome
    found = [(side.name, suite.run(side)) for side in sides]
    outcome.collected = {name: len(transcripts) for name, transcripts in found}
    (_, direct), (_, tunnel) = found
    for case in dict.fromkeys([*direct, *tunnel]):
        name = f"{suite.name}/{case}"
        if case not in direct or case not in tunnel:
            outcome.failures[name] = f"it ran {'directly' if case in direct else 'through the tunnel'} alone"
            continue
        outcome.lines += len(direct[case])
        _judge(outcome, name, (normal(direct[case]), normal(tunnel[case])), known)
    return outcome


def _judge(
    outcome: Outcome, name: str, transcripts: tuple[Transcript, Transcript], known: Sequence[Difference]
) -> None:
    direct, tunnel = transcripts
    entry = next((entry for entry in known if entry.covers(name)), None)
    failed = next((line for line in direct if line.startswith("the case itself failed")), None)
    if failed is not None:
        outcome.failures[name] = f"directly, {failed}"
    elif entry is None and direct == tunnel:
        outcome.same.append(name)
    elif entry is None:
        outcome.failures[name] = "\n".join(_shown(direct, tunnel))
    elif direct == tunnel:
        outcome.failures[name] = (
            f"it is listed as different ({entry.page}) and is the same now: take it out of the list"
        )
    elif not (_has(tunnel, direct, entry.answer) and _has(direct, tunnel, entry.lacks)):
        outcome.failures[name] = "\n".join(
            [f"it differs otherwise than listed; expected: {entry.answer or entry.lacks}", *_shown(direct, tunnel)]
        )
    elif (found := _differing(direct, tunnel)) > entry.lines:
        outcome.failures[name] = "\n".join(
            [f"{found} lines differ, and the list speaks of {entry.lines} ({entry.page})", *_shown(direct, tunnel)]
        )
    else:
        outcome.listed[name] = entry


def _differing(direct: Transcript, tunnel: Transcript) -> int:
    lines = list(difflib.unified_diff(direct, tunnel, lineterm="", n=0))[2:]
    return sum(not line.startswith("@@") for line in lines)


def _has(one: Sequence[str], other: Sequence[str], phrase: str) -> bool:
    """Whether ``one`` has a phrase more often than ``other``; no phrase asks for nothing."""
    return not phrase or sum(phrase in line for line in one) > sum(phrase in line for line in other)


def _shown(direct: Transcript, tunnel: Transcript) -> Iterator[str]:
    lines = list(difflib.unified_diff(direct, tunnel, "direct", "tunnel", lineterm="", n=2))
    yield from (line[:400] for line in lines[:SHOWN])
    if len(lines) > SHOWN:
        yield f"… and {len(lines) - SHOWN} lines more"
