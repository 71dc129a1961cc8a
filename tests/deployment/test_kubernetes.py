"""The manifests: valid for each version of Kubernetes, and consistent with each other and with the settings."""

import base64
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.__main__ import commands
from service.database.connector import Connector
from service.database.encryption import EncryptionError
from service.database.pool import Database
from service.doctor.checks import Deployment, check_connections, check_memory, check_shutdown
from service.health import Health
from service.http.probes import probes_app
from service.prometheus import metrics_handler
from service.settings import Settings
from service.version import __version__
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
from tests.process.running import ROOT, free_port, running_service

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


def test_settings_fit_into_the_limit_that_the_component_of_grpc_sets(service_settings: Settings) -> None:
    component = yaml.safe_load((KUBERNETES / "grpc/kustomization.yaml").read_text())
    (patches,) = [
        yaml.safe_load(each["patch"]) for each in component["patches"] if each["target"]["kind"] == "Deployment"
    ]
    (limit,) = [each["value"] for each in patches if each["path"].endswith("/resources/limits/memory")]
    deployment = Deployment(1, 40, 5, int(limit.removesuffix("Mi")))

    settings = replace(service_settings, grpc_port=9090)

    assert check_memory(settings, deployment).state == "ok", check_memory(settings, deployment).found
    less = int(container("production")["resources"]["limits"]["memory"].removesuffix("Mi"))
    assert check_memory(settings, replace(deployment, memory=less)).state == "wrong", "gRPC needs no more"


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

    assert {name: probe["httpGet"]["path"] for name, probe in probes.items()} == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert {"/startupz", "/livez", "/readyz"} <= served
    assert annotations["prometheus.io/path"] in served
    assert annotations["prometheus.io/port"] == str(service_settings.ops_port)
    assert {probe["httpGet"]["port"] for probe in probes.values()} == {"operations"}
    assert all(probe["timeoutSeconds"] > service_settings.ready_timeout for probe in probes.values())
    ports = {port["name"]: port["containerPort"] for port in container("production")["ports"]}
    assert ports == {"http": service_settings.http_port, "operations": service_settings.ops_port}


def test_rolling_update_takes_no_replica_away() -> None:
    strategy = resource("production", "Deployment")["spec"]["strategy"]

    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def patience(probe: Resource) -> int:
    """Return the seconds after which a probe that is not answered at all has failed for good."""
    return int(probe["periodSeconds"] * (probe["failureThreshold"] - 1) + probe["timeoutSeconds"])


@pytest.mark.parametrize("name", ["startupProbe", "livenessProbe"])
def test_probe_whose_failure_restarts_succeeds_without_a_database(name: str, tmp_path: Path) -> None:
    """A database that is away for minutes costs no restart, and so no backoff either."""
    nowhere = f"postgresql://flow_service@127.0.0.1:{free_port()}/flow_pipelines"
    with running_service(tmp_path, nowhere) as service:
        service.wait_until(container("production")[name]["httpGet"]["path"], 200, within=2)
        service.wait_until(container("production")["readinessProbe"]["httpGet"]["path"], 503)


def test_process_that_hangs_is_replaced_within_half_a_minute() -> None:
    liveness = container("production")["livenessProbe"]

    assert liveness["periodSeconds"] + patience(liveness) + liveness["terminationGracePeriodSeconds"] <= 30
    assert (
        liveness["terminationGracePeriodSeconds"] >= container("production")["lifecycle"]["preStop"]["sleep"]["seconds"]
    )


def test_readiness_is_asked_each_second() -> None:
    """What docs/how-to/kubernetes.md promises after an outage: a period, and what the process itself takes."""
    readiness = container("production")["readinessProbe"]

    assert (readiness["periodSeconds"], readiness.get("successThreshold", 1)) == (1, 1)


def test_autoscaler_reckons_with_one_core() -> None:
    (metric,) = resource("production", "HorizontalPodAutoscaler")["spec"]["metrics"]
    target = metric["resource"]["target"]

    assert (metric["resource"]["name"], target["type"]) == ("cpu", "AverageValue"), "no part of what a pod reserves"
    assert 500 <= int(target["averageValue"].removesuffix("m")) <= 800


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


def test_development_can_be_applied_again() -> None:
    """A Job can't be changed: it is gone when it is done. Images may have been loaded into the nodes."""
    job = resource("development", "Job")
    images = [each for pod in pods("development") for each in pod["spec"]["containers"]]

    assert job["spec"]["ttlSecondsAfterFinished"] == 0
    assert {each["imagePullPolicy"] for each in images} == {"IfNotPresent"}


def test_image_has_the_name_that_the_manifests_have() -> None:
    """By docker and podman alike, as it begins with a registry's name."""
    (name,) = re.findall(r"^IMAGE [?]= (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    compose = (ROOT / "deploy/compose.yaml").read_text()

    assert container("development")["image"] == f"{name}:{__version__}"
    assert re.findall(r"image: (\S*flow-pipelines):", compose) == [name]
    assert name.startswith("localhost/")


@pytest.mark.parametrize("overlay", ["development", "production"])
def test_administration_has_the_migrators_secret_and_does_nothing(overlay: str) -> None:
    job = resource(f"{overlay}/administration", "Job")
    (only,) = job["spec"]["template"]["spec"]["containers"]
    (migrator,) = resource("production/migration", "Job")["spec"]["template"]["spec"]["containers"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    policies = resources(f"{overlay}/administration", "NetworkPolicy")

    assert only["env"][0] == migrator["env"][0]
    assert only["image"] == container(overlay)["image"]
    assert only["command"][:2] == ["python3", "-c"], "the image has no shell"
    assert job["spec"]["activeDeadlineSeconds"] <= 3600
    assert job["spec"]["ttlSecondsAfterFinished"] == 0
    assert [each["spec"]["podSelector"]["matchLabels"].items() <= labels.items() for each in policies] == [True]
    assert policies[0]["spec"]["ingress"] == []


@pytest.mark.parametrize("path", ["docs/how-to/kubernetes.md", "deploy/kubernetes/administration/kustomization.yaml"])
def test_commands_of_the_administration_wait_for_its_pod(path: str) -> None:
    """`exec` fails while the container has not started."""
    lines = [line for line in (ROOT / path).read_text().splitlines() if "/flow-pipelines-administration" in line]
    wait = "wait --for=jsonpath='{.status.ready}'=1 --timeout=2m job/flow-pipelines-administration"

    assert lines[0].endswith(wait)
    assert "exec job/" in lines[1]


def test_archiving_runs_as_the_administration_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CronJob is an example in the documentation: what it says is what the manifests say."""
    page = (ROOT / "docs/how-to/keep-the-audit-trail.md").read_text()
    (cron,) = (yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]
    (only,) = pod["spec"].pop("containers")
    (volume,) = pod["spec"].pop("volumes")
    administration = yaml.safe_load((KUBERNETES / "administration/job.yaml").read_text())["spec"]["template"]
    kustomization = yaml.safe_load((KUBERNETES / "administration/kustomization.yaml").read_text())
    (former,) = administration["spec"].pop("containers")
    group = pod["spec"]["securityContext"].pop("fsGroup")
    administration["spec"].pop("terminationGracePeriodSeconds")
    environment = {each["name"]: each.get("value", "postgresql://") for each in only["env"]}

    audit: Any = commands.commands["audit"]
    parsed = audit.commands[only["args"][1]].make_context("archive", only["args"][2:])

    assert pod["metadata"]["labels"] == kustomization["labels"][0]["pairs"]
    assert pod["spec"] == administration["spec"]
    assert only["env"][-1] == former["env"][0]
    assert only["securityContext"] == former["securityContext"]
    assert (group, volume["name"]) == (pod["spec"]["securityContext"]["runAsGroup"], only["volumeMounts"][0]["name"])
    assert (only["args"][0], only["volumeMounts"][0]["mountPath"]) == ("audit", str(parsed.params["directory"]))
    assert settings_of(environment, monkeypatch).audit_retention_months == 24
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"


def test_secret_of_the_migrator_has_the_name_that_administration_knows() -> None:
    names = [each["metadata"]["name"] for each in resources("development", "Secret")]

    assert "flow-pipelines-migrator" in names


def outside() -> dict[str, Any]:
    """Return the kustomization of docs/how-to/kubernetes.md that uses the overlay from another place."""
    (text,) = re.findall(
        r"```yaml\n(.*?git\.example\.com.*?)```", (ROOT / "docs/how-to/kubernetes.md").read_text(), re.DOTALL
    )
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def blocks() -> list[Any]:
    """Return what is written as YAML in docs/how-to/kubernetes.md, a block each."""
    text = (ROOT / "docs/how-to/kubernetes.md").read_text()
    return [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def test_documented_ingress_of_grpc_leads_to_a_port_that_the_component_adds() -> None:
    (ingress,) = [each for each in blocks() if each.get("kind") == "Ingress"]
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    own = resource("production", "Ingress")["spec"]
    component = yaml.safe_load((KUBERNETES / "grpc/kustomization.yaml").read_text())
    (added,) = [yaml.safe_load(each["patch"]) for each in component["patches"] if each["target"]["kind"] == "Service"]

    assert path["backend"]["service"] == {
        "name": resource("production", "Service")["metadata"]["name"],
        "port": {"name": added[0]["value"]["name"]},
    }
    assert ingress["metadata"]["namespace"] == resource("production", "Service")["metadata"]["namespace"]
    assert ingress["spec"]["ingressClassName"] == own["ingressClassName"]


def test_documented_setting_is_merged_into_those_of_the_overlay(tmp_path: Path) -> None:
    (setting,) = [each for each in blocks() if "kind" not in each]
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    own = tmp_path / "kubernetes/own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["../overlays/production"], **setting}))

    done = subprocess.run([program("kubectl"), "kustomize", str(own)], capture_output=True, check=True)
    (settings,) = [each for each in yaml.safe_load_all(done.stdout) if each["kind"] == "ConfigMap"]

    assert settings["data"].keys() == resource("production", "ConfigMap")["data"].keys() | {"TRUSTED_PROXIES"}


@pytest.mark.parametrize("part", ["", "/migration", "/administration"])
def test_production_is_used_from_outside_the_tree(part: str, tmp_path: Path) -> None:
    repository, own = tmp_path / "repository", tmp_path / "own"
    shutil.copytree(KUBERNETES, repository / "deploy/kubernetes")
    written = outside()
    (resource_,) = written["resources"]
    address, _, tag = resource_.partition("?ref=")
    for words in ("init -q", "add .", "-c user.name=x -c user.email=x commit -q -m x", f"tag {tag}"):
        subprocess.run(["git", *words.split()], cwd=repository, check=True)
    written["resources"] = [f"file://{repository}//{address.rpartition('//')[2]}{part}?ref={tag}"]
    if part:
        del written["patches"]  # which are of the ingress
    own.mkdir()
    (own / "kustomization.yaml").write_text(yaml.safe_dump(written))

    done = subprocess.run([program("kubectl"), "kustomize", str(own)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "registry.example.com" not in done.stdout
    assert "flow-pipelines.example.com" not in done.stdout
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in templates(done.stdout)}
    assert images == {f"{written['images'][0]['newName']}@{written['images'][0]['digest']}"}


def templates(manifests: str) -> list[Resource]:
    return [each for each in yaml.safe_load_all(manifests) if each["kind"] in {"Deployment", "Job"}]


def test_example_registry_is_nowhere_without_what_to_do() -> None:
    """In lines of their own, or beside it: what stands in the place of the example."""
    files = [path for path in (ROOT / "deploy").rglob("*") if path.is_file() and path.suffix != ".json"]
    for path in (*files, *(ROOT / "docs").rglob("*.md")):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if "registry.example.com" in line:
                around = " ".join(lines[max(0, number - 4) : number + 3])
                assert re.search(r"yours|your cluster|in the place of", around), f"{path}:{number + 1}"


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
