"""The settings that a stack writes are settings that the gateway reads."""

from __future__ import annotations

from pathlib import Path

from hoopd.dev.certificates import Issued
from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT
from hoopd.dev.settings_file import settings_text
from hoopd.dev.targets import parse_target
from hoopd.domain.connection import TlsMode
from hoopd.settings import load


def test_the_gateway_reads_what_the_stack_writes(tmp_path: Path) -> None:
    text = settings_text(
        listen="127.0.0.1:7443",
        certificate=Issued(tmp_path / "gateway.pem", tmp_path / "gateway.key"),
        data=tmp_path / "gateway",
        store="postgresql://hoop_store@127.0.0.1:5432/hoop_store",
        store_password=tmp_path / "store",
        issuer="http://127.0.0.1:9000",
        policy=tmp_path / "policy.yaml",
        targets=[(parse_target("crm=postgresql://svc:secret@127.0.0.1/crm"), tmp_path / "crm")],
    )
    (tmp_path / "hoopd.yaml").write_text(text)
    settings = load(tmp_path / "hoopd.yaml")
    assert (settings.host, settings.port) == ("127.0.0.1", 7443)
    assert settings.tls.key == tmp_path / "gateway.key"
    assert settings.store.password_file == tmp_path / "store"
    assert (settings.oidc.client_id, settings.oidc.approval_client_id) == (LOGIN_CLIENT, APPROVAL_CLIENT)
    (connection,) = settings.connections
    assert connection.labels == {"env": "production"}
    assert connection.password_file == tmp_path / "crm"
    assert connection.tls.mode is TlsMode.disable
    assert "secret" not in text
