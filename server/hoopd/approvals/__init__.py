"""Requests and the people who decide on them.

``lifecycle``, ``people``, ``quorum`` and ``snapshots`` are pure; ``broker`` waits, and asks a ``RequestRepository``
for everything that must outlive this process. Nothing here knows SQL, gRPC or a token: a caller brings a verified
``Principal``.
"""
