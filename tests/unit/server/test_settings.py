"""``hoopd.yaml``: what is taken, and what every mistake is told as."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from hoopd.domain.connection import TlsMode
from hoopd.domain.errors import InvalidInput
from hoopd.domain.principal import Role
from hoopd.runtime.bounds import Bounds, bounds_of
from hoopd.settings import MAX_FILE, load

CONNECTION: dict[str, Any] = {"name": "prod-db", "host": "db", "database": "shop", "user": "hoop_service"}
WHOLE: dict[str, Any] = {
    "tls": {"cert": "tls/gateway.pem", "key": "/keys/gateway.key"},
    "data_dir": "data",
    "oidc": {"issuer": "https://id.example", "client_id": "hoopctl", "approval_client_id": "hoopctl-approval"},
    "connections": [CONNECTION],
    "policy": "policy.yaml",
}


def written(directory: Path, **changes: object) -> Path:
    path = directory / "hoopd.yaml"
    path.write_text(yaml.safe_dump({**WHOLE, **changes}))
    return path


def refused(directory: Path, **changes: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        load(written(directory, **changes))
    return caught.value.message.removeprefix(f"{directory / 'hoopd.yaml'}: ")


def test_the_least_that_is_needed(tmp_path: Path) -> None:
    settings = load(written(tmp_path))
    assert (settings.host, settings.port) == ("127.0.0.1", 7443)
    assert settings.store.dsn is None
    assert settings.store.migrate
    assert settings.journal.max_lag == timedelta(0)
    (connection,) = settings.connections
    assert connection.tls.mode is TlsMode.verify_full
    assert connection.allow_auth == ()
    assert connection.connection.port == 5432


def test_relative_paths_are_the_files_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the command is run, and where the file itself is named by a relative path."""
    connection = {**CONNECTION, "password_file": "secrets/db", "tls": {"mode": "verify-ca", "ca": "ca.pem"}}
    path = written(tmp_path, connections=[connection])
    monkeypatch.chdir(tmp_path.parent)
    settings = load(Path(tmp_path.name) / path.name)
    assert settings.tls.cert == tmp_path / "tls/gateway.pem"
    assert settings.tls.key == Path("/keys/gateway.key")
    assert settings.data_dir == tmp_path / "data"
    assert settings.connections[0].password_file == tmp_path / "secrets/db"
    assert settings.connections[0].tls.ca == tmp_path / "ca.pem"


def test_roles_and_durations(tmp_path: Path) -> None:
    settings = load(written(tmp_path, roles={"auditor": ["audit"]}, approval_max_age="15m", journal={"max_lag": "2d"}))
    assert settings.roles == {Role.auditor: ("audit",)}
    assert (settings.approval_max_age, settings.journal.max_lag) == (timedelta(minutes=15), timedelta(days=2))


def test_limits_of_sessions(tmp_path: Path) -> None:
    given = {"sessions": 10, "sessions_per_person": 5, "startup": "10s", "idle": "15m", "held": 65536}
    assert bounds_of(load(written(tmp_path, limits=given)).limits) == Bounds(
        10, 5, startup=10.0, idle=900.0, held=65536
    )
    assert bounds_of(load(written(tmp_path)).limits).idle is None


@pytest.mark.parametrize(
    "value", ["15", "15 m", "m", "-5m", "1.5h", "1w", 15, False, "", None, [], "٣s", "9" * 30 + "d", "9999999d"]
)
def test_bad_durations_say_how_to_write_one(tmp_path: Path, value: object) -> None:
    expected = "approval_max_age: give a whole number with its unit, such as 30s, 15m, 12h or 7d"
    assert refused(tmp_path, approval_max_age=value) == expected


def test_unknown_keys_name_the_nearest_word(tmp_path: Path) -> None:
    assert refused(tmp_path, polcy="x") == "polcy is not a setting; did you mean policy?"
    assert refused(tmp_path, zzzzzz=1) == "zzzzzz is not a setting"
    message = refused(tmp_path, connections=[{**CONNECTION, "allow_auht": ["md5"]}])
    assert message == "connections.0.allow_auht is not a setting; did you mean allow_auth?"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    for key in ("tls", "data_dir", "oidc", "connections", "policy"):
        path.write_text(yaml.safe_dump({name: value for name, value in WHOLE.items() if name != key}))
        with pytest.raises(InvalidInput, match=f"{key} is missing"):
            load(path)
    assert refused(tmp_path, oidc={"issuer": "https://id.example"}) == "oidc.client_id is missing"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"listen": "7443"}, "listen: give it as HOST:PORT"),
        ({"metrics": {"listen": "9464"}}, "metrics.listen: give it as HOST:PORT"),
        ({"listen": "127.0.0.1:70000"}, "listen: give it as HOST:PORT"),
        ({"listen": "127.0.0.1:٣"}, "listen: give it as HOST:PORT"),
        ({"connections": []}, "connections: Tuple should have at least 1 item"),
        ({"connections": [CONNECTION, CONNECTION]}, "connections: the connection prod-db is there twice"),
        ({"connections": [{**CONNECTION, "name": "Prod DB"}]}, "connections.0.name: String should match pattern"),
        ({"connections": [{**CONNECTION, "port": 0}]}, "connections.0.port: Input should be greater than"),
        ({"connections": [{**CONNECTION, "tls": {"mode": "prefer"}}]}, "connections.0.tls.mode: Input should be"),
        ({"connections": [{**CONNECTION, "tls": {"mode": "verify-ca"}}]}, "connections.0.tls: verify-ca needs ca"),
        ({"connections": [{**CONNECTION, "allow_auth": ["none"]}]}, "connections.0.allow_auth.0: Input should be"),
        (
            {"connections": [{**CONNECTION, "password_file": "a", "password_env": "B"}]},
            "connections.0: give password_file or password_env, not both",
        ),
        ({"store": {"password_file": "a", "password_env": "B"}}, "store: give password_file or password_env, not both"),
        ({"limits": {"message": 1}}, "limits.message: Input should be greater than or equal to 1024"),
        ({"limits": {"sessions": 0}}, "limits.sessions: Input should be greater than or equal to 1"),
        ({"limits": {"sessions_per_person": 0}}, "limits.sessions_per_person: Input should be greater than or equal"),
        ({"limits": {"startup": 0}}, "limits.startup: nobody could sign in: give at least 1s"),
        ({"limits": {"idle": "never"}}, "limits.idle: give a whole number with its unit"),
        ({"limits": {"held": 1}}, "limits.held: Input should be greater than or equal to 65536"),
        ({"limits": {"idel": "5m"}}, "limits.idel is not a setting; did you mean idle?"),
        ({"roles": {"root": ["x"]}}, "roles.root.[key]: Input should be 'admin' or 'auditor'"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    assert refused(tmp_path, **changes).startswith(said)


@pytest.mark.parametrize(
    "dsn", ["postgresql://hoop:s3cret@db/store", "host=db password=s3cret", "host=db sslpassword=s3cret"]
)
def test_a_secret_is_not_taken_from_the_file_and_not_repeated(tmp_path: Path, dsn: str) -> None:
    """INV-7"""
    said = refused(tmp_path, store={"dsn": dsn})
    assert said == "store.dsn: it holds a password: name a file or a variable with password_file or password_env"


def test_a_password_in_a_connection_is_no_setting(tmp_path: Path) -> None:
    """INV-7"""
    said = refused(tmp_path, connections=[{**CONNECTION, "password": "s3cret"}])
    assert said.startswith("connections.0.password is not a setting")
    assert "s3cret" not in said
    assert "s3cret" not in refused(tmp_path, store={"dsn": "host='s3cret"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no settings"),
        ("- a", "holds no settings"),
        ("a: [", ":1:5 is not valid YAML"),
        ("listen: a:1\nlisten: b:2", ":2:1 is not valid YAML: listen is there twice"),
        ("tls: {cert: a, cert: b}", ":1:16 is not valid YAML: cert is there twice"),
        ("a: 2020-13-45", "is not valid YAML: it holds a value that cannot be meant"),
        ("a: !!python/object/apply:os.system [x]", "is not valid YAML: could not determine a constructor"),
        ("[" * 5000, "is not valid YAML"),
        ("? {a: b}\n: c", "is not valid YAML"),
    ],
)
def test_files_that_are_no_settings(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "hoopd.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load(path)
    assert caught.value.message.startswith(str(path))
    assert said in caught.value.message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "hoopd.yaml"
    with pytest.raises(InvalidInput, match=r"hoopd.yaml cannot be read: No such file"):
        load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        load(path)
    path.write_bytes(b"#" * (MAX_FILE + 1))
    with pytest.raises(InvalidInput, match="larger than"):
        load(path)


def test_an_address_of_ipv6(tmp_path: Path) -> None:
    settings = load(written(tmp_path, listen="[::1]:0"))
    assert (settings.host, settings.port) == ("[::1]", 0)
