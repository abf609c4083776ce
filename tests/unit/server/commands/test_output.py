"""The gateway's two outputs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from hoopd.commands import output


def test_data_and_narration_do_not_mix(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit({"event": "ready", "who": "jürgen", "at": datetime(2026, 1, 1, tzinfo=UTC), "hint": None})
    output.write("for people")
    output.say("meanwhile")
    out, err = capsys.readouterr()
    first, second = out.splitlines()
    assert json.loads(first) == {"event": "ready", "who": "jürgen", "at": "2026-01-01 00:00:00+00:00", "hint": None}
    assert "jürgen" in first
    assert second == "for people"
    assert err == "meanwhile\n"
