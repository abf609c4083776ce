"""Private files, put in place in one step; directories held by one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hoopd.dev.files import held, make_directory, open_log, write_private
from hoopd.domain.errors import Unavailable

HOLDER = """
import sys
from pathlib import Path
from hoopd.dev.files import held
with held(Path(sys.argv[1]), "a holder"):
    print("held", flush=True)
    sys.stdin.read()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_private_whatever_the_mask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "secret", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "secret").read_text() == "text"
    assert mode(tmp_path / "secret") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_file_replaces_a_link_and_not_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("kept")
    for name in ("secret", ".secret.new"):
        (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    write_private(tmp_path / "secret", b"new")
    assert not (tmp_path / "secret").is_symlink()
    assert (tmp_path / "secret").read_bytes() == b"new"
    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_a_log_is_private_appended_to_and_no_link(tmp_path: Path) -> None:
    for text in (b"one", b"two"):
        descriptor = open_log(tmp_path / "log")
        os.write(descriptor, text)
        os.close(descriptor)
    assert (tmp_path / "log").read_bytes() == b"onetwo"
    assert mode(tmp_path / "log") == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "log")
    with pytest.raises(OSError, match="symbolic links"):
        open_log(tmp_path / "link")


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o750)
    make_directory(tmp_path / "there")
    assert mode(tmp_path / "there") == 0o750


def test_a_new_directory_cannot_be_listed_by_others(tmp_path: Path) -> None:
    make_directory(tmp_path / "one" / "two")
    assert not mode(tmp_path / "one" / "two") & (stat.S_IRWXG | stat.S_IRWXO) & ~(stat.S_IXGRP | stat.S_IXOTH)


def test_a_file_in_the_way_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="file is not a directory"):
        make_directory(tmp_path / "file")
    with pytest.raises(Unavailable, match="cannot be made: "):
        make_directory(tmp_path / "file" / "below")


def test_a_directory_is_held_until_its_holder_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder.stdin, holder.stdout as said:
        assert said.readline() == b"held\n"
        with pytest.raises(Unavailable, match="a stack is already running in"), held(tmp_path, "a stack"):
            pass
        holder.kill()
        holder.wait()
    with held(tmp_path, "a stack"):
        assert (tmp_path / "lock").exists()
