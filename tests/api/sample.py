"""Addresses and bodies of every call, well-formed, with names in them that nothing bears."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from service.http.openapi.examples import EXAMPLES
from service.http.routes import Route

SAMPLES = {
    "pipeline_id": str(UUID(int=4711, version=4)),
    "token_id": str(UUID(int=4712, version=4)),
    "job_id": "no-such-job",
    "username": "nobody",
    "name": "no-such-group",
    "id": "4711",
}

IN_BODIES: dict[str, Any] = {
    "job_id": SAMPLES["job_id"],
    "pipeline_ids": [],
    "permissions": [],
    "add": [SAMPLES["username"]],
    "remove": [],
    "updates": [{"job_id": SAMPLES["job_id"], "pipeline_ids": []}],
    "grants": [{"user": SAMPLES["username"], "permissions": []}],
    "pipelines": [{"name": "declared"}],
    "groups": [],
    "scopes": ["tokens"],
    "role": "pipeline_admin",
}
"""By field, in the place of what the document's examples have: it takes no pipeline, no permission and no user."""


def sample_path(path: str, **values: object) -> str:
    """Return a route's path with these values in it, and samples for the others."""
    return re.sub(r"\{(\w+)\}", lambda parameter: str({**SAMPLES, **values}[parameter[1]]), path)


def sample_body(route: Route, **values: object) -> dict[str, Any] | None:
    """Return the body of the document's example with these values in its fields; None if it has no body."""
    example = EXAMPLES[route.operation.__name__].request
    return None if example is None else _fill_in(example, {**IN_BODIES, **values}, values)


def _fill_in(example: Mapping[str, Any], samples: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with samples in its fields, and in the objects of its lists the values alone."""
    filled = {name: samples.get(name, value) for name, value in example.items()}
    return {
        name: [_fill_in(each, values, values) if isinstance(each, dict) else each for each in value]
        if isinstance(value, list)
        else value
        for name, value in filled.items()
    }
