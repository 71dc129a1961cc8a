"""Making the Helm chart's templates from the manifests of deploy/kubernetes."""

import re
from typing import Final

from tests.chart.edits import TEMPLATES, Template
from tests.process.running import ROOT

CHART: Final = ROOT / "deploy" / "helm"
MANIFESTS: Final = ROOT / "deploy" / "kubernetes"

NAME: Final = '{{ include "flow-pipelines.name" . }}'
RULES: Final = (
    (
        r"^( *)app\.kubernetes\.io/name: flow-pipelines\n\1app\.kubernetes\.io/component: (\w+)\n",
        lambda found: (
            f'{found[1]}{{{{- include "flow-pipelines.selector" (dict "root" . "component" "{found[2]}")'
            f" | nindent {len(found[1])} }}}}\n"
        ),
    ),
    (
        r"^( *)name: flow-pipelines-(service|migrator)\n",
        lambda found: f"{found[1]}name: {{{{ .Values.database.{found[2]}Secret.name }}}}\n",
    ),
    (r"^( *(?:serviceAccountN|n)ame:) flow-pipelines(-\w+)?\n", lambda found: f"{found[1]} {NAME}{found[2] or ''}\n"),
    (r"^( *image:) flow-pipelines\n", lambda found: f'{found[1]} {{{{ include "flow-pipelines.image" . }}}}\n'),
    (r"^( *imagePullPolicy:) .*\n", lambda found: f"{found[1]} {{{{ .Values.image.pullPolicy }}}}\n"),
)
"""What is changed wherever it stands: names, selectors, images."""


def templates() -> dict[str, str]:
    """Return the text of each template that is made from a manifest, by its path in the chart."""
    return {f"templates/{name}.yaml": make(template) for name, template in TEMPLATES.items()}


def make(template: Template) -> str:
    """Return the text of one template.

    Raises:
        ValueError: an edit no longer fits its manifest.
    """
    text = (MANIFESTS / template.source).read_text()
    for pattern, replace in RULES:
        text = re.sub(pattern, replace, text, flags=re.MULTILINE)
    labels = f'(dict "root" . "component" "{template.component}")'
    text, named = re.subn(
        r"^(metadata:\n  name: .*\n)(?:  labels:\n    .*\n)?",
        rf'\1  labels:\n    {{{{- include "flow-pipelines.labels" {labels} | nindent 4 }}}}\n',
        text,
        flags=re.MULTILINE,
    )
    if named != 1:
        raise ValueError(f"{template.source} has {named} resources with a name, and must have one.")
    for old, new in template.edits:
        if text.count(old) != 1:
            raise ValueError(f"{template.source} has {old!r} {text.count(old)} times, and must have it once.")
        text = text.replace(old, new)
    return _framed(text, template)


def _framed(text: str, template: Template) -> str:
    head = f"{{{{- /* Made from deploy/kubernetes/{template.source} by `make chart`. */}}}}\n"
    if not template.conditions:
        return head + text
    values = " ".join(f".Values.{name}" for name in template.conditions)
    condition = f"and {values}" if len(template.conditions) > 1 else values
    return f"{head}{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n"
