"""The review inbox. ``model``, ``approver``, ``port`` and ``drawing`` are headless; widgets and screens know no gRPC."""
