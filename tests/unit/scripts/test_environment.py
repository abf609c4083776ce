"""The set-up that `scripts/demo` and `scripts/test` do on a fresh machine, tried on a small project without a network.

The small project has a build backend of a few lines in a wheel made here, so that the real Python, venv and pip run,
by hash, from a directory instead of a registry.
"""

import base64
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]

BACKEND = """
import base64, hashlib, zipfile
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "small-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as wheel:
        files = {
            "small.py": "import sys\\\\ndef main():\\\\n    print(*sys.argv, sys.prefix)\\\\n",
            "small-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\\\nName: small\\\\nVersion: 1.0\\\\n",
            "small-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\\\nRoot-Is-Purelib: true\\\\nTag: py3-none-any\\\\n",
            "small-1.0.dist-info/entry_points.txt": "[console_scripts]\\\\nhoopctl = small:main\\\\n",
            "small-1.0.dist-info/RECORD": "",
        }
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"""


def load_environment() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", ROOT / "scripts/lib/environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


environment = load_environment()


def make_wheel(directory: Path, name: str, files: dict[str, str]) -> str:
    """A pure wheel, `name`-1.0; returns its line for a lock."""
    path = directory / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{file},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},\n"
        for file, text in files.items()
    )
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in (files | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}).items():
            wheel.writestr(file, text)
    return f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with our scripts, in a directory whose name has a blank."""
    root = tmp_path / "a project"
    shutil.copytree(ROOT / "scripts/lib", root / "scripts/lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "scripts/demo", root / "scripts/demo")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (root / "requirements.lock").write_text(
        make_wheel(wheels, "backend", {"backend.py": BACKEND.replace("\\\\", "\\")})
    )
    (root / "pyproject.toml").write_text('[build-system]\nrequires = ["backend"]\nbuild-backend = "backend"\n')
    return root


def surroundings(project: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return {
        **kept,
        "HOOP_PYTHON": getattr(sys, "_base_executable", sys.executable),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(project.parent / "wheels"),
        "PIP_NO_CACHE_DIR": "1",
        **more,
    }


def demo(project: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(project / "scripts/demo"), "--stay"],
        env=surroundings(project, **more),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=90,
    )


def environments(project: Path) -> set[str]:
    return {path.name for path in project.glob(".venv.*") if path.is_dir()}


def test_a_fresh_machine_gets_its_environment_and_a_second_run_starts_at_once(project: Path) -> None:
    junk = project.parent / "junk"
    junk.mkdir()
    (junk / "venv.py").write_text("raise SystemExit('PYTHONPATH was not cleaned')")
    astray = {
        "PIP_USER": "1",
        "PIP_TARGET": str(junk / "target"),
        "PIP_REQUIRE_HASHES": "1",
        "PYTHONPATH": str(junk),
        "PYTHONHOME": str(junk),
        "PYTHONWARNINGS": "error",
    }
    first = demo(project, **astray)
    assert first.returncode == 0, first.stderr
    assert first.stdout.split(" ", 1)[0].endswith("/a"), "the path of the project has a blank"
    assert "demo --stay" in first.stdout
    assert "is ready after" in first.stderr
    assert not (junk / "target").exists()
    second = demo(project, **astray)
    assert (second.stdout, second.stderr) == (first.stdout, "")
    assert not (project / ".venv.log").exists()


def test_a_changed_lock_makes_a_new_environment_and_leaves_running_programs_theirs(project: Path) -> None:
    assert demo(project).returncode == 0
    before = (project / ".venv").resolve()
    with (project / "requirements.lock").open("a") as lock:
        lock.write(make_wheel(project.parent / "wheels", "another", {"another.py": "X = 1\n"}))
    assert "making .venv" in demo(project).stderr
    after = (project / ".venv").resolve()
    assert after != before
    old = subprocess.run([before / "bin/hoopctl"], capture_output=True, text=True, check=True)
    assert str(before) in old.stdout, "a program of the environment before must go on with its own modules"

    (project / "pyproject.toml").write_text((project / "pyproject.toml").read_text() + '\n[project]\nname = "small"\n')
    demo(project)
    assert environments(project) == {after.name, (project / ".venv").resolve().name}, "only the one before is kept"

    (project / "pyproject.toml").write_text((project / "pyproject.toml").read_text() + "\n[tool.ruff]\n")
    assert demo(project).stderr == "", "settings of a linter install nothing"


def test_what_the_lock_does_not_name_is_not_installed(project: Path) -> None:
    make_wheel(project.parent / "wheels", "backend", {"backend.py": BACKEND + "# changed\n"})
    done = demo(project)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("scripts/demo: backend==1.0 is not the file that requirements.lock")
    assert not (project / ".venv").exists()
    assert not environments(project)


def test_a_setting_that_sends_pip_elsewhere_is_named(project: Path) -> None:
    settings = project.parent / "pip.conf"
    settings.write_text(f"[install]\ntarget = {project.parent / 'elsewhere'}\nuser = yes\n")
    done = demo(project, PIP_CONFIG_FILE=str(settings))
    assert done.returncode == 1
    assert "such as target or prefix" in done.stderr.splitlines()[-1]
    assert not (project / ".venv").exists()


def test_a_moved_repository_and_a_directory_made_by_hand_are_made_anew(project: Path) -> None:
    by_hand = project / ".venv"
    by_hand.mkdir()
    (by_hand / "mine").touch()
    assert demo(project).returncode == 0
    assert by_hand.is_symlink()
    assert list(project.glob(".venv.*/by-hand/mine")), "it is put aside, not deleted under its user's feet"
    moved = project.rename(project.parent / "moved")
    done = demo(moved)
    assert "making .venv" in done.stderr
    assert "/moved/" in done.stdout


def test_two_runs_at_once_build_once(project: Path) -> None:
    command = [str(project / "scripts/demo")]
    both = [
        subprocess.Popen(command, env=surroundings(project), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [run.communicate(timeout=90) for run in both]
    assert [run.returncode for run in both] == [0, 0], said
    assert "".join(stderr for _, stderr in said).count("is ready after") == 1
    assert len(environments(project)) == 1


def test_a_build_that_is_ended_leaves_nothing_and_is_taken_up_again(project: Path) -> None:
    fifo = project.parent / "held"
    os.mkfifo(fifo)
    # pip blocks on reading its settings, until it is ended: nobody writes to the pipe.
    run = subprocess.Popen(
        [str(project / "scripts/demo")],
        env=surroundings(project, PIP_CONFIG_FILE=str(fifo)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    writer = os.open(fifo, os.O_WRONLY)  # returns when pip has opened it to read
    try:
        run.send_signal(signal.SIGINT)
        _, stderr = run.communicate(timeout=30)
    finally:
        os.close(writer)
    assert run.returncode == 128 + signal.SIGINT
    assert stderr.splitlines()[-1] == "scripts/demo: interrupted; nothing was changed"
    assert not environments(project)
    (project / ".venv.cutoff").mkdir()
    assert demo(project).returncode == 0
    assert not (project / ".venv.cutoff").exists()


@pytest.mark.skipif(importlib.util.find_spec("ensurepip") is None, reason="this Python has no ensurepip")
def test_a_python_without_pip_uses_the_one_that_it_brings(project: Path) -> None:
    bare = project.parent / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    done = demo(project, HOOP_PYTHON=str(bare / "bin/python"))
    assert done.returncode == 0, done.stderr
    assert "demo --stay" in done.stdout


def test_a_python_with_neither_pip_nor_ensurepip_is_told_which_package_is_missing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = stub(project.parent / "bin", "python3", "exit 1")
    monkeypatch.setattr(environment.sys, "executable", str(nothing))
    build = environment.Build(project, lambda line: None)
    with pytest.raises(environment.BuildError, match=r"install the package python3\.\d+-venv"):
        build._pip_for(nothing)


def stub(directory: Path, name: str, script: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def find_python(project: Path, path: str) -> subprocess.CompletedProcess[str]:
    tools = project.parent / "tools"
    tools.mkdir(exist_ok=True)
    for tool in ("basename", "dirname"):
        where = shutil.which(tool)
        assert where is not None
        (tools / tool).symlink_to(where)
    bash = shutil.which("bash")
    assert bash is not None
    script = '. scripts/lib/environment.sh; find_python; printf "%s %s" "$python" "$python_version"'
    return subprocess.run(
        [bash, "-euo", "pipefail", "-c", script, "scripts/demo"],
        cwd=project,
        env={"PATH": f"{path}:{tools}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_interpreter_is_known_by_running_it(project: Path) -> None:
    """A shim that fails, one that says nothing, and an old Python are passed over."""
    shims, old, good = (project.parent / name for name in ("shims", "old", "good one"))
    stub(shims, "python3.13", "echo 'no such version' >&2; exit 127")
    stub(shims, "python3", "exit 0")
    stub(old, "python3", "echo old 3.9.2")
    wanted = stub(good, "python3", "echo ok 3.12.4")
    done = find_python(project, f"{shims}:{old}:{good}")
    assert (done.returncode, done.stdout) == (0, f"{wanted} 3.12.4")


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (["old 3.8.18"], "Python 3.11 or newer is needed ({0} is 3.8.18); install one"),
        ([""], "Python 3.11 or newer is needed ({0} does not run); install one"),
        ([], "Python 3.11 or newer is needed (none was found on PATH); install one"),
        (["lacks 3.11.2 ssl zlib"], "{0} (3.11.2) was built without ssl zlib; install a complete Python"),
    ],
)
def test_no_python_that_serves_is_one_clear_sentence(project: Path, answers: list[str], sentence: str) -> None:
    directory = project.parent / "bin"
    made = [str(stub(directory, "python3", f"echo {answer}" if answer else "exit 1")) for answer in answers]
    done = find_python(project, str(directory))
    assert done.returncode == 1
    assert done.stderr.startswith(f"scripts/demo: {sentence.format(*made)}")
    assert len(done.stderr.splitlines()) == 1


def test_the_probe_asks_a_real_python_and_an_old_one_can_answer(project: Path) -> None:
    text = (project / "scripts/lib/environment.sh").read_text()
    probe = text.partition("probe='")[2].partition("'\n")[0]
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert answer.split()[0] in ("ok", "lacks")
    pretended = "import sys; sys.version_info = (3, 10, 1); exec(sys.argv[1])"
    old = subprocess.run([sys.executable, "-c", pretended, probe], capture_output=True, text=True, check=True).stdout
    assert old == "old 3.10.1\n"


@pytest.mark.parametrize(("given", "expected"), [("", "127.0.0.1,localhost,::1"), ("x", "x,127.0.0.1,localhost,::1")])
def test_loopback_never_goes_through_a_proxy(project: Path, given: str, expected: str) -> None:
    script = '. scripts/lib/environment.sh; printf "%s %s" "$no_proxy" "$NO_PROXY"'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script, "demo"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "no_proxy": given, "NO_PROXY": "::1,localhost,127.0.0.1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{expected} ::1,localhost,127.0.0.1"


REFUSED = "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError(Connection refused)'"
NO_NAME = "NewConnectionError: [Errno -2] Name or service not known\nERROR: No matching distribution found for a==1"


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        (REFUSED, "the package registry is out of reach: the connection was refused"),
        (NO_NAME, "the package registry is out of reach: its name was not found"),
        ("SSLError(CERTIFICATE_VERIFY_FAILED)", "out of reach: its certificate was not accepted"),
        ("ERROR: No matching distribution found for postgast==0.2.1", "registry has no postgast==0.2.1 for Python"),
        ("OSError: [Errno 28] No space left on device", "no space left on the disk"),
        ("ERROR: something else", "pip failed: ERROR: something else"),
        ("", "pip failed: it said nothing"),
    ],
)
def test_what_pip_said_becomes_one_sentence(log: str, sentence: str) -> None:
    said = environment.explain(log)
    assert sentence in said
    assert "\n" not in said


def test_pip_keeps_how_the_registry_is_reached_and_nothing_else() -> None:
    given = {"PIP_INDEX_URL": "u", "PIP_CERT": "c", "PIP_PREFIX": "/p", "PIP_CONSTRAINT": "x", "PATH": "/bin"}
    kept = environment.pip_environment(given)
    assert kept == {
        "PIP_INDEX_URL": "u",
        "PIP_CERT": "c",
        "PATH": "/bin",
        "PIP_RETRIES": "2",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
