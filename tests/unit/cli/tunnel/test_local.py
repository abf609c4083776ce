"""How a client is told where to go: DSN, environment, editor settings."""

import json
from urllib.parse import unquote, urlsplit

import psycopg.conninfo

from hoopctl.tunnel.local import LocalEnd

LOCAL = LocalEnd("prod-db", "127.0.0.1", 5433, "alice", "p@ss/w:rd?", "my shop")


def test_libpq_reads_the_dsn_back() -> None:
    assert psycopg.conninfo.conninfo_to_dict(LOCAL.dsn) == {
        "user": "alice",
        "password": "p@ss/w:rd?",
        "host": "127.0.0.1",
        "port": "5433",
        "dbname": "my shop",
        "sslmode": "disable",
    }


def test_the_ready_line_has_the_fields_of_the_contract() -> None:
    line = LOCAL.as_line()
    assert {"event", "connection", "host", "port", "user", "password", "dsn"} <= line.keys()
    assert line["event"] == "ready"
    assert line["port"] == 5433


def test_the_environment_leads_here_and_nowhere_else() -> None:
    environment = LOCAL.environment(
        {
            "PATH": "/bin",
            "PGHOSTADDR": "10.0.0.1",
            "PGSERVICE": "prod",
            "PGSSLMODE": "verify-full",
            "PGCHANNELBINDING": "require",
        }
    )
    assert environment == {
        "PATH": "/bin",
        "PGHOST": "127.0.0.1",
        "PGPORT": "5433",
        "PGUSER": "alice",
        "PGPASSWORD": "p@ss/w:rd?",
        "PGDATABASE": "my shop",
        "PGSSLMODE": "disable",
        "PGGSSENCMODE": "disable",
    }


def test_the_mcp_server_gets_its_dsn_by_environment_not_by_argument_inv_7() -> None:
    server = json.loads(LOCAL.mcp_settings())["mcpServers"]["prod-db"]
    assert server["env"] == {"DSN": LOCAL.dsn}
    assert LOCAL.password not in unquote(" ".join([server["command"], *server["args"]]))
    assert urlsplit(server["env"]["DSN"]).port == 5433


def test_the_editor_settings_are_those_of_sqltools() -> None:
    (connection,) = json.loads(LOCAL.editor_settings())["sqltools.connections"]
    assert (connection["driver"], connection["server"], connection["port"]) == ("PostgreSQL", "127.0.0.1", 5433)
    assert (connection["username"], connection["password"]) == ("alice", LOCAL.password)
    assert connection["pgOptions"] == {"enableSsl": "Disabled"}
