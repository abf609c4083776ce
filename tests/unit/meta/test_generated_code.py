"""Generated code is what its sources give."""

import subprocess

from tests.repository import ROOT


def test_committed_code_is_what_the_protos_give() -> None:
    done = subprocess.run([ROOT / "scripts/gen-protos", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
