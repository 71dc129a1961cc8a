"""The manifests: valid for each version of Kubernetes, and consistent with each other and with the settings."""

import base64
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from service import __version__
from service.database.connector import Connector
from service.database.encryption import EncryptionError
from service.database.pool import Database
from service.doctor.checks import Deployment, check_connections, check_memory, check_shutdown
from service.health import Health
from service.http.probes import probes_app
from service.prometheus import metrics_handler
from service.settings import Settings
from tests.deployment.rendering import (
    KUBERNETES,
    OVERLAYS,
    Resource,
    pods,
    program,
    rendered,
    resource,
    resources,
    settings_of,
)
from tests.doctor.test_checks import SERVER
from tests.process.running import ROOT

POSTGRESQL_DEFAULT = 97  # of max_connections 100, three are reserved
API = {"app.kubernetes.io/name": "flow-pipelines", "app.kubernetes.io/component": "api"}


@pytest.fixture(name="service_settings")
def _service_settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of the pods of production."""
    return settings_of(resource("production", "ConfigMap")["data"], monkeypatch)


def container(overlay: str) -> Resource:
    (only,) = resource(overlay, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("version", ["1.35", "1.36", "1.37"])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_are_strictly_valid(overlay: str, version: str, tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_bytes(rendered(overlay))

    command = [program("kubernetes-validate"), "--strict", "--no-warn", "--kubernetes-version", version, str(file)]
    validated = subprocess.run(command, capture_output=True, text=True, check=False)

    assert validated.returncode == 0, validated.stderr
    assert validated.stderr.count(" passed for resource ") + validated.stdout.count(" passed for resource ") == len(
        [*yaml.safe_load_all(rendered(overlay))]
    )


# ---- arithmetic


def test_deployment_shutdown_fits_into_the_grace_period(service_settings: Settings) -> None:
    pod = resource("production", "Deployment")["spec"]["template"]["spec"]
    pre_stop = container("production")["lifecycle"]["preStop"]["sleep"]["seconds"]
    deployment = Deployment(1, pod["terminationGracePeriodSeconds"], pre_stop)

    finding = check_shutdown(service_settings, deployment)

    assert (finding.state, finding.remedy) == ("ok", None), finding.found
    much_less = replace(deployment, grace=deployment.grace - 11)
    assert check_shutdown(service_settings, much_less).state == "wrong", "some seconds to spare, and no more"


def test_settings_fit_into_the_limit_of_memory(service_settings: Settings) -> None:
    limit = container("production")["resources"]["limits"]["memory"]
    deployment = Deployment(1, 40, 5, int(limit.removesuffix("Mi")))

    finding = check_memory(service_settings, deployment)

    assert (finding.state, finding.remedy) == ("ok", None), finding.found


def test_replicas_fit_into_the_databases_connections(service_settings: Settings) -> None:
    replicas = resource("production", "HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    deployment = Deployment(replicas, 40, 5)

    by_default = replace(SERVER, connections=POSTGRESQL_DEFAULT)
    assert check_connections(by_default, "none", service_settings, deployment).state == "ok"


def test_probes_match_the_endpoints_the_port_and_the_timeout(
    service_settings: Settings, settings: Settings, database: Database
) -> None:
    health = Health(database, settings.ready_timeout)
    app = probes_app(health, metrics_handler(health, []))
    served = {route.resource.canonical for route in app.router.routes() if route.resource}
    probes = {name: container("production")[name] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    annotations = resource("production", "Deployment")["spec"]["template"]["metadata"]["annotations"]

    assert {probe["httpGet"]["path"] for probe in probes.values()} == {"/startupz", "/livez", "/readyz"} <= served
    assert annotations["prometheus.io/path"] in served
    assert annotations["prometheus.io/port"] == str(service_settings.ops_port)
    assert {probe["httpGet"]["port"] for probe in probes.values()} == {"operations"}
    assert all(probe["timeoutSeconds"] > service_settings.ready_timeout for probe in probes.values())
    ports = {port["name"]: port["containerPort"] for port in container("production")["ports"]}
    assert ports == {"http": service_settings.http_port, "operations": service_settings.ops_port}


def test_rolling_update_takes_no_replica_away() -> None:
    strategy = resource("production", "Deployment")["spec"]["strategy"]

    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


# ---- references between resources


@pytest.mark.parametrize("overlay", ["development", "production"])
def test_selectors_select_the_service_and_nothing_else(overlay: str) -> None:
    deployment = resource(overlay, "Deployment")
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        resource(overlay, "Service")["spec"]["selector"],
        resource(overlay, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        *(
            policy["spec"]["podSelector"]["matchLabels"]
            for policy in resources(overlay, "NetworkPolicy")
            if policy["metadata"]["name"] == "flow-pipelines"
        ),
        *(
            constraint["labelSelector"]["matchLabels"]
            for constraint in deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        ),
    ]

    assert selectors == [API] * 6
    selected = [pod for pod in pods(overlay) if API.items() <= pod["metadata"]["labels"].items()]
    assert selected == [deployment["spec"]["template"]]


def test_references_between_resources_resolve() -> None:
    autoscaler = resource("production", "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    (rule,) = resource("production", "Ingress")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service = resource("production", "Service")

    assert (autoscaler["kind"], autoscaler["name"]) == (
        "Deployment",
        resource("production", "Deployment")["metadata"]["name"],
    )
    assert path["backend"]["service"] == {"name": service["metadata"]["name"], "port": {"name": "http"}}
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
    assert resource("production", "PodDisruptionBudget")["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_operations_port_is_open_to_monitoring_only() -> None:
    (policy,) = [
        each for each in resources("production", "NetworkPolicy") if each["metadata"]["name"] == "flow-pipelines"
    ]
    allowed = {rule["ports"][0]["port"]: rule["from"] for rule in policy["spec"]["ingress"]}
    names = resource("production", "Service")["spec"]["ports"]

    assert allowed["operations"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    assert set(allowed) == {"http", "operations"}
    assert [port["name"] for port in names] == ["http"]
    dns = policy["spec"]["egress"][0]["to"][0]["podSelector"]
    assert dns == {"matchLabels": {"k8s-app": "kube-dns"}}, "no label of ours may get into it"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted(overlay: str) -> None:
    """Pods meet the "restricted" standard, which the namespace enforces, and have no token of the cluster's API."""
    for pod in (template["spec"] for template in pods(overlay)):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        volumes = pod.get("volumes", [])
        assert {key for volume in volumes for key in volume} <= {"name", "configMap", "emptyDir", "secret"}
        secrets = [volume["secret"] for volume in volumes if "secret" in volume]
        assert all(item["key"] == "ca.crt" for secret in secrets for item in secret["items"]), "a key is none of theirs"
        for each in pod["containers"]:
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
    assert all(account["automountServiceAccountToken"] is False for account in resources(overlay, "ServiceAccount"))
    (namespace,) = resources(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_migration_and_service_are_of_one_release() -> None:
    (migration,) = resource("production/migration", "Job")["spec"]["template"]["spec"]["containers"]
    service = container("production")

    assert migration["image"] == service["image"] == f"registry.example.com/flow-pipelines:{__version__}"
    assert (migration["args"], service["args"]) == (["migrate"], ["serve"])
    secrets = [each["env"][0]["valueFrom"]["secretKeyRef"]["name"] for each in (migration, service)]
    assert secrets == ["flow-pipelines-migrator", "flow-pipelines-service"], (
        "each role's address is a secret of its own"
    )


@pytest.mark.parametrize(("overlay", "kind"), [("production", "Deployment"), ("production/migration", "Job")])
def test_production_has_the_authority_that_its_addresses_name(overlay: str, kind: str) -> None:
    pod = resource(overlay, kind)["spec"]["template"]["spec"]
    cluster = yaml.safe_load((KUBERNETES / "overlays/production/cloudnative-pg.yaml").read_text())
    (mount,) = pod["containers"][0]["volumeMounts"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == mount["name"]]
    path = f"{mount['mountPath']}/{volume['secret']['items'][0]['path']}"

    assert volume["secret"]["secretName"] == f"{cluster['metadata']['name']}-ca", "as the operator calls it"
    pages = (ROOT / "docs/how-to/kubernetes.md", ROOT / "docs/how-to/encryption.md")
    for text in (*pages, KUBERNETES / "overlays/production/cloudnative-pg.yaml"):
        examples = re.findall(r"sslrootcert=(/\S+?)[`'\s]", text.read_text())
        assert set(examples) == {path}


def test_development_says_that_it_sends_plain_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its addresses are refused without that, by the service and its migration."""
    monkeypatch.setenv("HOME", str(tmp_path))  # where no authority is
    data = {each["metadata"]["name"].rsplit("-", 1)[0]: each["data"] for each in resources("development", "Secret")}
    (job,) = resource("development", "Job")["spec"]["template"]["spec"]["containers"]
    said = [
        resource("development", "ConfigMap")["data"]["DATABASE_PLAINTEXT"],
        next(each["value"] for each in job["env"] if each["name"] == "DATABASE_PLAINTEXT"),
    ]

    assert said == ["true", "true"]
    for secret in data.values():
        dsn = base64.b64decode(secret["url"]).decode()
        Connector(dsn, plaintext=True)
        with pytest.raises(EncryptionError):
            Connector(dsn)


def test_image_runs_as_the_user_of_the_manifests() -> None:
    pod = resource("production", "Deployment")["spec"]["template"]["spec"]["securityContext"]

    assert f"USER {pod['runAsUser']}:{pod['runAsGroup']}" in (ROOT / "deploy" / "Dockerfile").read_text()


def test_development_overlay_has_the_roles_of_an_installation() -> None:
    """The file is a copy, as kustomize reads no file above its own directory."""
    assert (KUBERNETES / "overlays/development/roles.sql").read_text() == (ROOT / "deploy/roles.sql").read_text()


def test_example_database_has_the_roles_of_an_installation() -> None:
    cluster = yaml.safe_load((KUBERNETES / "overlays/production/cloudnative-pg.yaml").read_text())
    roles = (ROOT / "deploy/roles.sql").read_text()

    managed = {role["name"]: role for role in cluster["spec"]["managed"]["roles"]}
    assert all(f"CREATE ROLE {name} LOGIN" in roles for name in managed)
    assert (managed["flow_migrator"]["inherit"], managed["flow_migrator"]["inRoles"]) == (False, ["flow_owner"])
    assert int(cluster["spec"]["postgresql"]["parameters"]["max_connections"]) > POSTGRESQL_DEFAULT
