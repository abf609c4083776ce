"""Message for message: what libpq traces through the tunnel is what it traced with PostgreSQL itself (INV-8).

The files of ``golden/`` were written by libpq, connected directly to PostgreSQL 18; with HOOP_WRITE_GOLDEN=1 they are
written again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transparency.sides import Sides, both_sides
from tests.wire.conversations import ALL, traced

pytestmark = pytest.mark.xdist_group("golden")

MADE_HERE = "08P01|26000|34000"
PLACE = ' F "SSSS" L "SSSS" R "SSSS"'
GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    with both_sides() as running:
        yield running


def test_every_conversation_has_its_trace_and_every_trace_its_conversation() -> None:
    assert {path.stem for path in GOLDEN.glob("*.trace")} == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_the_trace_is_the_golden_one(sides: Sides, name: str) -> None:
    direct = traced(sides.direct.dsn, ALL[name])
    path = GOLDEN / f"{name}.trace"
    if os.environ.get("HOOP_WRITE_GOLDEN"):
        path.write_text(direct)
    golden = path.read_text()
    assert direct == golden, "PostgreSQL itself says otherwise than the golden trace: write it again"
    assert _without_places(traced(sides.tunnel.dsn, ALL[name])) == _without_places(golden)


def _without_places(trace: str) -> str:
    """Errors that the gateway makes itself name no place in PostgreSQL's source (docs/transparency.md)."""
    return re.sub(rf'(ErrorResponse\t S "ERROR" V "ERROR" C "(?:{MADE_HERE})" .*){PLACE}', r"\1", trace)
