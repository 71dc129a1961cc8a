"""The pages of docs/reference/ that hold tables of what the code says: `make reference` writes them anew.

A table stands between two comments that name it, `<!-- settings: made by make reference -->` and `<!-- end -->`; what
stands around it is written by hand.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.reference import commands, errors, limits, metrics, settings

ROOT: Final = Path(__file__).parents[2]
DIRECTORY: Final = ROOT / "docs" / "reference"

TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "settings": settings.table,
    "tracing settings": settings.tracing_table,
    "provider settings": settings.provider_table,
    "commands": commands.sections,
    "metrics": metrics.table,
    "codes": errors.codes,
    "reasons": errors.reasons,
    "fields": limits.fields,
    "limits of requests": limits.of_requests,
    "limits of a process": limits.of_a_process,
}

_PLACE: Final = re.compile(r"(<!-- ([a-z ]+): made by make reference -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(text: str) -> str:
    """Return the text of a page with each of its tables made anew."""
    return _PLACE.sub(lambda place: f"{place[1]}\n{TABLES[place[2]]()}\n\n{place[3]}", text)


def tables_in(text: str) -> list[str]:
    """Return the names of the tables that a page holds."""
    return [name for _, name, _ in _PLACE.findall(text)]


def pages() -> list[Path]:
    """Return the pages of the reference."""
    return sorted(DIRECTORY.glob("*.md"))
