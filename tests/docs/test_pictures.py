"""The pictures of the documentation, held against the texts that they are drawn of."""

import xml.etree.ElementTree as ET

import pytest

from tests.pictures import flowchart
from tests.pictures.admin import DIRECTORY, SHOTS
from tests.pictures.mermaid import Flowchart, Fragment, Message, Sequence, parse
from tests.pictures.pages import DOCS, PICTURES, pictures
from tests.pictures.sequence import Drawing

STALE = "stale: run `make pictures`"


def texts(picture: str) -> list[str]:
    return ["".join(each.itertext()) for each in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - as above


def test_diagrams_are_drawn_as_their_texts_say() -> None:
    for picture in pictures():
        assert (PICTURES / picture.file).read_text() == picture.svg, f"docs/pictures/{picture.file} is {STALE}"


def test_each_picture_has_its_text_in_one_page() -> None:
    drawn = sorted(picture.file for picture in pictures())

    assert drawn == sorted(path.name for path in PICTURES.iterdir())
    assert len(drawn) == sum(page.read_text().count("```mermaid\n") for page in DOCS.rglob("*.md")) == 5


def test_photographs_of_the_admin_page_are_those_that_the_command_takes() -> None:
    assert {path.name for path in DIRECTORY.iterdir()} == SHOTS.keys()


def test_sequence_is_drawn_with_all_its_texts() -> None:
    diagram = parse(
        "sequenceDiagram\n participant A as one\n participant B as two\n A->>B: ask\n alt known\n B-->>A: yes\n"
        " else not\n opt now\n Note over B: look\n end\n B-->>A: no\n end\n"
    )

    assert isinstance(diagram, Sequence)
    ask, case = diagram.items
    assert ask == Message("A", "B", "ask", dashed=False)
    assert isinstance(case, Fragment)
    assert [(label, len(items)) for label, items in case.cases] == [("known", 1), ("not", 2)]
    drawn = texts(Drawing(diagram).draw("title"))
    assert {"one", "two", "ask", "alt: known", "yes", "else: not", "opt: now", "look", "no"} == {*drawn}


def test_flowchart_goes_down_along_its_arrows() -> None:
    diagram = parse("flowchart TD\n a[First] -->|why| b & c\n b --> d\n late --> d\n")

    assert isinstance(diagram, Flowchart)
    assert diagram.arrows == [("a", "b", "why"), ("a", "c", "why"), ("b", "d", ""), ("late", "d", "")]
    assert flowchart._layers(diagram) == {"a": 0, "b": 1, "c": 1, "d": 2, "late": 1}
    assert {"First", "b", "c", "d", "late", "why"} == {*texts(flowchart.draw(diagram, "title"))}


def test_arrow_that_passes_a_row_keeps_to_a_gap_between_its_boxes() -> None:
    diagram = parse("flowchart TD\n a --> b & c\n b --> c\n")

    assert isinstance(diagram, Flowchart)
    routes = flowchart._routes(diagram, {"a": 0, "b": 1, "c": 2})
    assert sorted(routes) == [["a", "a c 1", "c"], ["a", "b"], ["b", "c"]]
    (row,) = [row for row in flowchart._ordered(routes, [["a"], ["b", "a c 1"], ["c"]]) if "b" in row]
    assert sorted(row) == ["a c 1", "b"]


@pytest.mark.parametrize("text", ["pie\n a", "flowchart TD\n a ==> b", "sequenceDiagram\n A-xB: lost"])
def test_diagram_that_can_not_be_drawn_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="drawn here"):
        parse(text)
