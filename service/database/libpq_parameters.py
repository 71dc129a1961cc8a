"""The parameters of libpq's that an address may have: followed, without a meaning here, or followed for some values."""

from dataclasses import dataclass
from typing import Final

VARIABLES: Final = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "application_name": "PGAPPNAME",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "min_protocol_version": "PGMINPROTOCOLVERSION",
    "requirepeer": "PGREQUIREPEER",
    "require_auth": "PGREQUIREAUTH",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "sslcert": "PGSSLCERT",
    "sslcertmode": "PGSSLCERTMODE",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "sslsni": "PGSSLSNI",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
"""The variables of libpq's that count, where the address does not say it, by parameter."""

_FOLLOWED: Final = frozenset(VARIABLES) | {"options", "sslpassword"}
_NEEDLESS: Final = frozenset(
    {
        *("fallback_application_name", "gssdelegation", "gsslib", "load_balance_hosts"),
        *("keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_user_timeout"),
        *("max_protocol_version", "oauth_client_id", "oauth_client_secret", "oauth_issuer", "oauth_scope"),
        "sslcompression",
    }
)
"""Parameters of libpq's without a meaning here: the service has its own, or never does what they are about."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A parameter of which only some values can be followed."""

    values: frozenset[str]
    reason: str


DEMANDS: Final = {
    "channel_binding": Demand(frozenset({"disable", "prefer", "require"}), "allowed are disable, prefer, require"),
    "client_encoding": Demand(frozenset({"auto", "utf8", "utf-8", "unicode"}), "this service speaks UTF8"),
    "gssencmode": Demand(frozenset({"disable", "prefer"}), "connections are encrypted by TLS, never by GSSAPI"),
    "min_protocol_version": Demand(frozenset({"3.0"}), "this service speaks version 3.0"),
    "replication": Demand(frozenset({"false", "off", "no", "0"}), "this service uses SQL"),
    "require_auth": Demand(frozenset(), "that can't be kept; sslmode=verify-full makes sure of the server"),
    "requirepeer": Demand(frozenset(), "that can't be kept; only the server's user may write to its directory"),
    "scram_client_key": Demand(frozenset(), "only passwords can be used"),
    "scram_server_key": Demand(frozenset(), "only passwords can be used"),
    "sslcertmode": Demand(frozenset({"allow"}), "a certificate is sent where there is one and the server asks for it"),
    "sslcrldir": Demand(frozenset(), "that can't be followed: name one file by sslcrl"),
    "sslkeylogfile": Demand(frozenset(), "keys of connections are written nowhere"),
    "sslsni": Demand(frozenset({"1"}), "the name of the server is sent where there is one"),
    "sslnegotiation": Demand(frozenset({"postgres", "direct"}), "allowed are postgres, direct"),
    "target_session_attrs": Demand(
        frozenset({"any", "primary", "read-write"}), "this service writes: allowed are any, primary, read-write"
    ),
}
SECRET: Final = frozenset({"password", "scram_client_key", "scram_server_key", "sslpassword", "oauth_client_secret"})
PUBLIC: Final = frozenset(VARIABLES) - SECRET - {"host", "port", "dbname", "user"}
"""Parameters that are shown; `options` and those of others may hold anything."""
KNOWN: Final[frozenset[str]] = _FOLLOWED | _NEEDLESS | frozenset(DEMANDS)
"""All parameters of libpq's."""

RELIED_ON: Final = frozenset({"role", "session_authorization", "session_replication_role", "client_encoding"})
"""The server's settings that the service relies on, and does not set."""
