"""Placeholder."""


def redact(text: str, key: bytes) -> tuple[str, bool]:
    return text, False
