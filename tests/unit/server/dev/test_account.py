"""Which account a server runs under, what it reaches, and what is given to it."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from pathlib import Path

import pytest

from hoopd.dev.account import Account
from hoopd.domain.errors import Unavailable

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
STRANGER = Account(uid=4_000_000, gid=4_000_000, changed=True)


def test_an_ordinary_user_stays_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setattr(os, "getegid", lambda: 567)
    assert Account.for_server() == Account(1234, 567, changed=False)


@as_root
def test_root_becomes_nobody() -> None:
    account = Account.for_server()
    assert account.changed
    assert account.uid == pwd.getpwnam("nobody").pw_uid != 0


def test_root_on_a_machine_without_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", missing)
    with pytest.raises(Unavailable, match="this machine has no user nobody"):
        Account.for_server()


@pytest.mark.parametrize(("mode", "reached"), [(0o700, False), (0o711, True), (0o755, True), (0o744, False)])
def test_a_directory_is_reached_through_search_bits(mode: int, reached: bool) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        inner = Path(name, "inner")
        inner.mkdir()
        inner.chmod(0o755)
        Path(name).chmod(mode)
        assert STRANGER.reaches(inner) is reached
        Path(name).chmod(0o700)


def test_a_private_directory_avoids_what_is_not_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(hidden))
    account = Account.for_server()
    fresh = account.private_directory("hoopd-test-")
    try:
        status = fresh.stat()
        assert status.st_uid == account.uid
        assert stat.S_IMODE(status.st_mode) == 0o700
        assert account.reaches(fresh.parent)
    finally:
        fresh.rmdir()


@as_root
def test_own_gives_all_below_and_follows_no_link(tmp_path: Path) -> None:
    account = Account.for_server()
    outside = tmp_path / "outside"
    outside.touch()
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "file").touch()
    (tree / "link").symlink_to(outside)
    account.own(tree)
    assert {path.lstat().st_uid for path in (tree, *tree.rglob("*"))} == {account.uid}
    assert outside.stat().st_uid == 0


def test_write_is_private_and_the_accounts_own(tmp_path: Path) -> None:
    account = Account.for_server()
    account.write(tmp_path / "file", "text")
    status = (tmp_path / "file").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (account.uid, 0o600)
