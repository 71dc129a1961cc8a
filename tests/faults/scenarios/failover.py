"""The primary of a PostgreSQL cluster is lost in every way, under load, and another takes over."""

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
from tests.faults.harness.cluster_network import THEIRS
from tests.faults.harness.fault import Fault, Seen
from tests.faults.harness.patroni import Cluster, Node, cluster
from tests.faults.harness.write_history import Ledger
from tests.faults.harness.writers import Writers
from tests.process.running import Service, running_service

WRITERS: Final = 4
PAUSE: Final = 0.02
WITHIN: Final = 2.0
"""Seconds from when the new primary takes writes to the first that the service acknowledges."""
PATIENCE: Final = 60.0
"""Seconds after which nothing is waited for any more."""


def _nothing(_: Node) -> None:
    pass


@dataclass(frozen=True)
class Kind:
    """A way to lose the primary."""

    what: str
    make: Callable[[Cluster, Node], None]
    undo: Callable[[Node], None] = _nothing
    """Once another node has taken over."""


def _cut_from_others(whole: Cluster, leader: Node) -> None:
    """Clients still reach it: nothing but the cluster's own rules keeps it from taking writes."""
    leader.host.cut_from([THEIRS, *(node.host.address for node in whole.nodes if node is not leader)])


KILL: Final = Kind("kill -9 of PostgreSQL", lambda _, leader: leader.kill_postgres())
LOSE: Final = Kind("kill -9 of the whole node", lambda _, leader: leader.kill(), lambda node: node.start())
SWITCH: Final = Kind("switch-over", lambda whole, _: whole.switch_over())
FREEZE: Final = Kind("SIGSTOP of the whole node", lambda _, leader: leader.freeze(), lambda node: node.thaw())
CUT_OFF: Final = Kind("network cut", lambda _, leader: leader.host.cut_off(), lambda node: node.host.heal())
CUT_FROM_OTHERS: Final = Kind("cut from the cluster alone", _cut_from_others, lambda node: node.host.heal())

KINDS: Final = (
    *(KILL, SWITCH, CUT_FROM_OTHERS, KILL, SWITCH, FREEZE, KILL, SWITCH),
    *(LOSE, KILL, SWITCH, CUT_OFF, KILL, SWITCH, FREEZE),
)
"""In this order, again and again: those that take half a minute are the rarer ones."""


@dataclass(frozen=True)
class Failover:
    """What was measured of one; in seconds."""

    kind: Kind
    from_fault: float
    from_new_primary: float


def run(directory: Path, times: int) -> Seen:
    kinds = [*islice(cycle(KINDS), times)]
    return asyncio.run(_run(directory, kinds, synchronous=True))


def run_asynchronous(directory: Path, times: int) -> Seen:
    """The control: a primary that acknowledges what no other node has."""
    return asyncio.run(_run(directory, [CUT_FROM_OTHERS] * times, synchronous=False))


async def _run(directory: Path, kinds: Sequence[Kind], *, synchronous: bool) -> Seen:
    with cluster(directory, synchronous=synchronous) as whole:
        try:
            await migrate(whole.dsn("postgres"))
            with running_service(directory, whole.dsn()) as service:
                return await _fail_over(whole, service, kinds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{whole.log()}") from error


async def _fail_over(whole: Cluster, service: Service, kinds: Sequence[Kind]) -> Seen:
    leader = await asyncio.to_thread(whole.wait_for_all)
    raw = await asyncpg.connect(leader.dsn)
    await raw.execute("CREATE TABLE probe (id int)")
    writers, until = await Writers.create(raw, WRITERS), asyncio.Event()
    raw.terminate()
    writing = asyncio.create_task(writers.write(lambda: service.api, until, PAUSE))
    made, broken = [], []
    try:
        for kind in kinds:
            failover, breaches = await _one(kind, whole, service, writers.ledger)
            made.append(failover)
            broken += breaches
    finally:
        until.set()
        await writing
    leader = await asyncio.to_thread(whole.wait_for_all)
    raw = await asyncpg.connect(leader.dsn)
    broken += await writers.ledger.breaches(raw, writers.world)
    raw.terminate()
    return Seen(len(made), tuple(broken), _figures(made, writers.ledger))


async def _one(kind: Kind, whole: Cluster, service: Service, ledger: Ledger) -> tuple[Failover, list[str]]:
    former = await asyncio.to_thread(whole.wait_for_all)
    others = [node for node in whole.nodes if node is not former]
    await acknowledged(ledger, time.monotonic())
    fault_at = time.monotonic()
    taking_over = asyncio.create_task(_takes_writes(others))
    try:
        await asyncio.to_thread(kind.make, whole, former)
        taken_over_at = await taking_over
        answered_at = await acknowledged(ledger, taken_over_at)
        left = await _connections_left(service, former)
    finally:
        taking_over.cancel()
        kind.undo(former)  # by this thread: a process that it starts ends with the thread
    failover = Failover(kind, answered_at - fault_at, answered_at - taken_over_at)
    broken = []
    if failover.from_new_primary > WITHIN:
        broken.append(f"{kind.what}: answered {failover.from_new_primary:.1f} s after the new primary took writes")
    if left:
        broken.append(f"{kind.what}: {left} connections are left on the former primary")
    if service.process.poll() is not None:
        broken.append(f"{kind.what}: the service has ended")
    return failover, broken


async def _takes_writes(nodes: Sequence[Node]) -> float:
    """When the first of these nodes has committed a write."""
    trying = [asyncio.create_task(_write_to(node)) for node in nodes]
    try:
        async with asyncio.timeout(PATIENCE):
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


async def acknowledged(ledger: Ledger, since: float, within: float = PATIENCE) -> float:
    """When the first write from then on was acknowledged.

    Raises:
        TimeoutError: none was.
    """
    seen = 0
    async with asyncio.timeout(within):
        while True:
            for write in ledger.writes[seen:]:
                if write.acknowledged and write.ended >= since:
                    return write.ended
            seen = len(ledger.writes)
            await asyncio.sleep(0.01)


async def _connections_left(service: Service, node: Node) -> int:
    """How many connections the service has to a node, when it has had time to end them."""
    process = psutil.Process(service.process.pid)
    deadline = time.monotonic() + WITHIN
    while True:
        left = sum(
            bool(found.raddr) and found.raddr.ip == node.host.address and found.status == psutil.CONN_ESTABLISHED
            for found in process.net_connections("tcp")
        )
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.05)


def _figures(made: Sequence[Failover], ledger: Ledger) -> str:
    kinds = {failover.kind.what: [other for other in made if other.kind is failover.kind] for failover in made}
    parts = [f"{ledger.acknowledged:,} writes acknowledged; first one, from the fault on and from the new primary on"]
    for what, several in kinds.items():
        from_fault, from_new = (
            [failover.from_fault for failover in several],
            [failover.from_new_primary for failover in several],
        )
        parts.append(
            f"{what} {len(several)} x: {statistics.median(from_fault):.1f} s (worst {max(from_fault):.1f}),"
            f" {statistics.median(from_new):.2f} s (worst {max(from_new):.2f})"
        )
    return "; ".join(parts)


FAULTS: Final = (
    Fault(
        name="failover",
        what="The primary of three PostgreSQL nodes under Patroni is killed, frozen, cut off or replaced",
        promise="no acknowledged write is lost; answers again within 2 s of the new primary, by itself; no connection"
        " is left on the former one",
        run=run,
        times=30,
        without="synchronous replication",
        control=run_asynchronous,
        control_times=1,
    ),
)
