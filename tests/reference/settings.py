"""The tables of settings: what `read_settings` asks the environment for, and the docstrings of `Settings`."""

import ast
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from service.settings import MAX_SOCKET_PATH, Settings, declared, read_settings
from service.settings.environment import Environment
from service.values.identity_providers import NAMES, Provider
from tests.reference.sources import SERVICE, cell, described, rows, summary

MIB: Final = 2**20

TRACING: Final = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Address of the collector; setting it switches traces on.",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "The same for traces alone; it goes before the other.",
    "OTEL_TRACES_EXPORTER": "`otlp` switches traces on without an address: the collector is on this machine.",
    "OTEL_SDK_DISABLED": "`true` switches traces off, whatever else is set.",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "The protocol; any other ends the start with a sentence.",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "The same for traces alone; it goes before the other.",
}
"""OpenTelemetry's own variables that the service itself looks at; its SDK heeds many more."""


class _Recording(Environment):
    """An environment in which nothing is set but traces, so that what is asked for those alone is asked for, too.

    It remembers what it is asked for, and what is allowed there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.allowed: dict[str, str] = {}

    def text(self, name: str) -> str:
        self.allowed.setdefault(name, "a text")
        return "http://collector:4318" if name == "OTEL_EXPORTER_OTLP_ENDPOINT" else ""

    def database_url(self, name: str) -> str | None:
        self.allowed[name] = "`postgresql://…`, or `host=… dbname=…`"
        return super().database_url(name)

    def networks(self, name: str) -> Any:
        self.allowed[name] = "networks with commas between, such as `10.0.0.0/8, fd00::/8`"
        return super().networks(name)

    def public_url(self, name: str) -> str | None:
        self.allowed[name] = "`https://…`, a host, and perhaps a port and a path"
        return super().public_url(name)

    def origins(self, name: str) -> tuple[str, ...]:
        self.allowed[name] = "origins with commas between, such as `https://example.com`, or `*` alone"
        return super().origins(name)

    def socket(self, name: str) -> Path | None:
        self.allowed[name] = f"a path of at most {MAX_SOCKET_PATH} bytes"
        return super().socket(name)

    def mode(self, name: str, default: int) -> int:
        self.allowed[name] = f"permissions in octal digits, such as `{default:o}`"
        return super().mode(name, default)

    def whole(self, name: str, default: int, allowed: Any) -> int:
        self.allowed[name] = _with_commas(allowed)
        return super().whole(name, default, allowed)

    def optional_whole(self, name: str, allowed: Any) -> int | None:
        self.allowed[name] = _with_commas(allowed)
        return super().optional_whole(name, allowed)

    def path(self, name: str) -> Path | None:
        self.allowed[name] = "a path"
        return super().path(name)

    def number(self, name: str, default: float, allowed: Any) -> float:
        self.allowed[name] = _with_commas(allowed)
        return super().number(name, default, allowed)

    def flag(self, name: str, *, default: bool) -> bool:
        self.allowed[name] = "`true`, `false`"
        return super().flag(name, default=default)

    def one_of(self, name: str, default: str, allowed: tuple[str, ...], fold: Callable[[str], str]) -> str:
        self.allowed[name] = ", ".join(f"`{each}`" for each in allowed)
        return super().one_of(name, default, allowed, fold)


def recorded() -> tuple[Settings, dict[str, str]]:
    """Return the default settings, and by environment variable what is allowed."""
    made: list[_Recording] = []

    def make() -> _Recording:
        made.append(_Recording())
        return made[0]

    with patch.object(declared, "Environment", make):
        return read_settings(), made[0].allowed


def docstrings() -> dict[str, str | None]:
    """Return the docstring of each setting, by the setting's name."""
    path = SERVICE / "settings" / "declared.py"
    (body,) = [
        node.body
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    ]
    return {each.name: each.docstring for each in described(body, path)}


def table() -> str:
    """Return the table of the service's own settings.

    Raises:
        KeyError: a setting is not read from the variable of its name, or has no docstring.
    """
    defaults, allowed = recorded()
    lines = []
    for name, docstring in docstrings().items():
        if name in ("tracing", "providers"):
            continue
        if docstring is None:
            raise KeyError(
                f"{name} of service/settings/declared.py has no docstring, which its row in the reference is made of."
            )
        variable = name.upper()
        default = getattr(defaults, name)
        shown = f"`{default:o}`" if name.endswith("_mode") else _shown(default)
        lines.append((f"`{variable}`", shown, allowed[variable], cell(summary(docstring))))
    return rows(("Variable", "Default", "Allowed", "What it is"), lines)


def tracing_table() -> str:
    """Return the table of OpenTelemetry's variables that the service looks at."""
    _, allowed = recorded()
    known = {name.upper() for name in docstrings()} | {*PROVIDER_VARIABLES}
    lines = [(f"`{name}`", words, TRACING[name]) for name, words in allowed.items() if name not in known]
    return rows(("Variable", "Allowed", "What it is"), sorted(lines))


PROVIDER_VARIABLES: Final = (*(f"OIDC_{name.upper()}" for name in NAMES), "OIDC_ISSUERS")
"""The variables that say which identity providers there are."""


def provider_table() -> str:
    """Return the table of the variables on identity providers, which are named as the fields of `Provider` are."""
    path = SERVICE / "values" / "identity_providers.py"
    bodies = {node.name: node.body for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)}
    defaults = {each.name: each.default for each in fields(Provider)}
    lines = []
    for each in described(bodies["Provider"], path):
        default = defaults[each.name]
        shown = "unset" if default in (MISSING, None, ()) else f"`{_joined(default)}`"
        lines.append((f"`OIDC_{each.name.upper()}`", shown, cell(summary(each.docstring or ""))))
    lines.append(
        ("`OIDC_ISSUERS`", "unset", "Several providers, as a list of JSON with an object for each: see below.")
    )
    return rows(("Variable", "Default", "What it is"), lines)


def _joined(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _shown(value: object) -> str:
    """Return a default as it would be set."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None or value == ():
        return "unset"
    if isinstance(value, int) and value and value % MIB == 0:
        return f"`{value}` ({value // MIB} MiB)"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _with_commas(allowed: object) -> str:
    return re.sub(r"\d{5,}", lambda number: f"{int(number[0]):,}", cell(allowed))
