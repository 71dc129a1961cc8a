"""The manifests and settings that deploy/ makes, as programs read them."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings, read_settings
from tests.process.running import ROOT

OVERLAYS = (
    "development",
    "development/administration",
    "production",
    "production/migration",
    "production/administration",
)
KUBERNETES = ROOT / "deploy" / "kubernetes"

Resource = dict[str, Any]


def program(name: str) -> str:
    """Return the path of a program that requirements/deployment.txt locks."""
    path = Path(sys.executable).parent / name
    assert path.exists(), f"{name} is not installed: `make test` and `make manifests` do that"
    return str(path)


@cache
def rendered(overlay: str) -> bytes:
    command = [program("kubectl"), "kustomize", str(KUBERNETES / "overlays" / overlay)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def resources(overlay: str, kind: str) -> list[Resource]:
    return [each for each in yaml.safe_load_all(rendered(overlay)) if each["kind"] == kind]


def resource(overlay: str, kind: str, name: str = "flow-pipelines") -> Resource:
    (found,) = [each for each in resources(overlay, kind) if each["metadata"]["name"].startswith(name)]
    return found


def pods(overlay: str) -> list[Resource]:
    """Return the templates of all pods."""
    kinds = ("Deployment", "StatefulSet", "Job")
    return [each["spec"]["template"] for kind in kinds for each in resources(overlay, kind)]


def settings_of(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings that the service reads from an environment, every name of which it must know."""
    unknown = {name for name in environment if name.lower() not in Settings.__dataclass_fields__}
    assert not unknown
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings()
