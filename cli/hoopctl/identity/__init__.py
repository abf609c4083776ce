"""Signing in at the company's provider, and keeping what that gives: tokens and the passwords of tunnels.

Knows neither grpc nor terminals: it returns plain values and raises ``HoopctlError``. Nothing kept here is trusted by
a gateway, and a token is handed out only for the server, CA, issuer and client that it was got for. Sign-ins for
approvals live in memory alone (INV-6). Import the modules, not this package, so that a command loads only what it
needs.
"""
