"""Files that only their owner reads, and what is refused in their place."""

import os
import stat
import threading
from pathlib import Path

import pytest

from hoopctl.errors import HoopctlError
from hoopctl.identity.private_files import locked, private_directory, read_private, remove_private, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_written_only_we_can_read(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "secret.json"
    before = os.umask(0)
    try:
        write_private(path, "one")
        write_private(path, "two")
    finally:
        os.umask(before)
    assert read_private(path) == "two"
    assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (0o600, 0o700, 0o700)
    assert os.listdir(path.parent) == ["secret.json"], "nothing is left beside it"


def test_what_is_not_there(tmp_path: Path) -> None:
    assert read_private(tmp_path / "absent") is None
    assert remove_private(tmp_path / "absent") is False


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o777])
def test_a_file_that_others_reach_is_refused(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "secret.json"
    write_private(path, "x")
    path.chmod(bits)
    with pytest.raises(HoopctlError, match=f"can be read by other users \\(mode {bits:04o}\\)"):
        read_private(path)
    with pytest.raises(HoopctlError, match="other users"):
        write_private(path, "y")
    assert path.read_text() == "x"


def test_a_link_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("theirs")
    target.chmod(0o600)
    path = tmp_path / "secret.json"
    path.symlink_to(target)
    with pytest.raises(HoopctlError, match="symbolic link"):
        read_private(path)
    with pytest.raises(HoopctlError, match="symbolic link"):
        write_private(path, "mine")
    with pytest.raises(HoopctlError, match="symbolic link"), locked(path):
        pass
    assert remove_private(path) is True
    assert target.read_text() == "theirs"


def test_something_else_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    os.mkfifo(path, 0o600)
    with pytest.raises(HoopctlError, match="is not a file"):
        read_private(path)
    with pytest.raises(HoopctlError, match="is not a file"):
        write_private(path, "mine")
    directory = tmp_path / "directory"
    directory.mkdir(mode=0o700)
    with pytest.raises(HoopctlError, match="is not a file"):
        read_private(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    write_private(path, "x")
    os.chown(path, 65534, -1)
    with pytest.raises(HoopctlError, match="belongs to another user"):
        read_private(path)
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 65534, -1)
    with pytest.raises(HoopctlError, match="belongs to another user"):
        private_directory(theirs)


def test_a_directory_that_others_change_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(HoopctlError, match="can be changed by other users"):
        write_private(tmp_path / "secret.json", "x")


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(HoopctlError):
        write_private(tmp_path / "home" / "secret.json", "x")
    with pytest.raises(HoopctlError, match="not a directory"):
        private_directory(tmp_path / "home")


def test_a_large_file_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    write_private(path, "x" * (128 * 1024 + 1))
    with pytest.raises(HoopctlError, match="larger than anything"):
        read_private(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert read_private(path) == "old"
    assert os.listdir(tmp_path) == ["secret.json"]


def test_one_holds_a_lock_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    waiting, free, order = threading.Event(), threading.Event(), []

    def pause(_: float) -> None:
        waiting.set()
        free.wait(30)

    def second() -> None:
        with locked(path, sleep=pause):
            order.append("second")

    with locked(path):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(30)
        order.append("first")
    free.set()
    thread.join()
    assert order == ["first", "second"]


def test_a_lock_that_is_never_let_go_is_one_sentence(tmp_path: Path) -> None:
    slept: list[float] = []
    with (
        locked(tmp_path / "a.lock"),
        pytest.raises(HoopctlError, match="Another hoopctl holds"),
        locked(tmp_path / "a.lock", sleep=slept.append),
    ):
        pass
    assert sum(slept) == pytest.approx(60)
