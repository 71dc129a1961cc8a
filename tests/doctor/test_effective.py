"""The settings in effect: all of them, as they are set, and no secret."""

import inspect
import os
import sys
from dataclasses import fields, replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from service.database.address import masked_address
from service.doctor import effective
from service.doctor.effective import describe_settings, effective_settings, list_effective, summarize_settings
from service.settings import Settings, read_settings


def test_every_setting_is_shown_and_described(settings: Settings) -> None:
    names = {field.name.upper() for field in fields(Settings)} - {"TRACING"}

    assert effective_settings(settings).keys() == describe_settings().keys() == names
    assert [name for name, description in describe_settings().items() if not description] == []


def test_values_are_shown_as_they_are_set(settings: Settings) -> None:
    shown = effective_settings(
        replace(settings, http_socket_mode=0o600, trusted_proxies=(ip_network("10.0.0.0/8"),), data_dir=Path("d\udce9"))
    )

    assert (shown["HTTP_SOCKET_MODE"], shown["TRUSTED_PROXIES"], shown["CORS_ORIGINS"]) == ("600", "10.0.0.0/8", None)
    assert (shown["V1_ERRORS_AS_200"], shown["MAX_REQUESTS"]) == (False, 400)
    assert shown["DATA_DIR"].isascii()


def test_source_of_a_setting_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_PORT", "9")
    monkeypatch.setenv("HTTP_PORT", " ")

    sources = {each.name: each.source for each in list_effective(settings)}

    assert (sources["OPS_PORT"], sources["HTTP_PORT"]) == ("environment", "default")


def test_identity_providers_are_shown_by_their_issuers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_ISSUER", "https://id.example")
    monkeypatch.setenv("OIDC_AUDIENCE", "flows")

    (shown,) = [each for each in list_effective(read_settings()) if each.name == "PROVIDERS"]

    assert (shown.value, shown.source) == ("https://id.example", "environment")


def test_summary_of_settings_tells_the_database_and_names_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ.keys() & describe_settings().keys():
        monkeypatch.delenv(name)
    embedded = summarize_settings(read_settings())
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:canary@x/db")
    monkeypatch.setenv("SCIM", "true")

    given = summarize_settings(read_settings())

    assert embedded == {"database": "embedded, in .data", "settings": "none given, `doctor --settings` shows all"}
    assert given["database"] == "postgresql://me:***@x/db"
    assert given["settings"] == "DATABASE_URL, SCIM given, `doctor --settings` shows all"


@pytest.mark.parametrize("name", ["oidc_client_secret", "smtp_password", "signing_key", "api_private_key", "secret"])
def test_secret_of_any_later_setting_is_masked(name: str) -> None:
    assert effective._shown(name, "canary") == "***"
    assert effective._shown("token_max_lifetime", 7) == 7


def test_credentials_in_an_address_are_masked() -> None:
    assert effective._shown("public_url", "https://me:canary@example.com/x") == "https://***@example.com/x"


def test_credentials_in_the_place_of_a_directory_are_masked(settings: Settings) -> None:
    shown = effective_settings(replace(settings, data_dir=Path("postgresql://me:canary@db/x")))

    assert shown["DATA_DIR"] == "postgresql:/***@db/x"


def test_settings_without_source_are_named_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "getsource", fail)

    assert set(describe_settings().values()) == {""}


def fail(_: object) -> str:
    raise OSError(sys.platform)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:canary@x:1/db?sslmode=verify-full", "postgresql://me:***@x:1/db?sslmode=verify-full"),
        ("postgresql://x,y:2/db", "postgresql://x,y:2/db"),
        ("postgresql://me@/db?host=/run/x&password=canary", "postgresql://me:***@/db?host=/run/x"),
        ("host=x password='canary \\' more' dbname=db user=me", "postgresql://me:***@x/db"),
        ("postgresql://x/db?sslpassword=canary&options=-c%20a.b%3Dcanary", "postgresql://x/db"),
        ("postgresql://me:can@ary@x/db", "***"),
        ("postgresql://me:can/a@ry?b=canary", "***"),
        ("postgresql://me:100%canary@x/db", "***"),
        ("password = canary host", "***"),
        ("canary", "***"),
    ],
)
def test_masked_address_has_no_secret(url: str, shown: str) -> None:
    assert masked_address(url) == shown
