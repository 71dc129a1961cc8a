"""Sample addresses of every call, with well-formed names that nothing bears."""

import re
from uuid import UUID

SAMPLES = {
    "pipeline_id": str(UUID(int=4711, version=4)),
    "token_id": str(UUID(int=4712, version=4)),
    "job_id": "no-such-job",
    "username": "nobody",
    "name": "no-such-group",
}


def sample_path(path: str, **values: object) -> str:
    """Return a route's path with these values in it, and samples for the others."""
    return re.sub(r"\{(\w+)\}", lambda parameter: str({**SAMPLES, **values}[parameter[1]]), path)
