"""Who can sign in at the development provider: names, groups and clients that documents and demos rely on."""

from hoopd.dev.oidc import ACCOUNTS, APPROVAL_CLIENT, LOGIN_CLIENT
from hoopd.dev.oidc.accounts import CLIENTS


def test_the_five_people() -> None:
    assert {name: account.groups for name, account in ACCOUNTS.items()} == {
        "alice": ("engineering",),
        "bob": ("dba",),
        "carol": ("dba", "security"),
        "dave": ("auditor",),
        "erin": ("admin",),
    }
    assert {account.email for account in ACCOUNTS.values()} == {f"{name}@example.com" for name in ACCOUNTS}
    assert len({account.subject for account in ACCOUNTS.values()}) == len(ACCOUNTS)


def test_only_sign_ins_for_sessions_renew_themselves() -> None:
    """INV-6."""
    assert {name: client.refreshes for name, client in CLIENTS.items()} == {LOGIN_CLIENT: True, APPROVAL_CLIENT: False}
