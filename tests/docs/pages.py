"""The documents for developers and operators, and what they name."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
ARCHITECTURE: Final = "docs/explanation/architecture.md"
CONTRIBUTING: Final = "CONTRIBUTING.md"
VALUES: Final = "docs/reference/values.md"
DECISIONS: Final = "docs/decisions/README.md"
PAGES: Final = (ARCHITECTURE, CONTRIBUTING, VALUES, "README.md", "deploy/RUNBOOK.md")
"""Pages that say where things are, and so name paths."""
ALL_PAGES: Final = (
    *(*PAGES, "SECURITY.md", "CHANGELOG.md"),
    *sorted({path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")} - {*PAGES}),
)

FOLDERS: Final = ("clients", "deploy", "docs", "requirements", "service", "sql", "tests")
MADE_LATER: Final = (".data", ".hypothesis", ".site", ".venv", "deploy/.env", "dist/", "pipelines.py")
"""Beginnings of paths that exist once the project was used, or that a tutorial makes."""

NO_PATHS: Final = frozenset(
    {"http/protobuf", "localhost/flow-pipelines", "checksum/config", "app.kubernetes.io/instance"}
)
"""Words that only look like paths."""

_SUFFIXES: Final = r"\.(?:cfg|css|html|js|json|jsonc|lua|md|ndjson|png|py|sh|sql|svg|toml|ts|txt|yaml)"
_PATH: Final = re.compile(rf"\.?\w[\w.-]*(?:/[\w.-]+)*(?:/|/\w[\w.-]*|{_SUFFIXES})")
_BLOCK: Final = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)


def text_of(page: str) -> str:
    return (ROOT / page).read_text()


def named_paths(text: str) -> set[str]:
    """Return the relative paths that a page names: in backticks, in a diagram, or from the root in a command."""
    words = {word.strip() for word in re.findall(r"`([^`]+)`", _BLOCK.sub("", text))}
    words |= set(re.findall(r"^ *participant \w+ as (\S+)$", text, re.MULTILINE))
    words |= set(re.findall(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w", text))
    return {word for word in words if _PATH.fullmatch(word) and not word.startswith(MADE_LATER)} - NO_PATHS


def missing_paths(page: str, text: str) -> set[str]:
    """Return the paths that a page names, and that are not there.

    The two pages for developers name paths from the root, or from service/. The others may also name the end of one,
    where what stands around it says which.
    """
    named = named_paths(text)
    if page in (ARCHITECTURE, CONTRIBUTING):
        return {path for path in named if not ((ROOT / path).exists() or (ROOT / "service" / path).exists())}
    return {path for path in named if not any(each.endswith(f"/{path.rstrip('/')}") for each in _known_paths())}


@cache
def _known_paths() -> tuple[str, ...]:
    return tuple(f"/{path}" for path in _paths())


def _paths() -> Iterator[str]:
    for path in ROOT.iterdir():
        yield path.name
        if path.name in FOLDERS:
            yield from (below.relative_to(ROOT).as_posix() for below in path.rglob("*"))


def missing_links(page: str, text: str) -> set[str]:
    """Return the targets of relative links and pictures that are not there."""
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)[^)]*\)", text)
    return {target for target in targets if not (ROOT / page).parent.joinpath(target).exists()}


def unknown_make_targets(text: str) -> set[str]:
    """Return what `make` is told to do in a page, in backticks or in a block of commands, and can't."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    blocks = "\n".join(_BLOCK.findall(text))
    commands = re.findall(r"`make ([^`]+)`", _BLOCK.sub("", text)) + re.findall(r"^make (.*)$", blocks, re.MULTILINE)
    without_variables = (re.sub(r'[A-Z]+=("[^"]*"|<[^>]*>|\S+)|#.*', "", command) for command in commands)
    return {word for command in without_variables for word in command.split()} - known
