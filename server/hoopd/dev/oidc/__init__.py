"""A development OpenID Connect provider: real flows and real signatures, on loopback only, with no passwords.

It exists so that the development stack and the tests sign in as they would with a company's provider; the gateway and
the command are not told that it is not one. It must never serve anything but this machine: whoever reaches it can sign
in as anybody.
"""

from hoopd.dev.oidc.accounts import ACCOUNTS, APPROVAL_CLIENT, LOGIN_CLIENT, Account
from hoopd.dev.oidc.provider import DevProvider

__all__ = ["ACCOUNTS", "APPROVAL_CLIENT", "LOGIN_CLIENT", "Account", "DevProvider"]
