"""Text of docstrings, as it goes into what is generated."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

RUFF: Final = Path(sys.executable).with_name("ruff")
WIDTH: Final = 110


def paragraphs(text: str | None) -> tuple[str, str]:
    """Return the first paragraph of a docstring, and the others, each on one line."""
    summary, _, rest = (text or "").strip().partition("\n\n")
    return " ".join(summary.split()), " ".join(rest.split())


def in_python(text: str) -> str:
    """Return a text about JSON in the words of Python."""
    return re.sub(r"\bnull\b", "None", re.sub(r"\bNull\b", "None", text))


def docstring(summary: str, *parts: str) -> str:
    """Return a docstring of a summary and further parts, wrapped; parts that are empty are left out."""
    further = [wrapped(part) for part in parts if part]
    if not further and len(summary) < WIDTH:
        return f'"""{summary}"""'
    if len(summary) >= WIDTH:  # its first sentence alone is the summary
        first, _, rest = summary.partition(". ")
        summary, further = (f"{first}.", [wrapped(rest), *further]) if rest else (summary, further)
    return "\n\n".join([f'"""{summary}', *further]) + '\n"""'


def wrapped(text: str) -> str:
    """Return a part of a docstring, its lines wrapped; lines that are indented stay apart."""
    lines = [
        textwrap.fill(line, WIDTH, subsequent_indent=_indent(line), break_on_hyphens=False) for line in text.split("\n")
    ]
    return "\n".join(lines)


def _indent(line: str) -> str:
    before = line[: len(line) - len(line.lstrip())]
    return f"{before}    " if before else ""


def raised(text: str) -> list[tuple[str, str]]:
    """Return the errors that a docstring names, each with its reason."""
    section = text.partition("Raises:")[2]
    joined = re.sub(r"\n\s{8,}", " ", section)
    return re.findall(r"^\s+(\w+): (.*)$", joined, re.MULTILINE)


def formatted(source: str, name: str) -> str:
    """Return a module as ruff formats it."""
    done = subprocess.run(
        [RUFF, "format", "--stdin-filename", name, "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout
