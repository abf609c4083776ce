"""``hoopd migrate``."""

from __future__ import annotations

import json

import pytest

from hoopd.commands.app import run
from tests.unit.server.commands.conftest import Operated


def test_twice(operated: Operated, capsys: pytest.CaptureFixture[str]) -> None:
    for first in (True, False):
        assert run(["migrate", "-c", str(operated.path), "--json"]) == 0
        line = json.loads(capsys.readouterr().out)
        assert line["event"] == "migrated"
        assert (line["applied"][:1] == ["0001_record"]) is first
        assert bool(line["applied"]) is first
    assert run(["migrate", "-c", str(operated.path)]) == 0
    assert capsys.readouterr().out == "the store's schema is up to date\n"


def test_a_store_that_is_away_is_one_sentence(operated: Operated, capsys: pytest.CaptureFixture[str]) -> None:
    operated.write(store={"dsn": "host=127.0.0.1 port=1 dbname=x user=y"})
    assert run(["migrate", "-c", str(operated.path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hoopd: ")
    assert "Traceback" not in err


def test_no_settings(operated: Operated, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "-c", str(operated.directory / "none.yaml")]) == 2
    assert (
        capsys.readouterr().err == f"hoopd: {operated.directory}/none.yaml cannot be read: No such file or directory\n"
    )
