"""Sequence diagrams as SVG."""

from collections.abc import Iterator
from collections.abc import Sequence as Items
from itertools import pairwise
from typing import Final

from tests.pictures import svg
from tests.pictures.mermaid import Fragment, Item, Message, Note, Sequence

MARGIN: Final = 24
STEP: Final = 34
HEADER: Final = 34


class Drawing:
    """A sequence diagram under way: what is drawn, and how far down."""

    def __init__(self, diagram: Sequence) -> None:
        self._diagram = diagram
        self._order = {name: number for number, name in enumerate(diagram.participants)}
        self._places = self._columns()
        self._parts: list[str] = []
        self._y = MARGIN + HEADER + 12.0

    def draw(self, title: str) -> str:
        """Return the picture."""
        self._items(self._diagram.items)
        bottom, frames = self._y + 6, []
        for name, label in self._diagram.participants.items():
            x, wide = self._places[name], svg.width_of(label) + 24
            frames.append(f'<path d="M{x:.0f} {MARGIN + HEADER}V{bottom:.0f}" class="life"/>')
            frames += [svg.box(x - wide / 2, MARGIN, wide, HEADER), svg.text(x, MARGIN + 22, label, "strong")]
        last = [*self._diagram.participants][-1]
        right = self._places[last] + max(svg.width_of(self._diagram.participants[last]) / 2 + 12, self._beyond(last))
        return svg.document(right + MARGIN, bottom + MARGIN, title, [*frames, *self._parts])

    def _columns(self) -> dict[str, float]:
        """Return the place of each participant: far enough from those before it for names and texts."""
        names = [*self._order]
        labels = self._diagram.participants
        places = {names[0]: MARGIN + svg.width_of(labels[names[0]]) / 2 + 12}
        messages = [item for item in _flat(self._diagram.items) if isinstance(item, Message)]
        for before, name in pairwise(names):
            place = places[before] + (svg.width_of(labels[before]) + svg.width_of(labels[name])) / 2 + 48
            for each in messages:
                start, end = sorted((each.start, each.end), key=self._order.__getitem__)
                if end == name:
                    place = max(place, places[start] + svg.width_of(each.text) * 0.95 + 32)
            for note in _flat(self._diagram.items):
                if isinstance(note, Note) and note.over in (before, name):
                    place = max(place, places[before] + svg.width_of(note.text) / 2 + 24)
            places[name] = place
        return places

    def _beyond(self, last: str) -> float:
        """Return what notes over the last participant take to its right."""
        notes = [each for each in _flat(self._diagram.items) if isinstance(each, Note) and each.over == last]
        return max((svg.width_of(each.text) / 2 + 12 for each in notes), default=0.0)

    def _items(self, items: Items[Item]) -> None:
        for item in items:
            if isinstance(item, Message):
                self._message(item)
            elif isinstance(item, Note):
                self._note(item)
            else:
                self._fragment(item)

    def _message(self, message: Message) -> None:
        start, end = self._places[message.start], self._places[message.end]
        self._y += STEP
        self._parts.append(svg.text((start + end) / 2, self._y - 7, message.text, "soft"))
        self._parts.append(svg.line(f"M{start:.0f} {self._y:.0f}H{end:.0f}", dashed=message.dashed))

    def _note(self, note: Note) -> None:
        x, wide = self._places[note.over], svg.width_of(note.text) + 16
        self._y += 14
        self._parts.append(svg.box(x - wide / 2, self._y, wide, 26, "note"))
        self._parts.append(svg.text(x, self._y + 17, note.text, "soft"))
        self._y += 26

    def _fragment(self, fragment: Fragment) -> None:
        """Draw the cases of a fragment, one below the other, and the frame around them."""
        inside = [item for _, items in fragment.cases for item in _flat(items)]
        places = [self._places[name] for item in inside for name in _named(item)]
        depth = 10 + 8 * _depth(fragment)
        left, right = min(places) - depth - 14, max(places) + depth + 14
        self._y += 16
        top = self._y
        for number, (label, items) in enumerate(fragment.cases):
            if number:
                self._y += 12
                self._parts.append(svg.line(f"M{left:.0f} {self._y:.0f}H{right:.0f}", dashed=True, head=False))
            words = f"{fragment.kind if not number else 'else'}: {label}"
            self._parts.append(svg.text(left + 8, self._y + 16, words, "strong", "start"))
            self._y += 16
            self._items(items)
        self._y += 12
        self._parts.append(svg.box(left, top, right - left, self._y - top, "frame"))


def _flat(items: Items[Item]) -> Iterator[Item]:
    """Yield messages and notes, also those in fragments."""
    for item in items:
        if isinstance(item, Fragment):
            for _, inner in item.cases:
                yield from _flat(inner)
        else:
            yield item


def _named(item: Item) -> tuple[str, ...]:
    if isinstance(item, Message):
        return item.start, item.end
    return (item.over,) if isinstance(item, Note) else ()


def _depth(fragment: Fragment) -> int:
    """Return how many fragments are in each other below this one."""
    inner = [item for _, items in fragment.cases for item in items if isinstance(item, Fragment)]
    return max((1 + _depth(each) for each in inner), default=0)
