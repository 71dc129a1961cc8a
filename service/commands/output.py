"""The output of commands: JSON for programs, tables for people."""

from collections.abc import Sequence
from typing import Any

import click

from service.http.responses import encode


def show_json(answer: dict[str, Any]) -> None:
    """Print an answer as the API would give it."""
    click.echo(encode(answer))


def show_table(headings: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print rows below their headings, in columns as wide as they need to be; a sentence if there are none."""
    if not rows:
        click.echo(empty)
        return
    texts = [[*headings], *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(headings))]
    for row in texts:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _text(cell: object) -> str:
    """Return a cell as a person reads it: yes and no, times to the second, and a dash for nothing."""
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if hasattr(cell, "strftime"):
        return str(cell.strftime("%Y-%m-%d %H:%M:%SZ"))
    return str(cell)


def short_permission_names(permissions: Sequence[str]) -> str:
    """Join names of permissions, without the prefix that all of them have."""
    return ", ".join(name.removeprefix("flow_pipeline:") for name in permissions)
