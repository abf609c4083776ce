"""What a run found: as tables for people, as JSON for programs, and as the part of docs/performance.md that keeps it.

The document holds the last table that was stored, between two marks, and behind it the same in JSON, which the next run
is compared with.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.analysis import Analysed
from tests.bench.figures import DIRECT, PAIRS, RELAY, TARGETS, Measure, Spread, slower

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_BLOCK = re.compile(r"```json\n(.*?)\n```", re.DOTALL)


def environment(form: str, postgres: str) -> dict[str, Any]:
    """What the figures depend on. ``others``: cores that other work kept busy meanwhile, told after the run."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "form": form,
        "cores": os.cpu_count(),
        "others": None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": postgres,
        "grpcio": version("grpcio"),
    }


@dataclass
class Report:
    environment: dict[str, Any]
    measures: list[Measure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    analysis: Analysed | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "measures": [_measure(each) | {"rounds": each.rounds} for each in self.measures],
            "targets": self.targets(),
            "analysis": self._analysis(),
            "notes": self.notes,
        }

    def _analysis(self) -> dict[str, Any] | None:
        if self.analysis is None:
            return None
        each = [{"sql": one.sql, "outcome": one.outcome, "us": one.times.as_list()} for one in self.analysis.new]
        return {**self.analysis.summary(), "each": each}

    def targets(self) -> list[dict[str, Any]]:
        """Each target that was measured, and whether it is met."""
        by_name = {each.workload: each for each in self.measures}
        found = []
        for target in TARGETS:
            measure = by_name.get(target.workload)
            spread = target.found(measure) if measure else None
            if measure is None or spread is None:
                continue
            compared = target.over if target.under is None else _pair(measure, target.over, target.under)
            found.append(
                {
                    "workload": target.workload,
                    "compared": compared,
                    "wanted": f"{'at least' if measure.rate else 'at most'} {target.bound:g}",
                    "found": spread.as_list(),
                    "met": target.met(measure),
                }
            )
        return found

    def slower_relays(self, document: Path) -> tuple[list[str], str | None]:
        """The workloads whose relay is clearly slower than in the stored table, and why nothing was compared, if so."""
        stored = stored_json(document)
        if stored is None:
            return [], "there is no stored table to compare the relay with"
        if stored["environment"]["cores"] != self.environment["cores"]:
            return [], f"the stored table is of a machine with {stored['environment']['cores']} cores: not compared"
        before = {each["workload"]: each["compared"].get("relay / direct") for each in stored["measures"]}
        found = []
        for each in self.measures:
            now, then = each.ratio(RELAY, DIRECT), before.get(each.workload)
            if each.rate and now is not None and then is not None and slower(now, Spread(*then)):
                found.append(f"{each.workload}: {now.median:.2f} of direct, was {then[1]:.2f}")
        return found, None

    def text(self) -> str:
        """The tables, in Markdown."""
        parts = [_environment(self.environment)]
        rates = [each for each in self.measures if each.rate]
        others = [each for each in self.measures if not each.rate]
        if rates:
            parts.append("Ratios are medians of pairs, with their quartiles.\n\n" + _table(rates))
        if others:
            parts.append("Differences are medians of pairs, with their quartiles.\n\n" + _table(others))
        if self.analysis is not None:
            parts.append(_analysis_text(self.analysis))
        targets = self.targets()
        if targets:
            rows = [
                [t["workload"], t["compared"], t["wanted"], _quartiles(t["found"]), "met" if t["met"] else "**missed**"]
                for t in targets
            ]
            parts.append(_markdown(["target", "compared", "wanted", "found", ""], rows))
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def store(self, document: Path) -> None:
        """Put this run into the document in place of the last one."""
        kept = {"environment": self.environment, "measures": [_measure(each) for each in self.measures]}
        lines = [json.dumps(each) for each in kept["measures"]]
        judged = json.dumps(self.analysis.summary() if self.analysis is not None else None)
        block = f'{{"environment": {json.dumps(kept["environment"])},\n "analysis": {judged},\n "measures": [\n  '
        block += ",\n  ".join(lines) + "\n ]}"
        text = document.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        document.write_text(
            f"{before}{BEGIN}\n\n{self.text()}\n```json\n{block}\n```\n\n{END}{after}", encoding="utf-8"
        )


def stored_json(document: Path) -> dict[str, Any] | None:
    """The run that a document keeps."""
    if not document.exists():
        return None
    _, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    found = _BLOCK.search(rest.partition(END)[0])
    return json.loads(found[1]) if found else None


def _analysis_text(analysed: Analysed) -> str:
    found = analysed.summary()
    ends = sorted(analysed.new, key=lambda each: each.times.median)
    rows = [[f"{each.times.median:.0f}", each.outcome, f"`{_shortened(each.sql)}`"] for each in [*ends[:2], *ends[-3:]]]
    large = [[name, f"{took / 1000:.0f}", outcome] for name, (took, outcome) in analysed.large.items()]
    return (
        f"Analysis and decision of a statement never seen before, {found['statements']} ordinary statements: median "
        f"{found['p50_us']:.0f} µs (target 1000), 95th of a hundred {found['p95_us']:.0f} µs, most "
        f"{found['max_us']:.0f} µs. "
        f"Of the same text again {found['known_us']:.1f} µs (target 50), of a SELECT with another number "
        f"{found['retold_us']:.1f} µs. The quickest and the slowest:\n\n"
        + _markdown(["µs", "decision", "statement"], rows)
        + "\n\nLarge texts:\n\n"
        + _markdown(["text", "ms", "decision"], large)
    )


def _shortened(sql: str) -> str:
    return sql if len(sql) <= 90 else sql[:89] + "…"


def _pair(measure: Measure, over: str, under: str) -> str:
    return f"{over} {'/' if measure.rate else '-'} {under}"


def _measure(measure: Measure) -> dict[str, Any]:
    compared = {
        _pair(measure, *pair): spread.as_list() for pair in PAIRS if (spread := measure.compared(*pair)) is not None
    }
    return {
        "workload": measure.workload,
        "unit": measure.unit,
        "pairs": len(measure.rounds),
        "values": {name: measure.values(name).as_list() for name in measure.variants()},
        "compared": compared,
    }


def _environment(found: dict[str, Any]) -> str:
    return (
        f"{found['date']}, {found['form']} form, {found['cores']} cores, {found['system']}, Python {found['python']}, "
        f"PostgreSQL {found['postgresql']}, grpcio {found['grpcio']}. {_others(found['others'], found['cores'])}"
    )


def _others(others: float | None, cores: int) -> str:
    if others is None:
        return "What else the machine did meanwhile is not known."
    return f"Other work kept {others:.1f} of the {cores} cores busy meanwhile."


def _table(measures: Sequence[Measure]) -> str:
    variants = [name for name in ("direct", "pgbouncer", "relay", "tunnel", "masked")
                if any(name in each.variants() for each in measures)]  # fmt: skip
    pairs = [pair for pair in PAIRS if any(each.compared(*pair) is not None for each in measures)]
    rows = []
    for each in measures:
        row = [each.workload, each.unit, str(len(each.rounds))]
        row += [_number(each.values(name).median) if name in each.variants() else "" for name in variants]
        for pair in pairs:
            spread = each.compared(*pair)
            row.append(_quartiles(spread.as_list()) if spread is not None else "")
        rows.append(row)
    return _markdown(["workload", "unit", "pairs", *variants, *(_pair(measures[0], *pair) for pair in pairs)], rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _quartiles(values: Sequence[float]) -> str:
    low, median, high = values
    return f"{_number(median)} ({_number(low)}..{_number(high)})"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
