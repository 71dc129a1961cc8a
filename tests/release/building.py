"""The parts of a release, each made so that a second run makes the same bytes."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.process.running import ROOT
from tests.release.version import Version, write_version

HELM: Final = ROOT / ".tools/helm/helm"
SBOM_PROGRAM: Final = Path(sys.executable).parents[1] / "release/bin/cyclonedx-py"
SUMS: Final = "SHA256SUMS"


@dataclass(frozen=True)
class Sources:
    """The sources of a release: a commit's tree in a directory of its own, whose files have that commit's time."""

    tree: Path
    commit: str
    epoch: int
    version: Version

    @property
    def environment(self) -> dict[str, str]:
        """Variables for what is run on them."""
        return {**os.environ, "SOURCE_DATE_EPOCH": str(self.epoch), "TZ": "UTC", "LC_ALL": "C.UTF-8"}

    def run(self, *command: str | Path, stdout: int | None = None) -> None:
        """Run a program on them.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        subprocess.run([*map(str, command)], cwd=self.tree, env=self.environment, check=True, stdout=stdout)


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def export(commit: str, tree: Path) -> None:
    """Write the tree of a commit to a directory; what is not committed is not in it."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "--extract", "--directory", str(tree)], input=archive, check=True)


def prepare(tree: Path, commit: str, version: Version) -> Sources:
    """Give the exported tree of a commit the version that is made of it, and its files their time."""
    epoch = int(git("log", "-1", "--format=%ct", commit))
    if version.is_draft:
        write_version(tree, version.python, version.chart)
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (epoch, epoch), follow_symlinks=False)
    return Sources(tree, commit, epoch, version)


PACKAGES: Final = (".", "clients/python")
"""Folders of a tree that packages are made of: the service, and its Python client."""


def build_packages(sources: Sources, directory: Path) -> None:
    """Build wheel and sdist of each package, and the wheel once more of the sdist: it must be the same."""
    for folder in PACKAGES:
        with tempfile.TemporaryDirectory() as temporary:
            made = Path(temporary)
            _build_package(sources, sources.tree / folder, made)
            for path in made.iterdir():
                shutil.move(path, directory / path.name)


def _build_package(sources: Sources, root: Path, directory: Path) -> None:
    build = (sys.executable, "-m", "hatchling", "build", "--directory")

    def run(*arguments: str | Path, cwd: Path) -> None:
        command = [*build, *map(str, arguments)]
        subprocess.run(command, cwd=cwd, env=sources.environment, check=True, stdout=subprocess.DEVNULL)

    run(directory, "--target", "sdist", "--target", "wheel", cwd=root)
    (sdist,), (wheel,) = directory.glob("*.tar.gz"), directory.glob("*.whl")
    with tempfile.TemporaryDirectory() as again:
        unpacked = Path(again)
        shutil.unpack_archive(sdist, unpacked, filter="data")
        (inner,) = unpacked.iterdir()
        run(unpacked, "--target", "wheel", cwd=inner)
        if (unpacked / wheel.name).read_bytes() != wheel.read_bytes():
            raise AssertionError(f"The wheel that {sdist.name} makes is another one.")


def build_chart(sources: Sources, directory: Path, helm: Path | str) -> None:
    """Pack the chart: Helm keeps the times of files, and so those of the commit."""
    sources.run(helm, "package", sources.tree / "deploy/helm", "--destination", directory, stdout=subprocess.DEVNULL)


def build_sbom(sources: Sources, directory: Path) -> None:
    """List what the image and an installation by requirements/runtime.txt run with, in CycloneDX's form.

    Of packages that are installed, as only these say their licences and what they need. The client is of this release,
    and taken by its name from the directory: by its path, the list would have that in it.
    """
    with tempfile.TemporaryDirectory() as environment:
        python = Path(environment) / "bin/python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
        pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check")
        install = (*pip, "--no-compile", "--no-deps", "--only-binary", ":all:")
        sources.run(*install, "--require-hashes", "--requirement", "requirements/runtime.txt")
        client = f"flow-pipelines-client=={sources.version.python}"
        sources.run(*install, "--no-index", "--find-links", directory, client)
        name = f"flow-pipelines-{sources.version.python}.cdx.json"
        sources.run(
            *(SBOM_PROGRAM, "environment", "--output-reproducible", "--mc-type", "application"),
            *("--pyproject", "pyproject.toml", "--output-file", directory / name, python),
        )


def build_image(sources: Sources, directory: Path, engine: str, image: str) -> None:
    """Build the image, and write it in the layout of the Open Container Initiative."""
    name = f"{image}:{sources.version.python}"
    make = ("make", "--no-print-directory", "-C", str(ROOT), "image", f"ENGINE={engine}", f"IMAGE={image}")
    about = (f"VERSION={sources.version.python}", f"REVISION={sources.commit}", f"EPOCH={sources.epoch}")
    subprocess.run([*make, *about, f"CONTEXT={sources.tree}"], check=True, stdout=sys.stderr)
    with tempfile.TemporaryDirectory() as layout:
        _save(engine, name, Path(layout))
        archive = directory / f"flow-pipelines-{sources.version.python}.oci.tar"
        subprocess.run(
            [
                *("tar", "--create", "--sort=name", "--format=gnu", f"--mtime=@{sources.epoch}", "--mode=u=rwX,go=rX"),
                *("--owner=0", "--group=0", "--numeric-owner", "--file", str(archive), "--directory", layout, "."),
            ],
            check=True,
        )


def _save(engine: str, name: str, layout: Path) -> None:
    """Write an image's layout to a directory."""
    if engine == "docker":
        saved = subprocess.run([engine, "save", name], capture_output=True, check=True).stdout
        subprocess.run(["tar", "--extract", "--directory", str(layout)], input=saved, check=True)
    elif engine == "buildah":
        subprocess.run([engine, "push", "--quiet", name, f"oci:{layout}:{name}"], check=True, stdout=subprocess.DEVNULL)
    else:
        layout.rmdir()
        subprocess.run([engine, "save", "--quiet", "--format", "oci-dir", "--output", str(layout), name], check=True)


def write_sums(directory: Path) -> str:
    """Write the sums of all files in a directory, as sha256sum reads them."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(directory.iterdir())
        if path.name != SUMS
    ]
    (directory / SUMS).write_text("".join(lines))
    return "".join(lines)
