"""The version of a release: where it stands, and whether CHANGELOG.md has it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PLACES: Final = {
    "pyproject.toml": r'^(?:version = "|    "flow-pipelines-client==)([^"]+)"',
    "clients/python/pyproject.toml": r'^version = "(.+)"$',
    "service/version.py": r'^    __version__ = "(.+)"$',
    "deploy/helm/Chart.yaml": r"^(?:version|appVersion): (.+)$",
    "deploy/compose.yaml": r"^  image: localhost/flow-pipelines:\$\{VERSION:-(.+)\}$",
    "deploy/kubernetes/overlays/development/release/kustomization.yaml": r"^    newTag: (.+)$",
    "deploy/kubernetes/overlays/production/release/kustomization.yaml": (
        r"^(?:    newTag|      app.kubernetes.io/version): (.+)$"
    ),
    "docs/how-to/kubernetes.md": r"^  - https://git.example.com/\S+[?]ref=v(.+)$",
}
"""Files that name the version, and the lines that do; the last of them is ahead while a version is in the making."""
AHEAD: Final = ("docs/how-to/kubernetes.md",)
SECTION: Final = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - (unreleased|\d{4}-\d\d-\d\d)$", re.MULTILINE)
COMMIT: Final = re.compile(r"^Commit: `([0-9a-f]{40})`\.$", re.MULTILINE)


class NoRelease(Exception):
    """A state of the sources from which no release can be made; the sentence says why."""


@dataclass(frozen=True)
class Section:
    """A version's section in CHANGELOG.md.

    Attributes:
        commit: of which that version was made; None if it does not say so.
    """

    version: str
    released: bool
    commit: str | None


@dataclass(frozen=True)
class Version:
    """The version that is made of the sources as they are.

    Attributes:
        python: as Python's packages and the image have it.
        chart: the same as Semantic Versioning writes it, for the chart itself.
        is_draft: whether it is in the making, and not to be published.
    """

    python: str
    chart: str
    is_draft: bool


def sections(changelog: str) -> list[Section]:
    """Return the versions of CHANGELOG.md, the newest first."""
    found = [*SECTION.finditer(changelog)]
    ends = [each.start() for each in found[1:]] + [len(changelog)]
    return [
        Section(
            each[1],
            each[2] != "unreleased",
            commit[1] if (commit := COMMIT.search(changelog, each.end(), end)) else None,
        )
        for each, end in zip(found, ends, strict=True)
    ]


def named(tree: Path) -> dict[str, set[str]]:
    """Return by file the versions that it names."""
    return {path: {*re.findall(line, (tree / path).read_text(), re.MULTILINE)} for path, line in PLACES.items()}


def version_of(tree: Path) -> Version:
    """Return the version that is made of a tree: the one that its files name, or a draft of the next.

    Raises:
        NoRelease: the files do not agree.
    """
    newest = sections((tree / "CHANGELOG.md").read_text())[0]
    (current,) = named(tree)["pyproject.toml"]
    differing = [path for path, found in named(tree).items() if found != {current} and path not in AHEAD]
    if differing:
        raise NoRelease(f"pyproject.toml has version {current}, but {', '.join(differing)} not: `--cut` writes all.")
    if newest.released and newest.version == current:
        return Version(current, current, is_draft=False)
    if newest.released:
        raise NoRelease(f"pyproject.toml has version {current}, but CHANGELOG.md was last cut for {newest.version}.")
    return Version(f"{newest.version}.dev0", f"{newest.version}-dev.0", is_draft=True)


def previous_commit(tree: Path) -> str:
    """Return the commit of the version before the newest one.

    Raises:
        NoRelease: CHANGELOG.md names none.
    """
    before = sections((tree / "CHANGELOG.md").read_text())[1:]
    if not before or before[0].commit is None:
        raise NoRelease("CHANGELOG.md does not name the commit of the version before: a line 'Commit: `...`.' does.")
    return before[0].commit


def write_version(tree: Path, version: str, chart: str) -> None:
    """Write a version wherever one is named: that of the chart itself as the chart has it."""
    for path, line in PLACES.items():
        text = (tree / path).read_text()
        for found in reversed([*re.finditer(line, text, re.MULTILINE)]):
            written = chart if found[0].startswith("version: ") else version
            text = text[: found.start(1)] + written + text[found.end(1) :]
        (tree / path).write_text(text)


def cut(tree: Path, today: str) -> str:
    """Make the newest section of CHANGELOG.md a release of today, and write its version everywhere.

    Raises:
        NoRelease: there is nothing unreleased.
    """
    changelog = (tree / "CHANGELOG.md").read_text()
    newest = sections(changelog)[0]
    if newest.released:
        raise NoRelease(f"CHANGELOG.md has nothing unreleased: {newest.version} is its newest section.")
    heading = f"## [{newest.version}] - "
    (tree / "CHANGELOG.md").write_text(changelog.replace(f"{heading}unreleased", f"{heading}{today}", 1))
    write_version(tree, newest.version, newest.version)
    return newest.version
