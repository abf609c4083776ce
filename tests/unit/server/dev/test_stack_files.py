"""A stack's directory: made, recognised, private."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hoopd.dev.stack_files import MARK, Ports, StackFiles
from hoopd.domain.errors import InvalidInput, Unavailable


def test_what_is_made_is_known_again(tmp_path: Path) -> None:
    files = StackFiles.prepare(tmp_path / "stack")
    secret = files.secret("one")
    files.remember(Ports(1, 2, 3))
    again = StackFiles.prepare(tmp_path / "stack")
    assert again.remembered() == Ports(1, 2, 3)
    assert again.secret("one") == secret


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    assert StackFiles.prepare(tmp_path).remembered() == Ports()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InvalidInput, match="holds files that are not a development stack's"):
        StackFiles.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_secrets_are_by_chance_and_private(tmp_path: Path) -> None:
    files = StackFiles.prepare(tmp_path)
    assert len({files.secret(name) for name in "abc"}) == 3
    assert all(len(files.secret(name)) >= 32 for name in "abc")
    assert files.secret_file("d", "given").read_text() == "given"
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.secrets.iterdir()} == {0o600}
    assert stat.S_IMODE(files.secrets.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", ["", "{}", '{"ports": {"gateway": "x"}}', "[1]"])
def test_a_mark_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    files = StackFiles.prepare(tmp_path)
    (tmp_path / MARK).write_text(content)
    with pytest.raises(Unavailable, match=r"stack\.json cannot be read"):
        files.remembered()
