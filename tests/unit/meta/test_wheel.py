"""What is installed: the wheel holds both packages, the generated code and every data file, and nothing else."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests import repository
from tests.repository import ROOT

# Source directory of the repository, and what it is called in the wheel.
SHIPPED = {"cli/hoopctl": "hoopctl", "server/hoopd": "hoopd", "protos/hoop": "hoop"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = directory.glob("hoopctl-*-py3-none-any.whl")
    return zipfile.ZipFile(made)


def shipped_name(path: Path) -> str | None:
    for source, package in SHIPPED.items():
        if path.is_relative_to(ROOT / source):
            return f"{package}/{path.relative_to(ROOT / source).as_posix()}"
    return None


def test_every_file_of_the_packages_is_in_it(wheel: zipfile.ZipFile) -> None:
    expected = {name for path in repository.files() if (name := shipped_name(path))}
    assert {"hoopctl/py.typed", "hoopd/py.typed", "hoop/v1/gateway_pb2.py"} <= expected
    assert expected <= set(wheel.namelist())


def test_nothing_else_is_in_it(wheel: zipfile.ZipFile) -> None:
    roots = {name.partition("/")[0] for name in wheel.namelist()}
    (information,) = roots - set(SHIPPED.values())
    assert information.endswith(".dist-info")
    assert f"{information}/licenses/LICENSE" in wheel.namelist()


def test_its_metadata_is_that_of_the_distribution(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["Name"] == "hoopctl"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_all("Provides-Extra") == ["server"]
    entry_points = wheel.read(name.replace("METADATA", "entry_points.txt")).decode()
    assert "hoopctl = hoopctl.__main__:main" in entry_points
    assert "hoopd = hoopd.__main__:main" in entry_points
