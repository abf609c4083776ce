"""What is kept in the document, and what the next run says of it."""

from pathlib import Path

import pytest

from tests.bench.figures import DIRECT, RELAY, TUNNEL, Measure
from tests.bench.report import Report, stored_json

ENVIRONMENT = {
    "date": "2026-01-02", "form": "full", "cores": 2, "system": "Linux x86_64", "python": "3.11.7",
    "postgresql": "17", "grpcio": "1.0", "others": 0.25,
}  # fmt: skip


def report(relay: float, cores: int = 2) -> Report:
    made = Report({**ENVIRONMENT, "cores": cores})
    rounds = [{DIRECT: 100.0, RELAY: relay * 100, TUNNEL: 10.0} for _ in range(3)]
    made.measures.append(Measure("pgbench simple 1", "1/s", rounds=rounds))
    return made


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "performance.md"
    path.write_text("Before.\n\n<!-- measured: begin -->\nold\n<!-- measured: end -->\n\nAfter.\n")
    return path


def test_a_stored_run_is_read_again_and_the_text_around_it_stays(document: Path) -> None:
    report(0.5).store(document)
    text = document.read_text()
    assert text.startswith("Before.\n\n<!--")
    assert text.endswith("<!-- measured: end -->\n\nAfter.\n")
    assert "old" not in text
    assert "| pgbench simple 1 | 1/s" in text
    stored = stored_json(document)
    assert stored is not None
    assert stored["environment"] == ENVIRONMENT
    assert stored["measures"][0]["compared"]["relay / direct"] == [0.5, 0.5, 0.5]


def test_a_relay_that_got_slower_is_named(document: Path) -> None:
    report(0.5).store(document)
    assert report(0.4).slower_relays(document) == (["pgbench simple 1: 0.40 of direct, was 0.50"], None)
    assert report(0.46).slower_relays(document) == ([], None)


def test_a_table_of_another_machine_or_none_is_not_compared_with(document: Path) -> None:
    assert report(0.4).slower_relays(document)[1] == "there is no stored table to compare the relay with"
    report(0.5).store(document)
    assert report(0.4, cores=8).slower_relays(document) == (
        [],
        "the stored table is of a machine with 2 cores: not compared",
    )


def test_targets_that_are_missed_are_said_to_be(document: Path) -> None:
    assert "**missed**" in report(0.5).text()
    [over_relay] = report(0.1).targets()
    assert over_relay["met"] is True
    assert over_relay["compared"] == "tunnel / relay"
