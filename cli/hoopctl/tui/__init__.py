"""The review inbox. ``model``, ``approver``, ``port`` and ``drawing`` are headless; no widget knows gRPC."""
