"""Who imports whom: the contracts of the project file, and what a command may not pay for."""

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import repository
from tests.repository import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
CONTRACTS = PYPROJECT["tool"]["importlinter"]["contracts"]


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


# Modules that are part of what another declared package promises: their types are in its public functions.
PART_OF = {"pydantic_core": "pydantic", "pygments": "rich"}


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports anywhere in it."""
    names = set()
    for node in ast.walk(repository.syntax(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"hoopctl", "hoopd", "hoop"}


def declared(*, server: bool) -> set[str]:
    """The distributions that an installation asks for by name, without or with the extra `server`."""
    lines = [*PROJECT["dependencies"], *(PROJECT["optional-dependencies"]["server"] if server else [])]
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize("package", repository.PACKAGES, ids=lambda package: package.name)
def test_what_is_imported_is_declared(package: Path) -> None:
    """A package that is there only since another brought it is gone when that one changes its mind."""
    known = declared(server=package.name == "hoopd")
    providers = packages_distributions()
    undeclared = [
        f"{repository.name(path)} imports {module}"
        for path in repository.modules()
        if path.is_relative_to(package)
        for module in sorted(imported(path))
        if not {canonicalize_name(name) for name in [PART_OF.get(module, ""), *providers.get(module, [])]} & known
    ]
    assert not undeclared


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
    bare = declared(server=False)
    server = declared(server=True) - bare
    provided = {
        module: {canonicalize_name(name) for name in distributions}
        for module, distributions in packages_distributions().items()
    }
    return {module for module, names in provided.items() if names & server and not names & bare}


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "-c", "hoopd.yaml"], ["dev"]], ids=" ".join)
def test_the_gateway_without_its_extra_says_what_to_install(arguments: list[str]) -> None:
    absent = server_only_modules()
    assert {"psycopg", "postgast", "pydantic", "yaml"} <= absent
    done = python(WITHOUT, ",".join(sorted(absent)), *arguments)
    assert done.returncode == 1, done.stdout
    assert "pip install 'hoopctl[server]'" in done.stderr
    assert "Traceback" not in done.stderr
