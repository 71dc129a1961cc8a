"""Pairs: a change that one replica acknowledges, then a list or an update by another, which must reflect it."""

import asyncio
import random
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import aiohttp
import asyncpg

from service.permissions import SCOPE_SCIM
from tests.authentication.oidc.provider import IdentityProvider
from tests.factories import World
from tests.freshness.identities import GENERATIONS, IdentityWorker, Links, Person, ProvisionedWorker
from tests.freshness.workers import Replica, Result, Unanswered, Unexpected, Worker
from tests.process.running import Service

WORKERS_PER_ORGANIZATION: Final = 4
"""Workers that share an organization: within one, new, renamed and deleted pipelines wait for each other."""


@dataclass(frozen=True)
class Plan:
    """The number of pairs and of concurrent workers, and the seed of the choice of changes."""

    pairs: int
    workers: int = 16
    seed: int = 1
    provider: IdentityProvider | None = None
    """The identity provider whose tokens the workers' users come by; None: by tokens of the service's own."""
    provisioned: bool = False
    """True if that provider provisions them, too."""

    @property
    def worker(self) -> type[Worker]:
        """The kind of the workers."""
        if self.provider is None:
            return Worker
        return ProvisionedWorker if self.provisioned else IdentityWorker


async def run_pairs(
    plan: Plan, dsn: str, writer: Service, reader: Service, stop: asyncio.Event, progress: Callable[[Result], None]
) -> Result:
    """Run the pairs, in organizations of their own.

    Args:
        plan: the pairs.
        dsn: the address of the database, for its owner.
        writer: the replica that acknowledges the changes.
        reader: the replica that answers after them.
        stop: set to end after the pairs in progress.
        progress: called about once a second.
    """
    result = Result(dict.fromkeys(plan.worker.kinds, 0), dict.fromkeys(plan.worker.kinds, 0))
    async with AsyncExitStack() as stack:
        raw = await asyncpg.connect(dsn)
        stack.push_async_callback(raw.close)
        worlds = [await World.create(raw) for _ in range(0, plan.workers, WORKERS_PER_ORGANIZATION)]
        admins = [await world.user("ada", role="admin") for world in worlds]
        of_scim = [await world.token(admins[place].id, scopes=SCOPE_SCIM) for place, world in enumerate(worlds)]
        links = Links(raw, asyncio.Lock())
        replicas = []
        for service in (writer, reader):
            connector = aiohttp.TCPConnector(limit=0)
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            replicas.append(Replica(session, service.api, result))

        def worker(number: int, generation: int) -> Worker:
            name, place = f"{number}-{generation}", number // WORKERS_PER_ORGANIZATION
            chance = random.Random(f"{plan.seed} {name}")  # noqa: S311 - no secret
            admin = admins[place].token
            if plan.provider is None:
                return Worker(name, chance, admin, *replicas)
            if generation >= GENERATIONS:
                raise Unexpected("too many calls were not answered: no group is mapped for another user")
            person = Person(plan.provider, links, worlds[place].id, of_scim[place])
            identity_worker = ProvisionedWorker if plan.provisioned else IdentityWorker
            return identity_worker(person, name, chance, admin, *replicas)

        before = await _lookups(replicas[1], reader)
        began = time.monotonic()
        tasks = [
            asyncio.create_task(_work(worker, number, _share(plan, number), stop, result))
            for number in range(plan.workers)
        ]
        while not all(task.done() for task in tasks):
            await asyncio.wait(tasks, timeout=1)
            result.seconds = time.monotonic() - began
            progress(result)
        await asyncio.gather(*tasks)
        after = await _lookups(replicas[1], reader)
        result.from_memory, result.outdated = after["hit"] - before["hit"], after["outdated"] - before["outdated"]
    return result


def _share(plan: Plan, number: int) -> int:
    return plan.pairs // plan.workers + (number < plan.pairs % plan.workers)


async def _work(
    new: Callable[[int, int], Worker], number: int, pairs: int, stop: asyncio.Event, result: Result
) -> None:
    """Run so many pairs, by one worker if every call is answered."""
    generation = done = 0
    while done < pairs and not stop.is_set():
        try:
            worker = new(number, generation)
            await worker.begin()
            while done < pairs and not stop.is_set():
                await worker.pair()
                done += 1
        except (Unanswered, aiohttp.ClientError, TimeoutError):
            result.unanswered += 1
            generation += 1
        except Unexpected as error:
            result.failures.append(str(error))
            return


async def _lookups(replica: Replica, service: Service) -> dict[str, int]:
    """Return the replica's counts of cache lookups, by their result."""
    async with replica.session.get(f"{service.operations}/metrics") as response:
        text = await response.text()
    found = re.findall(r'^flow_pipelines_response_cache_lookups_total\{result="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {result: int(float(number)) for result, number in found}
