"""The demo tells the truth: it passes as it is, and fails at the step whose cause is taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from hoopd.policy.loading import sample_policy_text

pytestmark = [pytest.mark.timeout(300)]

Line = dict[str, Any]


def _demo(*words: str) -> tuple[int, list[Line], str]:
    argv = [sys.executable, "-m", "hoopctl", "--json", "demo", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, env=dict(os.environ), check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, lines, done.stderr


def _policy(tmp_path: Path, change: Callable[[Line], None]) -> Path:
    policy = yaml.safe_load(sample_policy_text())
    change(policy)
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(policy))
    return path


def test_the_story_is_told_to_its_end() -> None:
    code, lines, errors = _demo()
    assert code == 0, errors
    assert [line["number"] for line in lines] == [1, 2, 3, 4, 5, 6, 7]
    assert all(line["shown"] for line in lines)


def test_without_masks_it_fails_where_rows_are_read(tmp_path: Path) -> None:
    path = _policy(tmp_path, lambda policy: policy.update(masks=[]))
    code, lines, _ = _demo("--policy", str(path))
    assert code == 1
    assert lines[-1]["event"] == "error"
    assert "step 2" in lines[-1]["message"]
    assert "unmasked" in lines[-1]["message"]


def test_without_the_review_rule_it_fails_where_a_delete_is_held(tmp_path: Path) -> None:
    def allow_writes(policy: Line) -> None:
        for rule in policy["rules"]:
            if "write" in rule.get("match", {}).get("effects", ()):
                rule["then"] = "allow"

    code, lines, _ = _demo("--policy", str(_policy(tmp_path, allow_writes)))
    assert code == 1
    assert "step 3" in lines[-1]["message"]


def test_without_a_reviewer_who_is_signed_in_it_fails_at_once() -> None:
    code, lines, _ = _demo("--reviewer", "mallory")
    assert code == 1
    assert "step 1" in lines[-1]["message"]


def test_a_requester_cannot_be_the_reviewer() -> None:
    """INV-6"""
    code, lines, _ = _demo("--reviewer", "alice")
    assert code == 1
    assert "step 3" in lines[-1]["message"]
    assert "alice cannot decide on it: " in lines[-1]["message"]


def test_an_edited_record_is_found_at_the_end(tmp_path: Path) -> None:
    """THREATS 24: the store's owner edits a row behind the gateway's back."""
    directory = tmp_path / "stack"
    tampering = threading.Thread(target=_tamper_when_there, args=(directory,))
    tampering.start()
    code, lines, _ = _demo("--dir", str(directory))
    tampering.join()
    assert code == 1
    assert "step 7" in lines[-1]["message"], lines[-1]


_TRIGGER = """
create function hoop.edit() returns trigger language plpgsql as $$
begin
  new.body := set_byte(new.body, 20, get_byte(new.body, 20) # 1);
  return new;
end $$;
create trigger edit before insert on hoop.events for each row when (new.seq = 2) execute function hoop.edit();
"""


def _tamper_when_there(directory: Path) -> None:
    """As soon as the store has its tables, a trigger edits the second event of every session."""
    for _ in range(3000):
        try:
            settings = yaml.safe_load((directory / "hoopd.yaml").read_text())["store"]
            password = Path(settings["password_file"]).read_text().strip()
            with psycopg.connect(settings["dsn"], password=password) as connection:
                connection.execute(_TRIGGER)
            return
        except (OSError, psycopg.Error, TypeError):
            threading.Event().wait(0.1)
