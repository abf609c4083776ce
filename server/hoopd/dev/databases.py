"""Roles and databases of the development stack: one owner for each database, and nobody else connects unless granted.

The gateway's service role reaches the databases that it serves and never the store (INV-7): CONNECT is taken from
everybody on each database made here, and on those that initdb made. Passwords reach the server as SCRAM verifiers, so
that no log of it can hold one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[object, ...]]


def ensure_role(connection: Connection, name: str, password: str) -> None:
    """Make a role that can log in and do nothing else, or give the one that is there this password."""
    verb = sql.SQL("ALTER" if _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", name) else "CREATE")
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {}").format(
            verb, sql.Identifier(name), sql.Literal(verifier)
        )
    )


def ensure_database(connection: Connection, name: str, owner: str, users: Iterable[str] = ()) -> None:
    """Make a database where it is not there. Its owner and ``users`` connect to it, and nobody else.

    ``connection`` is a superuser's, in autocommit.
    """
    database = sql.Identifier(name)
    if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", name):
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, sql.Identifier(owner)))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    for user in users:
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(user)))


def close_maintenance_databases(connection: Connection) -> None:
    """Keep everybody but superusers out of the databases that initdb made."""
    connection.execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")


def _exists(connection: Connection, query: LiteralString, name: str) -> bool:
    return connection.execute(query, (name,)).fetchone() is not None
