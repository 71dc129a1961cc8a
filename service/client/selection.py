"""The selection of what a command works on: the first of an option, a variable, the current context, the database."""

import os
import re
from dataclasses import dataclass, field
from typing import Final

from service.client.address import PLAINTEXT_OPTION, Address, parse_address
from service.client.contexts import Contexts, load_contexts
from service.errors import InvalidArgument, StartupError

SERVER_VARIABLE: Final = "FLOW_PIPELINES_SERVER"
TOKEN_VARIABLE: Final = "FLOW_PIPELINES_TOKEN"  # noqa: S105 - the name of a variable
PLAINTEXT_VARIABLE: Final = "FLOW_PIPELINES_PLAINTEXT"

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*")
"""A bearer token, by RFC 6750 §2.1."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The options by which a person says what a command works on."""

    server: str | None = None
    context: str | None = None
    local: bool = False
    """True for the database, whatever else is there."""
    plaintext: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """The server that a command works on, and the token that it sends there."""

    address: Address
    token: str | None = field(repr=False)
    """None if there is none."""
    source: str
    """The reason why it is this one, for a person."""
    context: str | None
    """The context that it is of, or whose token it is; None if there is none."""

    def require_token(self) -> str:
        """Return the token.

        Raises:
            StartupError: there is none.
        """
        if self.token is None:
            where = f" --context {self.context}" if self.context else ""
            raise StartupError(
                f"Nobody is logged in to {self.address.url}: `login {self.address.url}{where}` keeps a token for it,"
                f" or {TOKEN_VARIABLE} gives one."
            )
        return self.token


def select_server(choice: Choice) -> Server | None:
    """Return the server that a command works on; None if it works beside the database.

    Raises:
        StartupError: what says which is wrong in itself.
        NotFound: there is no such context.
    """
    if choice.local:
        return None
    given = os.environ.get(SERVER_VARIABLE) or None
    if choice.server is not None:
        return _of_address(choice.server, choice, "--server")
    if choice.context is not None:
        return _of_context(load_contexts(), choice.context, "--context")
    if given is not None:
        return _of_address(given, choice, SERVER_VARIABLE)
    contexts = load_contexts()
    if contexts.current is None:
        return None
    return _of_context(contexts, contexts.current, "the current context")


def _of_address(text: str, choice: Choice, source: str) -> Server:
    """Return a server by its address, with the token of a context that has the same one, if no variable gives one."""
    address = parse_address(text, plaintext=choice.plaintext or _plaintext_by_variable())
    if token := token_by_variable():
        return Server(address, token, source, None)
    contexts = load_contexts()
    of_it = [name for name, context in contexts.by_name.items() if context.server == address.url]
    if len(of_it) > 1 and contexts.current not in of_it:
        raise InvalidArgument(f"Several contexts are for {address.url}: say which by --context: {', '.join(of_it)}.")
    name = contexts.current if contexts.current in of_it else next(iter(of_it), None)
    return Server(address, contexts.token_of(name) if name else None, source, name)


def _of_context(contexts: Contexts, name: str, source: str) -> Server:
    context = contexts.find(name)
    address = parse_address(context.server, plaintext=context.plaintext)
    return Server(address, token_by_variable() or contexts.token_of(name), source, name)


def token_by_variable() -> str | None:
    """Return the token that the environment gives, if it does."""
    given = os.environ.get(TOKEN_VARIABLE) or None
    return None if given is None else check_token(given, TOKEN_VARIABLE)


def check_token(text: str, source: str) -> str:
    """Return a token without white space around it; what is wrong with another is said without showing it.

    Raises:
        StartupError: it can't be one.
    """
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise StartupError(f"{source} is no token: one has only letters, digits and . _ ~ + / - in it, and no spaces.")
    return token


def _plaintext_by_variable() -> bool:
    given = os.environ.get(PLAINTEXT_VARIABLE, "").lower()
    if given in {"", "0", "false", "no"}:
        return False
    if given in {"1", "true", "yes"}:
        return True
    raise StartupError(f"{PLAINTEXT_VARIABLE} is true or false, as {PLAINTEXT_OPTION} is given or not.")
