"""What every test has: the fixture plugins, no settings but its own, and a run that leaves nothing running.

Fixtures are modules of `tests/fixtures`; each becomes a plugin by being there. A test that needs names from one imports
`tests.fixtures.<module>`. This module must not grow fixtures of its own.
"""

from pathlib import Path

import pytest

# Fixture modules may import each other: all of them are rewritten, whoever imports them first.
pytest.register_assert_rewrite("tests.fixtures")

pytest_plugins = [
    f"tests.fixtures.{module.stem}"
    for module in sorted((Path(__file__).parent / "fixtures").glob("*.py"))
    if not module.stem.startswith("_")
]
