"""Protocols 3.0 and 3.2 through the real tunnel, and cancels with the keys of each (THREATS 11)."""

from __future__ import annotations

import concurrent.futures
import os
import re
import signal
import subprocess

import psycopg
import pytest

from hoopd.dev.binaries import Binaries
from tests.fixtures.stack import Person, Tunnel

pytestmark = pytest.mark.xdist_group("stack")

VERSIONS = [("3.0", "3.0"), ("3.0", "latest"), ("3.2", "3.2"), ("3.2", "latest")]
ENDLESS = "select count(*) from generate_series(1, 1000000000000)"


@pytest.fixture
def psql(tunnel: Tunnel) -> list[str]:
    """libpq 18, which knows both, as psql of the packaged PostgreSQL."""
    return [str(Binaries.find().directory / "psql"), "-X"]


def _dsn(tunnel: Tunnel, versions: tuple[str, str]) -> str:
    return f"{tunnel.dsn}&min_protocol_version={versions[0]}&max_protocol_version={versions[1]}"


@pytest.mark.parametrize("versions", VERSIONS)
def test_psql_speaks_each_version(tunnel: Tunnel, psql: list[str], versions: tuple[str, str]) -> None:
    argv = [*psql, _dsn(tunnel, versions), "-At", "-c", "\\conninfo", "-c", "select 41 + 1"]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    spoken = "3.2" if versions[1] == "latest" else versions[1]
    assert re.search(rf"^Protocol Version\|{re.escape(spoken)}$", said, re.MULTILINE), said
    assert said.endswith("\n42\n")


@pytest.mark.parametrize("versions", VERSIONS)
def test_psycopg_cancels_what_runs(tunnel: Tunnel, versions: tuple[str, str]) -> None:
    with (
        psycopg.connect(_dsn(tunnel, versions), autocommit=True) as connection,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(connection.execute, ENDLESS)
        while not concurrent.futures.wait([running], timeout=0.2).done:
            connection.cancel_safe()  # it may come before the statement is there
        with pytest.raises(psycopg.errors.QueryCanceled):
            running.result()
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("versions", VERSIONS)
def test_ctrl_c_in_psql_withdraws_what_is_held(
    tunnel: Tunnel, bob: Person, psql: list[str], versions: tuple[str, str]
) -> None:
    argv = [*psql, _dsn(tunnel, versions), "-c", "delete from orders where id = 41"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, env={**os.environ, "LC_ALL": "C"}) as process:
        request = tunnel.held()
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=60)
    assert said == ""
    assert complained.splitlines()[-2:] == [
        "ERROR:  canceling statement due to user request",
        f"HINT:  request={request} is withdrawn",
    ]
    assert [line["state"] for line in bob.json("requests", "show", request)] == ["cancelled"]
