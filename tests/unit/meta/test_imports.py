"""Who imports whom: the contracts of the project file, and what a command may not pay for."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repository import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_of_the_gateway_has_its_place_among_the_layers() -> None:
    layers = next(contract["layers"] for contract in CONTRACTS if contract["type"] == "layers")
    placed = {name.strip().removeprefix("hoopd.") for layer in layers for name in layer.split("|")}
    packages = {path.parent.name for path in (ROOT / "server/hoopd").glob("*/__init__.py")}
    assert packages <= placed


HELP = """
import sys
sys.argv = ["hoopctl", "--help"]
from hoopctl.__main__ import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules} & {"grpc", "google", "textual", "keyring"}))
"""


def test_help_imports_neither_grpc_nor_textual_nor_keyring() -> None:
    done = python(HELP)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert "connect" in done.stdout


WITHOUT = """
import sys
ABSENT = set(sys.argv[1].split(","))
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
sys.argv = ["hoopd", *sys.argv[2:]]
from hoopd.__main__ import main
sys.exit(main())
"""


def server_only_modules() -> set[str]:
    """The top-level modules that the extra `server` brings and the bare command does not."""
    needed = [Requirement(line) for line in requires("hoopctl") or []]
    server = {canonicalize_name(item.name) for item in needed if "extra" in str(item.marker or "")}
    bare = {canonicalize_name(item.name) for item in needed} - server
    return {
        module
        for module, distributions in packages_distributions().items()
        if {canonicalize_name(name) for name in distributions} & server
        and not {canonicalize_name(name) for name in distributions} & bare
    }


@pytest.mark.skipif(not (ROOT / "server/hoopd/__main__.py").exists(), reason="the gateway's command is not built yet")
@pytest.mark.parametrize("arguments", [["--help"], ["serve", "-c", "hoopd.yaml"], ["dev"]], ids=" ".join)
def test_the_gateway_without_its_extra_says_what_to_install(arguments: list[str]) -> None:
    absent = server_only_modules()
    assert {"psycopg", "postgast", "pydantic", "yaml"} <= absent
    done = python(WITHOUT, ",".join(sorted(absent)), *arguments)
    assert done.returncode == 1, done.stdout
    assert "pip install 'hoopctl[server]'" in done.stderr
    assert "Traceback" not in done.stderr
