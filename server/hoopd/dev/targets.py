"""Databases of one's own behind the development gateway: ``--target NAME=DSN`` and ``NAME=@FILE``.

A DSN is read as libpq reads it (chapter 32.1.1). Its password goes to a file of mode 0600 and never into settings,
messages or an argument list of ours.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from hoopd.domain.connection import TlsMode
from hoopd.domain.errors import InvalidInput

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
USED = frozenset({"host", "hostaddr", "port", "dbname", "user", "password", "sslmode", "sslrootcert"})
DEFAULT_PORT = 5432


@dataclass(frozen=True, slots=True)
class DevTarget:
    """A database to put behind the gateway, with the credential of its service role."""

    name: str
    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    tls: TlsMode
    ca: Path | None = None

    def settings(self, password_file: Path, labels: Mapping[str, str]) -> dict[str, object]:
        """Its entry among the connections of ``hoopd.yaml``."""
        tls: dict[str, object] = {"mode": self.tls.value}
        if self.ca is not None:
            tls["ca"] = str(self.ca)
        return {
            "name": self.name,
            "labels": dict(labels),
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.user,
            "password_file": str(password_file),
            "tls": tls,
        }


def parse_target(text: str) -> DevTarget:
    """Read ``NAME=DSN`` or ``NAME=@FILE``; raises ``InvalidInput``, and never repeats what may hold a password."""
    name, equals, dsn = text.partition("=")
    if not equals or not NAME.fullmatch(name):
        raise InvalidInput("a target is NAME=DSN or NAME=@FILE, its name of small letters, digits, dots, - and _")
    if dsn.startswith("@"):
        try:
            dsn = Path(dsn[1:]).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise InvalidInput(f"the file of the target {name} cannot be read: {reason}") from error
    try:
        parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.ProgrammingError:
        # The text of the error quotes the DSN.
        raise InvalidInput(f"the DSN of the target {name} cannot be read") from None
    return _target(name, parts)


def _target(name: str, parts: Mapping[str, str]) -> DevTarget:
    unused = sorted(parts.keys() - USED)
    if unused:
        raise InvalidInput(f"the DSN of the target {name} has {', '.join(unused)}, which the gateway does not use")
    host = parts.get("host", parts.get("hostaddr", ""))
    if not host or host.startswith("/") or "," in host:
        raise InvalidInput(f"the DSN of the target {name} must name one host that is reached over TCP")
    for needed in ("user", "password"):
        if needed not in parts:
            raise InvalidInput(f"the DSN of the target {name} has no {needed}: the gateway signs in with it")
    port = parts.get("port", str(DEFAULT_PORT))
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidInput(f"the DSN of the target {name} has no valid port")
    ca = parts.get("sslrootcert")
    return DevTarget(
        name,
        host,
        int(port),
        parts.get("dbname", parts["user"]),
        parts["user"],
        parts["password"],
        _tls(name, parts.get("sslmode"), host),
        None if ca is None else Path(ca).expanduser().absolute(),
    )


def _tls(name: str, mode: str | None, host: str) -> TlsMode:
    if mode is None:
        return TlsMode.disable if _is_loopback(host) else TlsMode.verify_full
    try:
        return TlsMode(mode)
    except ValueError:
        words = ", ".join(TlsMode)
        raise InvalidInput(f"the target {name} has sslmode={mode}: the gateway knows {words}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
