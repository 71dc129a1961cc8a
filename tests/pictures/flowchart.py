"""Flowcharts as SVG: boxes in layers, with arrows that go down."""

from collections.abc import Mapping
from typing import Final

from tests.pictures import svg
from tests.pictures.mermaid import Flowchart

MARGIN: Final = 24
HEIGHT: Final = 32
APART: Final = 48
"""Pixels between the boxes of a layer."""


def draw(diagram: Flowchart, title: str, layers: Mapping[str, int] | None = None) -> str:
    """Return the picture of a flowchart.

    Args:
        diagram: to be drawn.
        title: of the picture, for those who hear it.
        layers: by box, the number of its layer from the top; of the arrows if None.
    """
    placed = layers or _layers(diagram)
    numbers = sorted({placed[name] for name in diagram.boxes})
    drop = 78 if any(text for _, _, text in diagram.arrows) else 58 if len(numbers) > 8 else 70
    order = _ordered(diagram, {name: numbers.index(placed[name]) for name in diagram.boxes}, len(numbers))
    wide = {name: svg.width_of(label) + 24 for name, label in diagram.boxes.items()}
    widths = [sum(wide[name] for name in row) + APART * (len(row) - 1) for row in order]
    total = max(widths) + 2 * MARGIN
    places: dict[str, tuple[float, float]] = {}
    parts = []
    for number, row in enumerate(order):
        x, y = (total - widths[number]) / 2, MARGIN + number * drop
        for name in row:
            places[name] = (x + wide[name] / 2, y)
            parts += [svg.box(x, y, wide[name], HEIGHT)]
            parts += [svg.text(x + wide[name] / 2, y + 21, diagram.boxes[name], "strong")]
            x += wide[name] + APART
    arrows = [_arrow(places[start], places[end], words) for start, end, words in diagram.arrows]
    return svg.document(total, MARGIN + (len(order) - 1) * drop + HEIGHT + MARGIN, title, [*arrows, *parts])


def _arrow(start: tuple[float, float], end: tuple[float, float], words: str) -> str:
    (x, y), (to_x, to_y) = start, end
    y += HEIGHT
    bend = max(18.0, (to_y - y) * 0.45)
    path = svg.line(f"M{x:.0f} {y:.0f}C{x:.0f} {y + bend:.0f} {to_x:.0f} {to_y - bend:.0f} {to_x:.0f} {to_y - 1:.0f}")
    return path + (svg.text((x + to_x) / 2 + 6, (y + to_y) / 2 + 4, words, "soft", "start") if words else "")


def _layers(diagram: Flowchart) -> dict[str, int]:
    """Return the layer of each box: as far down as what leads to it takes, and beginnings right above their ends."""
    layers = dict.fromkeys(diagram.boxes, 0)
    for _ in diagram.boxes:
        for start, end, _text in diagram.arrows:
            layers[end] = max(layers[end], layers[start] + 1)
    ends = {end for _, end, _ in diagram.arrows}
    for name in diagram.boxes.keys() - ends:
        layers[name] = min(layers[end] for start, end, _ in diagram.arrows if start == name) - 1
    return layers


def _ordered(diagram: Flowchart, layers: Mapping[str, int], count: int) -> list[list[str]]:
    """Return the boxes by layer, each near the middle of those that lead to it."""
    rows: list[list[str]] = [[name for name in diagram.boxes if layers[name] == number] for number in range(count)]
    for _ in range(4):
        for number, row in enumerate(rows):
            if number:
                place = _places(rows)
                above = {
                    name: [place[start] for start, end, _ in diagram.arrows if end == name] or [place[name]]
                    for name in row
                }
                row.sort(key=lambda name, above=above: sum(above[name]) / len(above[name]))  # type: ignore[misc] # bound early
    return rows


def _places(rows: list[list[str]]) -> dict[str, float]:
    return {name: (number + 0.5) / len(row) for row in rows for number, name in enumerate(row)}
