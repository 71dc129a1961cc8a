"""docs/explanation/architecture.md, held against the code and the contract of its layers."""

import ast
import re
import tomllib
from collections.abc import Mapping
from typing import Final

from tests.docs.pages import ARCHITECTURE, ROOT, text_of

SERVICE: Final = ROOT / "service"

Graph = Mapping[str, set[str]]


def packages() -> set[str]:
    """Return the names of what is directly in service/, as modules."""
    found = {path.stem for path in SERVICE.iterdir() if path.name not in ("__init__.py", "__pycache__")}
    return {name for name in found if not name.startswith(".")}


def package_table() -> list[tuple[int, str]]:
    """Return the table of packages and modules: layer and name, in the page's order."""
    rows = re.findall(r"^\| ([0-9]+) \| `(\w+)(?:\.py|/)` \|", text_of(ARCHITECTURE), re.MULTILINE)
    return [(int(layer), name) for layer, name in rows]


def folders_of_tests() -> set[str]:
    """Return the names of the folders with tests, or with what makes something."""
    return {path.parent.name for path in (ROOT / "tests").glob("*/*.*") if path.suffix in (".py", ".yaml")}


def contract() -> list[set[str]]:
    """Return the layers that import-linter holds the code to, from the top."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = configuration["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each.get("containers") == ["service"])
    return [{name.strip() for name in layer.split("|")} for layer in layers]


def drawn() -> dict[str, set[str]]:
    """Return the arrows of the diagram of packages."""
    (diagram,) = re.findall(r"```mermaid\nflowchart TD\n(.*?)```", text_of(ARCHITECTURE), re.DOTALL)
    lines = [line.split("-->") for line in diagram.splitlines()]
    arrows: dict[str, set[str]] = {}
    for start, ends in lines:
        arrows.setdefault(start.strip(), set()).update(end.strip() for end in ends.split("&"))
    return arrows


def imports() -> dict[str, set[str]]:
    """Return by package or module the others that it imports."""
    graph: dict[str, set[str]] = {package: set() for package in packages()}
    for path in SERVICE.rglob("*.py"):
        package = path.relative_to(SERVICE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and package in graph:
                names = [f"{node.module}.{alias.name}".split(".") for alias in node.names]
                graph[package] |= {name[1] for name in names if name[0] == "service"}
    return {package: (found & graph.keys()) - {package} for package, found in graph.items()}


def reachable(graph: Graph, start: str) -> set[str]:
    return graph[start].union(*(reachable(graph, each) for each in graph[start]))


def without_those_that_follow(graph: Graph) -> dict[str, set[str]]:
    """Return a graph without the arrows that follow from others."""
    return {
        start: ends - set().union(*(reachable(graph, end) for end in ends)) for start, ends in graph.items() if ends
    }


def test_every_package_is_in_the_table() -> None:
    assert {name for _, name in package_table()} == packages()


def test_packages_stand_in_the_order_of_the_contract() -> None:
    layers: dict[int, set[str]] = {}
    for layer, name in package_table():
        layers.setdefault(layer, set()).add(name)

    assert [*layers] == [*range(1, len(layers) + 1)]
    assert [*layers.values()] == contract()


def test_every_folder_of_tests_is_in_a_table() -> None:
    named = set(re.findall(r"`tests/(\w+)/`", text_of(ARCHITECTURE)))

    assert len(folders_of_tests()) > 30
    assert folders_of_tests() - named == set()
    assert {"http", "operations", "repositories"} <= packages() & named


def test_arrows_of_the_diagram_are_the_imports() -> None:
    assert drawn() == without_those_that_follow(imports())


def test_arrows_that_follow_from_others_are_left_out() -> None:
    """The control."""
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set()}

    assert without_those_that_follow(graph) == {"a": {"b"}, "b": {"c"}}
