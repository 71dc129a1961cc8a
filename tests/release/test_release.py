"""A release: its version, and that a second run makes the same bytes."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from service.version import __version__
from tests.process.running import ROOT
from tests.release.building import SUMS, Sources, build_chart, build_packages, export, git, prepare, write_sums
from tests.release.version import (
    PLACES,
    NoRelease,
    Version,
    cut,
    named,
    previous_commit,
    sections,
    version_of,
    write_version,
)

UNRELEASED = """# Changelog

## [0.3.0] - unreleased

- Something.

## [0.2.0] - 2026-12-01

Commit: `0123456789012345678901234567890123456789`.

## [0.1.0] - 2026-11-25
"""


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """Return a tree with the files that name the version, of which 0.2.0 is released."""
    for path in PLACES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    (tmp_path / "CHANGELOG.md").write_text(UNRELEASED)
    write_version(tmp_path, "0.2.0", "0.2.0")
    return tmp_path


def test_sections_of_a_changelog_have_their_commits() -> None:
    assert [(each.version, each.released, bool(each.commit)) for each in sections(UNRELEASED)] == [
        ("0.3.0", False, False),
        ("0.2.0", True, True),
        ("0.1.0", True, False),
    ]


def test_version_is_the_same_wherever_it_is_named() -> None:
    version = version_of(ROOT)

    assert version.is_draft or version.python == __version__
    assert all(len(found) == 1 for found in named(ROOT).values())


def test_version_that_differs_in_one_place_is_refused(tree: Path) -> None:
    compose = tree / "deploy/compose.yaml"
    compose.write_text(compose.read_text().replace("0.2.0", "0.1.9"))

    with pytest.raises(NoRelease, match=r"deploy/compose\.yaml not"):
        version_of(tree)


def test_version_of_unreleased_sources_is_a_draft_of_the_next(tree: Path) -> None:
    assert version_of(tree) == Version("0.3.0.dev0", "0.3.0-dev.0", is_draft=True)


def test_cut_dates_the_section_and_writes_the_version_everywhere(tree: Path) -> None:
    assert cut(tree, "2027-01-31") == "0.3.0"

    assert "## [0.3.0] - 2027-01-31\n" in (tree / "CHANGELOG.md").read_text()
    assert version_of(tree) == Version("0.3.0", "0.3.0", is_draft=False)
    assert {*map(str, named(tree).values())} == {"{'0.3.0'}"}
    with pytest.raises(NoRelease, match="nothing unreleased"):
        cut(tree, "2027-02-01")


def test_changelog_that_was_cut_for_another_version_is_refused(tree: Path) -> None:
    cut(tree, "2027-01-31")
    write_version(tree, "0.4.0", "0.4.0")

    with pytest.raises(NoRelease, match=r"CHANGELOG\.md was last cut for 0\.3\.0"):
        version_of(tree)


def test_commit_of_the_version_before_is_named(tree: Path) -> None:
    assert previous_commit(tree) == "0123456789012345678901234567890123456789"
    (tree / "CHANGELOG.md").write_text(UNRELEASED.replace("Commit: ", "Of "))
    with pytest.raises(NoRelease, match="does not name the commit"):
        previous_commit(tree)

    commit = previous_commit(ROOT)
    here = subprocess.run(["git", "cat-file", "-e", commit], cwd=ROOT, capture_output=True, check=False)
    if here.returncode:
        pytest.skip(f"this clone has no commit {commit}: it is a shallow one")
    assert git("merge-base", commit, "HEAD") == commit


def sources(tree: Path, version: Version) -> Sources:
    tree.mkdir()
    export("HEAD", tree)
    return prepare(tree, "HEAD", version)


def in_sdist(path: Path) -> set[str]:
    """Return the names at the top of an sdist."""
    files = subprocess.run(["tar", "tzf", path], capture_output=True, text=True, check=True).stdout
    return {line.split("/")[1] for line in files.splitlines()}


def test_packages_and_chart_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Wherever they are made, whenever, and whatever rights new files get."""
    version = Version("9.9.9.dev0", "9.9.9-dev.0", is_draft=True)
    helm = next(
        (each for each in (ROOT / ".tools/helm/helm", shutil.which("helm")) if each and Path(each).exists()), None
    )
    sums, before = [], os.umask(0o022)
    try:
        for name, mask in (("one", 0o022), ("another", 0o077)):
            os.umask(mask)
            made = tmp_path / f"{name}-made"
            made.mkdir()
            built = sources(tmp_path / name, version)
            build_packages(built, made)
            if helm:
                build_chart(built, made, helm)
            sums.append(write_sums(made))
    finally:
        os.umask(before)

    assert sums[0] == sums[1] == (made / SUMS).read_text()
    assert "flow_pipelines-9.9.9.dev0-py3-none-any.whl\n" in sums[0]
    assert "flow_pipelines_client-9.9.9.dev0-py3-none-any.whl\n" in sums[0]
    with zipfile.ZipFile(made / "flow_pipelines-9.9.9.dev0-py3-none-any.whl") as wheel:
        about = wheel.read("flow_pipelines-9.9.9.dev0.dist-info/METADATA").decode()
    assert "\nRequires-Dist: flow-pipelines-client==9.9.9.dev0\n" in about
    assert subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=made, check=False).returncode == 0
    assert in_sdist(made / "flow_pipelines-9.9.9.dev0.tar.gz") == {
        *("service", "sql", "README.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"),
    }
    assert in_sdist(made / "flow_pipelines_client-9.9.9.dev0.tar.gz") >= {
        *("flow_pipelines_client", "README.md", "LICENSE", "pyproject.toml", "PKG-INFO"),
    }
    client = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", made / "flow_pipelines_client-9.9.9.dev0-py3-none-any.whl"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "flow_pipelines_client/py.typed" in client
    assert "licenses/LICENSE" in client


def test_draft_of_the_chart_takes_the_image_of_the_draft(tree: Path) -> None:
    write_version(tree, "0.3.0.dev0", "0.3.0-dev.0")

    chart = yaml.safe_load((tree / "deploy/helm/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == ("0.3.0-dev.0", "0.3.0.dev0")
