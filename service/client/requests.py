"""Requests as JSON has them, and the rows of the method table that they are for."""

from collections.abc import Mapping
from typing import Any, Final

from service.client.answer import Operation
from service.errors import NotFound
from service.http.routes import ROUTES, Route, words_beside
from service.schemas.request import schema_of

_BY_OPERATION: Final[Mapping[Operation, Route]] = {route.operation: route for route in ROUTES}
_READS: Final[Mapping[str, Route]] = {route.path: route for route in ROUTES if route.only_reads}


def route_of(operation: Operation) -> Route:
    """Return the row of the method table that an operation has.

    Raises:
        TypeError: it has none.
    """
    route = _BY_OPERATION.get(operation)
    if route is None:
        raise TypeError(f"{operation.__name__} is in no row of the method table.")
    return route


def read_beside(route: Route) -> Route | None:
    """Return the row that reads what another one changes, if there is one: GET of the same address."""
    return _READS.get(route.path)


def values_of(request: Any) -> dict[str, Any]:
    """Return a request as JSON has it, by the names that its fields have there."""
    return schema_of(type(request)).write(request)


def check_names(route: Route, values: Mapping[str, Any]) -> None:
    """Refuse a name that the address of a call can't have.

    Raises:
        NotFound: a name is a word of the API's own addresses, and so can be no name of anything there.
    """
    for step, part in enumerate(route.path.split("/")):
        if part.startswith("{"):
            value = str(values[part[1:-1]])
            if value in {"", ".", ".."} or value in words_beside(route.path, step):
                raise NotFound(f"{_KINDS.get(part, 'What is called')} {value} does not exist.")


_KINDS: Final = {"{username}": "User", "{name}": "Group", "{job_id}": "Job"}
"""The kinds of things that parameters of paths name, as the sentences of operations have them."""
