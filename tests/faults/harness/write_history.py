"""The history of writes and their answers, checked against the final state of the database.

Each writer has a job and a grant that no other client changes, and waits for each answer before its next write. So the
writes of either are totally ordered, and the audit trail must be consistent with that order: every acknowledged write
has one row, every other write one or none, each row begins with the state in which the one before it ended, and the
last one is the actual state. A write without an answer may take effect late, even after the next one: the rows then
show that, and no write is lost.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson

from service.permissions import permission_names
from tests.factories import World


@dataclass(frozen=True)
class Write:
    """One write, as its client has seen it; times are by time.monotonic()."""

    request_id: str
    target: str
    after: Any
    """The requested state."""
    status: int
    """The status of its answer; 0 if there was none."""
    sent: float
    ended: float

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300

    @property
    def rejected(self) -> bool:
        """True if the answer says that nothing was done."""
        return 400 <= self.status < 500


@dataclass
class WriteHistory:
    """All writes, in the order of their answers."""

    writes: list[Write] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """The number of acknowledged writes."""
        return sum(write.acknowledged for write in self.writes)

    def statuses(self) -> Counter[int]:
        return Counter(write.status for write in self.writes)

    async def violations(self, raw: "asyncpg.Connection[asyncpg.Record]", world: World) -> list[str]:
        """Return each contradiction between history and database; `raw` reads the database as it is in the end."""
        rows = await raw.fetch(
            "SELECT target, before, after, request_id FROM audit WHERE organization_id = $1"
            " AND target LIKE ANY ('{job:%,grant:%}') ORDER BY id",
            world.id,
        )
        return [
            *self._audit_row_violations(Counter(row["request_id"] for row in rows)),
            *self._wrong_effects(rows),
            *_contradictions(rows, await _actual_states(raw, world)),
        ]

    def _audit_row_violations(self, rows_by_request: Counter[str]) -> Iterator[str]:
        for write in self.writes:
            count = rows_by_request[write.request_id]
            fewest, highest = int(write.acknowledged), int(not write.rejected)
            if not fewest <= count <= highest:
                yield f"{write.target}: {count} audit rows for {write.request_id}, answered {write.status}"

    def _wrong_effects(self, rows: Sequence[asyncpg.Record]) -> Iterator[str]:
        requested = {write.request_id: write.after for write in self.writes}
        for row in rows:
            request_id, after = row["request_id"], _state(row["target"], row["after"])
            if request_id in requested and after != requested[request_id]:
                yield f"{row['target']}: {request_id} made it {after}, and asked for {requested[request_id]}"


def _contradictions(rows: Sequence[asyncpg.Record], actual: Mapping[str, Any]) -> Iterator[str]:
    """Yield each contradiction within the audit trail, and between it and the actual state."""
    audited: dict[str, Any] = {}
    for row in rows:
        target, before = row["target"], _state(row["target"], row["before"])
        if before != audited.get(target):
            yield f"{target}: {row['request_id']} changed {before}, but {audited.get(target)} was there"
        audited[target] = _state(target, row["after"])
    for target in sorted(audited.keys() | actual.keys()):
        if audited.get(target) != actual.get(target):
            yield f"{target}: {actual.get(target)} is there, but {audited.get(target)} was audited last"


def _state(target: str, document: str | None) -> Any:
    """Return the state of a job's pipelines or of a grant in an audit row; None if it is absent."""
    if document is None:
        return None
    state = orjson.loads(document)
    if target.startswith("job:"):
        return state.get("pipeline_ids", [])
    return grant_state(state["permissions"], datetime.fromisoformat(state["expires_at"]))


def grant_state(permissions: Iterable[str], expires_at: datetime) -> list[str]:
    """Return a grant in the form in which the history compares it."""
    return [*sorted(permissions), expires_at.astimezone(UTC).isoformat()]


async def _actual_states(raw: "asyncpg.Connection[asyncpg.Record]", world: World) -> dict[str, Any]:
    """Return the state of every job and of every user's grant."""
    jobs = await raw.fetch(
        """
        SELECT j.id, array_agg(a.pipeline_id::text ORDER BY a.position) FILTER (WHERE a.pipeline_id IS NOT NULL) AS ids
        FROM jobs j LEFT JOIN assignments a ON a.organization_id = j.organization_id AND a.job_id = j.id
        WHERE j.organization_id = $1 GROUP BY j.id
        """,
        world.id,
    )
    grants = await raw.fetch(
        """
        SELECT g.pipeline_id, u.username, g.access, g.expires_at
        FROM user_grants g JOIN users u ON u.organization_id = g.organization_id AND u.id = g.user_id
        WHERE g.organization_id = $1
        """,
        world.id,
    )
    return {f"job:{row['id']}": row["ids"] or [] for row in jobs} | {
        f"grant:{row['pipeline_id']}/user:{row['username']}": grant_state(
            permission_names(row["access"]), row["expires_at"]
        )
        for row in grants
    }
