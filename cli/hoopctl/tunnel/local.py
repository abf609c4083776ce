"""The local end as a client is told of it: address, user, password; as a DSN, as libpq's environment, as editor
settings.

The password goes into what is printed for the person who may use it, and into the environment of a command that is
run; never into an argument list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

# What would point libpq elsewhere, or ask of the local leg what it does not do (TLS).
_CONTRARY = (
    "PGHOSTADDR",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLNEGOTIATION",
    "PGREQUIRESSL",
    "PGCHANNELBINDING",
    "PGTARGETSESSIONATTRS",
)

DBHUB = "0.21.2"


@dataclass(frozen=True, slots=True)
class LocalEnd:
    """Where and how a client reaches ``connection`` on this machine."""

    connection: str
    host: str
    port: int
    user: str
    password: str
    database: str

    @property
    def dsn(self) -> str:
        """A libpq URI (PostgreSQL documentation, "Connection URIs"). The local leg has no TLS, so it says so."""
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"postgresql://{who}@{self.host}:{self.port}/{quote(self.database, safe='')}?sslmode=disable"

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """``base`` with what libpq needs to come here (PostgreSQL documentation, "Environment Variables")."""
        kept = {name: value for name, value in base.items() if name not in _CONTRARY}
        return kept | {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
            "PGSSLMODE": "disable",
            "PGGSSENCMODE": "disable",
        }

    def as_line(self) -> dict[str, object]:
        """The ``ready`` line of ``hoopctl connect --json``."""
        return {
            "event": "ready",
            "connection": self.connection,
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "dsn": self.dsn,
        }

    def mcp_settings(self) -> str:
        """``.cursor/mcp.json`` for the MCP server ``@bytebase/dbhub``, which takes its DSN from the environment.

        The version is the one that was tried (tests/wire/test_editors.py): an editor should not run whatever is newest.
        """
        server = {
            "command": "npx",
            "args": ["-y", f"@bytebase/dbhub@{DBHUB}", "--transport", "stdio"],
            "env": {"DSN": self.dsn},
        }
        return json.dumps({"mcpServers": {self.connection: server}}, indent=2)

    def editor_settings(self) -> str:
        """``settings.json`` for the extension SQLTools with its PostgreSQL driver (its ``connection.schema.json``)."""
        connection = {
            "name": self.connection,
            "driver": "PostgreSQL",
            "connectionMethod": "Server and Port",
            "server": self.host,
            "port": self.port,
            "database": self.database,
            "username": self.user,
            "usePassword": "Save as plaintext in settings",
            "password": self.password,
            "pgOptions": {"enableSsl": "Disabled"},
        }
        return json.dumps({"sqltools.connections": [connection]}, indent=2)
