"""The environment as settings are read from it: a value of each kind, or a sentence on what is wrong with it."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final, TypeVar

from environs import Env, EnvError
from marshmallow import ValidationError, fields, validate

from service.values.addresses import AUTHORITY, PATH_PREFIX
from service.values.identity_providers import NAMES, Provider, WrongProviders, read_providers
from service.values.masked import LONGEST_QUOTED, masked, quoted

Value = TypeVar("Value")

Network = IPv4Network | IPv6Network

MAX_SOCKET_PATH: Final = 100
"""Bytes of a Unix socket's path: a few less than systems take, as it is made beside its place first."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """A range of allowed numbers, and its wording in messages."""

    low: float
    high: float
    unit: str = ""

    def __str__(self) -> str:
        return f"from {self.low} to {self.high}{self.unit}"

    @property
    def rule(self) -> validate.Range:
        """The range as marshmallow has it."""
        return validate.Range(self.low, self.high)


_KEYWORDS = re.compile(r"[a-z_]+\s*=")
"""The beginning of libpq's other form of an address: host=... dbname=..."""
_NUMBER = re.compile(r"[+-]?[0-9.]+(?:e[+-]?[0-9]+)?", re.IGNORECASE | re.ASCII)
"""A number as everybody writes it; Python reads others, too, with _ in them or by digits of other scripts."""
_TRACE_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class Environment:
    """A reader of environment variables, by environs.

    An empty value counts as unset, as deployment templates often leave one behind.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        """The variables that were asked for."""
        self.wrong: list[str] = []
        """Sentences on values that are wrong."""
        self._env = Env(eager=True)

    def refuse(self, sentence: str, default: Value) -> Value:
        """Note what is wrong with a value, and go on with another, so that all that is wrong can be told at once."""
        self.wrong.append(sentence)
        return default

    def refused(self, name: str) -> bool:
        """Return whether something is wrong with a variable's value, so that another one was taken."""
        return any(sentence.startswith(f"{name} ") for sentence in self.wrong)

    def text(self, name: str) -> str:
        """Return a variable's text without spaces around; empty if it is unset."""
        self.names.add(name)
        return os.environ.get(name, "").strip()

    def database_url(self, name: str) -> str | None:
        """Return the address of a database, of which only the beginning is looked at."""
        value = self.text(name)
        if value and not value.startswith(("postgresql://", "postgres://")) and not _KEYWORDS.match(value):
            # The value may hold a password: it is not repeated.
            sentence = f"{name} must begin with postgresql://, as in postgresql://user@host:5432/name."
            return self.refuse(sentence, None)
        return value or None

    def networks(self, name: str) -> tuple[Network, ...]:
        """Return networks that have commas between."""
        try:
            return tuple(ip_network(each.strip()) for each in self.text(name).split(",") if each.strip())
        except ValueError as error:
            sentence = (
                f"{name} is {quoted(self.text(name))}, but must be networks with commas between, such as"
                f" 10.0.0.0/8, fd00::/8 ({masked(str(error))[:LONGEST_QUOTED]})."
            )
            return self.refuse(sentence, ())

    def public_url(self, name: str) -> str | None:
        """Return an address of HTTP without a slash at its end."""
        value = self.text(name).removesuffix("/")
        if value and not re.fullmatch(rf"https?://{AUTHORITY}{PATH_PREFIX}", value):
            sentence = (
                f"{name} is {quoted(self.text(name))}, but must be http:// or https://, a host, and perhaps a port and"
                " a path of letters, digits and . _ ~ -, such as https://example.com/flows."
            )
            return self.refuse(sentence, None)
        return value or None

    def origins(self, name: str) -> tuple[str, ...]:
        """Return origins that have commas between, as browsers write them, or `*` alone."""
        values = [each.strip() for each in self.text(name).split(",") if each.strip()]
        if wrong := [each for each in values if each != "*" and not re.fullmatch(rf"https?://{AUTHORITY}", each)]:
            sentence = (
                f"{name} holds {quoted(wrong[0])}, but must be origins with commas between, each http:// or https://,"
                " a host, and perhaps a port, such as https://example.com, or * alone for all."
            )
            return self.refuse(sentence, ())
        if "*" in values and len(values) > 1:
            return self.refuse(f"{name} has * beside origins: give * alone for all, or only the origins.", ())
        return tuple(each if each == "*" else _as_browsers_write(each) for each in values)

    def providers(self) -> tuple[Provider, ...]:
        """Return the identity providers, by variables named as their fields are, and by a list in JSON."""
        one = {name: self.text(f"OIDC_{name.upper()}") for name in NAMES}
        try:
            return read_providers(one, self.text("OIDC_ISSUERS"), lambda name: f"OIDC_{name.upper()}")
        except WrongProviders as error:
            self.wrong += (f"{sentence}." for sentence in error.args)
            return ()

    def socket(self, name: str) -> Path | None:
        """Return the path of a Unix socket, short enough for systems."""
        value = self.text(name)
        if len(os.fsencode(value)) > MAX_SOCKET_PATH:
            sentence = (
                f"{name} is {quoted(value)}, but must be a path of at most {MAX_SOCKET_PATH} bytes, as systems take no"
                " more."
            )
            return self.refuse(sentence, None)
        return Path(value) if value else None

    def mode(self, name: str, default: int) -> int:
        """Return permissions of a file, in octal digits."""
        value = self.text(name)
        if value and not re.fullmatch(r"0?[0-7]{3}", value):
            return self.refuse(
                f"{name} is {quoted(value)}, but must be permissions in octal digits, such as 660 or 600.", default
            )
        return int(value, 8) if value else default

    def whole(self, name: str, default: int, allowed: Allowed) -> int:
        """Return a whole number of a range."""
        return int(self._read(name, self._env.int, default, f"a whole number {allowed}", allowed.rule))

    def optional_whole(self, name: str, allowed: Allowed) -> int | None:
        """Return a whole number of a range; None if it is unset."""
        return self.whole(name, 0, allowed) if self.text(name) else None

    def path(self, name: str) -> Path | None:
        """Return the path of a file; None if it is unset."""
        return Path(self.text(name)) if self.text(name) else None

    def number(self, name: str, default: float, allowed: Allowed) -> float:
        """Return a number of a range."""
        return float(self._read(name, self._env.float, default, f"a number {allowed}", allowed.rule))

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false, by any of the words that are usual for them."""
        if not self.text(name):
            return default
        try:
            return bool(fields.Boolean().deserialize(self.text(name)))
        except ValidationError:
            return self.refuse(f"{name} is {quoted(self.text(name))}, but must be true or false.", default)

    def one_of(self, name: str, default: str, allowed: tuple[str, ...], fold: Callable[[str], str]) -> str:
        """Return one of some words, after it was put into their case by `fold`."""
        value = fold(self.text(name)) or default
        if value not in allowed:
            return self.refuse(f"{name} is {quoted(self.text(name))}, but allowed are {', '.join(allowed)}.", default)
        return value

    def tracing(self) -> bool:
        """Return whether to send traces: where OpenTelemetry's variables say so; unlike its SDK, not by default."""
        endpoint = next(filter(None, map(self.text, _TRACE_ENDPOINTS)), "")
        exporter = self.one_of("OTEL_TRACES_EXPORTER", "otlp" if endpoint else "none", ("otlp", "none"), str.lower)
        if exporter == "none" or self.flag("OTEL_SDK_DISABLED", default=False):
            return False
        for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
            self.one_of(name, "http/protobuf", ("http/protobuf",), str.lower)
        if endpoint and not endpoint.startswith(("http://", "https://")):
            return self.refuse(f"{' or '.join(_TRACE_ENDPOINTS)} must begin with http:// or https://.", False)
        return True

    def _read(self, name: str, read: Callable[..., Any], default: Any, allowed: str, *rules: validate.Range) -> Any:
        if not self.text(name):
            return default
        try:
            if _NUMBER.fullmatch(self.text(name)):
                return read(name, validate=list(rules))
        except EnvError:
            pass
        return self.refuse(f"{name} is {quoted(self.text(name))}, but must be {allowed}.", default)


def _as_browsers_write(origin: str) -> str:
    """Write an origin as browsers do: in lower case, without the port that its scheme implies."""
    scheme, _, authority = origin.lower().partition("://")
    return f"{scheme}://{authority.removesuffix(':443' if scheme == 'https' else ':80')}"
