"""The routes of SCIM: a row for each call."""

from typing import Final

from aiohttp import hdrs, web

from service.http.bodies import BodyBudget
from service.http.public_address import PublicAddresses
from service.operations import provisioned_groups as groups
from service.operations import provisioned_users as users
from service.operations.dispatcher import Dispatcher
from service.scim import group_bodies, user_bodies
from service.scim.discovery import DOCUMENTS, discover, respond_document
from service.scim.endpoint import Endpoint, ScimRoute
from service.scim.failures import NotSupported
from service.scim.groups import change_group, get_group, list_groups, new_group, respond_group, respond_groups
from service.scim.incoming import PREFIX
from service.scim.responses import respond_nothing
from service.scim.users import change_user, list_users, new_user, respond_user, respond_users, user_ref


def _without_body(_: object, __: object) -> None:
    """Look at no body: a deletion has none."""


_USERS: Final = f"{PREFIX}/Users"
_GROUPS: Final = f"{PREFIX}/Groups"

SCIM_ROUTES: Final = (
    *(
        ScimRoute("GET", PREFIX + path, users.discover_provisioning, discover, respond_document(make))
        for path, make in DOCUMENTS.items()
    ),
    ScimRoute("GET", _USERS, users.list_provisioned_users, list_users, respond_users),
    ScimRoute("POST", f"{_USERS}/.search", users.list_provisioned_users, list_users, respond_users, has_body=True),
    ScimRoute("POST", _USERS, users.create_provisioned_user, new_user, respond_user, has_body=True),
    ScimRoute("GET", f"{_USERS}/{{id}}", users.get_provisioned_user, user_ref, respond_user),
    ScimRoute(
        "PUT",
        f"{_USERS}/{{id}}",
        users.change_provisioned_user,
        change_user(user_bodies.replaced_user),
        respond_user,
        has_body=True,
    ),
    ScimRoute(
        "PATCH",
        f"{_USERS}/{{id}}",
        users.change_provisioned_user,
        change_user(user_bodies.patched_user),
        respond_user,
        has_body=True,
    ),
    ScimRoute("DELETE", f"{_USERS}/{{id}}", users.deprovision_user, change_user(_without_body), respond_nothing),
    ScimRoute("GET", _GROUPS, groups.list_provisioned_groups, list_groups, respond_groups),
    ScimRoute("POST", f"{_GROUPS}/.search", groups.list_provisioned_groups, list_groups, respond_groups, has_body=True),
    ScimRoute("POST", _GROUPS, groups.create_provisioned_group, new_group, respond_group, has_body=True),
    ScimRoute("GET", f"{_GROUPS}/{{id}}", groups.get_provisioned_group, get_group, respond_group),
    ScimRoute(
        "PUT",
        f"{_GROUPS}/{{id}}",
        groups.change_provisioned_group,
        change_group(lambda _, body: group_bodies.replaced_group(body)),
        respond_group,
        has_body=True,
    ),
    ScimRoute(
        "PATCH",
        f"{_GROUPS}/{{id}}",
        groups.change_provisioned_group,
        change_group(group_bodies.patched_group),
        respond_group,
        has_body=True,
    ),
    ScimRoute(
        "DELETE", f"{_GROUPS}/{{id}}", groups.delete_provisioned_group, change_group(_without_body), respond_nothing
    ),
)
"""The calls of SCIM clients; each goes through the dispatcher, as rows of the method table do."""


async def _not_supported(_: web.Request) -> web.Response:
    raise NotSupported("Searches over several types, bulk requests and /Me are not supported.")


def add_routes(app: web.Application, dispatcher: Dispatcher, bodies: BodyBudget, addresses: PublicAddresses) -> None:
    """Add the routes of SCIM to the application."""
    for route in SCIM_ROUTES:
        handle = Endpoint(route, dispatcher, bodies, addresses).handle
        path = route.path.replace("{id}", "{id:[^/]+}")  # braces, too
        if route.method == hdrs.METH_GET:
            app.router.add_get(path, handle)
        else:
            app.router.add_route(route.method, path, handle)
    for path in ("/.search", "/Bulk", "/Me"):
        app.router.add_route("*", PREFIX + path, _not_supported)
