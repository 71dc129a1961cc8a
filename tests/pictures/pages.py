"""The diagrams in the pages of docs/, and the pictures that are drawn of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.pictures import flowchart
from tests.pictures.mermaid import Flowchart, parse
from tests.pictures.sequence import Drawing

DOCS: Final = Path(__file__).parents[2] / "docs"
PICTURES: Final = DOCS / "pictures"

_PICTURE: Final = re.compile(
    r"!\[([^\]]*)\]\((?:\.\./)?pictures/([\w-]+\.svg)\)\n\n<details markdown>\n<summary>[^\n]*</summary>\n\n"
    r"```mermaid\n(.*?)```\n\n</details>",
    re.DOTALL,
)
_LAYER: Final = re.compile(r"^\| ([0-9]+) \| `(\w+)(?:\.py|/)` \|", re.MULTILINE)
"""A row of the table of packages: the layer, and the name."""


@dataclass(frozen=True)
class Picture:
    """A picture, and the file that it is in."""

    file: str
    page: Path
    svg: str


def pictures() -> Iterator[Picture]:
    """Draw each diagram that stands below its picture, folded, as text."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text()
        for title, file, diagram in _PICTURE.findall(text):
            yield Picture(file, page, _draw(diagram, title, text))


def _draw(diagram: str, title: str, text: str) -> str:
    parsed = parse(diagram)
    if not isinstance(parsed, Flowchart):
        return Drawing(parsed).draw(title)
    layers = {name: int(layer) for layer, name in _LAYER.findall(text)}
    return flowchart.draw(parsed, title, layers if parsed.boxes.keys() <= layers.keys() else None)
