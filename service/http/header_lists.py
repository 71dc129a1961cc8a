"""Header values that are lists (RFC 9110 §5.3, §5.6.1): lines of one name count as one list, with commas between."""

from collections.abc import Mapping

from multidict import CIMultiDictProxy

OWS = " \t"
"""Optional white space, as the standard has it."""


def joined(headers: CIMultiDictProxy[str], name: str) -> str | None:
    """Return the lines of one name as a single value; None if there are none."""
    lines = headers.getall(name, ())
    return ",".join(lines) if lines else None


def list_of(headers: CIMultiDictProxy[str], name: str) -> list[str]:
    """Return the elements of a list without quoted texts, empty ones left out."""
    elements = [element.strip(OWS) for line in headers.getall(name, ()) for element in line.split(",")]
    return [element for element in elements if element]


def has_directive(headers: CIMultiDictProxy[str], name: str, directive: str) -> bool:
    """Return whether a list has a directive, which compares without case; it may have an argument."""
    return any(each.partition("=")[0].rstrip(OWS).lower() == directive for each in list_of(headers, name))


def quality(headers: CIMultiDictProxy[str], name: str, wanted: str) -> float:
    """Return the weight (RFC 9110 §12.4.2) that a list gives something, by its name or by *; 0 if it gives none."""
    weights: Mapping[str, float] = {
        value.rstrip(OWS).lower(): _weight(parameters)
        for value, _, parameters in (each.partition(";") for each in list_of(headers, name))
    }
    return weights.get(wanted, weights.get("*", 0.0))


def _weight(parameters: str) -> float:
    """Return the weight in the parameters of an element: 1 without one, 0 for one that is no number."""
    for each in parameters.split(";"):
        name, _, value = each.partition("=")
        if name.strip(OWS).lower() == "q":
            try:
                return float(value.strip(OWS)) if len(value) < 10 else 0.0
            except ValueError:
                return 0.0
    return 1.0
