"""Policies for people: an explanation as a tree, problems as lines an editor can jump to, a difference in colours."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from rich.text import Text
from rich.tree import Tree

from hoopctl.client.policy import Change, Decision, Explanation, Problem, Rule, Statement, Totals
from hoopctl.output import printable

_STYLES = {"allow": "green", "review": "yellow", "deny": "red"}
SHOWN_SQL = 300


def problem_line(problem: Problem) -> str:
    """As compilers write it."""
    kind = "warning: " if problem.warning else ""
    return f"{problem.source}:{problem.line}:{problem.column}: {kind}{problem.message}"


def explained(told: Explanation, connection: str) -> Tree:
    """The whole explanation, each statement a branch."""
    policy = f"policy version {told.version}" if told.version is not None else "a draft"
    groups = ", ".join(told.groups) or "no group"
    tree = Tree(_line(f"{told.user} ({groups}) on {connection}, under {policy}"))
    tree.add(_outcome("opening a session: ", told.connect))
    for statement in told.statements:
        _add(tree, statement)
    if len(told.statements) > 1:
        tree.add(_outcome("all of it together: ", told.decision))
    return tree


def _add(tree: Tree, statement: Statement) -> None:
    branch = tree.add(_line(_short(statement.sql)))
    branch.add(_outcome("", statement.decision))
    if statement.decision.hint and statement.decision.outcome == "deny":
        branch.add(_line(statement.decision.hint))
    for seat in statement.decision.seats:
        who = " or ".join(seat.groups) or "nobody"
        branch.add(_line(f"needs {seat.needed} of {who}, for {seat.rule}"))
    does = branch.add(_line(f"it does ({statement.kind})"))
    for access in statement.accesses:
        by = ", ".join(access.covered_by) or ("built in" if access.built_in else "no rule")
        does.add(_line(f"{access.access}: {by}"))
    if statement.masks:
        masked = branch.add(_line("masked in the answer"))
        for column, mask in statement.masks:
            masked.add(_line(f"{column}: {mask}"))
    rules = branch.add(_line("rules"))
    for rule in statement.rules:
        rules.add(_rule(rule))


def _rule(rule: Rule) -> Text:
    mark = "*" if rule.decides else "+" if rule.fits else "-"
    text = Text(f"{mark} {printable(rule.name, one_line=True)}: ")
    text.append(rule.says, style=_STYLES.get(rule.says, "") if rule.fits or rule.decides else "")
    text.append(f"  {printable(rule.why, one_line=True)}", style="dim")
    return text


def _outcome(before: str, decision: Decision) -> Text:
    text = Text(before)
    text.append(decision.outcome.upper(), style=f"bold {_STYLES.get(decision.outcome, '')}".strip())
    text.append(f" by {printable(', '.join(decision.rules), one_line=True)}")
    if decision.message:
        text.append(f": {printable(decision.message, one_line=True)}")
    return text


def _line(text: str) -> Text:
    return Text(printable(text, one_line=True))


def _short(sql: str) -> str:
    flat = " ".join(sql.split())
    return flat if len(flat) <= SHOWN_SQL else f"{flat[:SHOWN_SQL]}…"


LEGEND = "* decides, + has a say, - does not fit"


def difference(before: str, after: str, names: tuple[str, str]) -> list[str]:
    """A unified difference, empty for equal texts."""
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="", n=3))


def changes(found: Iterable[Change]) -> list[tuple[int, Change]]:
    """What changes in the same way for the same person, once, with how often; the most often first."""
    counted: dict[tuple[str, ...], tuple[int, Change]] = {}
    for change in found:
        key = (change.principal, change.connection, change.sql, change_words(change))
        times, first = counted.get(key, (0, change))
        counted[key] = (times + 1, first)
    return sorted(counted.values(), key=lambda each: -each[0])


def change_words(change: Change) -> str:
    """What differs: the outcome, or what else of it."""
    if change.was != change.becomes:
        return f"{change.was} -> {change.becomes}"
    return f"{change.was}, other {' and '.join(change.what)}"


def totals_line(totals: Totals) -> str:
    moved = ", ".join(f"{count} from {was} to {becomes}" for was, becomes, count in totals.moves)
    text = f"{totals.statements} recorded statements, {totals.changed} would be decided otherwise"
    if moved:
        text += f": {moved}"
    if totals.skipped:
        text += f"; {totals.skipped} could not be judged as they were then"
    return text + "."
