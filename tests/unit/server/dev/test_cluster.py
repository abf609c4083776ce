"""A data directory: made whole or not at all, with no password in an argument list, configured without surprises."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hoopd.dev.account import Account
from hoopd.dev.binaries import Binaries
from hoopd.dev.cluster import Cluster, ServerTls
from hoopd.dev.supervision import INHERITED
from hoopd.domain.errors import InvalidInput, Unavailable

SECRET = "a secret: 'x'"


class Initdb:
    """Stands in for the program: notes how it was called, and makes what it would make."""

    def __init__(self, *, fails: bool = False) -> None:
        self.argv: tuple[str, ...] = ()
        self.secret = ""
        self.mode = 0
        self._fails = fails

    def __call__(self, name: str, argv: tuple[str, ...], directory: Path | None) -> None:
        self.argv = argv
        path = Path(next(word for word in argv if word.startswith("--pwfile=")).partition("=")[2])
        self.secret = path.read_text()
        self.mode = stat.S_IMODE(path.stat().st_mode)
        if self._fails:
            raise Unavailable(f"{name} failed")
        place = Path(next(word for word in argv if word.startswith("--pgdata=")).partition("=")[2])
        target = directory if directory is not None else place
        (target / "PG_VERSION").write_text("18\n")
        (target / "postgresql.conf").write_text("max_connections = 100\n")


def cluster(tmp_path: Path, version: int = 18) -> Cluster:
    account = Account(os.geteuid(), os.getegid(), changed=False)
    runtime = tmp_path / "runtime"
    runtime.mkdir(exist_ok=True)
    return Cluster(tmp_path / "data", Binaries(Path("/programs"), version), account, runtime, "boss")


def test_inv_7_the_password_goes_through_a_private_file_that_is_removed(tmp_path: Path) -> None:
    """INV-7: no password in a process list, and none left behind."""
    initdb = Initdb()
    made = cluster(tmp_path)
    made.prepare(SECRET, initdb)
    assert not any(SECRET in word for word in initdb.argv)
    assert initdb.secret == SECRET + "\n"
    assert initdb.mode == 0o600
    assert not list(made.runtime.iterdir())
    assert made.data.joinpath("postgresql.conf").read_text().endswith("include 'hoopd.conf'\n")


@pytest.mark.parametrize(
    ("version", "locale"),
    [
        (15, ["--locale=C"]),
        (18, ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]),
    ],
)
def test_the_locale_needs_nothing_installed(tmp_path: Path, version: int, locale: list[str]) -> None:
    initdb = Initdb()
    cluster(tmp_path, version).prepare(SECRET, initdb)
    assert [word for word in initdb.argv if "locale" in word.partition("=")[0]] == locale
    assert "--encoding=UTF8" in initdb.argv


def test_what_was_half_made_is_made_anew(tmp_path: Path) -> None:
    made = cluster(tmp_path)
    with pytest.raises(Unavailable):
        made.prepare(SECRET, Initdb(fails=True))
    assert not made.data.exists()
    assert not list(made.runtime.iterdir())
    (tmp_path / "data.new" / "half").touch()
    made.prepare(SECRET, Initdb())
    assert sorted(path.name for path in made.data.iterdir()) == ["PG_VERSION", "postgresql.conf"]


def test_settings_and_access_are_written_at_each_start(tmp_path: Path) -> None:
    made = cluster(tmp_path)
    made.prepare(SECRET, Initdb())
    made.configure(5433, {"application_name": "it's a \\ path"}, None, "scram-sha-256")
    settings = made.data.joinpath("hoopd.conf").read_text()
    assert "listen_addresses = '127.0.0.1'\n" in settings
    assert "unix_socket_directories = ''\n" in settings
    assert "port = '5433'\n" in settings
    assert "application_name = 'it''s a \\\\ path'\n" in settings
    assert made.data.joinpath("pg_hba.conf").read_text() == "host all all 127.0.0.1/32 scram-sha-256\n"
    with pytest.raises(InvalidInput):
        made.configure(5433, {"application_name": "x'\nlisten_addresses = '*"}, None, "scram-sha-256")


def test_certificates_are_copied_in(tmp_path: Path) -> None:
    for name in ("certificate", "key", "ca"):
        (tmp_path / name).write_text(name)
    made = cluster(tmp_path)
    made.prepare(SECRET, Initdb())
    made.configure(1, {}, ServerTls(tmp_path / "certificate", tmp_path / "key", tmp_path / "ca"), "scram-sha-256")
    settings = made.data.joinpath("hoopd.conf").read_text()
    assert "ssl = 'on'\n" in settings
    assert "ssl_key_file = 'ssl_key_file.pem'\n" in settings
    assert made.data.joinpath("ssl_key_file.pem").read_text() == "key"
    assert stat.S_IMODE(made.data.joinpath("ssl_key_file.pem").stat().st_mode) == 0o600


def test_a_lock_of_a_process_that_is_gone_is_removed(tmp_path: Path) -> None:
    made = cluster(tmp_path)
    made.data.mkdir()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for number in (gone.pid, os.getpid()):
        made.data.joinpath("postmaster.pid").write_text(f"{number}\n")
        made.clear_stale_lock(0)
        assert not made.data.joinpath("postmaster.pid").exists()


def test_a_lock_of_a_server_that_is_there_is_respected(tmp_path: Path) -> None:
    made = cluster(tmp_path)
    made.data.mkdir()
    server = subprocess.Popen([sys.executable, "-c", "input()"], cwd=made.data, stdin=subprocess.PIPE)
    try:
        made.data.joinpath("postmaster.pid").write_text(f"{server.pid}\n")
        with pytest.raises(Unavailable, match=f"process id {server.pid} is already running"):
            made.clear_stale_lock(0)
        assert made.data.joinpath("postmaster.pid").exists()
    finally:
        server.communicate(b"\n")


def test_an_account_that_cannot_walk_to_the_data_gets_it_open(tmp_path: Path) -> None:
    made = cluster(tmp_path)
    assert made.place(made.data) == (str(made.data), None)
    made.data.mkdir()
    tmp_path.chmod(0o700)
    stranger = Account(uid=4_000_000, gid=4_000_000, changed=True)
    other = Cluster(made.data, made.binaries, stranger, made.runtime, "boss")
    assert other.place(made.data) == (INHERITED, made.data)


@pytest.mark.parametrize("durable", [True, False])
def test_data_that_is_to_last_is_on_the_disk_when_it_is_made(tmp_path: Path, durable: bool) -> None:
    made = replace(cluster(tmp_path), durable=durable)
    initdb = Initdb()
    made.prepare(SECRET, initdb)
    assert ("--no-sync" not in initdb.argv) is durable
