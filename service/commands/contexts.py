"""The commands `context` and `whoami`: what commands work on, and as whom."""

import os
from typing import Any

import click

from service.client.contexts import Contexts, delete_context, load_contexts, rename_context, use_context
from service.client.selection import Server
from service.commands.context import resolve_organization, run_with_database
from service.commands.listing import CommandGroup
from service.commands.options import CONTEXT_NAME, confirm, json_option, yes_option
from service.commands.output import say, short_permission_names, show_json, show_table
from service.commands.place import Place, place_options, run_on_server
from service.operations import users
from service.permissions import Role
from service.schemas.users import GetMe


@click.group("context", cls=CommandGroup)
def context_commands() -> None:
    """Choose which server commands work on: contexts are servers with a token, each by a name.

    What is in force is the first of: --server or --context; FLOW_PIPELINES_SERVER; the current context; else commands
    work beside the database, as all do that have no such options. `login` makes a context.
    """


@context_commands.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List the contexts."""
    known = load_contexts()
    if as_json:
        show_json({"status": "OK", "contexts": [_answer(known, name) for name in known.by_name]})
        return
    rows = [(name == known.current, name, context.server, context.username) for name, context in known.by_name.items()]
    show_table(["CURRENT", "NAME", "SERVER", "USER"], rows, "There is none: `login URL` makes one.")


def _answer(known: Contexts, name: str) -> dict[str, Any]:
    context = known.by_name[name]
    return {
        "name": name,
        "server": context.server,
        "username": context.username,
        "current": name == known.current,
        "plaintext": context.plaintext,
        "keyring": context.keyring,
    }


@context_commands.command("use")
@click.argument("name", type=CONTEXT_NAME)
@json_option
def use(name: str, as_json: bool) -> None:
    """Let commands work on the server of context NAME."""
    use_context(name)
    context = load_contexts().find(name)
    show_json({"status": "OK"}) if as_json else say(f"Commands work on {context.server} from now on.")


@context_commands.command("unset")
@json_option
def unset(as_json: bool) -> None:
    """Let commands work beside the database; the contexts stay."""
    use_context(None)
    show_json({"status": "OK"}) if as_json else say("Commands work beside the database from now on.")


@context_commands.command("current")
@place_options
@json_option
def current(place: Place, as_json: bool) -> None:
    """Say what commands work on, and why, without asking there; `whoami` does."""
    server = place.server()
    if as_json:
        show_json({"status": "OK", **_in_force(server)})
    else:
        say(_sentence(server))


def _in_force(server: Server | None) -> dict[str, Any]:
    if server is None:
        return {"server": None, "context": None, "source": "the database", "token": False}
    return {
        "server": server.address.url,
        "context": server.context,
        "source": server.source,
        "token": server.token is not None,
    }


def _sentence(server: Server | None) -> str:
    if server is None:
        named = "that DATABASE_URL names" if os.environ.get("DATABASE_URL") else "of its own, without DATABASE_URL"
        return f"Commands work beside the database {named}."
    named = f" (context {server.context})" if server.context else ""
    with_token = "" if server.token else " Nobody is logged in there."
    return f"Commands work on {server.address.url}{named}, as {server.source} says.{with_token}"


@context_commands.command("rename")
@click.argument("name", type=CONTEXT_NAME)
@click.argument("new_name", type=CONTEXT_NAME)
@json_option
def rename(name: str, new_name: str, as_json: bool) -> None:
    """Call context NAME NEW_NAME."""
    rename_context(name, new_name)
    show_json({"status": "OK"}) if as_json else say(f"Context {name} is called {new_name} now.")


@context_commands.command("delete")
@click.argument("name", type=CONTEXT_NAME)
@yes_option
@json_option
def delete(name: str, yes: bool, as_json: bool) -> None:
    """Delete context NAME, and forget its token."""
    load_contexts().find(name)
    confirm(yes, f"Delete context {name}, and forget its token?")
    delete_context(name)
    show_json({"status": "OK"}) if as_json else say(f"Deleted context {name}.")


@click.command("whoami")
@place_options
@json_option
def whoami_command(place: Place, as_json: bool) -> None:
    """Say whose token commands work with, on which server, and what they may; or that they work beside the database."""
    server = place.server()
    if server is None:
        organization = run_with_database(lambda database: resolve_organization(database, place.organization))
        user: dict[str, Any] = {"username": "command line", "role": Role.ADMIN.value, "groups": [], "scopes": None}
        of = f", in organization {organization.name}"
    else:
        answer = run_on_server(server, lambda operations: operations.run(users.get_me, GetMe())).body
        user, of = answer["user"], ""
    if as_json:
        show_json({"status": "OK", "user": user, **_in_force(server)})
        return
    scopes = "" if user["scopes"] is None else f", with the scopes {short_permission_names(user['scopes'])} alone"
    say(f"You are {user['username']}, {user['role']}{scopes}{of}.", _sentence(server))
