"""Settings: for each an environment variable, a default that works, and a sentence for values that do not."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import ceil
from pathlib import Path
from typing import Any, Final, TypeVar

from environs import Env, EnvError
from marshmallow import ValidationError, fields, validate

from service.errors import StartupError
from service.values.identity_providers import NAMES, Provider, read_providers

Value = TypeVar("Value")

Network = IPv4Network | IPv6Network

AUTHORITY: Final = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
)
"""The pattern of a host, and a port if it has one."""
PATH_PREFIX: Final = r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]{1,100}){0,8}"
"""The pattern of what a proxy puts before paths: nothing in it means anything to a browser, in HTML or in a header."""

MAX_SOCKET_PATH: Final = 100
"""Bytes of a Unix socket's path: a few less than systems take, as it is made beside its place first."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("auto", "json", "console")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process: times in seconds, sizes in bytes."""

    database_url: str | None
    """Address of the database, as libpq reads it; unset: an embedded PostgreSQL under DATA_DIR."""
    data_dir: Path
    """Directory of the embedded PostgreSQL."""
    http_host: str
    """Address that both ports listen on; `::` is all of IPv6 and IPv4, `0.0.0.0` of IPv4 alone."""
    http_port: int
    """Port of the API, the admin page and `/healthz`."""
    http_socket: Path | None
    """Path of a Unix socket to serve on, instead of HTTP_HOST and HTTP_PORT."""
    http_socket_mode: int
    """Permissions of that socket's file; to connect takes permission to write."""
    public_url: str | None
    """Address at which clients reach the service, with its path at a proxy; unset: as trusted proxies say."""
    cors_origins: tuple[str, ...]
    """Origins whose pages may call the API; `*` alone: all of them."""
    ops_port: int
    """Port of `/livez`, `/readyz`, `/startupz` and `/metrics`; 0: any free one, which the start line names."""
    log_level: str
    """Least severe level that is logged."""
    log_format: str
    """Format of log lines; `auto` is console on a terminal and json elsewhere."""
    database_pool_size: int
    """Connections of a process to PostgreSQL; one more is for probes."""
    database_plaintext: bool
    """True allows connections to a database on another machine without encryption."""
    database_prepared_statements: bool
    """False for a pooler that mixes up the prepared statements of its clients."""
    statement_timeout: float
    """Seconds after which the server cancels a statement."""
    request_timeout: float
    """Seconds for a request, each: for its head to arrive, for its body to arrive, and for its answer."""
    shutdown_delay: float
    """Seconds for which a terminated process accepts requests, so that load balancers first see it become unready."""
    drain_timeout: float
    """Seconds for requests under way to end, once the process accepts no more."""
    max_url_bytes: int
    """Bytes of a request's address, path and query; a longer one is answered 414."""
    max_header_bytes: int
    """Bytes of one header line; a longer one is answered 431."""
    max_body_bytes: int
    """Bytes of the body of one request; a larger one is answered 413."""
    max_bodies_bytes: int
    """Bytes of concurrent bodies over 16 KiB, all together; more are refused by 503."""
    max_unsent_bytes: int
    """Bytes of answers that clients have not read, all together; beyond, the slowest connections are closed."""
    max_requests: int
    """Concurrent requests; admission control refuses more by 503."""
    max_organization_share: float
    """Part of the database connections, and of MAX_REQUESTS, that one organization may use while others are active."""
    max_token_share: float
    """Part of the database connections, and of MAX_REQUESTS, that one token may use while others are active."""
    rate_limit: float
    """Requests a second that one token may make of one process; more are answered 429."""
    rate_limit_burst: int
    """Requests that one token may make at once; unset: ten seconds' worth of RATE_LIMIT."""
    response_cache_bytes: int
    """Bytes that the response cache (encoded lists) may take."""
    permission_cache_bytes: int
    """Bytes that the permission cache may take: the pipelines that callers may execute."""
    trusted_proxies: tuple[Network, ...]
    """Networks of proxies whose headers about clients count; none: the peer is the client."""
    token_max_lifetime: int
    """Seconds that a new token may live, and the expiry of one that is made or rotated without any."""
    v1_errors_as_200: bool
    """True answers failures of the vendor's three calls by 200, for clients written against the vendor's v1."""
    tracing: bool
    """True if OpenTelemetry's own variables ask for traces."""
    providers: tuple[Provider, ...] = ()
    """Identity providers whose tokens are taken: the one of OIDC_ISSUER, and those of OIDC_ISSUERS."""
    grpc_port: int | None = None
    """Port of the same operations by gRPC, which takes the extra `grpc`; 0: any free one; unset: there is none."""
    grpc_tls_cert: Path | None = None
    """File of the gRPC port's certificate as PEM, read again when it changes; unset: the port is not encrypted."""
    grpc_tls_key: Path | None = None
    """File of that certificate's key as PEM."""
    scim: bool = False
    """True serves SCIM 2.0 at `/scim/v2`, by which an identity provider manages users; it takes the extra `scim`."""
    max_streams: int = 1000
    """Clients that may follow changes at once, by streams or by waiting; more are refused by 503."""
    audit_seal_interval: float = 60.0
    """Seconds from one seal of the audit trail to the next; younger entries are not sealed yet."""
    audit_retention_months: int = 0
    """Months of the audit trail, beside the present one, that stay when `audit archive` takes others; 0: all stay."""

    @property
    def ready_timeout(self) -> float:
        """Seconds for the database to answer a readiness check: less than the 1 s that probes usually wait."""
        return min(0.8, self.statement_timeout)


@dataclass(frozen=True, slots=True)
class _Allowed:
    """A range of allowed numbers, and its wording in messages."""

    low: float
    high: float
    unit: str = ""

    def __str__(self) -> str:
        return f"from {self.low} to {self.high}{self.unit}"

    @property
    def rule(self) -> validate.Range:
        return validate.Range(self.low, self.high)


_KEYWORDS = re.compile(r"[a-z_]+\s*=")
"""The beginning of libpq's other form of an address: host=... dbname=..."""
_NUMBER = re.compile(r"[+-]?[0-9.]+(?:e[+-]?[0-9]+)?", re.IGNORECASE | re.ASCII)
"""A number as everybody writes it; Python reads others, too, with _ in them or by digits of other scripts."""
_TRACE_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PORT = _Allowed(1, 65535)
_PORT_OR_ANY = _Allowed(0, 65535)
_SECONDS = _Allowed(0.05, 3600, " (seconds)")
_SECONDS_OR_NONE = _Allowed(0, 3600, " (seconds)")
_SHARE = _Allowed(0.01, 1, " (of all; 1: no limit)")
_CACHE_BYTES = _Allowed(0, 16 * 2**30, " (bytes; 0: no cache)")

_HEAD_BYTES = _Allowed(1024, 65536, " (bytes)")
_BUDGET = _Allowed(2**20, 16 * 2**30, " (bytes)")


def read_settings() -> Settings:
    """Read the settings from the process's environment.

    Raises:
        WrongSettings: values are not allowed; of each a sentence names the variable, the value and what is allowed.
    """
    env = _Environment()
    settings = _read(env)
    if not env.wrong and settings.http_port == settings.ops_port:
        env.refuse(f"HTTP_PORT and OPS_PORT are both {settings.http_port}, but must be two ports.", None)
    _check_grpc(env, settings)
    if env.wrong:
        raise WrongSettings(env.wrong)
    return settings


def _check_grpc(env: "_Environment", settings: Settings) -> None:
    """Refuse settings of the gRPC port that do not fit together."""
    taken = {settings.http_port: "HTTP_PORT", settings.ops_port: "OPS_PORT"}
    if not env.wrong and settings.grpc_port and settings.grpc_port in taken:
        other = taken[settings.grpc_port]
        env.refuse(f"GRPC_PORT and {other} are both {settings.grpc_port}, but must be two ports.", None)
    if (settings.grpc_tls_cert is None) != (settings.grpc_tls_key is None):
        given, lacking = ("CERT", "KEY") if settings.grpc_tls_key is None else ("KEY", "CERT")
        env.refuse(f"GRPC_TLS_{given} is set, but GRPC_TLS_{lacking} is not: set both, or neither.", None)


class WrongSettings(StartupError):
    """Settings that are not allowed, all of them.

    Attributes:
        sentences: one of each.
    """

    def __init__(self, sentences: Sequence[str]) -> None:
        several = f"{len(sentences)} settings are wrong:"
        super().__init__(*(sentences if len(sentences) == 1 else (several, *sentences)))
        self.sentences = (*sentences,)

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


def find_unknown(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Find variables of the environment that look like settings, but are none, each with the setting nearest to it.

    Those are the ones that begin as settings do, or that are settings but for some letters or their case.
    """
    env = _Environment()
    _read(env)
    names = sorted(name for name in env.names if not name.startswith(_OTHERS))
    beginnings = {name.partition("_")[0] + "_" for name in names} - _SHARED
    found = {}
    for name in sorted(variables.keys() - env.names):
        alike = name.upper().replace("-", "_")
        if name.startswith(_OTHERS) or name in _FOREIGN or _is_of_kubernetes(name, variables):
            continue
        nearest = [*get_close_matches(alike, names, 1, 0.88)]
        if not nearest and alike.startswith(tuple(beginnings)) and alike == name:
            nearest = get_close_matches(alike, [each for each in names if _begins_alike(each, alike)], 1, 0)
        if nearest:
            found[name.encode("unicode_escape").decode()] = nearest[0]  # it may hold anything, and is shown
    return found


_OTHERS: Final = "OTEL_"
"""The beginning of settings that OpenTelemetry reads too, of which it has many more."""
_SHARED: Final = frozenset({"GRPC_"})
"""The beginnings of settings that a library's own variables have too: only what is nearly one of ours is told."""
_FOREIGN: Final = frozenset({"HTTP_PROXY", "http_proxy"})
"""Variables of other programs that begin as settings do."""


def _begins_alike(one: str, other: str) -> bool:
    return one.partition("_")[0] == other.partition("_")[0]


def _is_of_kubernetes(name: str, variables: Mapping[str, str]) -> bool:
    """Return whether Kubernetes has set a variable, as it does for each service of a namespace, such as `database`."""
    service = name.partition("_SERVICE_")[0].partition("_PORT")[0]
    return f"{service}_SERVICE_HOST" in variables


def _read(env: "_Environment") -> Settings:
    rate_limit = env.number("RATE_LIMIT", 0.0, _Allowed(0, 1_000_000, " (requests a second; 0: no limit)"))
    return Settings(
        database_url=env.database_url("DATABASE_URL"),
        data_dir=Path(env.text("DATA_DIR") or ".data"),
        http_host=env.text("HTTP_HOST") or "127.0.0.1",
        http_port=env.whole("HTTP_PORT", 8080, _PORT),
        http_socket=env.socket("HTTP_SOCKET"),
        http_socket_mode=env.mode("HTTP_SOCKET_MODE", 0o660),
        public_url=env.public_url("PUBLIC_URL"),
        cors_origins=env.origins("CORS_ORIGINS"),
        ops_port=env.whole("OPS_PORT", 8081, _PORT_OR_ANY),
        grpc_port=env.optional_whole("GRPC_PORT", _PORT_OR_ANY),
        grpc_tls_cert=env.path("GRPC_TLS_CERT"),
        grpc_tls_key=env.path("GRPC_TLS_KEY"),
        scim=env.flag("SCIM", default=False),
        log_level=env.one_of("LOG_LEVEL", "INFO", LOG_LEVELS, str.upper),
        log_format=env.one_of("LOG_FORMAT", "auto", LOG_FORMATS, str.lower),
        database_pool_size=env.whole("DATABASE_POOL_SIZE", 10, _Allowed(1, 500)),
        database_plaintext=env.flag("DATABASE_PLAINTEXT", default=False),
        database_prepared_statements=env.flag("DATABASE_PREPARED_STATEMENTS", default=True),
        statement_timeout=env.number("STATEMENT_TIMEOUT", 5.0, _SECONDS),
        request_timeout=env.number("REQUEST_TIMEOUT", 10.0, _SECONDS),
        shutdown_delay=env.number("SHUTDOWN_DELAY", 5.0, _SECONDS_OR_NONE),
        drain_timeout=env.number("DRAIN_TIMEOUT", 10.0, _SECONDS_OR_NONE),
        max_url_bytes=env.whole("MAX_URL_BYTES", 8192, _HEAD_BYTES),
        max_header_bytes=env.whole("MAX_HEADER_BYTES", 8192, _HEAD_BYTES),
        max_body_bytes=env.whole("MAX_BODY_BYTES", 1_048_576, _Allowed(1024, 1_073_741_824, " (bytes)")),
        max_bodies_bytes=env.whole("MAX_BODIES_BYTES", 16 * 2**20, _BUDGET),
        max_unsent_bytes=env.whole("MAX_UNSENT_BYTES", 16 * 2**20, _BUDGET),
        max_requests=env.whole("MAX_REQUESTS", 400, _Allowed(1, 1_000_000)),
        max_streams=env.whole("MAX_STREAMS", 1000, _Allowed(1, 1_000_000)),
        audit_seal_interval=env.number("AUDIT_SEAL_INTERVAL", 60.0, _Allowed(1, 86_400, " (seconds)")),
        audit_retention_months=env.whole("AUDIT_RETENTION_MONTHS", 0, _Allowed(0, 1200, " (months; 0: all stay)")),
        max_organization_share=env.number("MAX_ORGANIZATION_SHARE", 0.5, _SHARE),
        max_token_share=env.number("MAX_TOKEN_SHARE", 0.5, _SHARE),
        rate_limit=rate_limit,
        rate_limit_burst=env.whole("RATE_LIMIT_BURST", max(1, ceil(10 * rate_limit)), _Allowed(1, 10_000_000)),
        response_cache_bytes=env.whole("RESPONSE_CACHE_BYTES", 16 * 2**20, _CACHE_BYTES),
        permission_cache_bytes=env.whole("PERMISSION_CACHE_BYTES", 8 * 2**20, _CACHE_BYTES),
        trusted_proxies=env.networks("TRUSTED_PROXIES"),
        token_max_lifetime=env.whole("TOKEN_MAX_LIFETIME", 0, _Allowed(0, 3_153_600_000, " (seconds; 0: no limit)")),
        providers=env.providers(),
        v1_errors_as_200=env.flag("V1_ERRORS_AS_200", default=False),
        tracing=env.tracing(),
    )


class _Environment:
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

    def text(self, name: str) -> str:
        self.names.add(name)
        return os.environ.get(name, "").strip()

    def database_url(self, name: str) -> str | None:
        value = self.text(name)
        if value and not value.startswith(("postgresql://", "postgres://")) and not _KEYWORDS.match(value):
            # The value may hold a password: it is not repeated.
            sentence = f"{name} must begin with postgresql://, as in postgresql://user@host:5432/name."
            return self.refuse(sentence, None)
        return value or None

    def networks(self, name: str) -> tuple[Network, ...]:
        try:
            return tuple(ip_network(each.strip()) for each in self.text(name).split(",") if each.strip())
        except ValueError as error:
            sentence = (
                f"{name} is {self.text(name)!r}, but must be networks with commas between, such as"
                f" 10.0.0.0/8, fd00::/8 ({error})."
            )
            return self.refuse(sentence, ())

    def public_url(self, name: str) -> str | None:
        value = self.text(name).removesuffix("/")
        if value and not re.fullmatch(rf"https?://{AUTHORITY}{PATH_PREFIX}", value):
            sentence = (
                f"{name} is {self.text(name)!r}, but must be http:// or https://, a host, and perhaps a port and a path"
                " of letters, digits and . _ ~ -, such as https://example.com/flows."
            )
            return self.refuse(sentence, None)
        return value or None

    def origins(self, name: str) -> tuple[str, ...]:
        values = [each.strip() for each in self.text(name).split(",") if each.strip()]
        if wrong := [each for each in values if each != "*" and not re.fullmatch(rf"https?://{AUTHORITY}", each)]:
            sentence = (
                f"{name} holds {wrong[0]!r}, but must be origins with commas between, each http:// or https://, a host,"
                " and perhaps a port, such as https://example.com, or * alone for all."
            )
            return self.refuse(sentence, ())
        if "*" in values and len(values) > 1:
            return self.refuse(f"{name} has * beside origins: give * alone for all, or only the origins.", ())
        return tuple(each if each == "*" else _as_browsers_write(each) for each in values)

    def providers(self) -> tuple[Provider, ...]:
        """Return the identity providers, by variables named as their fields are, and by a list in JSON."""
        one = {name: self.text(f"OIDC_{name.upper()}") for name in NAMES}
        try:
            return read_providers(one, self.text("OIDC_ISSUERS"))
        except ValueError as error:
            name, _, rest = str(error).partition(" ")
            return self.refuse(f"OIDC_{name.rstrip(':').upper()}{':' * name.endswith(':')} {rest}.", ())

    def socket(self, name: str) -> Path | None:
        value = self.text(name)
        if len(os.fsencode(value)) > MAX_SOCKET_PATH:
            sentence = (
                f"{name} is {value!r}, but must be a path of at most {MAX_SOCKET_PATH} bytes, as systems take no more."
            )
            return self.refuse(sentence, None)
        return Path(value) if value else None

    def mode(self, name: str, default: int) -> int:
        value = self.text(name)
        if value and not re.fullmatch(r"0?[0-7]{3}", value):
            return self.refuse(
                f"{name} is {value!r}, but must be permissions in octal digits, such as 660 or 600.", default
            )
        return int(value, 8) if value else default

    def whole(self, name: str, default: int, allowed: _Allowed) -> int:
        return int(self._read(name, self._env.int, default, f"a whole number {allowed}", allowed.rule))

    def optional_whole(self, name: str, allowed: _Allowed) -> int | None:
        return self.whole(name, 0, allowed) if self.text(name) else None

    def path(self, name: str) -> Path | None:
        return Path(self.text(name)) if self.text(name) else None

    def number(self, name: str, default: float, allowed: _Allowed) -> float:
        return float(self._read(name, self._env.float, default, f"a number {allowed}", allowed.rule))

    def flag(self, name: str, *, default: bool) -> bool:
        if not self.text(name):
            return default
        try:
            return bool(fields.Boolean().deserialize(self.text(name)))
        except ValidationError:
            return self.refuse(f"{name} is {self.text(name)!r}, but must be true or false.", default)

    def one_of(self, name: str, default: str, allowed: tuple[str, ...], fold: Callable[[str], str]) -> str:
        value = fold(self.text(name)) or default
        if value not in allowed:
            return self.refuse(f"{name} is {self.text(name)!r}, but allowed are {', '.join(allowed)}.", default)
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
        return self.refuse(f"{name} is {self.text(name)!r}, but must be {allowed}.", default)


def _as_browsers_write(origin: str) -> str:
    """Write an origin as browsers do: in lower case, without the port that its scheme implies."""
    scheme, _, authority = origin.lower().partition("://")
    return f"{scheme}://{authority.removesuffix(':443' if scheme == 'https' else ':80')}"
