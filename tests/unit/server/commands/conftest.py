"""A settings file with everything behind it: database, store, provider, certificates and policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from hoopd.dev.certificates import LOOPBACK, Authority
from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT, DevProvider
from hoopd.policy import sample_policy_text
from tests.fixtures.postgres import PASSWORD


@dataclass
class Operated:
    """``write`` writes the file anew, with changes at its top."""

    path: Path
    settings: dict[str, Any]

    @property
    def directory(self) -> Path:
        return self.path.parent

    def write(self, **changes: object) -> Path:
        self.path.write_text(yaml.safe_dump({**self.settings, **changes}))
        return self.path


@pytest.fixture
def operated(database: str, tmp_path: Path, oidc_provider: DevProvider) -> Operated:
    """Everything is there and right; the store is the database itself, in a schema of its own."""

    def clock() -> datetime:
        return datetime.now(UTC)

    issued = Authority.in_directory(tmp_path, clock).issue(tmp_path, "gateway", LOOPBACK, clock)
    parts = conninfo_to_dict(database)
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "policy.yaml").write_text(sample_policy_text())
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create schema support")
    made = Operated(
        tmp_path / "hoopd.yaml",
        {
            "listen": "127.0.0.1:0",
            "tls": {"cert": str(issued.certificate), "key": str(issued.key)},
            "data_dir": "data",
            "store": {
                "dsn": f"host={parts['host']} port={parts['port']} dbname={parts['dbname']} user={parts['user']}",
                "password_file": "password",
            },
            "oidc": {
                "issuer": oidc_provider.issuer, "client_id": LOGIN_CLIENT, "approval_client_id": APPROVAL_CLIENT,
            },
            "roles": {"auditor": ["auditor"]},
            "connections": [
                {
                    "name": "prod-db", "labels": {"env": "production"}, "host": parts["host"],
                    "port": int(str(parts["port"])), "database": parts["dbname"], "user": parts["user"],
                    "password_file": "password", "tls": {"mode": "disable"},
                }
            ],
            "policy": "policy.yaml",
        },
    )  # fmt: skip
    made.write()
    return made
