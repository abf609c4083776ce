"""The development stack: a PostgreSQL server without root, the sample database, a development OIDC provider.

Also the embedded store of ``hoopd serve`` when no DSN is given. Nothing in here enforces anything, and nothing in here
listens on anything but loopback.
"""
