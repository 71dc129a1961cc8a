"""The SCIM transport: routes of aiohttp whose calls go through the dispatcher, as those of every transport do."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aiohttp import hdrs, web
from scim2_models import ResourceType
from scim2_server.conditions import Conditions
from scim2_server.responses import ScimResponse

from service.errors import InvalidArgument
from service.http.bodies import BodyBudget
from service.http.public_address import PublicAddresses
from service.http.reader import parse_object, refuse_unstorable
from service.http.responses import encode
from service.operations import provisioned_groups as groups
from service.operations import provisioned_users as users
from service.operations.call import Call, Precondition, no_precondition
from service.operations.dispatcher import Dispatcher
from service.repositories.provisioned_groups import ProvisionedGroup
from service.repositories.provisioned_users import ProvisionedUser
from service.scim import answers, group_bodies, queries, user_bodies
from service.scim.failures import MEDIA_TYPE, NotSupported, told
from service.scim.resources import GROUPS, PROVIDER, SERVICE, USERS
from service.values.ids import parse_uuid

PREFIX: Final = "/scim/v2"


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
        conditions = Conditions(
            *(", ".join(headers.getall(name, ())) or None for name in (hdrs.IF_MATCH, hdrs.IF_NONE_MATCH))
        )
        with told():
            return conditions.check(version, method)


@dataclass(frozen=True, slots=True)
class ScimRoute:
    """One call: what it is asked by, and what answers it."""

    method: str
    path: str
    operation: Callable[[Call, Any], Awaitable[Any]]
    read: Callable[[Incoming], Any]
    """Makes the operation's request, without looking at the body."""
    respond: Callable[[Incoming, Any], web.Response]
    has_body: bool = False
    optimistic: None = None
    cached: bool = False

    @property
    def only_reads(self) -> bool:
        """True if it changes nothing; a search whose body is to be received counts as one that does."""
        return self.method == hdrs.METH_GET


class Endpoint:
    """The binding of one call: credentials and request in, an answer out."""

    def __init__(
        self, route: ScimRoute, dispatcher: Dispatcher, bodies: BodyBudget, addresses: PublicAddresses
    ) -> None:
        self.method: Final = route
        self._dispatcher, self._bodies, self._addresses = dispatcher, bodies, addresses

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        try:
            response: web.Response = await self._dispatcher.dispatch(self, request)
        finally:
            self._bodies.release(request)
        return response

    def credentials(self, request: web.Request) -> str | None:
        """Return the Authorization header.

        Raises:
            InvalidArgument: there are several, and parts on the way could each believe another one.
        """
        values = request.headers.getall(hdrs.AUTHORIZATION, None)
        if values is not None and len(values) > 1:
            raise InvalidArgument("The header Authorization is given more than once.")
        return values[0] if values else None

    def cacheable(self, _: web.Request) -> bool:
        """Return False: no answer is cached."""
        return False

    async def receive(self, request: web.Request) -> Any:
        """Wait for the body, if one is wanted; what is wrong with it is told once the caller may provision."""
        if not self.method.has_body:
            return None
        try:
            return await self._bodies.receive(request, parse_object)
        except InvalidArgument as error:
            return error.with_traceback(None)

    def read(self, request: web.Request, received: Any) -> Any:
        """Return what the operation takes."""
        return self.method.read(self._incoming(request, received))

    def _incoming(self, request: web.Request, received: Any = None) -> Incoming:
        address = self._addresses.of(request)
        origin = address.origin or f"{request.scheme}://{request.host}"
        return Incoming(request, f"{origin}{address.prefix}{PREFIX}", partial(_body, received))

    def precondition(self, _: web.Request) -> Precondition:
        """Return no precondition: those of a change are held against the version of what is there, by the change."""
        return no_precondition

    def answer(self, request: web.Request, result: Any) -> web.Response:
        """Make the response."""
        return self.method.respond(self._incoming(request), result)

    async def answer_large(self, request: web.Request, result: Any) -> web.Response:
        """Make the response: no result is larger than others."""
        return self.answer(request, result)


def _body(received: Any) -> dict[str, Any]:
    if isinstance(received, InvalidArgument):
        raise received
    body: dict[str, Any] = received
    return body


def _respond(body: Mapping[str, Any] | None, status: int = 200, **headers: str | None) -> web.Response:
    """Make a response of a JSON object, or of none."""
    kept = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    if body is None:
        return web.Response(status=status, headers=kept)
    return web.Response(body=encode(dict(body)), status=status, headers=kept, content_type=MEDIA_TYPE)


# ---- what the service is


def _discover(make: Callable[[Incoming], ScimResponse]) -> tuple[Any, Any]:
    def respond(incoming: Incoming, _: None) -> web.Response:
        with told(), PROVIDER:
            made = make(incoming)
        return _respond(made.body, made.status)

    return lambda _: users.DiscoverProvisioning(), respond


def _named(incoming: Incoming) -> str:
    return str(incoming.request.match_info["name"])


_DISCOVERY: Final = {
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


# ---- users


def _search(kind: ResourceType, incoming: Incoming) -> queries.Search:
    """Read a list's request from the query, or from the body of a `.search`."""
    parameters = incoming.query if incoming.request.method != hdrs.METH_POST else incoming.body()
    return queries.search(kind, parameters)


def _list_users(incoming: Incoming) -> users.ListProvisionedUsers:
    def read() -> users.Window:
        found = _search(USERS, incoming)
        incoming.request[_SEARCH] = found
        return queries.user_filters(found.conditions), found.offset, found.limit

    return users.ListProvisionedUsers(read)


_SEARCH: Final = web.RequestKey("scim_search", queries.Search)


def _respond_users(incoming: Incoming, listed: users.ListedUsers) -> web.Response:
    found = incoming.request[_SEARCH]
    render = partial(answers.render_user, incoming.base, projection=found.request)
    return _respond(answers.render_list(render, listed.users, listed.total, found.offset + 1))


def _user_ref(incoming: Incoming) -> users.ProvisionedUserRef:
    return users.ProvisionedUserRef(incoming.id)


def _new_user(incoming: Incoming) -> users.CreateProvisionedUser:
    def read() -> users.UserState:
        queries.projection(USERS, incoming.query)  # ahead of the change, which would be made all the same
        return user_bodies.new_user(incoming.body())

    return users.CreateProvisionedUser(read)


def _change_user(
    apply: Callable[[ProvisionedUser, dict[str, Any]], Any],
) -> Callable[[Incoming], users.ChangeProvisionedUser]:
    def request(incoming: Incoming) -> users.ChangeProvisionedUser:
        def change(current: ProvisionedUser) -> Any:
            queries.projection(USERS, incoming.query)
            incoming.check(answers.user_version(current))
            return apply(current, incoming.body())

        return users.ChangeProvisionedUser(incoming.id, change)

    return request


def _respond_user(incoming: Incoming, seen: ProvisionedUser) -> web.Response:
    projection = queries.projection(USERS, incoming.query)
    version = answers.user_version(seen)
    if incoming.request.method == hdrs.METH_GET and not incoming.check(version, hdrs.METH_GET):
        return _respond(None, 304, ETag=version)
    body = answers.render_user(incoming.base, seen, projection)
    return _responded(incoming, body, f"{incoming.base}/Users/{seen.user.id}", version)


def _responded(incoming: Incoming, body: dict[str, Any], location: str, version: str | None) -> web.Response:
    created = incoming.request.method == hdrs.METH_POST
    return _respond(
        body, 201 if created else 200, ETag=version, Location=location if created else None, Content_Location=location
    )


def _respond_nothing(_: Incoming, __: object) -> web.Response:
    return _respond(None, 204)


# ---- groups


def _list_groups(incoming: Incoming) -> groups.ListProvisionedGroups:
    def read() -> groups.Window:
        found = _search(GROUPS, incoming)
        incoming.request[_SEARCH] = found
        wanted = answers.shows_members(found.request)
        return queries.group_filters(found.conditions), found.offset, found.limit, wanted

    return groups.ListProvisionedGroups(read)


def _respond_groups(incoming: Incoming, listed: groups.ListedGroups) -> web.Response:
    found = incoming.request[_SEARCH]
    render = partial(answers.render_group, incoming.base, projection=found.request)
    return _respond(answers.render_list(render, listed.groups, listed.total, found.offset + 1))


def _get_group(incoming: Incoming) -> groups.GetProvisionedGroup:
    return groups.GetProvisionedGroup(
        incoming.id, lambda: answers.shows_members(queries.projection(GROUPS, incoming.query))
    )


def _new_group(incoming: Incoming) -> groups.CreateProvisionedGroup:
    def read() -> groups.GroupState:
        queries.projection(GROUPS, incoming.query)
        return group_bodies.new_group(incoming.body())

    return groups.CreateProvisionedGroup(read)


def _change_group(
    apply: Callable[[ProvisionedGroup, dict[str, Any]], Any],
) -> Callable[[Incoming], groups.ChangeProvisionedGroup]:
    def request(incoming: Incoming) -> groups.ChangeProvisionedGroup:
        def change(current: ProvisionedGroup) -> Any:
            queries.projection(GROUPS, incoming.query)
            incoming.check(answers.group_version(current))
            return apply(current, incoming.body())

        def shows() -> bool:
            return answers.shows_members(queries.projection(GROUPS, incoming.query))

        return groups.ChangeProvisionedGroup(incoming.id, change, shows)

    return request


def _respond_group(incoming: Incoming, seen: groups.SeenGroup) -> web.Response:
    projection = queries.projection(GROUPS, incoming.query)
    version = answers.group_version(seen.seen)
    if incoming.request.method == hdrs.METH_GET and not incoming.check(version, hdrs.METH_GET):
        return _respond(None, 304, ETag=version)
    body = answers.render_group(incoming.base, seen, projection)
    return _responded(incoming, body, f"{incoming.base}/Groups/{seen.seen.group.id}", version)


def _nothing(_: object, __: object) -> None:
    """Look at no body: a deletion has none."""


_USERS: Final = f"{PREFIX}/Users"
_GROUPS: Final = f"{PREFIX}/Groups"

SCIM_ROUTES: Final = (
    *(
        ScimRoute("GET", PREFIX + path, users.discover_provisioning, *_discover(make))
        for path, make in _DISCOVERY.items()
    ),
    ScimRoute("GET", _USERS, users.list_provisioned_users, _list_users, _respond_users),
    ScimRoute("POST", f"{_USERS}/.search", users.list_provisioned_users, _list_users, _respond_users, has_body=True),
    ScimRoute("POST", _USERS, users.create_provisioned_user, _new_user, _respond_user, has_body=True),
    ScimRoute("GET", f"{_USERS}/{{id}}", users.get_provisioned_user, _user_ref, _respond_user),
    ScimRoute(
        "PUT",
        f"{_USERS}/{{id}}",
        users.change_provisioned_user,
        _change_user(user_bodies.replaced_user),
        _respond_user,
        has_body=True,
    ),
    ScimRoute(
        "PATCH",
        f"{_USERS}/{{id}}",
        users.change_provisioned_user,
        _change_user(user_bodies.patched_user),
        _respond_user,
        has_body=True,
    ),
    ScimRoute("DELETE", f"{_USERS}/{{id}}", users.deprovision_user, _change_user(_nothing), _respond_nothing),
    ScimRoute("GET", _GROUPS, groups.list_provisioned_groups, _list_groups, _respond_groups),
    ScimRoute(
        "POST", f"{_GROUPS}/.search", groups.list_provisioned_groups, _list_groups, _respond_groups, has_body=True
    ),
    ScimRoute("POST", _GROUPS, groups.create_provisioned_group, _new_group, _respond_group, has_body=True),
    ScimRoute("GET", f"{_GROUPS}/{{id}}", groups.get_provisioned_group, _get_group, _respond_group),
    ScimRoute(
        "PUT",
        f"{_GROUPS}/{{id}}",
        groups.change_provisioned_group,
        _change_group(lambda _, body: group_bodies.replaced_group(body)),
        _respond_group,
        has_body=True,
    ),
    ScimRoute(
        "PATCH",
        f"{_GROUPS}/{{id}}",
        groups.change_provisioned_group,
        _change_group(group_bodies.patched_group),
        _respond_group,
        has_body=True,
    ),
    ScimRoute(
        "DELETE", f"{_GROUPS}/{{id}}", groups.delete_provisioned_group, _change_group(_nothing), _respond_nothing
    ),
)
"""The calls of SCIM clients; each goes through the dispatcher, as rows of the method table do."""


async def _not_supported(_: web.Request) -> web.Response:
    raise NotSupported("Searches over several types, bulk requests and /Me are not supported.")


def add_routes(app: web.Application, dispatcher: Dispatcher, bodies: BodyBudget, addresses: PublicAddresses) -> None:
    """Add the routes of SCIM to the application."""
    for route in SCIM_ROUTES:
        handle = Endpoint(route, dispatcher, bodies, addresses).handle
        if route.method == hdrs.METH_GET:
            app.router.add_get(route.path, handle)
        else:
            app.router.add_route(route.method, route.path, handle)
    for path in ("/.search", "/Bulk", "/Me"):
        app.router.add_route("*", PREFIX + path, _not_supported)
