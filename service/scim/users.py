"""The calls about users: a request's way into the operation, and the result's into a response."""

from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from service.operations import provisioned_users as users
from service.repositories.provisioned_users import ProvisionedUser
from service.scim import answers, queries, user_bodies
from service.scim.incoming import Incoming
from service.scim.lists import read_search, respond_list
from service.scim.resources import USERS
from service.scim.responses import respond_resource


def list_users(incoming: Incoming) -> users.ListProvisionedUsers:
    """Return the request for a page of users."""

    def read() -> users.Window:
        found = read_search(USERS, incoming)
        return queries.user_filters(found.conditions), found.offset, found.limit

    return users.ListProvisionedUsers(read)


def respond_users(incoming: Incoming, listed: users.ListedUsers) -> web.Response:
    """Make the response of a page of users."""
    return respond_list(incoming, answers.render_user, listed.users, listed.total)


def user_ref(incoming: Incoming) -> users.ProvisionedUserRef:
    """Return the request for one user."""
    return users.ProvisionedUserRef(incoming.id)


def new_user(incoming: Incoming) -> users.CreateProvisionedUser:
    """Return the request to create a user."""

    def read() -> users.UserState:
        queries.projection(USERS, incoming.query)  # ahead of the change, which would be made all the same
        return user_bodies.new_user(incoming.body())

    return users.CreateProvisionedUser(read)


def change_user(
    apply: Callable[[ProvisionedUser, dict[str, Any]], Any],
) -> Callable[[Incoming], users.ChangeProvisionedUser]:
    """Return what makes the request to change a user: by the state that `apply` makes of the current one and a body."""

    def request(incoming: Incoming) -> users.ChangeProvisionedUser:
        def change(current: ProvisionedUser) -> Any:
            queries.projection(USERS, incoming.query)
            body = incoming.body()  # which, if it is none, is told before a condition that is not met
            incoming.check(answers.user_version(current))
            return apply(current, body)

        return users.ChangeProvisionedUser(incoming.id, change)

    return request


def respond_user(incoming: Incoming, seen: ProvisionedUser) -> web.Response:
    """Make the response of one user."""
    render = partial(answers.render_user, incoming.base, seen, queries.projection(USERS, incoming.query))
    return respond_resource(incoming, render, f"{incoming.base}/Users/{seen.user.id}", answers.user_version(seen))
