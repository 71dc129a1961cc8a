"""Lists: reading what is asked for, and the response, which shows the same attributes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from aiohttp import hdrs, web
from scim2_models import ResourceType

from service.scim import queries
from service.scim.answers import render_list
from service.scim.incoming import Incoming
from service.scim.responses import respond

_SEARCH: Final = web.RequestKey("scim_search", queries.Search)


def read_search(kind: ResourceType, incoming: Incoming) -> queries.Search:
    """Read what a list is asked for, from the query or the body of a `.search`, and note it for the response.

    Raises:
        InvalidArgument: it is not valid.
        NotSupported: it asks for what there is not.
    """
    parameters = incoming.body() if incoming.request.method == hdrs.METH_POST else incoming.query
    found = incoming.request[_SEARCH] = queries.search(kind, parameters)
    return found


def respond_list(
    incoming: Incoming, render: Callable[..., dict[str, Any]], items: Sequence[Any], total: int
) -> web.Response:
    """Make the response of a page: its items, rendered with the attributes that were asked for."""
    found = incoming.request[_SEARCH]
    return respond(
        render_list(partial(render, incoming.base, projection=found.request), items, total, found.offset + 1)
    )
