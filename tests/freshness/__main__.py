"""`make freshness`: thousands of changes through one replica, each followed by a read from another."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import uvloop

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.authentication.oidc.provider import provider_in_a_thread
from tests.conftest import FAST
from tests.freshness import without_revalidation
from tests.freshness.identities import provider_settings
from tests.freshness.pairs import Plan, run_pairs
from tests.freshness.workers import Result
from tests.process.running import Service, running_service

POOL_SIZE = "40"
"""Connections: more than the default, as more changes wait for each other's locks than under an ordinary load."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make freshness", description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument(
        "--identity-pairs",
        type=int,
        help="of users who come by an identity provider's token; a tenth as many, if unsaid",
    )
    parser.add_argument(
        "--provisioned-pairs",
        type=int,
        help="of such users whom it provisions by SCIM, too; as many as those, if unsaid",
    )
    parser.add_argument("--workers", type=int, default=48, help="at the same time")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of changes")
    parser.add_argument(
        "--control", action="store_true", help="read from a replica that checks nothing: it must be detected"
    )
    parser.add_argument("--json", type=Path, help="write all figures here too")
    arguments = parser.parse_args()
    plan = Plan(arguments.pairs, arguments.workers, arguments.seed)
    of_identities = arguments.pairs // 10 if arguments.identity_pairs is None else arguments.identity_pairs
    provisioned = of_identities if arguments.provisioned_pairs is None else arguments.provisioned_pairs
    results = [each for each in _run(plan, of_identities, provisioned, control=arguments.control) if each.total]
    for result in results:
        _print(result, control=arguments.control)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    sys.exit(max(_verdict(result, control=arguments.control) for result in results))


def _run(plan: Plan, of_identities: int, provisioned: int, *, control: bool) -> list[Result]:
    """Run the pairs of users who come by the service's own tokens, then those of an identity provider's people.

    Last those of people whom it provisions, too.
    """
    with tempfile.TemporaryDirectory(prefix="freshness-") as name, provider_in_a_thread() as provider:
        directory = Path(name)
        others = replace(plan, pairs=of_identities, provider=provider)
        plans = (plan, others, replace(others, pairs=provisioned, provisioned=True))
        settings = {**provider_settings(provider, plan.workers), "DATABASE_POOL_SIZE": POOL_SIZE, "SCIM": "true"}
        with embedded_postgres(directory / "postgres", FAST) as dsn:
            uvloop.run(migrate(dsn))
            by_role = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
            with replicas(directory, by_role, settings, control=control) as both:
                return [uvloop.run(_run_until_stopped(each, dsn, *both)) for each in plans]


@contextmanager
def replicas(
    directory: Path, dsn: str, settings: Mapping[str, str], *, control: bool
) -> Iterator[tuple[Service, Service]]:
    """Run the replica that is written to and the one that is read from; the control's reader never revalidates."""
    module = without_revalidation.MODULE if control else "service"
    with (
        running_service(directory, dsn, **settings) as writer,
        running_service(directory, dsn, module=module, **settings) as reader,
    ):
        for service in (writer, reader):
            service.wait_until("/readyz", 200)
        yield writer, reader


async def _run_until_stopped(plan: Plan, dsn: str, writer: Service, reader: Service) -> Result:
    """Run the pairs; Ctrl-C ends them early, and those made by then count."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def show(result: Result) -> None:
        rate = result.total / result.seconds
        print(f"\r{result.total:,} of {plan.pairs:,} pairs, {result.total_stale:,} stale, {rate:,.0f}/s ", end="")
        sys.stdout.flush()

    return await run_pairs(plan, dsn, writer, reader, stop, show)


def _print(result: Result, *, control: bool) -> None:
    print("\n\n| change | pairs | stale |\n|---|---|---|")
    for kind, pairs in result.pairs.items():
        print(f"| {kind} | {pairs:,} | {result.stale[kind]:,} |")
    print(f"| {'all, by the control' if control else 'all'} | {result.total:,} | {result.total_stale:,} |\n")
    print(
        f"{result.total / result.seconds:,.0f} pairs/s for {result.seconds:,.0f} s; of {result.lists:,} lists,"
        f" {result.from_memory:,} were from the cache, and for {result.outdated:,} the cache was outdated;"
        f" {result.repeated:,} calls repeated, {result.unanswered:,} not answered"
    )
    for example in [*([] if control else result.examples), *dict.fromkeys(result.failures)]:
        print(example)


def _verdict(result: Result, *, control: bool) -> int:
    """Return the exit code: 0 if the control was detected; without it, if no read was stale and the cache was used."""
    if control:  # whose updates may end in failures: they rest on what is cached, and are proved after all
        return 0 if result.total_stale else 1
    if result.failures:
        return 2
    if min(result.from_memory, result.outdated) < result.total // 5:
        print("The cache was used too little for a verdict.")
        return 1
    return 1 if result.total_stale else 0


if __name__ == "__main__":
    main()
