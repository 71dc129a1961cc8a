"""Contexts: the servers that a person works with, each by a name, in a file that only they may read."""

import errno
import fcntl
import json
import os
import pwd
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkstemp
from typing import Any, Final

from service.client import secrets
from service.errors import NotFound, StartupError
from service.values.regular_files import open_regular

NAME: Final = re.compile(r"[A-Za-z0-9_.:@\[\]-]{1,255}")
"""The characters of a context's name: those of a server's address, with others that names have."""
_LARGEST: Final = 2**20
"""Bytes of the file."""


@dataclass(frozen=True, slots=True)
class Context:
    """A server, and whose token is sent there."""

    server: str
    username: str | None = None
    """None if nobody is logged in."""
    plaintext: bool = False
    """True if it was said that the token may be sent there without encryption."""
    token: str | None = field(default=None, repr=False)
    """None if there is none, or the system keeps it."""
    keyring: bool = False
    """True if the system keeps the token."""


@dataclass(frozen=True, slots=True)
class Contexts:
    """All contexts by their names, and the one that is in force; None: commands work beside the database."""

    by_name: Mapping[str, Context]
    current: str | None = None

    def find(self, name: str) -> Context:
        """Return a context.

        Raises:
            NotFound: there is none of that name.
        """
        if name not in self.by_name:
            raise NotFound(f"There is no context {name}: `context list` says which there are.")
        return self.by_name[name]

    def token_of(self, name: str) -> str | None:
        """Return the token of a context; None if there is none."""
        context = self.find(name)
        return secrets.find(name) if context.keyring else context.token


def contexts_file() -> Path:
    """Return the path of the file: below XDG_CONFIG_HOME, which is ~/.config where it does not say.

    Raises:
        StartupError: there is no such directory, as this user has no home.
    """
    folder = next(filter(Path.is_absolute, _config_folders()), None)
    if folder is None:
        raise StartupError("There is no home to keep a server's token in: set HOME or XDG_CONFIG_HOME to a whole path.")
    return folder / "flow-pipelines" / "contexts.json"


def _config_folders() -> Iterator[Path]:
    """Yield what may be meant. A relative path is none: tokens would be left wherever a command runs."""
    yield Path(os.environ.get("XDG_CONFIG_HOME", ""))
    yield Path(os.environ.get("HOME", ""), ".config")
    with suppress(KeyError):  # a container may run as a user that its system does not know
        yield Path(pwd.getpwuid(os.geteuid()).pw_dir, ".config")


def load_contexts() -> Contexts:
    """Return the contexts; none if there is no file, nor a place for one.

    Raises:
        StartupError: the file can't be read, others may read it, or it is none of this program's.
    """
    try:
        path = contexts_file()
    except StartupError:
        return Contexts({})
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno())
            content = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Contexts({})
    except OSError as error:
        raise _unusable(path, "read", error) from error
    if mode.st_uid not in {os.geteuid(), 0}:
        raise StartupError(f"{path} is another user's: {_OTHER_FOLDER}.")
    if stat.S_IMODE(mode.st_mode) & 0o077:
        raise StartupError(f"{path} has tokens in it, and others can read or change it: chmod 600 it, or log in anew.")
    try:
        return _parse(json.loads(content[:_LARGEST]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise StartupError(f"{path} is no file of contexts: remove it, and log in anew.") from None


_OTHER_FOLDER: Final = "set HOME or XDG_CONFIG_HOME to a directory of this user's"


def _unusable(path: Path, what_for: str, error: OSError) -> StartupError:
    remedy = f": {_OTHER_FOLDER}" if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} else ""
    return StartupError(f"{path} can't be {what_for} ({error.strerror}){remedy}.")


def _parse(content: Any) -> Contexts:
    by_name = {name: Context(**each) for name, each in content["contexts"].items() if NAME.fullmatch(name)}
    for each in by_name.values():
        texts = (each.server, each.username or "", each.token or "")
        if not all(isinstance(text, str) for text in texts) or not all(
            isinstance(flag, bool) for flag in (each.plaintext, each.keyring)
        ):
            raise TypeError
    current = content.get("current")
    return Contexts(by_name, current if current in by_name else None)


@contextmanager
def _locked() -> Iterator[None]:
    """Keep other commands from changing the contexts meanwhile."""
    folder = contexts_file().parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, "used", error) from error
    with _exclusive(folder, os.O_RDONLY):
        yield


def _save(contexts: Contexts) -> None:
    """Put a new file in the place of the old one, which only this user may read from its first byte on."""
    path = contexts_file()
    named = {name: _written(each) for name, each in sorted(contexts.by_name.items())}
    content = json.dumps({"current": contexts.current, "contexts": named}, indent=2)
    try:
        descriptor, unfinished = mkstemp(prefix=".", suffix=".unfinished", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{content}\n")
                file.flush()
                os.fsync(file.fileno())
            Path(unfinished).replace(path)
        finally:
            Path(unfinished).unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(path, "written", error) from error


def _written(context: Context) -> dict[str, Any]:
    everything = {name: getattr(context, name) for name in Context.__dataclass_fields__}
    return {name: value for name, value in everything.items() if value}


def keep_context(name: str, context: Context, token: str, *, in_file: bool) -> bool:
    """Keep a context with its token, and put it in force; return whether the system keeps the token, not the file."""
    with _locked():
        known = load_contexts()
        by_keyring = not in_file and secrets.keep(name, token)
        if not by_keyring and name in known.by_name and known.by_name[name].keyring:
            secrets.forget(name)
        kept = replace(context, token=None if by_keyring else token, keyring=by_keyring)
        _save(Contexts({**known.by_name, name: kept}, name))
    return by_keyring


@contextmanager
def renewing() -> Iterator[None]:
    """Keep other commands from renewing a sign-in meanwhile."""
    with _exclusive(contexts_file().parent / ".renewing", os.O_RDWR | os.O_CREAT):
        yield


@contextmanager
def _exclusive(path: Path, flags: int) -> Iterator[None]:
    """Hold the lock of a file or folder; another process waits for it."""
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise _unusable(path, "used", error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def put_token(name: str, token: str) -> None:
    """Put another token in the place of the one that a context has, wherever that is kept.

    Raises:
        NotFound: there is no such context any more.
        StartupError: it can't be kept.
    """
    with _locked():
        known = load_contexts()
        context = known.find(name)
        if not context.keyring:
            _save(Contexts({**known.by_name, name: replace(context, token=token)}, known.current))
        elif not secrets.keep(name, token):
            raise StartupError("The keyring does not take the renewed token: log in anew, perhaps with --no-keyring.")


def forget_token(name: str) -> Context:
    """Forget the token of a context, which stays; return what it was."""
    with _locked():
        known = load_contexts()
        context = known.find(name)
        if context.keyring:
            secrets.forget(name)
        kept = replace(context, username=None, token=None, keyring=False)
        _save(Contexts({**known.by_name, name: kept}, known.current))
    return context


def use_context(name: str | None) -> None:
    """Put a context in force; None: commands work beside the database."""
    with _locked():
        known = load_contexts()
        if name is not None:
            known.find(name)
        _save(Contexts(known.by_name, name))


def delete_context(name: str) -> None:
    """Delete a context and its token."""
    with _locked():
        known = load_contexts()
        if known.find(name).keyring:
            secrets.forget(name)
        others = {each: context for each, context in known.by_name.items() if each != name}
        _save(Contexts(others, None if known.current == name else known.current))


def rename_context(name: str, new_name: str) -> None:
    """Rename a context; another one of the new name stays what it is.

    Raises:
        NotFound: there is none of that name.
        StartupError: there is one of the new name, or the system does not let the token go.
    """
    with _locked():
        known = load_contexts()
        context = known.find(name)
        if new_name in known.by_name:
            raise StartupError(f"There is a context {new_name} already: delete it first, or choose another name.")
        if context.keyring:
            token = secrets.find(name)
            if token is None or not secrets.keep(new_name, token):
                raise StartupError("The keyring does not give the token to another name: log in by that name.")
            secrets.forget(name)
        others = {each: kept for each, kept in known.by_name.items() if each != name}
        current = new_name if known.current == name else known.current
        _save(Contexts({**others, new_name: context}, current))
