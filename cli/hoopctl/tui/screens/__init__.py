"""The inbox's screens."""
