"""Statements on the audit trail: it is only ever added to and read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from service.database import Connection


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change: a user by a token within a request, or an operator at the command line."""

    name: str
    user_id: UUID | None = None
    token_id: UUID | None = None
    request_id: str | None = None


COMMAND_LINE = Actor("command line")


async def insert(
    connection: Connection,
    organization_id: UUID,
    actor: Actor,
    action: str,
    target: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Add one row for one change, in the change's own transaction.

    Args:
        action: what was done, such as "job.update_pipelines".
        target: to what, as kind:key.
        before: the state that the change replaced, None if it created.
        after: the state that it left, None if it deleted.
    """
    await connection.execute(
        "audit.insert",
        """
        INSERT INTO audit (organization_id, actor_id, actor, token_id, action, target, before, after, request_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9)
        """,
        organization_id,
        actor.user_id,
        actor.name,
        actor.token_id,
        action,
        target,
        _json(before),
        _json(after),
        actor.request_id,
    )


def _json(state: Mapping[str, Any] | None) -> str | None:
    return None if state is None else orjson.dumps(state, default=str).decode()
