"""The calls about groups: a request's way into the operation, and the result's into a response."""

from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from service.operations import provisioned_groups as groups
from service.repositories.provisioned_groups import ProvisionedGroup
from service.scim import answers, group_bodies, queries
from service.scim.incoming import Incoming
from service.scim.lists import read_search, respond_list
from service.scim.resources import GROUPS
from service.scim.responses import respond_resource


def list_groups(incoming: Incoming) -> groups.ListProvisionedGroups:
    """Return the request for a page of groups."""

    def read() -> groups.Window:
        found = read_search(GROUPS, incoming)
        shows = answers.shows_members(found.request)
        return queries.group_filters(found.conditions), found.offset, found.limit, shows

    return groups.ListProvisionedGroups(read)


def respond_groups(incoming: Incoming, listed: groups.ListedGroups) -> web.Response:
    """Make the response of a page of groups."""
    return respond_list(incoming, answers.render_group, listed.groups, listed.total)


def get_group(incoming: Incoming) -> groups.GetProvisionedGroup:
    """Return the request for one group."""
    return groups.GetProvisionedGroup(incoming.id, partial(_shows_members, incoming))


def new_group(incoming: Incoming) -> groups.CreateProvisionedGroup:
    """Return the request to create a group."""

    def read() -> groups.GroupState:
        queries.projection(GROUPS, incoming.query)  # ahead of the change, which would be made all the same
        return group_bodies.new_group(incoming.body())

    return groups.CreateProvisionedGroup(read)


def change_group(
    apply: Callable[[ProvisionedGroup, dict[str, Any]], Any],
) -> Callable[[Incoming], groups.ChangeProvisionedGroup]:
    """Return what makes the request to change a group, as for users."""

    def request(incoming: Incoming) -> groups.ChangeProvisionedGroup:
        def change(current: ProvisionedGroup) -> Any:
            queries.projection(GROUPS, incoming.query)
            body = incoming.body()  # which, if it is none, is told before a condition that is not met
            incoming.check(answers.group_version(current))
            return apply(current, body)

        return groups.ChangeProvisionedGroup(incoming.id, change, partial(_shows_members, incoming))

    return request


def _shows_members(incoming: Incoming) -> bool:
    return answers.shows_members(queries.projection(GROUPS, incoming.query))


def respond_group(incoming: Incoming, seen: groups.SeenGroup) -> web.Response:
    """Make the response of one group."""
    render = partial(answers.render_group, incoming.base, seen, queries.projection(GROUPS, incoming.query))
    location = f"{incoming.base}/Groups/{seen.seen.group.id}"
    return respond_resource(incoming, render, location, answers.group_version(seen.seen))
