"""Flowcharts as SVG: boxes in layers, with arrows that go down."""

from collections.abc import Mapping
from itertools import pairwise
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
    row_of = {name: numbers.index(placed[name]) for name in diagram.boxes}
    routes = _routes(diagram, row_of)
    order = _ordered(routes, _rows(diagram, row_of, routes))
    wide = {
        name: svg.width_of(diagram.boxes[name]) + 24 if name in diagram.boxes else 0 for row in order for name in row
    }
    widths = [sum(wide[name] for name in row) + APART * (len(row) - 1) for row in order]
    total = max(widths) + 2 * MARGIN
    places: dict[str, tuple[float, float]] = {}
    parts = []
    for number, row in enumerate(order):
        x, y = (total - widths[number]) / 2, MARGIN + number * drop
        for name in row:
            places[name] = (x + wide[name] / 2, y)
            if name in diagram.boxes:
                parts += [svg.box(x, y, wide[name], HEIGHT)]
                parts += [svg.text(x + wide[name] / 2, y + 21, diagram.boxes[name], "strong")]
            x += wide[name] + APART
    words = [text for _, _, text in diagram.arrows]
    arrows = [_arrow([places[name] for name in route], text) for route, text in zip(routes, words, strict=True)]
    return svg.document(total, MARGIN + (len(order) - 1) * drop + HEIGHT + MARGIN, title, [*arrows, *parts])


def _routes(diagram: Flowchart, rows: Mapping[str, int]) -> list[list[str]]:
    """Return for each arrow its start, a gap between the boxes of each row that it passes, and its end."""
    return [
        [start, *(f"{start} {end} {number}" for number in range(rows[start] + 1, rows[end])), end]
        for start, end, _ in diagram.arrows
    ]


def _rows(diagram: Flowchart, rows: Mapping[str, int], routes: list[list[str]]) -> list[list[str]]:
    """Return the boxes of each row from the top, and the gaps for arrows that pass it."""
    filled: list[list[str]] = [
        [name for name in diagram.boxes if rows[name] == number] for number in range(max(rows.values()) + 1)
    ]
    for route in routes:
        for number, name in enumerate(route[1:-1], rows[route[0]] + 1):
            filled[number].append(name)
    return filled


def _arrow(points: list[tuple[float, float]], words: str) -> str:
    """Return an arrow through some points, which are in the middle of the top of boxes and gaps."""
    (x, y), (to_x, to_y) = points[0], points[-1]
    path = f"M{x:.0f} {y + HEIGHT:.0f}"
    for (from_x, top), (end_x, end_y) in pairwise(points):
        begin_y = top + HEIGHT
        bend = max(18.0, (end_y - begin_y) * 0.45)
        path += f"C{from_x:.0f} {begin_y + bend:.0f} {end_x:.0f} {end_y - bend:.0f} {end_x:.0f} {end_y - 1:.0f}"
        path += "" if (end_x, end_y) == (to_x, to_y) else f"V{end_y + HEIGHT:.0f}"
    return svg.line(path) + (
        svg.text((x + to_x) / 2 + 6, (y + HEIGHT + to_y) / 2 + 4, words, "soft", "start") if words else ""
    )


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


def _ordered(routes: list[list[str]], rows: list[list[str]]) -> list[list[str]]:
    """Return the rows, with each box and gap near the middle of those that lead to it."""
    above: dict[str, list[str]] = {}
    for route in routes:
        for start, end in pairwise(route):
            above.setdefault(end, []).append(start)
    for _ in range(4):
        for row in rows[1:]:
            place = _places(rows)
            means = {name: _mean([place[each] for each in above.get(name, [name])]) for name in row}
            row.sort(key=means.__getitem__)
    return rows


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _places(rows: list[list[str]]) -> dict[str, float]:
    return {name: (number + 0.5) / len(row) for row in rows for number, name in enumerate(row)}
