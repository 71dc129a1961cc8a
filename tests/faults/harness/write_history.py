"""What clients were told of their writes, held against what the database has in the end.

Each writer has a job and a grant that nobody else changes, and waits for each answer before its next write. So for each
of the two there is one order of writes, and the audit trail must tell one story with it: every acknowledged write has
one row, every other write one or none, each row begins where the one before it ended, and the last one is there. A
write that nobody answered may take effect late, even after the next one: the rows then say so, and nothing is lost.
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
    """One write, as its client knows it."""

    request_id: str
    target: str
    after: Any
    """The state that it asks for."""
    status: int
    """Of its answer; 0 if none came."""
    sent: float
    """By time.monotonic()."""
    ended: float

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """An answer that says that nothing was done."""
        return 400 <= self.status < 500


@dataclass
class Ledger:
    """All writes, in the order of their answers."""

    writes: list[Write] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        return sum(write.acknowledged for write in self.writes)

    def statuses(self) -> Counter[int]:
        return Counter(write.status for write in self.writes)

    async def breaches(self, raw: "asyncpg.Connection[asyncpg.Record]", world: World) -> list[str]:
        """Where ledger and database contradict each other; `raw` reads the database that is there in the end."""
        rows = await raw.fetch(
            "SELECT target, before, after, request_id FROM audit WHERE organization_id = $1"
            " AND target LIKE ANY ('{job:%,grant:%}') ORDER BY id",
            world.id,
        )
        return [
            *self._miscounted(Counter(row["request_id"] for row in rows)),
            *self._changed_otherwise(rows),
            *_contradictions(rows, await _states(raw, world)),
        ]

    def _miscounted(self, made: Counter[str]) -> Iterator[str]:
        for write in self.writes:
            count = made[write.request_id]
            least, most = int(write.acknowledged), int(not write.refused)
            if not least <= count <= most:
                yield f"{write.target}: {count} audit rows for {write.request_id}, answered {write.status}"

    def _changed_otherwise(self, rows: Sequence[asyncpg.Record]) -> Iterator[str]:
        wanted = {write.request_id: write.after for write in self.writes}
        for row in rows:
            request_id, after = row["request_id"], _state(row["target"], row["after"])
            if request_id in wanted and after != wanted[request_id]:
                yield f"{row['target']}: {request_id} made it {after}, and asked for {wanted[request_id]}"


def _contradictions(rows: Sequence[asyncpg.Record], there: Mapping[str, Any]) -> Iterator[str]:
    """Where the audit trail contradicts itself, or what is there."""
    told: dict[str, Any] = {}
    for row in rows:
        target, before = row["target"], _state(row["target"], row["before"])
        if before != told.get(target):
            yield f"{target}: {row['request_id']} changed {before}, but {told.get(target)} was there"
        told[target] = _state(target, row["after"])
    for target in sorted(told.keys() | there.keys()):
        if told.get(target) != there.get(target):
            yield f"{target}: {there.get(target)} is there, but {told.get(target)} was audited last"


def _state(target: str, document: str | None) -> Any:
    """What an audit row says of a job's pipelines, or of a grant; None if there is none."""
    if document is None:
        return None
    state = orjson.loads(document)
    if target.startswith("job:"):
        return state.get("pipeline_ids", [])
    return grant_state(state["permissions"], datetime.fromisoformat(state["expires_at"]))


def grant_state(permissions: Iterable[str], expires_at: datetime) -> list[str]:
    """A grant, as the ledger compares it."""
    return [*sorted(permissions), expires_at.astimezone(UTC).isoformat()]


async def _states(raw: "asyncpg.Connection[asyncpg.Record]", world: World) -> dict[str, Any]:
    """The state of every job and of every user's grant."""
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
