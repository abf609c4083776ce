"""Roles and databases: one owner each, closed to everybody else."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from hoopd.dev.databases import Connection, ensure_database, ensure_role
from hoopd.dev.postgres import PostgresServer

ROLES = ("dev_owner", "dev_user", "dev_other")
NAME = "dev_databases"


@pytest.fixture
def superuser(postgres_server: PostgresServer) -> Iterator[Connection]:
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        yield connection
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME)))
        for role in ROLES:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def test_owner_and_users_connect_and_nobody_else(superuser: Connection, postgres_server: PostgresServer) -> None:
    for role in ROLES:
        ensure_role(superuser, role, f"{role}'s")
    for _ in range(2):
        ensure_database(superuser, NAME, "dev_owner", ["dev_user"])
    for role in ("dev_owner", "dev_user"):
        with psycopg.connect(postgres_server.dsn(NAME, role, f"{role}'s")) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(postgres_server.dsn(NAME, "dev_other", "dev_other's"))


def test_a_role_has_no_right_but_to_log_in(superuser: Connection) -> None:
    superuser.execute("CREATE ROLE dev_user SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS")
    ensure_role(superuser, "dev_user", "password")
    row = superuser.execute(
        "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname = 'dev_user'"
    ).fetchone()
    assert row == (True, False, False, False, False, False)


def test_a_password_is_changed(superuser: Connection, postgres_server: PostgresServer) -> None:
    ensure_database(superuser, NAME, postgres_server.superuser, [])
    for password in ("one", "two"):
        ensure_role(superuser, "dev_user", password)
    ensure_database(superuser, NAME, postgres_server.superuser, ["dev_user"])
    psycopg.connect(postgres_server.dsn(NAME, "dev_user", "two")).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_server.dsn(NAME, "dev_user", "one"))
