"""The JSON lines of ``hoopctl policy`` are those of docs/json.md."""

from datetime import UTC, datetime

from hoopctl.client.policy import CaseResult, Change, Decision, Explanation, Problem, Totals, Version
from hoopctl.commands import policy_lines as lines
from tests.fixtures.json_docs import PAGE, documented

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_lines_are_those_of_the_page() -> None:
    decision = Decision("allow", (), None, None, (), False, 0, 0)
    problem = {each["event"]: set(each) for each in map(lines.problem_as_line, _problems())}
    assert problem == {name: documented("hoopctl policy check")[name] for name in ("problem", "warning")}
    version = lines.version_line(Version(1, "", "erin", NOW, "p.yaml"))
    assert set(version) == documented("hoopctl policy show")["one object"]
    assert version["text"] is None
    explanation = lines.explanation_line(Explanation(decision, decision, (), None, "a", ()), "prod-db")
    assert set(explanation) == documented("hoopctl policy explain")["one object"]
    section = PAGE.read_text(encoding="utf-8").split("\n## hoopctl policy explain\n", 1)[1].split("\n## ", 1)[0]
    assert not [word for word in lines.decision_line(decision) if f"`{word}`" not in section]
    case = lines.case_line(CaseResult("a", True, "allow", (), ()))
    assert set(case) == documented("hoopctl policy test")["case"]
    change = lines.change_line(Change("s/1", NOW, "a", "c", "q", "allow", (), "deny", (), None, ("outcome",)))
    assert set(change) == documented("hoopctl policy simulate")["change"]
    totals = lines.totals_as_line(Totals(1, 0, 0, (), more=False, done=True))
    assert set(totals) == documented("hoopctl policy simulate")["simulated"]


def _problems() -> list[Problem]:
    return [Problem("p", 1, 1, "m", warning) for warning in (False, True)]
