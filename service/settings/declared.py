"""The settings of a process: of each its environment variable, its default, and the values that are allowed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import Final

from service.errors import StartupError
from service.settings.environment import Allowed, Environment, Network
from service.values.identity_providers import Provider

LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS: Final = ("auto", "json", "console")


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
    """Bytes of one header line; a longer one is answered 431, as are lines of four times as many together."""
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
    """Clients that may follow changes at once, by streams or by waiting; more are refused by 503, or one of whoever has
    most gives way to a caller with fewer."""
    oidc_token_lifetime: int = 0
    """Seconds that a token may live which is made by a call with an identity provider's token."""
    audit_seal_interval: float = 60.0
    """Seconds from one seal of the audit trail to the next; younger entries are not sealed yet."""
    audit_retention_months: int = 0
    """Months of the audit trail, beside the present one, that stay when `audit archive` takes others; 0: all stay."""

    @property
    def ready_timeout(self) -> float:
        """Seconds for the database to answer a readiness check: less than the 1 s that probes usually wait."""
        return min(0.8, self.statement_timeout)


_PORT: Final = Allowed(1, 65535)
_PORT_OR_ANY: Final = Allowed(0, 65535)
_SECONDS: Final = Allowed(0.05, 3600, " (seconds)")
_SECONDS_OR_NONE: Final = Allowed(0, 3600, " (seconds)")
_SHARE: Final = Allowed(0.01, 1, " (of all; 1: no limit)")
_CACHE_BYTES: Final = Allowed(0, 16 * 2**30, " (bytes; 0: no cache)")
_HEAD_BYTES: Final = Allowed(1024, 65536, " (bytes)")
_BUDGET: Final = Allowed(2**20, 16 * 2**30, " (bytes)")


def read_from(env: Environment) -> Settings:
    """Read each setting from its variable; what is wrong is noted in `env.wrong`, and the default taken for it."""
    rate_limit = env.number("RATE_LIMIT", 0.0, Allowed(0, 1_000_000, " (requests a second; 0: no limit)"))
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
        database_pool_size=env.whole("DATABASE_POOL_SIZE", 10, Allowed(1, 500)),
        database_plaintext=env.flag("DATABASE_PLAINTEXT", default=False),
        database_prepared_statements=env.flag("DATABASE_PREPARED_STATEMENTS", default=True),
        statement_timeout=env.number("STATEMENT_TIMEOUT", 5.0, _SECONDS),
        request_timeout=env.number("REQUEST_TIMEOUT", 10.0, _SECONDS),
        shutdown_delay=env.number("SHUTDOWN_DELAY", 5.0, _SECONDS_OR_NONE),
        drain_timeout=env.number("DRAIN_TIMEOUT", 10.0, _SECONDS_OR_NONE),
        max_url_bytes=env.whole("MAX_URL_BYTES", 8192, _HEAD_BYTES),
        max_header_bytes=env.whole("MAX_HEADER_BYTES", 8192, _HEAD_BYTES),
        max_body_bytes=env.whole("MAX_BODY_BYTES", 1_048_576, Allowed(1024, 1_073_741_824, " (bytes)")),
        max_bodies_bytes=env.whole("MAX_BODIES_BYTES", 16 * 2**20, _BUDGET),
        max_unsent_bytes=env.whole("MAX_UNSENT_BYTES", 16 * 2**20, _BUDGET),
        max_requests=env.whole("MAX_REQUESTS", 400, Allowed(1, 1_000_000)),
        max_streams=env.whole("MAX_STREAMS", 1000, Allowed(1, 1_000_000)),
        audit_seal_interval=env.number("AUDIT_SEAL_INTERVAL", 60.0, Allowed(1, 86_400, " (seconds)")),
        audit_retention_months=env.whole("AUDIT_RETENTION_MONTHS", 0, Allowed(0, 1200, " (months; 0: all stay)")),
        max_organization_share=env.number("MAX_ORGANIZATION_SHARE", 0.5, _SHARE),
        max_token_share=env.number("MAX_TOKEN_SHARE", 0.5, _SHARE),
        rate_limit=rate_limit,
        rate_limit_burst=env.whole("RATE_LIMIT_BURST", max(1, ceil(10 * rate_limit)), Allowed(1, 10_000_000)),
        response_cache_bytes=env.whole("RESPONSE_CACHE_BYTES", 16 * 2**20, _CACHE_BYTES),
        permission_cache_bytes=env.whole("PERMISSION_CACHE_BYTES", 8 * 2**20, _CACHE_BYTES),
        trusted_proxies=env.networks("TRUSTED_PROXIES"),
        token_max_lifetime=env.whole("TOKEN_MAX_LIFETIME", 0, Allowed(0, 3_153_600_000, " (seconds; 0: no limit)")),
        oidc_token_lifetime=env.whole(
            "OIDC_TOKEN_LIFETIME", 0, Allowed(0, 3_153_600_000, " (seconds; 0: no longer than the provider's token)")
        ),
        providers=env.providers(),
        v1_errors_as_200=env.flag("V1_ERRORS_AS_200", default=False),
        tracing=env.tracing(),
    )


def read_settings() -> Settings:
    """Read the settings from the process's environment.

    Raises:
        WrongSettings: values are not allowed; of each a sentence names the variable, the value and what is allowed.
    """
    env = Environment()
    settings = read_from(env)
    _check_ports(env, settings)
    _check_grpc(env, settings)
    if env.wrong:
        raise WrongSettings(env.wrong)
    return settings


def _check_ports(env: Environment, settings: Settings) -> None:
    """Refuse one port for two purposes, where each of the two is as it was given."""
    http = None if settings.http_socket else settings.http_port
    ports = {"GRPC_PORT": settings.grpc_port, "HTTP_PORT": http, "OPS_PORT": settings.ops_port}
    for one, other in combinations((name for name, port in ports.items() if port and not env.refused(name)), 2):
        if ports[one] == ports[other]:
            env.refuse(f"{one} and {other} are both {ports[one]}, but must be two ports.", None)


def _check_grpc(env: Environment, settings: Settings) -> None:
    """Refuse files of the gRPC port that do not fit together."""
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
