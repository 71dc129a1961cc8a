"""The settings in effect, as an operator may see them: by the names of their variables, with secrets masked."""

import ast
import inspect
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from service.database.address import masked_address
from service.settings import Settings, read_settings
from service.values.masked import MASK, masked

_SECRET: Final = re.compile(r"(?:^|_)(?:secret|password|passphrase|private_key|key)$")
"""The end of the name of a setting that is a secret."""
_NO_VARIABLES: Final = frozenset({"tracing"})
"""Settings that follow from variables of others."""


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting in effect."""

    name: str
    """The environment variable."""
    value: Any
    """As JSON has it; None where nothing is set and there is no default."""
    source: str
    """`environment` or `default`."""
    description: str


def effective_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings by the names of their variables, as a log line may have them."""
    return {name.upper(): _shown(name, getattr(settings, name)) for name in _names()}


def list_effective(settings: Settings) -> list[Effective]:
    """List the settings in effect, and where each comes from."""
    described, given = describe_settings(), _given(settings)
    return [
        Effective(name, value, "environment" if name in given else "default", described[name])
        for name, value in effective_settings(settings).items()
    ]


def _given(settings: Settings) -> list[str]:
    """Return which settings do not have their defaults."""
    names = (name.upper() for name in _names())
    return [name for name in names if (settings.providers if name == "PROVIDERS" else os.environ.get(name, "").strip())]


def summarize_settings(settings: Settings) -> dict[str, str]:
    """Return what a person wants to know of the settings at a start, and how to see all of them."""
    shown, given = effective_settings(settings), _given(settings)
    return {
        "database": shown["DATABASE_URL"] or f"embedded, in {shown['DATA_DIR']}",
        "settings": f"{', '.join(given) or 'none'} given, `doctor --settings` shows all",
    }


def describe_settings() -> Mapping[str, str]:
    """Return what each setting is, by its variable: the docstrings, which only the source has; without it, nothing."""
    found = dict.fromkeys((name.upper() for name in _names()), "")
    try:
        (declared,) = ast.parse(inspect.getsource(Settings)).body
    except (OSError, SyntaxError):  # it is not there
        return found
    assert isinstance(declared, ast.ClassDef)  # noqa: S101 - it is Settings
    name = ""
    for statement in declared.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id.upper()
        elif name in found and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            found[name], name = " ".join(str(statement.value.value).split()), ""
    return found


def default_settings() -> Settings:
    """Return the settings of an environment that sets none."""
    environment = dict(os.environ)
    os.environ.clear()
    try:
        return read_settings()
    finally:
        os.environ.update(environment)


def as_set(value: Any) -> str:
    """Return a value of a setting as a person would set it; "unset" for one that is not."""
    return "unset" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _names() -> Iterator[str]:
    return (field.name for field in fields(Settings) if field.name not in _NO_VARIABLES)


def _shown(name: str, value: Any) -> Any:
    """Return a value as it would be set, of the type that JSON has for it."""
    if value is None or isinstance(value, bool):
        return value
    if name == "database_url":
        return masked_address(str(value))
    if _SECRET.search(name):
        return MASK
    if name.endswith("_mode"):
        return f"{value:o}"
    if isinstance(value, int | float):
        return value
    if name == "providers":
        return ", ".join(provider.issuer for provider in value) or None
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or None
    return masked(os.fsencode(value).decode("utf-8", "backslashreplace"))
