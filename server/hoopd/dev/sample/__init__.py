"""The sample database ``shop``: made by arithmetic alone, so that every run on every version holds the same rows.

Nobody in it exists (see ``rows.sql``). It must never be filled by chance or from outside.
"""

from __future__ import annotations

from importlib import resources

import psycopg

from hoopd.dev.databases import close_maintenance_databases, ensure_database, ensure_role
from hoopd.dev.postgres import PostgresServer

DATABASE = "shop"
OWNER = "shop_owner"
SERVICE = "hoop_service"
PARTS = ("schema.sql", "rows.sql", "grants.sql")


def create_shop(server: PostgresServer, *, owner_password: str, service_password: str) -> None:
    """Make the roles and the database ``shop`` and fill it; rows that are there already are left as they are.

    The fill is one transaction, so that it is whole or not there. Raises ``psycopg.Error``.
    """
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        ensure_role(connection, OWNER, owner_password)
        ensure_role(connection, SERVICE, service_password)
        ensure_database(connection, DATABASE, OWNER, [SERVICE])
        close_maintenance_databases(connection)
    with psycopg.connect(server.dsn(DATABASE)) as connection:
        # Before version 15 the superuser owns this schema and everybody may create in it.
        connection.execute("ALTER SCHEMA public OWNER TO shop_owner")
    with psycopg.connect(server.dsn(DATABASE, OWNER, owner_password)) as connection:
        filled = connection.execute("SELECT to_regclass('public.customers') IS NOT NULL").fetchone()
        if filled == (True,):
            return
        for part in PARTS:
            connection.execute(resources.files(__name__).joinpath(part).read_bytes())
