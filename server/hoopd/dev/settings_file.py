"""Writes the ``hoopd.yaml`` of a development stack: the settings that an operator would write, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hoopd.dev.certificates import Issued
from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT
from hoopd.dev.targets import DevTarget

HEAD = "# Written by hoopd dev at each start.\n"
# The sample policy speaks of production, so that a database of one's own gets the whole of it.
LABELS = {"env": "production"}
ROLES = {"admin": ["admin"], "auditor": ["auditor"]}


def settings_text(
    *,
    listen: str,
    certificate: Issued,
    data: Path,
    store: str,
    store_password: Path,
    issuer: str,
    policy: Path,
    targets: Sequence[tuple[DevTarget, Path]],
) -> str:
    """The text of the file, which holds no secret: ``store`` is a DSN without its password.

    Each target comes with the file that holds its password.
    """
    settings: Mapping[str, Any] = {
        "listen": listen,
        "tls": {"cert": str(certificate.certificate), "key": str(certificate.key)},
        "data_dir": str(data),
        "store": {"dsn": store, "password_file": str(store_password)},
        "oidc": {"issuer": issuer, "client_id": LOGIN_CLIENT, "approval_client_id": APPROVAL_CLIENT},
        "roles": ROLES,
        "connections": [target.settings(password_file, LABELS) for target, password_file in targets],
        "policy": str(policy),
    }
    return HEAD + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
