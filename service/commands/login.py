"""The commands `login` and `logout`: a token that is kept for a server."""

import asyncio
from typing import Any

import click

from service.client.address import PLAINTEXT_OPTION, Address, parse_address
from service.client.contexts import Context, contexts_file, forget_token, keep_context, load_contexts
from service.client.selection import TOKEN_VARIABLE, Server, check_token, token_by_variable
from service.client.sso.kept import parse_kept, revoke
from service.client.sso.sign_in import sign_in
from service.commands.options import CONTEXT_NAME, json_option
from service.commands.output import ask_secret, say, show_json, tell, warn
from service.commands.place import run_on_server
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
@click.option("--sso", is_flag=True, help="Sign in by the server's identity provider, in the place of a token.")
@click.option("--device", is_flag=True, help="With --sso: by a code that is typed in a browser on any machine.")
@click.option("--issuer", metavar="URL", help="With --sso: the identity provider, where the server has several.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="With --sso: the port of this machine that the browser comes back to."
)
@json_option
def login_command(
    url: str | None,
    name: str | None,
    plaintext: bool,
    no_keyring: bool,
    sso: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Keep a token for the server at URL, and let commands work there from now on.

    The token is asked for without showing it, or read from standard input if that is no terminal. The system's keyring
    keeps it where there is one and the extra `keyring` is installed; else a file below XDG_CONFIG_HOME that only this
    user may read. Without URL it is for the context that is named, or the current one. A token in FLOW_PIPELINES_TOKEN
    goes before what is kept.

    With --sso a browser opens, in which one signs in as on the admin page. Where this machine has none, and the
    provider offers it, a code is shown that is typed in the browser of another. What the provider grants is kept
    likewise, and renewed for as long as the provider lets it be.
    """
    if not sso and any(how.values()):
        raise click.UsageError("Say --device, --issuer and --port with --sso alone.")
    known = load_contexts()
    if url is None:
        name = name or known.current
        if name is None:
            raise click.UsageError("Say the URL of the server.")
        context = known.find(name)
        url, plaintext = context.server, plaintext or context.plaintext
    address = parse_address(url, plaintext=plaintext)
    name = name or address.name
    token = _sign_in(address, **how) if sso else check_token(ask_secret(f"Token for {address.url}: "), "What was given")
    kept = parse_kept(token)
    server = Server(address, kept.access if kept else token, "login", name)
    me = run_on_server(server, lambda operations: operations.run(users.get_me, GetMe())).body
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


def _sign_in(address: Address, *, device: bool, issuer: str | None, port: int | None) -> str:
    """Return what a provider grants somebody who signs in, as it is kept in the place of a token."""
    return asyncio.run(sign_in(address, issuer=issuer, device=device, port=port or 0, tell=tell)).written()


@click.command("logout")
@click.option("--context", "name", type=CONTEXT_NAME, help="The context. Default: the current one.")
@json_option
def logout_command(name: str | None, as_json: bool) -> None:
    """Forget the token of a context. The token itself stays good: `token revoke` ends it.

    A sign-in by an identity provider is ended there too, as far as it is this program's.
    """
    known = load_contexts()
    name = name or known.current
    if name is None:
        raise NotFound("No context is in force: say which by --context; `context list` says which there are.")
    if known.find(name).username is None:
        raise StartupError(f"Nobody is logged in by context {name}.")
    text = known.token_of(name)
    was = forget_token(name)
    if text and (kept := parse_kept(text)):
        asyncio.run(revoke(kept))
    if as_json:
        show_json({"status": "OK"})
    else:
        say(f"Forgot the token of {was.username} for {was.server}.")
    if token_by_variable() is not None:
        warn(f"{TOKEN_VARIABLE} is set, and still gives commands a token.", as_json=as_json)
