"""What `make run` installs packages by, with programs that only say that they are pip and uv."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.process.running import ROOT

LOCK = "one==1 \\\n    --hash=sha256:00\ntwo==2 \\\n    --hash=sha256:11\nthree==3 \\\n    --hash=sha256:22\n"
PIP = """#!/bin/sh
[ "$1" = -c ] && exit 0
for part; do :; done
grep -q 'hash=sha256:' "$part" && [ "$(grep -c '==' "$part")" -lt 3 ] || exit 9
sed -n 's/==\\([0-9]\\).*/ \\1/p' "$part" | while read -r name version; do
  echo "  Downloading $name-$version-py3-none-any.whl (7 kB)"
  echo "fetched = True" > "$SITE/$name.py"
done
echo pip >> "$CALLS"
"""
BROKEN = """#!/bin/sh
case "$1 $*" in -c*) ;; *part1*) echo 'ERROR: no such thing' && exit 1 ;; esac
"""
UV = """#!/bin/sh
case "$*" in *--require-hashes*) ;; *) exit 9 ;; esac
echo "fetched = True" > "$SITE/one.py"
echo uv >> "$CALLS"
"""


class Clones:
    """New clones of a project, and a place where what they install is kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.calls = directory / "calls"
        self.programs = directory / "programs"
        self.programs.mkdir()
        self.calls.touch()
        self.program("python", PIP)
        self.program("uv", "#!/bin/sh\nexit 1\n")  # in front of one that this machine may have

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(script)
        path.chmod(0o755)

    def make(self, lock: str = LOCK) -> Path:
        """Make a clone, with an empty environment."""
        clone = self.directory / f"clone {len([*self.directory.iterdir()])}"
        (clone / "requirements").mkdir(parents=True)
        for name in ("install.sh", "mend.sh"):
            shutil.copy(ROOT / "requirements" / name, clone / "requirements")
        (clone / "requirements" / "run.txt").write_text(lock)
        (clone / "service").mkdir()
        (clone / "service" / "__main__.py").write_text("import one\n\ndef main():\n    print(one.fetched)\n")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", clone / ".venv"], check=True)
        return clone

    def install(self, clone: Path) -> "subprocess.CompletedProcess[str]":
        path = f"{self.programs}:/usr/bin:/bin"
        variables = {"PATH": path, "SITE": str(site(clone)), "CALLS": str(self.calls)}
        variables["KEPT"] = str(self.directory / "kept")
        command = ["requirements/install.sh", ".venv", "python", variables["KEPT"]]
        return subprocess.run(command, cwd=clone, env=variables, capture_output=True, text=True, check=False)

    def called(self) -> list[str]:
        """Return what was called since the last time."""
        found = self.calls.read_text().split()
        self.calls.write_text("")
        return found


@pytest.fixture
def clones(tmp_path: Path) -> Clones:
    return Clones(tmp_path)


def site(clone: Path) -> Path:
    return next((clone / ".venv" / "lib").glob("python*")) / "site-packages"


def works(clone: Path) -> bool:
    """Return whether the project's command finds the project, and what was installed."""
    command = [clone / ".venv" / "bin" / "flow-pipelines"]
    done = subprocess.run(command, cwd="/", env=os.environ, capture_output=True, text=True, check=True)
    return done.stdout == "True\n"


def test_packages_are_fetched_by_two_at_once_and_named(clones: Clones) -> None:
    clone = clones.make()

    done = clones.install(clone)

    assert (done.returncode, done.stderr) == (0, "")
    assert {*done.stdout.splitlines()} == {"  one-1 (7 kB)", "  two-2 (7 kB)", "  three-3 (7 kB)"}
    assert clones.called() == ["pip", "pip"]
    assert works(clone)


def test_packages_are_linked_into_the_next_clone(clones: Clones) -> None:
    first, second = clones.make(), clones.make()
    clones.install(first)
    clones.called()

    done = clones.install(second)

    assert done.returncode == 0
    assert done.stdout.startswith("  linking what was installed before")
    assert clones.called() == []
    assert works(second)
    assert (site(first) / "one.py").samefile(site(second) / "one.py")
    assert (site(second) / "flow_pipelines.pth").read_text() == f"{second}\n"
    assert (site(second) / "flow_pipelines_client.pth").read_text() == f"{second}/clients/python\n"


def test_packages_that_another_clone_has_kept_meanwhile_are_left_alone(clones: Clones) -> None:
    first = clones.make()
    clones.install(clones.make())
    (key,) = (path.name for path in (clones.directory / "kept").iterdir())
    shutil.rmtree(clones.directory / "kept")
    clones.program("python", f'{PIP}mkdir -p "$KEPT/{key}" && touch "$KEPT/{key}/x"\n')

    assert clones.install(first).returncode == 0
    assert [path.name for path in (clones.directory / "kept").iterdir()] == [key]
    assert [path.name for path in (clones.directory / "kept" / key).iterdir()] == ["x"]


def test_packages_of_another_lock_are_not_linked(clones: Clones) -> None:
    clones.install(clones.make())
    clones.called()

    clones.install(clones.make(LOCK.replace("22", "33")))

    assert clones.called() == ["pip", "pip"]


def test_environment_that_holds_something_is_changed_by_pip_and_not_kept(clones: Clones) -> None:
    clone = clones.make()
    (site(clone) / "older.py").touch()

    clones.install(clone)
    clones.install(clones.make())

    assert clones.called() == ["pip"] * 4
    assert (site(clone) / "older.py").exists()


def metadata(clone: Path, name: str, record: str | None) -> Path:
    """Put a package's metadata into an environment, as far as an installation has come."""
    directory = site(clone) / f"{name}.dist-info"
    directory.mkdir()
    (directory / "METADATA").touch()
    if record is not None:
        (directory / "RECORD").write_text(record)
    return directory


def test_packages_that_an_interruption_has_left_half_installed_count_as_absent(clones: Clones) -> None:
    clone = clones.make()
    whole = metadata(clone, "whole-1", "whole.py,,\nwhole-1.dist-info/INSTALLER,,\nwhole-1.dist-info/RECORD,,\n")
    of_wheel = metadata(clone, "half-1", "half.py,,\nhalf-1.dist-info/RECORD,,\n")
    none = metadata(clone, "less-1", None)
    (site(clone) / "~ormer").mkdir()

    done = clones.install(clone)

    assert (done.returncode, done.stderr) == (0, "")
    assert [each.exists() for each in (whole, of_wheel, none, site(clone) / "~ormer")] == [True, False, False, False]
    assert "  half-1 was left half installed: it is installed anew" in done.stdout


def test_environment_whose_linking_was_interrupted_is_completed(clones: Clones) -> None:
    clones.install(clones.make())
    clone = clones.make()
    packages = site(clone)
    packages.rmdir()
    (clone / ".venv" / ".packages").mkdir()

    assert clones.install(clone).returncode == 0
    assert works(clone)


def test_package_that_cannot_be_fetched_ends_it_and_nothing_is_kept(clones: Clones) -> None:
    clones.program("python", BROKEN)
    clone = clones.make()

    done = clones.install(clone)

    assert done.returncode != 0
    assert "make: ERROR: no such thing" in done.stdout
    assert not (clones.directory / "kept").exists()
    assert not (clone / ".venv" / "bin" / "flow-pipelines").exists()


def test_packages_are_installed_without_keeping_where_nothing_can_be_kept(clones: Clones) -> None:
    (clones.directory / "kept").write_text("not a folder")
    clone = clones.make()

    assert clones.install(clone).returncode == 0
    assert works(clone)


def test_uv_installs_where_there_is_one(clones: Clones) -> None:
    clones.program("uv", UV)
    clone = clones.make()

    assert clones.install(clone).returncode == 0
    assert clones.called() == ["uv"]
    assert works(clone)


def test_version_of_a_project_that_is_only_linked_is_its_own() -> None:
    """Such an environment has no metadata of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert f'__version__ = "{project["version"]}"\n' in (ROOT / "service" / "version.py").read_text()
