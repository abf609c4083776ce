"""docs/settings.md is what hoopd.settings gives, and its example settings load."""

import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel

from hoopd import settings
from hoopd.wiring import oidc_settings
from tests.repository import ROOT

PAGE = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "deploy/hoopd.yaml"


def test_the_page_is_what_the_code_gives() -> None:
    done = subprocess.run([ROOT / "scripts/gen-docs", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_page_that_says_something_else_is_found(tmp_path: Path) -> None:
    lib = ("scripts/lib/settings_reference.py", "scripts/lib/policy_reference.py")
    for name in ("docs/settings.md", "docs/policy-reference.md", "scripts/gen-docs", *lib):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "scripts/gen-docs").chmod(0o755)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    for name, before, after in (("policy-reference.md", "`4m`", "`5m`"), ("settings.md", "`12h`", "`15m`")):
        changed = tmp_path / "docs" / name
        changed.write_text(changed.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
        done = subprocess.run([tmp_path / "scripts/gen-docs", "--check"], capture_output=True, text=True, check=False)
        assert (done.returncode, f"docs/{name} is not what the code gives" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "section",
    [
        value
        for value in vars(settings).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == settings.__name__
    ],
)
def test_every_setting_is_on_the_page(section: type[BaseModel]) -> None:
    assert not [name for name in section.model_fields if f"\n| `{name}` | " not in PAGE]


def test_the_example_settings_load() -> None:
    loaded = settings.load(EXAMPLE)
    assert oidc_settings(loaded).client_id == "hoopctl"
    assert loaded.store.dsn is not None
    assert "password" not in loaded.store.dsn
