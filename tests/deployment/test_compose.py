"""The compose file of a single machine, the configuration of its proxy, and the Dockerfile."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.database.connector import Connector
from service.database.encryption import EncryptionError
from service.doctor.checks import Deployment, check_connections, check_shutdown
from tests.deployment.rendering import program, settings_of
from tests.doctor.test_checks import SERVER
from tests.process.running import ROOT, environment

PASSWORDS = dict.fromkeys(("POSTGRES_PASSWORD", "FLOW_MIGRATOR_PASSWORD", "FLOW_SERVICE_PASSWORD"), "x")


def configuration(**variables: str) -> "subprocess.CompletedProcess[str]":
    command = [program("docker-compose"), "--file", str(ROOT / "deploy/compose.yaml"), "config", "--format", "json"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(**variables))


@pytest.fixture(scope="module", name="compose")
def _compose() -> Any:
    read = configuration(**PASSWORDS)
    assert (read.returncode, read.stderr) == (0, "")
    return orjson.loads(read.stdout)


def test_compose_file_requires_passwords() -> None:
    refused = configuration()

    assert refused.returncode != 0
    assert all(f"{name} is missing a value: set it in .env" in refused.stderr for name in PASSWORDS)


def test_compose_services_are_alike_and_confined(compose: Any) -> None:
    services = compose["services"]

    assert services["service-a"] == services["service-b"]
    for name in ("service-a", "migration", "proxy"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    assert [name for name, each in services.items() if each.get("ports")] == ["proxy"]
    assert compose["networks"]["inside"]["internal"] is True


def test_compose_shutdown_fits_into_the_grace_period(compose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = compose["services"]["service-a"]
    settings = settings_of(service["environment"], monkeypatch)
    grace = float(service["stop_grace_period"].removesuffix("s"))

    assert check_shutdown(settings, Deployment(2, grace, 0)).state == "ok"
    assert check_connections(SERVER, "none", settings, Deployment(2, grace, 0)).state == "ok"


def test_compose_service_waits_for_the_migration(compose: Any) -> None:
    needed = compose["services"]["service-a"]["depends_on"]

    assert needed["migration"]["condition"] == "service_completed_successfully"
    urls = [compose["services"][name]["environment"]["DATABASE_URL"] for name in ("migration", "service-a")]
    assert [re.sub("//(.*):.*", r"\1", url).split(":")[1] for url in urls] == ["flow_migrator", "flow_service"]


def test_compose_says_that_it_sends_plain_text_inside(
    compose: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where no authority is
    for name in ("service-a", "migration"):
        settings = settings_of(compose["services"][name]["environment"], monkeypatch)

        assert settings.database_url
        Connector(settings.database_url, plaintext=settings.database_plaintext)
        with pytest.raises(EncryptionError):
            Connector(settings.database_url)


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_proxy_accepts_its_configuration() -> None:
    command = ["haproxy", "-c", "-f", str(ROOT / "deploy/compose/haproxy.cfg")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    said = [line for line in checked.stderr.splitlines() if re.match(r"\[(WARNING|ALERT)\]", line)]
    assert checked.returncode == 0, said
    assert all("could not resolve address 'service-" in line for line in said), said


def test_dockerfile_passes_hadolint() -> None:
    linted = subprocess.run(
        [program("hadolint"), str(ROOT / "deploy/Dockerfile")], capture_output=True, text=True, check=False
    )

    assert (linted.returncode, linted.stdout) == (0, "")


def test_extras_of_the_image_fit_each_other_and_are_sent_to_its_build() -> None:
    """Any of them are installed together, so that no package has two versions."""
    documented = re.search(r"some of (.+), with a space between", (ROOT / "deploy/Dockerfile").read_text())
    assert documented
    names = ["runtime", *re.findall(r"\w+", documented[1].replace(" and ", " "))]
    assert names == ["runtime", "grpc", "oidc", "scim", "tracing"]
    texts = {name: (ROOT / f"requirements/{name}.txt").read_text() for name in names}

    pins = {pin for text in texts.values() for pin in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}

    assert len(pins) == len({name for name, _ in pins})
    assert {f"!requirements/{name}.txt" for name in names} <= {*(ROOT / ".dockerignore").read_text().splitlines()}
