"""``hoopd.yaml``: everything that an operator tells a gateway. The reference in ``docs/settings.md`` is made from here.

Unknown keys are errors, with the nearest valid word. A secret is never in the file itself: it names a file or an
environment variable.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from hoopd.domain.connection import Connection, TlsMode
from hoopd.domain.errors import InvalidInput
from hoopd.domain.principal import Role

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"[0-9]{1,6}[smhd]")
_PORT = re.compile(r"[0-9]{1,5}")
MAX_FILE = 1024 * 1024


def _duration(value: object) -> object:
    if value == 0 and not isinstance(value, bool):
        return timedelta(0)
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return timedelta(seconds=int(value[:-1]) * _UNITS[value[-1]])
    if isinstance(value, timedelta):
        return value
    raise ValueError("give a whole number with its unit, such as 30s, 15m, 12h or 7d")


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError("give it as HOST:PORT")
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSettings(_Section):
    """The gateway's own certificate."""

    cert: Path = Field(description="PEM file with the gateway's certificate, and the chain behind it.")
    key: Path = Field(description="PEM file with its private key; readable by the gateway's user alone.")


class StoreSettings(_Section):
    """The PostgreSQL database that holds policies, requests and the record."""

    dsn: str | None = Field(default=None, description="Connection string without its password.")
    password_file: Path | None = Field(default=None, description="File that holds the store's password.")
    password_env: str | None = Field(default=None, description="Environment variable that holds the store's password.")
    migrate: bool = Field(default=True, description="Bring the schema up to date at start; else `hoopd migrate` must.")

    @field_validator("dsn")
    @classmethod
    def _without_secret(cls, value: str | None) -> str | None:
        try:
            parts = conninfo_to_dict(value or "")
        except ProgrammingError:
            raise ValueError("it is not a connection string of PostgreSQL") from None
        if "password" in parts or "sslpassword" in parts:
            raise ValueError("it holds a password: name a file or a variable with password_file or password_env")
        return value

    @model_validator(mode="after")
    def _one_password(self) -> StoreSettings:
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("give password_file or password_env, not both")
        return self


class OidcSection(_Section):
    """The identity provider, and the two clients registered with it."""

    issuer: str = Field(description="The provider's issuer URL, exactly as its tokens carry it.")
    client_id: str = Field(description="Public client for `hoopctl login` and `connect`.")
    approval_client_id: str = Field(description="Public client for approvals: tokens of the other one cannot approve.")
    scopes: tuple[str, ...] = Field(
        default=("openid", "email", "profile", "groups", "offline_access"), description="Scopes that are asked for."
    )
    groups_claim: str = Field(default="groups", description="Claim, or dotted path, with the person's groups.")
    email_claim: str = Field(default="email", description="Claim, or dotted path, with the person's e-mail.")
    subject_claim: str = Field(
        default="sub", description="Claim that identifies a person over all clients: `sub`; `oid` with Microsoft Entra."
    )
    ca: Path | None = Field(default=None, description="PEM file with the authority of the provider's certificate.")


class ConnectionTls(_Section):
    """TLS to the database."""

    mode: TlsMode = Field(
        default=TlsMode.verify_full, description="disable, require, verify-ca or verify-full, as libpq's sslmode."
    )
    ca: Path | None = Field(
        default=None, description="PEM file with the database's authority; the system's when left out."
    )

    @model_validator(mode="after")
    def _an_authority(self) -> ConnectionTls:
        if self.mode is TlsMode.verify_ca and self.ca is None:
            raise ValueError(
                "verify-ca needs ca: any certificate of a public authority would do; give ca, or take verify-full"
            )
        return self


class ConnectionSettings(_Section):
    """A registered target database."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$", description="What people type: `hoopctl connect NAME`.")
    labels: dict[str, str] = Field(default_factory=dict, description="What rules select connections by.")
    host: str = Field(description="Host name or address of the database.")
    port: int = Field(default=5432, ge=1, le=65535, description="Its port.")
    database: str = Field(description="The one database that this connection reaches.")
    user: str = Field(description="The gateway's service user.")
    password_file: Path | None = Field(default=None, description="File that holds the service user's password.")
    password_env: str | None = Field(
        default=None, description="Environment variable that holds the service user's password."
    )
    tls: ConnectionTls = Field(default=ConnectionTls(), description="TLS to the database.")
    allow_auth: tuple[Literal["md5", "cleartext", "trust"], ...] = Field(
        default=(), description="Methods weaker than SCRAM-SHA-256 that this database may ask for."
    )

    @model_validator(mode="after")
    def _one_password(self) -> ConnectionSettings:
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("give password_file or password_env, not both")
        return self

    @property
    def connection(self) -> Connection:
        return Connection(self.name, self.host, self.port, self.database, dict(self.labels))


class JournalSettings(_Section):
    """The record's journal, on the gateway's own disk."""

    max_lag: Duration = Field(
        default=timedelta(0), description="How long statements go on while the store is away; 0: not at all."
    )
    sync: Literal["process", "disk"] = Field(
        default="process", description="What an acknowledged event survives: the gateway's death, or the machine's."
    )


class MetricsSettings(_Section):
    """Metrics, liveness and readiness over plain HTTP, without a sign-in."""

    listen: str | None = Field(
        default=None, description="Address and port, such as `127.0.0.1:9464`; not served when left out."
    )

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return None if value is None else _host_and_port(value)


class LimitSettings(_Section):
    """What the gateway's sessions may take. Limits on statements stand in the policy."""

    message: int = Field(
        default=64 * 1024 * 1024, ge=1024, le=1024**3, description="Bytes of one PostgreSQL message, either way."
    )
    sessions: int = Field(default=2_000, ge=1, le=100_000, description="Sessions of the whole gateway.")
    sessions_per_person: int = Field(
        default=200, ge=1, le=100_000, description="Sessions of one person, as many connections in all their tunnels."
    )
    startup: Duration = Field(
        default=timedelta(seconds=60), description="How long a client may take to sign in to its tunnel."
    )
    idle: Duration = Field(
        default=timedelta(0), description="How long a session may do nothing, in a transaction or not; 0: for ever."
    )
    held: int = Field(
        default=1024 * 1024,
        ge=64 * 1024,
        le=1024**3,
        description="Bytes that are read ahead of a client behind a statement that is held or runs.",
    )

    @field_validator("startup")
    @classmethod
    def _some_time(cls, value: timedelta) -> timedelta:
        if not value:
            raise ValueError("nobody could sign in: give at least 1s")
        return value


class Settings(_Section):
    """The whole file."""

    listen: str = Field(
        default="127.0.0.1:7443", description="Address and port of the gateway; port 0 takes a free one."
    )
    tls: TlsSettings = Field(description="The gateway's own certificate.")
    data_dir: Path = Field(description="Directory of the journal, the record's key and the embedded store.")
    store: StoreSettings = Field(
        default=StoreSettings(), description="The store; without a DSN the gateway runs one for itself."
    )
    oidc: OidcSection = Field(description="The identity provider.")
    approval_max_age: Duration = Field(
        default=timedelta(hours=12), description="How old a sign-in for approvals may be."
    )
    roles: dict[Role, tuple[str, ...]] = Field(default_factory=dict, description="Groups that are admin or auditor.")
    connections: tuple[ConnectionSettings, ...] = Field(min_length=1, description="The registered databases.")
    policy: Path = Field(
        description="The policy file; loaded as a new version when it has changed since it was last loaded. "
        "What `hoopctl policy apply` put in force in between stays."
    )
    journal: JournalSettings = Field(default=JournalSettings(), description="The record's journal.")
    metrics: MetricsSettings = Field(default=MetricsSettings(), description="Metrics, liveness and readiness.")
    limits: LimitSettings = Field(default=LimitSettings(), description="What sessions may take.")

    @field_validator("connections")
    @classmethod
    def _distinct(cls, value: tuple[ConnectionSettings, ...]) -> tuple[ConnectionSettings, ...]:
        names = [connection.name for connection in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the connection {twice[0]} is there twice")
        return value

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        return _host_and_port(value)

    @property
    def host(self) -> str:
        """As it is written in an address: that of IPv6 in brackets."""
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class _Loader(yaml.SafeLoader):
    """A key that is there twice is an error: one of the two would not hold, and nobody would know which."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set[str]()
        for key, _ in node.value:
            if str(key.value) in keys:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is there twice", key.start_mark)
            keys.add(str(key.value))
        return super().construct_mapping(node, deep)


def load(path: Path) -> Settings:
    """Read a settings file.

    Raises:
        InvalidInput: not there, not YAML, or not what the gateway takes; names the key and what is wrong with it.
    """
    try:
        if path.stat().st_size > MAX_FILE:
            raise InvalidInput(f"{path} is larger than {MAX_FILE} bytes")
        raw = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
    except OSError as problem:
        raise InvalidInput(f"{path} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8 text") from None
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise InvalidInput(f"{path}{place} is not valid YAML: {getattr(problem, 'problem', 'syntax error')}") from None
    except (ValueError, RecursionError):
        raise InvalidInput(f"{path} is not valid YAML: it holds a value that cannot be meant") from None
    if not isinstance(raw, dict):
        raise InvalidInput(f"{path} holds no settings")
    try:
        settings: Settings = _resolved(Settings.model_validate(raw), path.absolute().parent)
    except ValidationError as problem:
        raise InvalidInput(f"{path}: {_sentence(problem)}") from None
    return settings


def _sentence(problem: ValidationError) -> str:
    first = problem.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    match first["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(first["loc"][-1]), _names(), n=1)
            return f"{where} is not a setting" + (f"; did you mean {near[0]}?" if near else "")
        case "missing":
            return f"{where} is missing"
        case _:
            return f"{where}: {first['msg'].removeprefix('Value error, ')}"


def _names() -> list[str]:
    sections: list[type[BaseModel]] = [
        Settings, TlsSettings, StoreSettings, OidcSection, ConnectionSettings, ConnectionTls, JournalSettings,
        LimitSettings, MetricsSettings,
    ]  # fmt: skip
    return sorted({name for section in sections for name in section.model_fields})


def _resolved(value: Any, base: Path) -> Any:
    """The same settings with every relative path taken from the directory of the file."""
    if isinstance(value, _Section):
        changes = {name: _resolved(getattr(value, name), base) for name in type(value).model_fields}
        return value.model_copy(update=changes)
    if isinstance(value, tuple):
        return tuple(_resolved(item, base) for item in value)
    if isinstance(value, Path):
        return base / value
    if isinstance(value, Mapping):
        return dict(value)
    return value
