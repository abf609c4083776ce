"""Which store a command works on: the one of the settings, or the gateway's own PostgreSQL in its data directory."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from hoopd.dev.postgres import PostgresServer
from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.settings import Settings
from hoopd.wiring import prepare_data_dir


@dataclass(frozen=True, slots=True)
class StoreInUse:
    """``own``: the gateway runs it for itself, and keeps its schema up to date."""

    dsn: str
    own: bool


@contextmanager
def store_of(settings: Settings) -> Iterator[StoreInUse]:
    """The store for as long as the block lasts; the embedded one is started and stopped around it."""
    if settings.store.dsn is not None:
        yield StoreInUse(make_conninfo(settings.store.dsn, **_password(settings)), own=False)
        return
    prepare_data_dir(settings.data_dir)
    password = _own_password(settings.data_dir / "store.password")
    server = PostgresServer.create(settings.data_dir / "store", password=password, superuser="hoop_store")
    with server:
        yield StoreInUse(server.dsn(), own=True)


def _password(settings: Settings) -> dict[str, str]:
    section = settings.store
    if section.password_env is not None:
        value = os.environ.get(section.password_env)
        if value is None:
            raise InvalidInput(f"store.password_env names {section.password_env}, which is not set")
        return {"password": value}
    if section.password_file is None:
        return {}
    try:
        return {"password": section.password_file.read_text(encoding="utf-8").rstrip("\n")}
    except OSError as problem:
        raise InvalidInput(f"store.password_file cannot be read: {problem.strerror}") from None


def _own_password(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise Unavailable(f"{path} cannot be made: {problem.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        password = secrets.token_urlsafe(24)
        file.write(password)
    return password
