"""Who is asking: verification of the identity provider's tokens, and what groups and roles they give.

Knows no gRPC and no session; every token is verified in full each time it is presented (INV-10). What cannot be
verified is not signed in; a provider that does not answer is Unavailable, never a pass (INV-2).
"""

from hoopd.identity.fetching import client_factory
from hoopd.identity.settings import Bearer, GroupsFrom, OidcSettings, Purpose
from hoopd.identity.verifier import TokenVerifier

__all__ = ["Bearer", "GroupsFrom", "OidcSettings", "Purpose", "TokenVerifier", "client_factory"]
