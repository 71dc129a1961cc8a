"""Files in the import format, for tests of transfer."""

import json
from io import BytesIO
from typing import Any
from uuid import uuid4

Record = dict[str, Any]
READ, EXECUTE = "flow_pipeline:read", "flow_pipeline:execute"


def one_of_each() -> dict[str, Record]:
    """Return one record of each type, parents first, but for the assignment, which has no job."""
    organization, user, group, pipeline = (str(uuid4()) for _ in range(4))
    of = {"organization_id": organization}
    return {
        "organization": {"type": "organization", "id": organization, "name": "Acme"},
        "user": {"type": "user", "id": user, **of, "username": "ada", "is_admin": True},
        "group": {"type": "group", "id": group, **of, "name": "reviewers"},
        "pipeline": {"type": "pipeline", "id": pipeline, **of, "name": " Invoices "},
        "membership": {"type": "membership", "group_id": group, "user_id": user},
        "grant": {
            "type": "grant",
            "pipeline_id": pipeline,
            "group_id": group,
            "permissions": [READ, EXECUTE],
            "is_manager": True,
            "expires_at": "2030-01-01T00:00:00Z",
        },
        "token": {"type": "token", "user_id": user, "sha256": uuid4().hex * 2, "scopes": [READ, "admin"]},
        "identity": {"type": "identity", "user_id": user, "issuer": "https://id.example", "subject": str(uuid4())},
        "provisioned_user": {"type": "provisioned_user", "user_id": user, "external_id": "7", "gives_role": True},
        "provisioned_group": {"type": "provisioned_group", "group_id": group, "external_id": "G"},
        "job": {"type": "job", "id": f"job-{uuid4()}", **of, "owner_id": user},
        "assignment": {"type": "assignment", "pipeline_id": pipeline},
    }


def whole() -> dict[str, Record]:
    """Return one record of each type, parents first: a file that can be imported."""
    found = one_of_each()
    found["assignment"]["job_id"] = found["job"]["id"]
    return found


def lines(*found: Record) -> BytesIO:
    """Write records as newline-delimited JSON."""
    return BytesIO(b"".join(json.dumps(record).encode() + b"\n" for record in found))
