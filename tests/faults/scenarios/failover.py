"""Failover: the primary of a PostgreSQL cluster is lost in several ways, under load, and another node takes over."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from service.database.migrations import migrate
from tests.faults.harness.cluster_network import ETCD_ADDRESS
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.harness.patroni import Cluster, Node, running_cluster
from tests.faults.harness.write_history import WriteHistory
from tests.faults.harness.writers import Writers
from tests.process.running import Service, running_service

WRITERS: Final = 4
PAUSE: Final = 0.02
MAX_DELAY: Final = 2.0
"""Seconds from the first write that the new primary takes to the first that the service acknowledges, at most."""
TIMEOUT: Final = 60.0
"""Seconds after which a failover counts as failed."""


def _nothing(_: Node) -> None:
    pass


@dataclass(frozen=True)
class FailoverKind:
    """A way to lose the primary."""

    description: str
    trigger: Callable[[Cluster, Node], None]
    undo: Callable[[Node], None] = _nothing
    """Repairs the former primary once another node has taken over."""


def _cut_from_others(cluster: Cluster, leader: Node) -> None:
    """Cut the leader from the cluster but not from clients: only the cluster's own rules keep it from taking writes."""
    leader.host.cut_from([ETCD_ADDRESS, *(node.host.address for node in cluster.nodes if node is not leader)])


KILL_POSTGRES: Final = FailoverKind("kill -9 of PostgreSQL", lambda _, leader: leader.kill_postgres())
KILL_NODE: Final = FailoverKind("kill -9 of the whole node", lambda _, leader: leader.kill(), lambda node: node.start())
SWITCH: Final = FailoverKind("switch-over", lambda cluster, _: cluster.switch_over())
FREEZE: Final = FailoverKind("SIGSTOP of the whole node", lambda _, leader: leader.freeze(), lambda node: node.thaw())
CUT_OFF: Final = FailoverKind("network cut", lambda _, leader: leader.host.cut_off(), lambda node: node.host.restore())
CUT_FROM_OTHERS: Final = FailoverKind("cut from the cluster alone", _cut_from_others, lambda node: node.host.restore())

FAILOVER_KINDS: Final = (
    *(KILL_POSTGRES, SWITCH, CUT_FROM_OTHERS, KILL_POSTGRES, SWITCH, FREEZE, KILL_POSTGRES, SWITCH),
    *(KILL_NODE, KILL_POSTGRES, SWITCH, CUT_OFF, KILL_POSTGRES, SWITCH, FREEZE),
)
"""The repeated order of failovers: those that take half a minute are the rarer ones."""


@dataclass(frozen=True)
class Failover:
    """The measurements of one failover, in seconds to the first acknowledged write."""

    kind: FailoverKind
    from_fault: float
    from_new_primary: float


def run(directory: Path, times: int) -> Outcome:
    kinds = [*islice(cycle(FAILOVER_KINDS), times)]
    return asyncio.run(_run(directory, kinds, synchronous=True))


def run_asynchronous(directory: Path, times: int) -> Outcome:
    """Run the control: a primary that acknowledges writes that no other node has."""
    return asyncio.run(_run(directory, [CUT_FROM_OTHERS] * times, synchronous=False))


async def _run(directory: Path, kinds: Sequence[FailoverKind], *, synchronous: bool) -> Outcome:
    with running_cluster(directory, synchronous=synchronous) as cluster:
        try:
            await migrate(cluster.dsn("postgres"), plaintext=True)
            with running_service(directory, cluster.dsn(), DATABASE_PLAINTEXT="true") as service:
                return await _fail_over_repeatedly(cluster, service, kinds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{cluster.log()}") from error


async def _fail_over_repeatedly(cluster: Cluster, service: Service, kinds: Sequence[FailoverKind]) -> Outcome:
    leader = await asyncio.to_thread(cluster.wait_until_healthy)
    raw = await asyncpg.connect(leader.dsn)
    await raw.execute("CREATE TABLE probe (id int)")
    writers, until = await Writers.create(raw, WRITERS), asyncio.Event()
    raw.terminate()
    writing = asyncio.create_task(writers.write(lambda: service.api, until, PAUSE))
    failovers, violations = list[Failover](), list[str]()
    try:
        for kind in kinds:
            failover, found = await _fail_over_once(kind, cluster, service, writers.history)
            failovers.append(failover)
            violations += found
    finally:
        until.set()
        await writing
    leader = await asyncio.to_thread(cluster.wait_until_healthy)
    raw = await asyncpg.connect(leader.dsn)
    violations += await writers.history.violations(raw, writers.world)
    raw.terminate()
    return Outcome(len(failovers), tuple(violations), _summary(failovers, writers.history))


async def _fail_over_once(
    kind: FailoverKind, cluster: Cluster, service: Service, history: WriteHistory
) -> tuple[Failover, list[str]]:
    former = await asyncio.to_thread(cluster.wait_until_healthy)
    others = [node for node in cluster.nodes if node is not former]
    await wait_for_acknowledgement(history, time.monotonic())
    fault_at = time.monotonic()
    taking_over = asyncio.create_task(_wait_for_new_primary(others))
    try:
        await asyncio.to_thread(kind.trigger, cluster, former)
        taken_over_at = await taking_over
        answered_at = await wait_for_acknowledgement(history, taken_over_at)
        remaining = await _remaining_connections(service, former)
    finally:
        taking_over.cancel()
        kind.undo(former)  # in this thread: a process that it starts ends with its thread
    failover = Failover(kind, answered_at - fault_at, answered_at - taken_over_at)
    violations = []
    if (delay := failover.from_new_primary) > MAX_DELAY:
        violations.append(f"{kind.description}: answered {delay:.1f} s after the new primary took writes")
    if remaining:
        violations.append(f"{kind.description}: {remaining} connections are left on the former primary")
    if service.process.poll() is not None:
        violations.append(f"{kind.description}: the service has ended")
    return failover, violations


async def _wait_for_new_primary(nodes: Sequence[Node]) -> float:
    """Wait until one of these nodes has committed a write; return the time."""
    trying = [asyncio.create_task(_write_to(node)) for node in nodes]
    try:
        async with asyncio.timeout(TIMEOUT):
            await asyncio.wait(trying, return_when=asyncio.FIRST_COMPLETED)
            return time.monotonic()
    finally:
        for task in trying:
            task.cancel()


async def _write_to(node: Node) -> None:
    while True:
        try:
            raw = await asyncpg.connect(node.dsn, timeout=1)
            try:
                while True:
                    try:
                        await raw.execute("INSERT INTO probe VALUES (1)")
                    except asyncpg.ReadOnlySQLTransactionError:
                        await asyncio.sleep(0.02)
                    else:
                        return
            finally:
                raw.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(0.02)


async def wait_for_acknowledgement(history: WriteHistory, since: float, within: float = TIMEOUT) -> float:
    """Wait until a write is acknowledged after a point in time; return when it was.

    Raises:
        TimeoutError: no write was acknowledged.
    """
    checked = 0
    async with asyncio.timeout(within):
        while True:
            for write in history.writes[checked:]:
                if write.acknowledged and write.ended >= since:
                    return write.ended
            checked = len(history.writes)
            await asyncio.sleep(0.01)


async def _remaining_connections(service: Service, node: Node) -> int:
    """Return how many connections to a node the service has left after the time that it has to close them."""
    process = psutil.Process(service.process.pid)
    deadline = time.monotonic() + MAX_DELAY
    while True:
        remaining = sum(
            bool(found.raddr) and found.raddr.ip == node.host.address and found.status == psutil.CONN_ESTABLISHED
            for found in process.net_connections("tcp")
        )
        if not remaining or time.monotonic() > deadline:
            return remaining
        await asyncio.sleep(0.05)


def _summary(failovers: Sequence[Failover], history: WriteHistory) -> str:
    kinds = {
        failover.kind.description: [each for each in failovers if each.kind is failover.kind] for failover in failovers
    }
    parts = [f"{history.acknowledged:,} writes acknowledged; first one, from the fault on and from the new primary on"]
    for description, of_kind in kinds.items():
        from_fault, from_new = (
            [failover.from_fault for failover in of_kind],
            [failover.from_new_primary for failover in of_kind],
        )
        parts.append(
            f"{description} {len(of_kind)} x: {statistics.median(from_fault):.1f} s (worst {max(from_fault):.1f}),"
            f" {statistics.median(from_new):.2f} s (worst {max(from_new):.2f})"
        )
    return "; ".join(parts)


FAULTS: Final = (
    Fault(
        name="failover",
        description="The primary of three PostgreSQL nodes under Patroni is killed, frozen, cut off or replaced",
        guarantee="no acknowledged write is lost; answers again within 2 s of the new primary, by itself; no connection"
        " is left on the former one",
        run=run,
        times=30,
        without="synchronous replication",
        control=run_asynchronous,
        control_times=1,
        shows="0 audit rows",
    ),
)
