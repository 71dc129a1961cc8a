"""The commands `login` and `logout`: a token that is kept for a server."""

import click

from service.client.address import PLAINTEXT_OPTION, parse_address
from service.client.contexts import Context, contexts_file, forget_token, keep_context, load_contexts
from service.client.selection import TOKEN_VARIABLE, Server, check_token, token_by_variable
from service.client.server import run_on_server
from service.commands.options import CONTEXT_NAME, json_option
from service.commands.output import ask_secret, say, show_json, tell, warn
from service.errors import NotFound, StartupError
from service.operations import users
from service.schemas.users import GetMe


@click.command("login")
@click.argument("url", required=False)
@click.option("--context", "name", type=CONTEXT_NAME, help="The name to keep it by. Default: the server's host.")
@click.option(PLAINTEXT_OPTION, is_flag=True, help="Send the token without encryption, where that way is safe.")
@click.option(
    "--no-keyring", is_flag=True, help="Keep the token in the file of contexts, which only this user may read."
)
@json_option
def login_command(url: str | None, name: str | None, plaintext: bool, no_keyring: bool, as_json: bool) -> None:
    """Keep a token for the server at URL, and let commands work there from now on.

    The token is asked for without showing it, or read from standard input if that is no terminal. The system's keyring
    keeps it where there is one and the extra `keyring` is installed; else a file below XDG_CONFIG_HOME that only this
    user may read. Without URL it is for the context that is named, or the current one. A token in FLOW_PIPELINES_TOKEN
    goes before what is kept.
    """
    known = load_contexts()
    if url is None:
        name = name or known.current
        if name is None:
            raise click.UsageError("Say the URL of the server.")
        context = known.find(name)
        url, plaintext = context.server, plaintext or context.plaintext
    address = parse_address(url, plaintext=plaintext)
    name = name or address.name
    token = check_token(ask_secret(f"Token for {address.url}: "), "What was given")
    server = Server(address, token, "login", name)
    me = run_on_server(server, lambda operations: operations.run(users.get_me, GetMe()), tell).body
    user = me["user"]
    by_keyring = keep_context(name, Context(address.url, user["username"], plaintext), token, in_file=no_keyring)
    if as_json:
        show_json({**me, "context": name, "server": address.url, "keyring": by_keyring})
    else:
        where = "the system's keyring" if by_keyring else str(contexts_file())
        say(
            f"Logged in to {address.url} as {user['username']}, {user['role']}. The token is kept in {where};"
            f" context {name} is in force."
        )
    if token_by_variable() is not None:
        warn(f"{TOKEN_VARIABLE} is set, and goes before the token that is kept.", as_json=as_json)


@click.command("logout")
@click.option("--context", "name", type=CONTEXT_NAME, help="The context. Default: the current one.")
@json_option
def logout_command(name: str | None, as_json: bool) -> None:
    """Forget the token of a context. The token itself stays good: `token revoke` ends it."""
    known = load_contexts()
    name = name or known.current
    if name is None:
        raise NotFound("No context is in force: say which by --context; `context list` says which there are.")
    if known.find(name).username is None:
        raise StartupError(f"Nobody is logged in by context {name}.")
    was = forget_token(name)
    if as_json:
        show_json({"status": "OK"})
    else:
        say(f"Forgot the token of {was.username} for {was.server}.")
    if token_by_variable() is not None:
        warn(f"{TOKEN_VARIABLE} is set, and still gives commands a token.", as_json=as_json)
