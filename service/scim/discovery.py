"""The calls that tell what the service is: its capabilities, types of resources, and schemas (RFC 7644 §4)."""

from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web
from scim2_server.responses import ScimResponse

from service.operations.provisioned_users import DiscoverProvisioning
from service.scim.failures import told
from service.scim.incoming import Incoming
from service.scim.resources import PROVIDER, SERVICE
from service.scim.responses import respond

DOCUMENTS: Final[Mapping[str, Callable[[Incoming], ScimResponse]]] = {
    "/ServiceProviderConfig": lambda incoming: SERVICE.service_provider_config(
        f"{incoming.base}/ServiceProviderConfig", incoming.query
    ),
    "/ResourceTypes": lambda incoming: SERVICE.resource_types(f"{incoming.base}/ResourceTypes", incoming.query),
    "/ResourceTypes/{name}": lambda incoming: SERVICE.resource_type(
        f"{incoming.base}/ResourceTypes/{_named(incoming)}", _named(incoming), incoming.query
    ),
    "/Schemas": lambda incoming: SERVICE.schemas(f"{incoming.base}/Schemas", incoming.query),
    "/Schemas/{name}": lambda incoming: SERVICE.schema(
        f"{incoming.base}/Schemas/{_named(incoming)}", _named(incoming), incoming.query
    ),
}
"""The documents, by the paths that they are at."""


def _named(incoming: Incoming) -> str:
    return str(incoming.request.match_info["name"])


def discover(_: Incoming) -> DiscoverProvisioning:
    """Return the request, which is the same for all documents."""
    return DiscoverProvisioning()


def respond_document(make: Callable[[Incoming], ScimResponse]) -> Callable[[Incoming, None], web.Response]:
    """Return what makes the response of a document."""

    def response(incoming: Incoming, _: None) -> web.Response:
        with told(), PROVIDER:
            made = make(incoming)
        return respond(made.body, made.status)

    return response
