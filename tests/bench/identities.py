"""The cost of a list by an identity provider's token beside one by the service's own, of the same users and one server.

Every token is known: what a signature costs is paid once for each, before anything is measured.
"""

import asyncio
import hashlib
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import asyncpg

from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider, provider_in_a_thread
from tests.bench.measure import Load, cpu_seconds, running, wrk

ROUNDS: Final = 12
MAX_RATIO: Final = 1.15
"""The ratio that a list by a known token of a provider may cost at most."""


def show(dsn: str, command: str, environment: Mapping[str, str], load: Load) -> None:
    """Print the processor time of both kinds of list, and their ratio, as the median of pairs one after the other."""
    with provider_in_a_thread() as provider:
        others = replace(load, data=load.data / "identities")
        digests = [hashlib.sha256(each.encode()).digest() for each in (load.data / "tokens.txt").read_text().split()]
        others.data.mkdir(exist_ok=True)
        (others.data / "tokens.txt").write_text("\n".join(asyncio.run(_link(dsn, provider, digests))))
        said = {"OIDC_ISSUER": provider.issuer, "OIDC_AUDIENCE": AUDIENCE}
        with running(command, {**environment, **said}) as server:
            for each in (load, others):
                wrk(server[1], each, seconds=5)  # each token is verified, and each list cached
            pairs = [(_cost(server, load), _cost(server, others)) for _ in range(ROUNDS)]
    ratio = statistics.median(sum(by_provider) / sum(by_own) for by_own, by_provider in pairs)
    print("| list by | µs of the server | of the database |\n|---|---|---|")
    own, provided = zip(*pairs, strict=True)
    for name, costs in (("a token of the service's own", own), ("a known token of a provider", provided)):
        print(f"| {name} | {' | '.join(f'{statistics.median(each):.0f}' for each in zip(*costs, strict=True))} |")
    verdict = "within" if ratio <= MAX_RATIO else "BEYOND"
    print(f"a list by a provider's token costs {ratio:.2f} x, {verdict} {MAX_RATIO:g}", flush=True)


async def _link(dsn: str, provider: IdentityProvider, digests: Sequence[bytes]) -> list[str]:
    """Link the users of tokens to a subject; return a token of the provider for each of them."""
    connection = await asyncpg.connect(dsn)
    users = await connection.fetch(
        "SELECT DISTINCT organization_id, user_id FROM tokens WHERE digest = ANY ($1)", digests
    )
    await connection.executemany(
        "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject)"
        " VALUES ($1, gen_random_uuid(), $2, $3, $2::uuid::text)",
        [(*user, provider.issuer) for user in users],
    )
    await connection.execute("ANALYZE identity_links")
    await connection.close()
    expires = int(time.time()) + 86_400
    return [provider.token(str(user["user_id"]), exp=expires) for user in users]


def _cost(server: "tuple[subprocess.Popen[bytes], int]", load: Load) -> tuple[float, float]:
    """Return the µs of processor time of a request: of the server, and of PostgreSQL."""
    process, port = server
    before = cpu_seconds(process.pid), cpu_seconds(load.postmaster)
    result = wrk(port, load, seconds=2)
    if result["bad_status"] or result["socket_errors"]:
        raise RuntimeError(f"lists failed: {result}")
    after = cpu_seconds(process.pid), cpu_seconds(load.postmaster)
    of_server, of_database = (
        (end - start) / result["requests"] * 1e6 for start, end in zip(before, after, strict=True)
    )
    return of_server, of_database
