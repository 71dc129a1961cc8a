"""Write templates of the Helm chart anew from the manifests of deploy/kubernetes: `make chart`."""

from tests.chart.making import CHART, templates

for path, text in templates().items():
    (CHART / path).write_text(text)
