"""What a client pipe is: mypy holds both ends to it; here, that the side band's line stays plain data."""

from __future__ import annotations

import dataclasses

import pytest

from hoopd.runtime.pipe import SideBand


def test_a_line_of_the_side_band_is_frozen_and_has_no_more_than_it_needs() -> None:
    line = SideBand("held", "r-1", "waiting for dba")
    assert dataclasses.asdict(line) == {
        "event": "held", "request": "r-1", "message": "waiting for dba", "sql": "", "waiting_for": (), "until": None,
    }  # fmt: skip
    with pytest.raises(dataclasses.FrozenInstanceError):
        line.event = "approved"  # type: ignore[misc]
