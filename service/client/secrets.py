"""Tokens where the system keeps secrets, by the library keyring, if it is installed and there is such a place."""

import importlib
from typing import Any, Final

SERVICE: Final = "flow-pipelines"
"""The name that they are kept by there."""


def _keyring() -> Any:
    """Return the library; None if it is not installed, or knows no safe place here."""
    try:
        library = importlib.import_module("keyring")
        chosen = library.get_keyring()
    except Exception:  # its backends fail in ways of their own: as if there were none
        return None
    safe = getattr(chosen, "priority", 0) >= 1 and not type(chosen).__module__.startswith("keyrings.alt")
    return library if safe else None


def keep(name: str, token: str) -> bool:
    """Keep the token of a context, and return whether the system has taken it."""
    library = _keyring()
    if library is None:
        return False
    try:
        library.set_password(SERVICE, name, token)
        return bool(library.get_password(SERVICE, name) == token)
    except Exception:  # as above, such as where nobody unlocks it
        return False


def find(name: str) -> str | None:
    """Return the token of a context; None if the system does not give it."""
    library = _keyring()
    if library is None:
        return None
    try:
        found = library.get_password(SERVICE, name)
    except Exception:  # as above
        return None
    return found if isinstance(found, str) else None


def forget(name: str) -> None:
    """Forget the token of a context, if it is kept."""
    library = _keyring()
    if library is None:
        return
    try:
        library.delete_password(SERVICE, name)
    except Exception:  # as above, also where there is none
        return
