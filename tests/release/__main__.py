"""Make a release of the commit that is checked out: `make release`."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests import upgrade
from tests.process.running import ROOT
from tests.release import building
from tests.release.version import NoRelease, cut, previous_commit, version_of

ENGINES: Final = ("docker", "podman", "buildah")


def main() -> int:
    options = _options()
    try:
        if options.cut:
            made = cut(ROOT, datetime.now(UTC).date().isoformat())
            print(f"{made} is cut: run `make check`, commit, and then `make release`.")
            return 0
        return _release(options)
    except (NoRelease, subprocess.CalledProcessError) as error:
        print(f"make: {error}", file=sys.stderr)
        return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make release RELEASE=", description=__doc__)
    parser.add_argument(
        "--cut", action="store_true", help="only date CHANGELOG.md's newest section, and write its version"
    )
    parser.add_argument("--without-upgrade-check", action="store_true", help="to make the files once more")
    parser.add_argument("--engine", default="", help="docker, podman or buildah; one that works, if left out")
    parser.add_argument("--image", default="localhost/flow-pipelines", help="the image's name")
    parser.add_argument(
        "--directory", type=Path, default=ROOT / "dist", help="where a directory of the version is made"
    )
    return parser.parse_args()


def _release(options: argparse.Namespace) -> int:
    commit = building.git("rev-parse", "HEAD")
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary)
        building.export(commit, tree)
        version, before = version_of(tree), previous_commit(tree)
        sources = building.prepare(tree, commit, version)
        directory = options.directory / version.python
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        building.build_packages(sources, directory)
        building.build_sbom(sources, directory)
        left_out = [*_chart(sources, directory), *_image(sources, directory, options)]
    print(building.write_sums(directory), end="")
    checked = 0 if options.without_upgrade_check else upgrade.main(before)
    _tell(version.python, directory, [*left_out, *_reservations(is_draft=version.is_draft)])
    return checked


def _chart(sources: building.Sources, directory: Path) -> list[str]:
    helm = building.HELM if building.HELM.exists() else shutil.which("helm")
    if helm is None:
        return ["NO CHART: Helm is not there, and can't be unpacked here."]
    building.build_chart(sources, directory, helm)
    return []


def _image(sources: building.Sources, directory: Path, options: argparse.Namespace) -> list[str]:
    works = [each for each in ENGINES if shutil.which(each) and _runs(each)]
    engine = options.engine or next(iter(works), None)
    if engine is None:
        return ["NO IMAGE: neither docker nor podman nor buildah works here."]
    building.build_image(sources, directory, engine, options.image)
    return []


def _runs(engine: str) -> bool:
    return subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0


def _reservations(*, is_draft: bool) -> list[str]:
    """Return why what was made is not to be published, in sentences."""
    found = (
        ["NOT A RELEASE, A DRAFT OF IT: CHANGELOG.md says unreleased; RELEASE=--cut changes that."] if is_draft else []
    )
    if building.git("status", "--porcelain", "--untracked-files=no"):
        found.append("NOT ALL: what is not committed is not in it.")
    return found


def _tell(version: str, directory: Path, reservations: list[str]) -> None:
    print(f"make: {version} is in {directory}; docs/how-to/release.md says how to sign and publish it.")
    for sentence in reservations:
        print(f"make: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
