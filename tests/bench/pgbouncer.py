"""PgBouncer in front of the target, where it is installed: what people know as the cost of something in between.

Sessions are pooled whole, as the gateway keeps them, and clients come without TLS, as to a tunnel.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

from hoopd.dev.account import Account
from hoopd.dev.postgres import free_port
from tests.bench.figures import PGBOUNCER
from tests.bench.stack import DATABASE, PASSWORD, SERVICE, Endpoint, Stack

READY_SECONDS = 10.0
SETTINGS = """
[databases]
{database} = host=127.0.0.1 port={target} dbname={database} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = session
default_pool_size = 100
max_client_conn = 200
server_tls_sslmode = {sslmode}
ignore_startup_parameters = extra_float_digits,options
log_connections = 0
log_disconnections = 0
"""


def installed() -> str | None:
    """The path of the program."""
    return shutil.which("pgbouncer")


@contextlib.contextmanager
def running(stack: Stack, program: str) -> Iterator[Endpoint]:
    """PgBouncer on a free port. Like PostgreSQL it refuses to run as root, and is ``nobody`` then."""
    account, port = Account.for_server(), free_port()
    home = account.private_directory("hoop-bench-pgbouncer-")
    try:
        users, settings = home / "users.txt", home / "pgbouncer.ini"
        account.write(users, f'"{SERVICE}" "{PASSWORD}"\n')
        sslmode = "require" if stack.database_tls else "disable"
        text = SETTINGS.format(
            database=DATABASE, target=stack.target.port, user=SERVICE, password=PASSWORD, port=port, users=users,
            sslmode=sslmode,
        )  # fmt: skip
        account.write(settings, text)
        user, group = (account.uid, account.gid) if account.changed else (None, None)
        command, groups = [program, "-q", str(settings)], [] if account.changed else None
        process = subprocess.Popen(
            command,
            cwd="/",
            stderr=subprocess.PIPE,
            user=user,
            group=group,
            extra_groups=groups,
        )
        try:
            _wait(process, port)
            yield Endpoint(PGBOUNCER, port, SERVICE, PASSWORD, "disable", process.pid)
        finally:
            process.terminate()
            process.communicate()
    finally:
        shutil.rmtree(home)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    process.terminate()
    raise RuntimeError(f"pgbouncer did not start: {process.communicate()[1].decode()[-2000:]}")
