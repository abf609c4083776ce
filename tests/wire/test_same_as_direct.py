"""With a policy that allows all and masks nothing, a client sees through the tunnel what it sees directly (INV-8)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.repository import ROOT
from tests.transparency.clients import jdbc, node_clients
from tests.transparency.comparison import Difference, Suite, compare
from tests.transparency.differences import KNOWN
from tests.transparency.normal import normal
from tests.transparency.sides import Side, Sides, both_sides
from tests.transparency.suites import every, short

pytestmark = pytest.mark.xdist_group("transparency")

ENTRY = Difference(("made/case",), "a reason", "a row", "refused")


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    with both_sides() as running:
        yield running


def made(direct: list[str], tunnel: list[str]) -> Suite:
    return Suite.of("made", {"case": lambda side: direct if side.name == "direct" else tunnel})


@pytest.mark.parametrize("suite", short(), ids=lambda suite: suite.name)
def test_a_client_sees_the_same(sides: Sides, suite: Suite) -> None:
    if suite.lacking is not None:
        pytest.skip(suite.lacking)
    sides.empty()
    outcome = compare(suite, sides, KNOWN)
    assert not outcome.failures, "\n\n".join(f"{name}\n{shown}" for name, shown in outcome.failures.items())
    assert outcome.collected["direct"] == outcome.collected["tunnel"] == len(outcome.same) + len(outcome.listed)


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry.page)
def test_an_entry_is_on_the_page_and_names_cases_that_there_are(entry: Difference) -> None:
    assert entry.page in (ROOT / "docs/transparency.md").read_text(encoding="utf-8")
    suites = (*every(), *node_clients.suites(None, ""), jdbc.suite())
    names = [f"{suite.name}/{case}" for suite in suites for case in suite.cases]
    assert all(any(Difference((case,), "", "", "").covers(name) for name in names) for case in entry.cases)


def test_a_difference_outside_the_list_is_found(two_sides: list[Side]) -> None:
    assert "-1\n+2" in compare(made(["1"], ["2"]), two_sides, ()).failures["made/case"]


def test_an_entry_that_is_no_longer_true_is_found(two_sides: list[Side]) -> None:
    assert "is the same now" in compare(made(["1"], ["1"]), two_sides, (ENTRY,)).failures["made/case"]
    assert "otherwise than listed" in compare(made(["1"], ["2"]), two_sides, (ENTRY,)).failures["made/case"]
    assert compare(made(["1"], ["refused"]), two_sides, (ENTRY,)).listed == {"made/case": ENTRY}


def test_a_case_that_fails_on_both_sides_alike_is_found(two_sides: list[Side]) -> None:
    def broken(side: Side) -> list[str]:
        raise OSError("no such program")

    suite = Suite.of("made", {"case": broken})
    assert "no such program" in compare(suite, two_sides, ()).failures["made/case"]


def test_only_what_must_differ_is_replaced() -> None:
    assert normal(["process with PID 12.", "Time: 1.2 ms", " pg_temp_6  | x"]) == [
        "process with PID <pid>.",
        "Time: <time>",
        " pg_temp_<n> | x",
    ]
    kept = ["id 12", "ERROR:  42601", "port", "12:34:56"]
    assert normal(kept) == kept


@pytest.fixture
def two_sides(tmp_path: object) -> list[Side]:
    return [Side(name, "", 0, "", "", None, "") for name in ("direct", "tunnel")]
