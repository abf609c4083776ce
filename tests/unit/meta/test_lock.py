"""requirements.lock: whole, by hash, for every platform, without the address of any registry."""

import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import repository

LOCK = (repository.ROOT / "requirements.lock").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((repository.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENTRY = re.compile(
    r"^(?P<requirement>[A-Za-z0-9][^\\\n]*?) \\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)
LOCKED = {canonicalize_name(Requirement(entry["requirement"]).name): entry for entry in ENTRY.finditer(LOCK)}


def wanted() -> Iterator[str]:
    """Every requirement that the project file states, those of the build backend and of development among them."""
    project = PYPROJECT["project"]
    yield from PYPROJECT["build-system"]["requires"]
    yield from project["dependencies"]
    for extra in project["optional-dependencies"].values():
        yield from extra
    yield from PYPROJECT["dependency-groups"]["dev"]


def floor(name: str) -> tuple[int, ...]:
    """The lowest version of `name` that the project file takes."""
    for text in PYPROJECT["project"]["dependencies"]:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) == name:
            lowest = next(part.version for part in requirement.specifier if part.operator == ">=")
            return tuple(int(number) for number in lowest.split("."))
    raise AssertionError(f"{name} is no dependency")


def test_every_line_is_a_pinned_requirement_with_hashes_or_says_where_it_comes_from() -> None:
    rest = ENTRY.sub("", LOCK)
    strange = [line for line in rest.splitlines() if line.strip() and not line.startswith("    #")]
    assert not strange
    loose = [entry["requirement"] for entry in LOCKED.values() if "==" not in entry["requirement"]]
    assert not loose


@pytest.mark.parametrize("requirement", sorted(set(wanted())))
def test_it_has_what_the_project_file_asks_for(requirement: str) -> None:
    asked = Requirement(requirement)
    entry = LOCKED.get(canonicalize_name(asked.name))
    assert entry is not None, f"{asked.name} is not locked; compile the lock again (CONTRIBUTING.md)"
    version = next(iter(Requirement(entry["requirement"]).specifier)).version
    assert asked.specifier.contains(version, prereleases=True)


def test_it_is_for_every_platform() -> None:
    assert "sys_platform == 'win32'" in LOCK
    assert "sys_platform == 'linux'" in LOCK


def test_it_names_no_registry() -> None:
    assert not re.findall(r"https?://\S+|--(?:extra-)?index-url|--find-links|file:\S+", LOCK)


def test_the_build_backend_is_in_it() -> None:
    """The project itself is built without isolation, so its backend and what makes it editable come from the lock."""
    assert {"hatchling", "editables"} <= LOCKED.keys()


def generated_floor(pattern: str, files: str) -> tuple[int, ...]:
    found = set()
    for path in (repository.ROOT / "protos/hoop/v1").glob(files):
        match = re.search(pattern, path.read_text(encoding="utf-8"))
        assert match is not None, f"{path.name} does not say which version it needs"
        found.add(tuple(int(part) for part in re.findall(r"\d+", match[1])))
    return max(found)


def test_grpcio_is_at_least_what_generated_code_asks_for() -> None:
    assert floor("grpcio") >= generated_floor(r"GRPC_GENERATED_VERSION = '([\d.]+)'", "*_pb2_grpc.py")


def test_protobuf_is_at_least_what_generated_code_asks_for() -> None:
    pattern = r"ValidateProtobufRuntimeVersion\(\s*[\w.]+,\s*(\d+,\s*\d+,\s*\d+)"
    assert floor("protobuf") >= generated_floor(pattern, "*_pb2.py")
