"""A SCIM request: its address, query, body and conditions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import hdrs, web
from scim2_server.conditions import Conditions

from service.errors import InvalidArgument
from service.http.reader import refuse_unstorable
from service.scim.failures import told
from service.values.ids import parse_uuid

PREFIX: Final = "/scim/v2"
"""The path below which SCIM is."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request, with what there is to know of it."""

    request: web.Request
    base: str
    """The address of SCIM as the client has it."""
    body: Callable[[], dict[str, Any]]
    """Returns the body, or tells what is wrong with it."""

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query, each once."""
        query = self.request.query
        if len(query) != len(set(query)):
            raise InvalidArgument("A parameter of the query is given more than once.", reason="invalidSyntax")
        refuse_unstorable(query)
        return dict(query)

    @property
    def id(self) -> Any:
        """The id in the path; None if no resource can have it."""
        return parse_uuid(self.request.match_info["id"])

    def check(self, version: str | None, method: str = "PUT") -> bool:
        """Hold the conditions of the request against a version; return False if the client has it already.

        Raises:
            PreconditionFailed: they do not hold.
        """
        headers = self.request.headers
        if hdrs.IF_MATCH not in headers and hdrs.IF_NONE_MATCH not in headers:
            return True
        # With a comma at its end, as the library takes a blank one for none.
        conditions = Conditions(
            *(
                ", ".join((*headers.getall(name), "")) if name in headers else None
                for name in (hdrs.IF_MATCH, hdrs.IF_NONE_MATCH)
            )
        )
        with told():
            return conditions.check(version, method)
