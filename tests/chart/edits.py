"""The edits that make templates of the Helm chart from the manifests of deploy/kubernetes.

Each template is a manifest's own text, comments too, with the places changed that values decide. An edit names text
that is there exactly once, so that a manifest that has changed fails here, and not on a cluster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Edits = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Template:
    """A template of the chart.

    Attributes:
        source: the manifest, below deploy/kubernetes.
        component: the component that its resource belongs to.
        conditions: the values that must be true for it to be rendered.
        edits: text of the manifest, and what takes its place.
    """

    source: str
    component: str
    conditions: tuple[str, ...] = ()
    edits: Edits = ()


def hook(weight: int, delete: str, indent: int = 4) -> str:
    """Return the annotations of a hook of Helm."""
    arguments = f'(dict "weight" {weight} "delete" "{delete}")'
    return f'{{{{- include "flow-pipelines.hook" {arguments} | nindent {indent} }}}}'


def more_of(value: str, indent: int) -> str:
    """Return a list of a value, which goes on with the list before it."""
    spaces = " " * indent
    return f"{spaces}{{{{- with {value} }}}}\n{spaces}{{{{- toYaml . | nindent {indent} }}}}\n{spaces}{{{{- end }}}}\n"


LABELS_OF_POD: Final = (
    "    metadata:\n"
    "      labels:\n"
    '        {{{{- include "flow-pipelines.podLabels" (dict "root" . "component" "{}") | nindent 8 }}}}\n'
)
PULL_SECRETS: Final = (
    "      enableServiceLinks: false\n",
    '      enableServiceLinks: false\n      {{- include "flow-pipelines.pullSecrets" . | nindent 6 }}\n',
)
LAST_OF_CONTAINER: Final = "              drop: [ALL]\n"
AUTHORITY: Final = (
    LAST_OF_CONTAINER
    + '          {{- include "flow-pipelines.volumeMounts" . | nindent 10 }}\n'
    + '      {{- include "flow-pipelines.volumes" . | nindent 6 }}\n'
)
ONCE: Final = "before-hook-creation,hook-succeeded"
URL_OF_MIGRATOR: Final = "                  key: {{ .Values.database.migratorSecret.key }}\n"
PLACEMENT: Final = "".join(
    f"      {{{{- with .Values.{name} }}}}\n"
    f"      {name}:\n"
    "        {{- toYaml . | nindent 8 }}\n"
    "      {{- end }}\n"
    for name in ("nodeSelector", "tolerations", "affinity")
)

DEPLOYMENT: Final[Edits] = (
    (
        "  revisionHistoryLimit: 5\n",
        '  {{- if and (not .Values.autoscaling.enabled) (not (kindIs "invalid" .Values.replicas)) }}\n'
        "  replicas: {{ .Values.replicas }}\n"
        "  {{- end }}\n"
        "  revisionHistoryLimit: 5\n",
    ),
    (
        "    metadata:\n      annotations:\n",
        LABELS_OF_POD.format("api")
        + more_of(".Values.podLabels", 8)
        + "      annotations:\n"
        + '        checksum/config: {{ include "flow-pipelines.settings" . | sha256sum }}\n',
    ),
    (
        '        prometheus.io/scrape: "true"\n'
        '        prometheus.io/port: "8081"\n'
        "        prometheus.io/path: /metrics\n",
        "        {{- /* Others of the same names go before these. */}}\n"
        '        {{- $scraped := dict "prometheus.io/scrape" "true" "prometheus.io/port" "8081"'
        ' "prometheus.io/path" "/metrics" }}\n'
        "        {{- toYaml (merge dict (default dict .Values.podAnnotations) $scraped) | nindent 8 }}\n",
    ),
    PULL_SECRETS,
    ("terminationGracePeriodSeconds: 40\n", 'terminationGracePeriodSeconds: {{ include "flow-pipelines.grace" . }}\n'),
    (
        "              containerPort: 8081\n",
        "              containerPort: 8081\n"
        "            {{- if .Values.grpc.enabled }}\n"
        "            - name: grpc\n"
        "              containerPort: {{ .Values.grpc.port }}\n"
        "            {{- end }}\n",
    ),
    ("          env:\n", more_of(".Values.extraEnvFrom", 12) + "          env:\n"),
    (
        "                  key: url\n",
        "                  key: {{ .Values.database.serviceSecret.key }}\n" + more_of(".Values.extraEnv", 12),
    ),
    (
        "          startupProbe:\n            httpGet:\n              path: /livez\n              port: operations\n",
        "          startupProbe:\n"
        "            {{- if .Values.grpc.enabled }}\n"
        "            # A process that serves one of its two ports has not started.\n"
        "            {{- if .Values.settings.GRPC_TLS_CERT }}\n"
        "            tcpSocket: # Kubernetes probes gRPC without TLS\n"
        "              port: grpc\n"
        "            {{- else }}\n"
        "            grpc:\n"
        "              port: {{ .Values.grpc.port }}\n"
        "              service: liveness\n"
        "            {{- end }}\n"
        "            {{- else }}\n"
        "            httpGet:\n"
        "              path: /livez\n"
        "              port: operations\n"
        "            {{- end }}\n",
    ),
    ("                seconds: 5\n", "                seconds: {{ .Values.preStopSeconds }}\n"),
    (
        "          resources:\n"
        "            requests:\n              cpu: 250m\n              memory: 128Mi\n"
        "            limits:\n              memory: 256Mi\n",
        '          resources:\n            {{- include "flow-pipelines.resources" . | nindent 12 }}\n',
    ),
    (LAST_OF_CONTAINER, AUTHORITY + PLACEMENT),
)


def job(component: str) -> list[tuple[str, str]]:
    """Return the edits of a Job of a component."""
    return [
        ("  template:\n", "  template:\n" + LABELS_OF_POD.format(component)),
        PULL_SECRETS,
        ("                  key: url\n", URL_OF_MIGRATOR + more_of(f".Values.{component}.extraEnv", 12)),
        (LAST_OF_CONTAINER, AUTHORITY),
    ]


def with_hook(component: str) -> list[tuple[str, str]]:
    """Return the edit that makes a resource without annotations one that is there for a hook's time alone."""
    labels = f'    {{{{- include "flow-pipelines.labels" (dict "root" . "component" "{component}") | nindent 4 }}}}\n'
    return [(labels, f"{labels}  annotations:\n    {hook(-10, ONCE)}\n")]


TEMPLATES: Final[Mapping[str, Template]] = {
    "serviceaccount": Template("base/serviceaccount.yaml", "api"),
    "deployment": Template("base/deployment.yaml", "api", edits=DEPLOYMENT),
    "service": Template(
        "base/service.yaml",
        "api",
        edits=[
            (
                "      targetPort: http\n",
                "      targetPort: http\n"
                "    {{- if .Values.grpc.enabled }}\n"
                "    - name: grpc\n"
                "      port: {{ .Values.grpc.port }}\n"
                "      targetPort: grpc\n"
                "      appProtocol: kubernetes.io/h2c\n"
                "    {{- end }}\n",
            )
        ],
    ),
    "disruptionbudget": Template("base/disruptionbudget.yaml", "api"),
    "networkpolicy": Template(
        "base/networkpolicy.yaml",
        "api",
        ("networkPolicy.enabled",),
        [
            ("ingress-nginx\n", "{{ .Values.networkPolicy.ingressNamespace }}\n"),
            ("name: monitoring\n", "name: {{ .Values.networkPolicy.monitoringNamespace }}\n"),
            (
                "        - port: http\n",
                "        - port: http\n"
                "        {{- if .Values.grpc.enabled }}\n"
                "        - port: grpc\n"
                "        {{- end }}\n",
            ),
        ],
    ),
    "migration-serviceaccount": Template(
        "migration/serviceaccount.yaml", "migration", ("migration.enabled",), with_hook("migration")
    ),
    "migration-job": Template(
        "migration/job.yaml",
        "migration",
        ("migration.enabled",),
        [("  annotations:\n", f"  annotations:\n    {hook(0, 'before-hook-creation')}\n"), *job("migration")],
    ),
    "migration-networkpolicy": Template(
        "migration/networkpolicy.yaml",
        "migration",
        ("networkPolicy.enabled", "migration.enabled"),
        with_hook("migration"),
    ),
    "administration-serviceaccount": Template(
        "administration/serviceaccount.yaml", "administration", ("administration.enabled",)
    ),
    "administration-job": Template(
        "administration/job.yaml",
        "administration",
        ("administration.enabled",),
        [
            # Another one by each upgrade, as a Job can't be changed.
            ("-administration\n  labels:", "-administration-{{ .Release.Revision }}\n  labels:"),
            *job("administration"),
        ],
    ),
    "administration-networkpolicy": Template(
        "administration/networkpolicy.yaml",
        "administration",
        ("networkPolicy.enabled", "administration.enabled"),
    ),
    "ingress": Template(
        "overlays/production/ingress.yaml",
        "api",
        ("ingress.enabled",),
        [
            (
                "spec:\n",
                "  {{- with .Values.ingress.annotations }}\n"
                "  annotations:\n"
                "    {{- toYaml . | nindent 4 }}\n"
                "  {{- end }}\n"
                "spec:\n",
            ),
            (
                "ingressClassName: nginx # yours: also in the network policy of the base\n",
                "ingressClassName: {{ .Values.ingress.className }}\n",
            ),
            ("hosts: [flow-pipelines.example.com] # yours\n", "hosts: [{{ .Values.ingress.host | quote }}]\n"),
            (
                "secretName: flow-pipelines-tls # yours: such as cert-manager makes it\n",
                "secretName: {{ .Values.ingress.tlsSecretName }}\n",
            ),
            ("- host: flow-pipelines.example.com # yours\n", "- host: {{ .Values.ingress.host | quote }}\n"),
        ],
    ),
    "autoscaler": Template(
        "overlays/production/autoscaler.yaml",
        "api",
        ("autoscaling.enabled",),
        [
            ("minReplicas: 3\n", "minReplicas: {{ .Values.autoscaling.minReplicas }}\n"),
            ("maxReplicas: 10\n", "maxReplicas: {{ .Values.autoscaling.maxReplicas }}\n"),
            ("averageValue: 700m\n", "averageValue: {{ .Values.autoscaling.averageCpu }}\n"),
        ],
    ),
}
