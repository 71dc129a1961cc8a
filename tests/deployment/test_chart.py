"""The Helm chart: the same as deploy/kubernetes by its values as they are, and what each of its values changes."""

import hashlib
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import yaml

from service.settings import Settings
from service.version import __version__
from tests.chart.edits import Template
from tests.chart.making import CHART, make, templates
from tests.deployment.rendering import KUBERNETES, Resource, program, settings_of
from tests.process.running import ROOT

REFUSED: dict[str, Any] = {
    "nothing": 1,
    "replicas": "three",
    "image.tag": "no tag",
    "image.digest": "sha256:x",
    "settings.loud": "yes",
    "settings.DATABASE_URL": "postgresql://me:secret@x/y",
    "settings.GRPC_PORT": 9090,
    "database.serviceSecret.name": "",
    "grpc.port": 8080,
    "resources.limits.memory": "much",
    "extraEnv[0].names": "X",
    "serviceMonitor.interval": 15,
    "preStopSeconds": 0,
    "ingress.enabled": "maybe",
    "image": None,
    "settings": None,
    "grpc": None,
    "autoscaling.maxReplicas": None,
    "image.repository": "registry.example.com/flow-pipelines:0.2.0",
    "nameOverride": "Flow Pipelines",
    "extraEnv[0]": {"name": "HTTP_PORT", "value": "9000"},
    "extraEnv": [{"name": "SHUTDOWN_DELAY", "value": "60"}],
    "migration.extraEnv[0]": {"name": "DATABASE_URL", "value": "postgresql://x/y"},
    "podLabels": {"app.kubernetes.io/name": "x"},
    "podAnnotations": {"checksum/config": "x"},
}
"""Values of each kind that the schema refuses."""

OVERLAYS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "default": (("base", "migration"), {}),
    "grpc": (("grpc-of-base", "migration"), {"grpc": {"enabled": True}}),
    "administration": (("base", "migration", "administration"), {"administration": {"enabled": True}}),
    "production": (
        ("overlays/production", "overlays/production/migration"),
        {
            "image": {"repository": "registry.example.com/flow-pipelines"},
            "ingress": {"enabled": True},
            "autoscaling": {"enabled": True},
            "database": {"authoritySecret": {"name": "flow-pipelines-postgresql-ca"}},
        },
    ),
}
"""What is the same of kustomize, by the chart's values."""

OF_HELM = ("app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart")
"""Labels that only one of the two has, or of which it says something of its own."""

with_helm = pytest.mark.skipif(
    not (ROOT / ".tools/helm/helm").exists() and shutil.which("helm") is None,
    reason="HELM IS NOT THERE, AND THE CHART NOT RENDERED: `make helm` unpacks it",
)


def helm(*arguments: str, values: dict[str, Any] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run Helm, the one that is locked if it is unpacked, with values at its standard input."""
    unpacked = ROOT / ".tools/helm/helm"
    command = [str(unpacked) if unpacked.exists() else "helm", *arguments, "--values", "-"]
    return subprocess.run(command, input=yaml.safe_dump(values or {}), capture_output=True, text=True, check=False)


def render(release: str = "flow-pipelines", **values: Any) -> list[Resource]:
    done = helm("template", release, str(CHART), values=values)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def one(resources: list[Resource], kind: str, end: str = "") -> Resource:
    (found,) = [each for each in resources if each["kind"] == kind and each["metadata"]["name"].endswith(end)]
    return found


def container_of(resources: list[Resource]) -> Resource:
    (only,) = one(resources, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(only)


@cache
def kustomized(part: str, directory: Path) -> list[Resource]:
    """Return what kustomize makes of a part of deploy/kubernetes; grpc-of-base: the base with that component."""
    where = KUBERNETES / part
    if part == "grpc-of-base":
        shutil.copytree(KUBERNETES, directory / "kubernetes", dirs_exist_ok=True)
        where = directory / "kubernetes/with-grpc"
        where.mkdir(exist_ok=True)
        kustomization = {"resources": ["../base"], "components": ["../grpc"]}
        (where / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    done = subprocess.run([program("kubectl"), "kustomize", str(where)], capture_output=True, check=True)
    return [*yaml.safe_load_all(done.stdout)]


def comparable(resources: list[Resource]) -> dict[tuple[str, str], Resource]:
    """Return resources by kind and name, without what the two ways must do differently.

    That is: Helm's own labels; the checksum in the place of the hash in a ConfigMap's name; hooks; the revision in the
    name of the administration's Job; the namespace, which Helm is told at its command line; and the tag of an image.
    """
    found = {}
    for each in resources:
        text = orjson.dumps(_without(each)).decode()
        for config in (one["metadata"]["name"] for one in resources if one["kind"] == "ConfigMap"):
            text = text.replace(f'"{config}"', '"flow-pipelines"')
        text = text.replace("flow-pipelines-administration-1", "flow-pipelines-administration")
        plain = orjson.loads(text)
        if plain["kind"] != "Namespace":
            found[plain["kind"], plain["metadata"]["name"]] = plain
    return found


def _without(value: Any) -> Any:
    if isinstance(value, list):
        return [_without(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without(each) for key, each in value.items() if key not in OF_HELM and not _is_helms(key)}
    if isinstance(kept.get("image"), str):
        kept["image"] = kept["image"].partition(":")[0]
    return {key: each for key, each in kept.items() if key != "namespace" and not (key == "annotations" and not each)}


def _is_helms(key: str) -> bool:
    return key.startswith(("helm.sh/hook", "checksum/"))


# ---- from one source


def test_templates_are_made_from_the_manifests() -> None:
    """`make chart` writes them."""
    for path, text in templates().items():
        assert (CHART / path).read_text() == text, f"{path}: run `make chart`"
    by_hand = {"_helpers.tpl", "NOTES.txt", "configmap.yaml", "servicemonitor.yaml"}
    made = {path.removeprefix("templates/") for path in templates()}
    assert {path.name for path in (CHART / "templates").iterdir()} == made | by_hand


def test_edit_that_no_longer_fits_its_manifest_is_refused() -> None:
    with pytest.raises(ValueError, match="has 'nothing' 0 times"):
        make(Template("base/service.yaml", "api", edits=[("nothing", "something")]))


def test_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_values_are_those_of_the_manifests(monkeypatch: pytest.MonkeyPatch) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    base = yaml.safe_load((KUBERNETES / "base/kustomization.yaml").read_text())
    literals = dict(each.split("=") for each in base["configMapGenerator"][0]["literals"])

    assert values["settings"] == literals
    assert settings_of(values["settings"], monkeypatch).database_pool_size == 7


def test_values_are_of_the_schema() -> None:
    schema = orjson.loads((CHART / "values.schema.json").read_bytes())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(values, schema)
    assert {*schema["properties"]} - {"global"} == {*values}


@with_helm
@pytest.mark.parametrize("name", OVERLAYS)
def test_chart_renders_what_kustomize_does(name: str, tmp_path: Path) -> None:
    parts, values = OVERLAYS[name]
    expected = [each for part in parts for each in kustomized(part, tmp_path)]

    rendered = comparable(render(**values))

    assert rendered.keys() == comparable(expected).keys()
    for key, each in comparable(expected).items():
        assert rendered[key] == each


@with_helm
def test_difference_between_the_two_is_found(tmp_path: Path) -> None:
    """The control."""
    rendered = comparable(render(resources={"limits": {"memory": "1Gi"}}))

    assert rendered != comparable([*kustomized("base", tmp_path), *kustomized("migration", tmp_path)])


@with_helm
@pytest.mark.parametrize("name", OVERLAYS)
def test_chart_passes_the_linter_and_is_strictly_valid(name: str, tmp_path: Path) -> None:
    values = {**OVERLAYS[name][1], "administration": {"enabled": True}}
    linted = helm("lint", "--strict", str(CHART), values=values)
    file = tmp_path / "rendered.yaml"
    file.write_text(yaml.safe_dump_all(render(**values)))

    validated = subprocess.run(
        [program("kubernetes-validate"), "--strict", "--no-warn", "--kubernetes-version", "1.37", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert linted.returncode == 0, linted.stdout
    assert validated.returncode == 0, validated.stderr


# ---- values


@with_helm
def test_releases_beside_each_other_share_nothing() -> None:
    names, selectors = [], []
    for release in ("blue", "green"):
        rendered = render(release, administration={"enabled": True}, serviceMonitor={"enabled": True})
        names += [(each["kind"], each["metadata"]["name"]) for each in rendered]
        for each in rendered:
            if {"selector", "podSelector", "template"} & each.get("spec", {}).keys():
                assert f'"app.kubernetes.io/instance":"{release}"' in orjson.dumps(each["spec"]).decode()
        selectors.append(str(one(rendered, "Deployment")["spec"]["selector"]))

    assert len(names) == len({*names}) > 20
    assert selectors[0] != selectors[1]
    assert ("Deployment", "blue-flow-pipelines") in names


@with_helm
def test_pods_of_each_component_have_what_selects_them() -> None:
    rendered = render("blue", administration={"enabled": True})
    pods = [each["spec"]["template"] for each in rendered if "template" in each.get("spec", {})]

    for policy in (each for each in rendered if each["kind"] == "NetworkPolicy"):
        wanted = policy["spec"]["podSelector"]["matchLabels"].items()
        assert sum(wanted <= pod["metadata"]["labels"].items() for pod in pods) == 1


@with_helm
def test_migration_is_a_hook_behind_what_it_needs() -> None:
    hooks = [each for each in render() if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    weights = {each["kind"]: int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in hooks}

    assert {each["metadata"]["annotations"]["helm.sh/hook"] for each in hooks} == {"pre-install,pre-upgrade"}
    assert weights.keys() == {"Job", "ServiceAccount", "NetworkPolicy"}
    assert max(weights["ServiceAccount"], weights["NetworkPolicy"]) < weights["Job"]
    assert all(
        "before-hook-creation" in each["metadata"]["annotations"]["helm.sh/hook-delete-policy"] for each in hooks
    )
    assert not [each for each in render(migration={"enabled": False}) if each["kind"] == "Job"]


@with_helm
def test_change_of_a_setting_is_a_rollout() -> None:
    def checksum(**values: Any) -> str:
        template = one(render(**values), "Deployment")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum() != checksum(settings={"LOG_LEVEL": "DEBUG"})
    assert len(checksum()) == hashlib.sha256().digest_size * 2


@with_helm
def test_settings_keep_the_form_that_they_have_in_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm reads numbers as floating ones, and would write large ones with an exponent."""
    given = {"MAX_BODY_BYTES": 16777216, "SHUTDOWN_DELAY": 2.5, "DATABASE_PLAINTEXT": True, "HTTP_HOST": "::"}

    data = one(render(settings=given), "ConfigMap")["data"]

    assert {name: data[name] for name in given} == {
        "MAX_BODY_BYTES": "16777216",
        "SHUTDOWN_DELAY": "2.5",
        "DATABASE_PLAINTEXT": "true",
        "HTTP_HOST": "::",
    }
    assert settings_of(data, monkeypatch).max_body_bytes == 16777216


@with_helm
def test_environment_secrets_and_image_are_as_given() -> None:
    secret = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    rendered = render(
        extraEnv=[secret],
        extraEnvFrom=[{"secretRef": {"name": "more"}}],
        migration={"extraEnv": [{"name": "DATABASE_PLAINTEXT", "value": "true"}]},
        database={"serviceSecret": {"name": "mine", "key": "dsn"}, "migratorSecret": {"name": "theirs"}},
        image={"repository": "r/x", "digest": f"sha256:{'0' * 64}", "pullSecrets": ["pull"]},
    )
    service = container_of(rendered)
    job = one(rendered, "Job")["spec"]["template"]["spec"]

    assert service["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "mine", "key": "dsn"}
    assert service["env"][1:] == [secret]
    assert service["envFrom"][1:] == [{"secretRef": {"name": "more"}}]
    assert job["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "theirs", "key": "url"}
    assert job["containers"][0]["env"][1:] == [{"name": "DATABASE_PLAINTEXT", "value": "true"}]
    assert {service["image"], job["containers"][0]["image"]} == {f"r/x@sha256:{'0' * 64}"}
    assert job["imagePullSecrets"] == [{"name": "pull"}]
    assert not [each for each in rendered if each["kind"] == "Secret"]


@with_helm
def test_service_monitor_finds_the_operations_port() -> None:
    rendered = render(serviceMonitor={"enabled": True, "labels": {"release": "prometheus"}})
    monitor, service = one(rendered, "ServiceMonitor"), one(rendered, "Service", "-operations")
    pod = one(rendered, "Deployment")["spec"]["template"]

    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert (
        not monitor["spec"]["selector"]["matchLabels"].items()
        <= one(rendered, "Service", "pipelines")["metadata"]["labels"].items()
    )
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert [port["name"] for port in service["spec"]["ports"]] == [
        each["port"] for each in monitor["spec"]["endpoints"]
    ]
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "flow-pipelines", "as rules.yaml calls it"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert not [each for each in render() if each["kind"] == "ServiceMonitor"]


@with_helm
def test_port_of_grpc_is_everywhere_or_nowhere() -> None:
    without, rendered = render(), render(grpc={"enabled": True, "port": 9191})
    policy = one(rendered, "NetworkPolicy", "pipelines")["spec"]["ingress"][0]["ports"]

    assert "grpc" not in orjson.dumps(without).decode().lower()
    assert {"name": "grpc", "containerPort": 9191} in container_of(rendered)["ports"]
    assert [port["port"] for port in one(rendered, "Service")["spec"]["ports"]] == [80, 9191]
    assert {"port": "grpc"} in policy
    assert container_of(rendered)["startupProbe"]["grpc"] == {"port": 9191, "service": "liveness"}
    encrypted = render(
        grpc={"enabled": True}, settings={"GRPC_TLS_CERT": "/tls/tls.crt", "GRPC_TLS_KEY": "/tls/tls.key"}
    )
    assert container_of(encrypted)["startupProbe"]["tcpSocket"] == {"port": "grpc"}, "it can't be probed by gRPC"
    assert one(rendered, "ConfigMap")["data"]["GRPC_PORT"] == "9191"


@with_helm
@pytest.mark.parametrize("path", REFUSED)
def test_value_that_is_wrong_is_refused(path: str) -> None:
    values: Any = REFUSED[path]
    for name in reversed(path.split(".")):
        values = {name.removesuffix("[0]"): [values] if name.endswith("[0]") else values}

    done = helm("template", "x", str(CHART), values=values)

    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr
    assert "secret" not in done.stderr or "serviceSecret" in path


@with_helm
@pytest.mark.parametrize("settings", [{"SHUTDOWN_DELAY": 20}, {"DRAIN_TIMEOUT": "20"}])
def test_end_that_does_not_fit_into_the_grace_period_is_refused(settings: dict[str, Any]) -> None:
    done = helm("template", "x", str(CHART), values={"settings": settings})

    assert done.returncode != 0
    assert "raise it to that or more" in done.stderr
    assert render(settings={**settings, "SHUTDOWN_DELAY": 0}, terminationGracePeriodSeconds=60)


@with_helm
@pytest.mark.parametrize("release", ["true", "null", "on", "a.b", "x" * 53])
def test_release_of_any_name_has_labels_and_names_that_kubernetes_takes(release: str) -> None:
    rendered = render(release, administration={"enabled": True}, podLabels={"team": "yes"})

    for each in rendered:
        assert re.fullmatch("[a-z]([a-z0-9-]{0,61}[a-z0-9])?", each["metadata"]["name"]), each["metadata"]["name"]
        labels = [each["metadata"]["labels"], each.get("spec", {}).get("template", {}).get("metadata", {})]
        assert all(isinstance(value, str) for found in labels for value in found.get("labels", found).values() if found)
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == release


@with_helm
def test_release_whose_services_could_have_no_name_is_told_what_helps() -> None:
    done = helm("template", "123", str(CHART))

    assert "123-flow-pipelines can't be the name of a Service, which begins with a letter: set full" in done.stderr
    assert render("123", fullnameOverride="flow-pipelines")


@with_helm
def test_annotations_of_pods_go_before_those_of_the_chart() -> None:
    given = {"prometheus.io/scrape": "false", "mine": "1"}
    done = helm(
        "template", "x", str(CHART), "--show-only", "templates/deployment.yaml", values={"podAnnotations": given}
    )
    annotations = yaml.safe_load(done.stdout)["spec"]["template"]["metadata"]["annotations"]

    assert annotations.items() >= {**given, "prometheus.io/port": "8081"}.items()
    assert done.stdout.count("prometheus.io/scrape:") == 1


@with_helm
def test_fewer_replicas_at_most_than_at_least_are_refused() -> None:
    done = helm("template", "x", str(CHART), values={"autoscaling": {"enabled": True, "minReplicas": 11}})

    assert "autoscaling.minReplicas is 11, and maxReplicas 10: raise that to it or more." in done.stderr


@with_helm
def test_notes_say_how_to_make_the_first_token() -> None:
    done = helm("install", "x", str(CHART), "--dry-run=client", values={"administration": {"enabled": True}})

    assert "job/x-flow-pipelines-administration-1 -- python3 -m service token create" in done.stdout, done.stderr
    waits = "--for=jsonpath='{.status.ready}'=1 --timeout=2m job/x-flow-pipelines-administration-1\n"
    assert waits in done.stdout.partition("exec job/")[0], "no command can be run in a pod that has not started"


@with_helm
@pytest.mark.parametrize(
    ("given", "grpc", "expected"),
    [
        ("", False, "256Mi"),
        ("", True, "512Mi"),
        ("256Mi", True, "256Mi"),
        ("1Gi", True, "1Gi"),
        (300000000, True, 300000000),
        (None, True, None),
    ],
)
def test_limit_of_memory_is_what_the_ports_need_unless_one_is_given(given: Any, grpc: bool, expected: Any) -> None:
    rendered = render(grpc={"enabled": grpc}, resources={"limits": {"memory": given, "cpu": 2}})

    limits = container_of(rendered)["resources"]["limits"]
    assert limits == ({"cpu": 2} if expected is None else {"cpu": 2, "memory": expected})


@with_helm
@pytest.mark.parametrize("limits", [None, {"memory": None}])
def test_chart_without_any_limit_is_rendered(limits: Any) -> None:
    rendered = render(grpc={"enabled": True}, resources={"limits": limits})

    assert not container_of(rendered)["resources"].get("limits")


@with_helm
def test_notes_have_doctor_look_at_the_limit_that_grpc_needs() -> None:
    done = helm("install", "x", str(CHART), "--dry-run=client", values={"grpc": {"enabled": True}})

    assert " --memory 512\n" in done.stdout, done.stderr


@with_helm
@pytest.mark.parametrize(("limit", "option"), [("256Mi", " --memory 256"), ("2Gi", " --memory 2048"), ("1500M", "")])
def test_notes_have_doctor_look_at_the_limit_of_memory(limit: str, option: str) -> None:
    done = helm("install", "x", str(CHART), "--dry-run=client", values={"resources": {"limits": {"memory": limit}}})

    assert f"--grace 40 --pre-stop 5{option}\n" in done.stdout, done.stderr


def test_settings_of_the_chart_are_known() -> None:
    fields = {*Settings.__dataclass_fields__}
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert {name.lower() for name in values["settings"]} <= fields
