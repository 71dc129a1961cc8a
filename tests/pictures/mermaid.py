"""The part of Mermaid that the diagrams of the documentation are written in, as plain data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_ARROW = re.compile(r"(\w+)(--?>>)(\w+): (.*)")
_BOX = re.compile(r"(\w+)(?:\[\(?(.*?)\)?\])?")


@dataclass(frozen=True)
class Message:
    """An arrow from one participant to another; dashed for an answer."""

    start: str
    end: str
    text: str
    dashed: bool


@dataclass(frozen=True)
class Note:
    """A note over a participant's line."""

    over: str
    text: str


@dataclass(frozen=True)
class Fragment:
    """A frame around what happens in some case: alt, opt or break, with its cases."""

    kind: str
    cases: list[tuple[str, list["Item"]]]


Item = Message | Note | Fragment


@dataclass
class Sequence:
    """A sequence diagram: participants by name, and what happens between them, from the top."""

    participants: dict[str, str] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)


@dataclass
class Flowchart:
    """A flowchart: boxes by name, and arrows as start, end and text."""

    boxes: dict[str, str] = field(default_factory=dict)
    arrows: list[tuple[str, str, str]] = field(default_factory=list)


def parse(text: str) -> Sequence | Flowchart:
    """Parse a diagram.

    Raises:
        ValueError: it holds what this does not know, which names the line.
    """
    kind, *lines = [line.strip() for line in text.strip().splitlines()]
    if kind == "sequenceDiagram":
        return _sequence(lines)
    if kind == "flowchart TD":
        return _flowchart(lines)
    raise ValueError(f"{kind!r} is no diagram that can be drawn here.")


def _sequence(lines: list[str]) -> Sequence:
    diagram = Sequence()
    rest = iter(lines)
    diagram.items = _items(rest, diagram.participants, [])
    return diagram


def _items(lines: Iterator[str], participants: dict[str, str], cases: list[tuple[str, list[Item]]]) -> list[Item]:
    """Read up to the `end` of a fragment, whose cases are collected; return the items of its last case."""
    items: list[Item] = []
    for line in lines:
        word, _, text = line.partition(" ")
        if word == "end":
            break
        if word == "participant":
            name, _, label = text.partition(" as ")
            participants[name] = label or name
        elif word == "Note":
            over, _, said = text.removeprefix("over ").partition(": ")
            items.append(Note(over, said))
        elif word in ("alt", "opt", "break"):
            inner: list[tuple[str, list[Item]]] = [(text, [])]
            last = _items(lines, participants, inner)
            inner[-1] = (inner[-1][0], last)
            items.append(Fragment(word, inner))
        elif word == "else":
            cases[-1] = (cases[-1][0], items)
            items = []
            cases.append((text, items))
        elif arrow := _ARROW.fullmatch(line):
            items.append(Message(arrow[1], arrow[3], arrow[4], arrow[2] == "-->>"))
        else:
            raise ValueError(f"{line!r} is nothing that can be drawn here.")
    return items


def _flowchart(lines: list[str]) -> Flowchart:
    diagram = Flowchart()
    for line in lines:
        parts = re.split(r"\s*-->(?:\|(.*?)\|)?\s*", line)
        if len(parts) != 3:
            raise ValueError(f"{line!r} is nothing that can be drawn here.")
        starts, text, ends = parts
        for start in starts.split(" & "):
            for end in ends.split(" & "):
                diagram.arrows.append((_box(start, diagram), _box(end, diagram), text or ""))
    return diagram


def _box(text: str, diagram: Flowchart) -> str:
    found = _BOX.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no box that can be drawn here.")
    if found[2] or found[1] not in diagram.boxes:
        diagram.boxes[found[1]] = found[2] or found[1]
    return found[1]
