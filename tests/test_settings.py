from ipaddress import ip_network
from pathlib import Path

import pytest

from service.errors import StartupError
from service.settings import Settings, WrongSettings, find_unknown, read_settings

NAMES = [
    *("DATABASE_URL", "DATA_DIR", "HTTP_HOST", "HTTP_PORT", "OPS_PORT", "LOG_LEVEL", "LOG_FORMAT"),
    *(
        "DATABASE_POOL_SIZE",
        "DATABASE_PLAINTEXT",
        "DATABASE_PREPARED_STATEMENTS",
        "STATEMENT_TIMEOUT",
        "REQUEST_TIMEOUT",
        "SHUTDOWN_DELAY",
        "DRAIN_TIMEOUT",
    ),
    *("HTTP_SOCKET", "HTTP_SOCKET_MODE", "PUBLIC_URL", "CORS_ORIGINS", "MAX_URL_BYTES", "MAX_HEADER_BYTES"),
    *("MAX_REQUESTS", "RATE_LIMIT", "RATE_LIMIT_BURST", "RESPONSE_CACHE_BYTES", "PERMISSION_CACHE_BYTES"),
    *(
        "MAX_BODY_BYTES",
        "MAX_BODIES_BYTES",
        "MAX_UNSENT_BYTES",
        "TOKEN_MAX_LIFETIME",
        "V1_ERRORS_AS_200",
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_EXPORTER",
    ),
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"),
]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_read_settings_by_default() -> None:
    assert read_settings() == Settings(
        database_url=None,
        data_dir=Path(".data"),
        http_host="127.0.0.1",
        http_port=8080,
        http_socket=None,
        http_socket_mode=0o660,
        public_url=None,
        cors_origins=(),
        ops_port=8081,
        log_level="INFO",
        log_format="auto",
        database_pool_size=10,
        database_plaintext=False,
        database_prepared_statements=True,
        statement_timeout=5.0,
        request_timeout=10.0,
        shutdown_delay=5.0,
        drain_timeout=10.0,
        max_url_bytes=8192,
        max_header_bytes=8192,
        max_body_bytes=1_048_576,
        max_bodies_bytes=16 * 2**20,
        max_unsent_bytes=16 * 2**20,
        max_requests=400,
        max_organization_share=0.5,
        max_token_share=0.5,
        rate_limit=0.0,
        rate_limit_burst=1,
        response_cache_bytes=16_777_216,
        permission_cache_bytes=8_388_608,
        trusted_proxies=(),
        token_max_lifetime=0,
        v1_errors_as_200=False,
        tracing=False,
    )


@pytest.mark.parametrize(
    ("name", "value", "field", "read"),
    [
        ("HTTP_PORT", "9000", "http_port", 9000),
        ("OPS_PORT", "0", "ops_port", 0),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("LOG_FORMAT", "JSON", "log_format", "json"),
        ("STATEMENT_TIMEOUT", "0.5", "statement_timeout", 0.5),
        ("SHUTDOWN_DELAY", "0", "shutdown_delay", 0.0),
        ("MAX_REQUESTS", "50", "max_requests", 50),
        ("MAX_STREAMS", "50", "max_streams", 50),
        ("AUDIT_SEAL_INTERVAL", "0.5e1", "audit_seal_interval", 5.0),
        ("MAX_ORGANIZATION_SHARE", "0.8", "max_organization_share", 0.8),
        ("MAX_TOKEN_SHARE", "1", "max_token_share", 1.0),
        ("TOKEN_MAX_LIFETIME", "7776000", "token_max_lifetime", 7_776_000),
        ("RATE_LIMIT", "0.5", "rate_limit", 0.5),
        ("RATE_LIMIT", "2.55", "rate_limit_burst", 26),
        ("RATE_LIMIT_BURST", "7", "rate_limit_burst", 7),
        ("RESPONSE_CACHE_BYTES", "0", "response_cache_bytes", 0),
        ("PERMISSION_CACHE_BYTES", "17179869184", "permission_cache_bytes", 16 * 2**30),
        ("V1_ERRORS_AS_200", "true", "v1_errors_as_200", True),
        ("DATABASE_PLAINTEXT", "true", "database_plaintext", True),
        ("DATABASE_PREPARED_STATEMENTS", "false", "database_prepared_statements", False),
        ("DATABASE_URL", "postgresql://x/y", "database_url", "postgresql://x/y"),
        ("HTTP_PORT", " ", "http_port", 8080),
        ("HTTP_SOCKET", "/run/flows.sock", "http_socket", Path("/run/flows.sock")),
        ("HTTP_SOCKET_MODE", "0600", "http_socket_mode", 0o600),
        ("PUBLIC_URL", "https://example.com/", "public_url", "https://example.com"),
        ("PUBLIC_URL", "http://[2001:db8::1]:8080/a/b.c/", "public_url", "http://[2001:db8::1]:8080/a/b.c"),
        ("CORS_ORIGINS", "*", "cors_origins", ("*",)),
        (
            "CORS_ORIGINS",
            "https://App.Example:443, http://localhost:3000,,http://x:80",
            "cors_origins",
            ("https://app.example", "http://localhost:3000", "http://x"),
        ),
        ("MAX_URL_BYTES", "1024", "max_url_bytes", 1024),
        ("MAX_HEADER_BYTES", "65536", "max_header_bytes", 65536),
        ("TRUSTED_PROXIES", "10.0.0.0/8, ::1", "trusted_proxies", (ip_network("10.0.0.0/8"), ip_network("::1/128"))),
    ],
)
def test_read_settings_of_a_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, read: object
) -> None:
    monkeypatch.setenv(name, value)

    assert getattr(read_settings(), field) == read


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("HTTP_PORT", "http", "HTTP_PORT is 'http', but must be a whole number from 1 to 65535."),
        ("HTTP_PORT", "0", "HTTP_PORT is '0', but must be a whole number from 1 to 65535."),
        *(
            ("HTTP_PORT", odd, f"HTTP_PORT is {odd!r}, but must be a whole number from 1 to 65535.")
            for odd in ("\uff18\uff10\uff18\uff10", "8_080", "0x50", "1e3")
        ),
        (
            "RATE_LIMIT",
            "1_0",
            "RATE_LIMIT is '1_0', but must be a number from 0 to 1000000 (requests a second; 0: no limit).",
        ),
        ("OPS_PORT", "65536", "OPS_PORT is '65536', but must be a whole number from 0 to 65535."),
        ("DATABASE_POOL_SIZE", "1.5", "DATABASE_POOL_SIZE is '1.5', but must be a whole number from 1 to 500."),
        ("STATEMENT_TIMEOUT", "-1", "STATEMENT_TIMEOUT is '-1', but must be a number from 0.05 to 3600 (seconds)."),
        ("REQUEST_TIMEOUT", "nan", "REQUEST_TIMEOUT is 'nan', but must be a number from 0.05 to 3600 (seconds)."),
        ("LOG_FORMAT", "xml", "LOG_FORMAT is 'xml', but allowed are auto, json, console."),
        (
            "TRUSTED_PROXIES",
            "10.0.0.1/8",
            "TRUSTED_PROXIES is '10.0.0.1/8', but must be networks with commas between, such as 10.0.0.0/8, fd00::/8"
            " (10.0.0.1/8 has host bits set).",
        ),
        ("V1_ERRORS_AS_200", "maybe", "V1_ERRORS_AS_200 is 'maybe', but must be true or false."),
        ("MAX_REQUESTS", "0", "MAX_REQUESTS is '0', but must be a whole number from 1 to 1000000."),
        (
            "RATE_LIMIT",
            "-1",
            "RATE_LIMIT is '-1', but must be a number from 0 to 1000000 (requests a second; 0: no limit).",
        ),
        ("RATE_LIMIT_BURST", "0", "RATE_LIMIT_BURST is '0', but must be a whole number from 1 to 10000000."),
        (
            "RESPONSE_CACHE_BYTES",
            "-1",
            "RESPONSE_CACHE_BYTES is '-1', but must be a whole number from 0 to 17179869184 (bytes; 0: no cache).",
        ),
        (
            "PERMISSION_CACHE_BYTES",
            "17179869185",
            "PERMISSION_CACHE_BYTES is '17179869185', but must be a whole number from 0 to 17179869184"
            " (bytes; 0: no cache).",
        ),
        ("MAX_BODY_BYTES", "1", "MAX_BODY_BYTES is '1', but must be a whole number from 1024 to 1073741824 (bytes)."),
    ],
)
def test_read_settings_of_a_bad_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(StartupError) as caught:
        read_settings()

    assert str(caught.value) == sentence


HOSTILE_ADDRESSES = (
    *("flows", "/flows", "//evil.example", "ftp://a", "javascript://a", "https://", "https://a b", "https://a/b c"),
    *(
        "https://u:p@a",
        "https://a/..",
        "https://a/b/../c",
        "https://a//b",
        "https://a/%2e%2e",
        "https://a?b",
        "https://a#b",
    ),
    *(
        "https://a:99999",
        "https://a:x",
        'https://a/"b',
        "https://a/<b>",
        "https://a/b\nc",
        "https://ä.example",
        "https://[::1",
    ),
    *("https://a/" + "b" * 200, "https://a" + "/b" * 20, "https://a/b//", "https://-a"),
)


@pytest.mark.parametrize("value", HOSTILE_ADDRESSES)
def test_public_url_that_is_no_plain_address_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PUBLIC_URL", value)

    with pytest.raises(StartupError, match=r"^PUBLIC_URL is .* but must be http:// or https://, a host,"):
        read_settings()


@pytest.mark.parametrize(
    "value",
    [
        *("example.com", "https://a/", "https://a/b", "null", "https://*.example", "https://a https://b", "file://"),
        *("https://a:0x", "https://u@a", "https://a, https://b/c", "https://a;b", "**"),
    ],
)
def test_cors_origins_that_are_no_origins_are_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", value)

    with pytest.raises(StartupError, match=r"^CORS_ORIGINS holds .* but must be origins with commas between"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "CORS_ORIGINS",
            "*, https://a",
            "CORS_ORIGINS has * beside origins: give * alone for all, or only the",
        ),
        ("HTTP_SOCKET", "/" + "a" * 100, "but must be a path of at most 100 bytes, as systems take no more."),
        ("HTTP_SOCKET_MODE", "rw", "HTTP_SOCKET_MODE is 'rw', but must be permissions in octal digits, such as 660 or"),
        ("HTTP_SOCKET_MODE", "4755", "HTTP_SOCKET_MODE is '4755', but must be permissions in octal digits"),
        ("MAX_URL_BYTES", "1023", "MAX_URL_BYTES is '1023', but must be a whole number from 1024 to 65536 (bytes)."),
        ("MAX_HEADER_BYTES", "65537", "but must be a whole number from 1024 to 65536 (bytes)."),
    ],
)
def test_address_setting_of_a_bad_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(StartupError) as refused:
        read_settings()

    assert sentence in str(refused.value)


COLLECTOR = "http://collector:4318"


@pytest.mark.parametrize(
    ("environment", "traced"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{COLLECTOR}/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
)
def test_tracing_by_variables_of_opentelemetry(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *, traced: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert read_settings().tracing is traced


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER is 'zipkin', but allowed are otlp, none."),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc', but allowed are http/protobuf.",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "collector:4318",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT must begin with http:// or https://.",
        ),
    ],
)
def test_tracing_that_is_not_supported(monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", COLLECTOR)
    monkeypatch.setenv(name, value)

    with pytest.raises(StartupError) as refused:
        read_settings()

    assert str(refused.value) == sentence


def test_all_wrong_settings_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its name, value and what is right; the address of the database without its value, as that is secret."""
    for name, value in {
        "DATABASE_URL": "mysql://me:canary@db/x",
        "HTTP_PORT": "eighty",
        "OPS_PORT": "-1",
        "LOG_LEVEL": "loud",
        "MAX_BODY_BYTES": "10MB",
        "STATEMENT_TIMEOUT": "5s",
        "TRUSTED_PROXIES": "everywhere",
        "V1_ERRORS_AS_200": "perhaps",
        "OTEL_TRACES_EXPORTER": "zipkin",
    }.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(WrongSettings) as caught:
        read_settings()

    first, *sentences = str(caught.value).split("\n")
    assert first == "9 settings are wrong:"
    assert tuple(sentences) == caught.value.sentences
    assert [sentence.split()[0] for sentence in sentences] == [
        *("DATABASE_URL", "HTTP_PORT", "OPS_PORT", "LOG_LEVEL", "STATEMENT_TIMEOUT", "MAX_BODY_BYTES"),
        *("TRUSTED_PROXIES", "V1_ERRORS_AS_200", "OTEL_TRACES_EXPORTER"),
    ]
    assert "MAX_BODY_BYTES is '10MB', but must be a whole number from 1024 to 1073741824 (bytes)." in sentences
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["HTTP_PORT", "PUBLIC_URL", "CORS_ORIGINS", "TRUSTED_PROXIES", "OIDC_ISSUER", "SCIM"])
@pytest.mark.parametrize(
    "value",
    [
        *(
            "https://me:canary@db",
            "postgresql://me:ca/nary@db/x",
            "https://db/?key=canary",
            "host=db password='canary'",
        ),
        "fp_canary" + "0" * 60,
    ],
)
def test_value_in_the_place_of_another_is_told_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("OIDC_AUDIENCE", "x" * (name == "OIDC_ISSUER"))
    monkeypatch.setenv(name, value)

    with pytest.raises(WrongSettings, match=f"^{name} ") as caught:
        read_settings()

    assert not any(part in str(caught.value) for part in ("canary", "nary@"))
    assert "***" in str(caught.value)


@pytest.mark.parametrize("name", ["HTTP_PORT", "LOG_LEVEL", "PUBLIC_URL", "TRUSTED_PROXIES", "HTTP_SOCKET", "SCIM"])
def test_long_wrong_value_is_told_by_its_beginning(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "9" * 100_000)

    with pytest.raises(WrongSettings) as caught:
        read_settings()

    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_setting_or_blanks_count_as_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    default = read_settings()
    for value in ("", " ", "\t\n"):
        monkeypatch.setenv(name, value)

        assert read_settings() == default


@pytest.mark.parametrize(
    ("name", "value", "field", "read"),
    [
        ("HTTP_PORT", " 9000\n", "http_port", 9000),
        ("STATEMENT_TIMEOUT", "\t0.5 ", "statement_timeout", 0.5),
        ("DATABASE_PLAINTEXT", " true ", "database_plaintext", True),
        ("DATABASE_PLAINTEXT", "False\r\n", "database_plaintext", False),
        ("LOG_LEVEL", " debug ", "log_level", "DEBUG"),
        ("DATABASE_URL", "\npostgresql://x/y\n", "database_url", "postgresql://x/y"),
    ],
)
def test_blanks_around_a_setting_do_not_matter(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, read: object
) -> None:
    monkeypatch.setenv(name, value)

    assert getattr(read_settings(), field) == read


def test_ports_alike_are_told_beside_other_wrong_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HTTP_PORT": "9000", "OPS_PORT": "9000", "GRPC_PORT": "9000", "LOG_LEVEL": "loud"}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(WrongSettings) as caught:
        read_settings()

    assert caught.value.sentences[1:] == tuple(
        f"{each} are both 9000, but must be two ports."
        for each in ("GRPC_PORT and HTTP_PORT", "GRPC_PORT and OPS_PORT", "HTTP_PORT and OPS_PORT")
    )


def test_port_that_is_not_used_or_not_right_is_compared_with_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_PORT", "8080")
    monkeypatch.setenv("HTTP_SOCKET", "/run/flows.sock")
    assert read_settings().ops_port == 8080

    monkeypatch.delenv("HTTP_SOCKET")
    monkeypatch.setenv("HTTP_PORT", "eighty")
    with pytest.raises(WrongSettings) as caught:
        read_settings()
    assert len(caught.value.sentences) == 1


def test_both_ports_alike_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_PORT", "8080")

    with pytest.raises(WrongSettings, match="HTTP_PORT and OPS_PORT are both 8080, but must be two ports"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("DATABASE_POOL_SIZES", "DATABASE_POOL_SIZE"),
        ("DATABASEURL", "DATABASE_URL"),
        ("database_url", "DATABASE_URL"),
        ("HTTP-PORT", "HTTP_PORT"),
        ("HTP_PORT", "HTTP_PORT"),
        ("GRPC_PROT", "GRPC_PORT"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("MAX_REQUEST", "MAX_REQUESTS"),
        ("OPS_HOST", "OPS_PORT"),
        ("DATABASE_PASSWORD", "DATABASE_URL"),
    ],
)
def test_find_unknown_settings_with_the_nearest_name(name: str, nearest: str) -> None:
    assert find_unknown({name: "secret"}) == {name: nearest}


def test_find_unknown_settings_escapes_names() -> None:
    assert find_unknown({"HTTP_PORT\x1b\udcff": "1"}) == {"HTTP_PORT\\x1b\\udcff": "HTTP_PORT"}


@pytest.mark.parametrize(
    "variables",
    [
        dict.fromkeys(NAMES, ""),
        dict.fromkeys(("PATH", "HOME", "PGHOST", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "PORT", "TOKEN"), "x"),
        {"OTEL_SERVICE_NAME": "x", "OTEL_BSP_MAX_QUEUE_SIZE": "1"},
        {"GRPC_VERBOSITY": "debug", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "x"},
        {
            "DATABASE_SERVICE_HOST": "10.0.0.1",
            "DATABASE_SERVICE_PORT": "5432",
            "DATABASE_SERVICE_PORT_SQL": "5432",
            "DATABASE_PORT": "tcp://10.0.0.1:5432",
            "DATABASE_PORT_5432_TCP_ADDR": "10.0.0.1",
        },
    ],
)
def test_find_unknown_settings_in_none_that_are_known_or_of_others(variables: dict[str, str]) -> None:
    assert find_unknown(variables) == {}
