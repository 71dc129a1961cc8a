"""An identity provider that is away, slow, wrong or hostile: own tokens work, known ones go on, nothing waits long."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import psutil
from aiohttp import web

from service.authentication.oidc.keys import MIN_INTERVAL
from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider, provider_in_a_thread, rsa
from tests.factories import World, bearer
from tests.faults.controls import without_provider_guard
from tests.faults.harness.fault import Fault, Outcome
from tests.process.running import Service, running_service

REQUEST_TIMEOUT: Final = 2.0
OWN: Final = 20
"""Requests by the service's own tokens beside them."""
LARGE: Final = 10 * 2**20
MAX_GROWTH: Final = 32 * 2**20
"""Bytes by which the service may grow: it holds the flood."""
LIST: Final = "/api/v1/flow/pipeline"


@dataclass(frozen=True)
class Flood:
    """Requests by unknown keys at the same moment, more than MAX_REQUESTS, and what is asked of their answers."""

    requests: int = 500
    max_requests: int = 400
    slack: float = 2.5
    """Seconds beyond the deadline that a request may take: clients and service share the machine, which may be busy."""


LARGE_FLOOD: Final = Flood()
SMALL_FLOOD: Final = Flood(150, 110, slack=60)
"""The flood of the short form: few enough for any machine to take them in before their deadline, whose end is not held
against a clock. Where each may wait for the provider, they take all the places that own tokens need."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Case:
    """A way in which a provider fails: a handler that answers in its place, or tokens that are wrong."""

    name: str
    handler: Callable[[IdentityProvider], Handler] | None
    statuses: tuple[int, ...]
    """Of requests by tokens whose key is not known."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Claims of new tokens, as seconds from now."""


def _away(_: IdentityProvider) -> Handler:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return cut


def _slow(_: IdentityProvider) -> Handler:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.2)
        return response

    return drip


def _large(provider: IdentityProvider) -> Handler:
    """Answer rightly, with much beside."""

    async def answer(request: web.Request) -> web.StreamResponse:
        document = {"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/keys"}
        keys = {"keys": [key.as_dict(private=False) for key in provider.keys]}
        found: dict[str, Any] = document if request.path.endswith("configuration") else keys
        return web.json_response({**found, "more": "m" * LARGE})

    return answer


def _redirecting(provider: IdentityProvider) -> Handler:
    """Lead elsewhere, where everything is right."""

    async def redirect(request: web.Request) -> web.StreamResponse:
        if not request.path.startswith("/elsewhere"):
            raise web.HTTPFound(f"/elsewhere{request.path}")
        document = {"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/keys"}
        keys = {"keys": [key.as_dict(private=False) for key in provider.keys]}
        return web.json_response(document if request.path.endswith("configuration") else keys)

    return redirect


def _with_wrong_keys(provider: IdentityProvider) -> Handler:
    strange = rsa("first").as_dict(private=False)

    async def answer(request: web.Request) -> web.StreamResponse:
        document = {"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/keys"}
        return web.json_response(document if request.path.endswith("configuration") else {"keys": [strange]})

    return answer


AWAY: Final = (503, 504)
CASES: Final = (
    Case("away", _away, AWAY),
    Case("slow", _slow, AWAY),
    Case("large answers", _large, AWAY),
    Case("redirects", _redirecting, AWAY),
    Case("wrong keys", _with_wrong_keys, (401,)),
    Case("a clock 5 minutes ahead", None, (401,), {"iat": 300, "nbf": 300, "exp": 600}),
    Case("a clock 5 minutes behind", None, (401,), {"iat": -300, "exp": -60}),
)
SHORT: Final = tuple(case for case in CASES if case.name == "slow")
"""The case of the short form: the only one that takes a flood to be seen."""


@dataclass
class Stage:
    """A service, its provider, and what was seen."""

    service: Service
    provider: IdentityProvider
    session: aiohttp.ClientSession
    own: str
    case: Case
    flood: Flood = LARGE_FLOOD
    requests: int = 0
    slowest: float = 0
    violations: list[str] = field(default_factory=list)

    async def call(self, token: str, expected: Sequence[int], what: str) -> int:
        """Ask for a list; what comes must be expected, and in time."""
        began = time.monotonic()
        async with self.session.get(self.service.api + LIST, headers=bearer(token)) as response:
            status, seconds = response.status, time.monotonic() - began
            retry_after = response.headers.get("Retry-After")
        self.requests, self.slowest = self.requests + 1, max(self.slowest, seconds)
        if status not in expected:
            self.violations.append(f"{self.case.name}: {what} was answered {status}")
        if status == 503 and retry_after is None:
            self.violations.append(f"{self.case.name}: {what} was not told when to try again")
        if seconds > REQUEST_TIMEOUT + self.flood.slack:
            self.violations.append(f"{self.case.name}: {what} took {seconds:.1f} s")
        return status

    def token(self, **claims: Any) -> str:
        """Return a new token, which was never seen, with what is wrong in this case."""
        now = int(time.time())
        wrong = {name: now + seconds for name, seconds in self.case.claims.items()}
        return self.provider.token("ada-there", jti=str(time.monotonic_ns()), **{**wrong, **claims})

    def fail(self) -> None:
        self.provider.instead = self.case.handler and self.case.handler(self.provider)

    async def ask_without_keys(self) -> None:
        """Begin while the provider fails, under a flood of tokens by keys that are not known."""
        self.fail()
        memory = psutil.Process(self.service.process.pid).memory_info
        before = memory().rss
        strange = self.provider.token("ada-there", rsa("strange"))
        new = asyncio.create_task(self.call(self.token(), self.case.statuses, "a new token"))
        await asyncio.sleep(0.1)
        flood = [
            asyncio.create_task(self.call(strange, (*self.case.statuses, 401, 503), "an unknown key"))
            for _ in range(self.flood.requests)
        ]
        await asyncio.sleep(0.5)  # so long none of them waits for anything but the provider
        own = [self.call(self.own, (200,), "a token of the service's own") for _ in range(OWN)]
        await asyncio.gather(new, *flood, *own)
        if memory().rss - before > MAX_GROWTH:
            self.violations.append(f"{self.case.name}: {(memory().rss - before) / 2**20:.0f} MiB more")

    async def recover(self) -> None:
        """Let the provider be as it should again: its tokens are taken soon."""
        self.provider.instead = None
        good = self.provider.token("ada-there")
        deadline = time.monotonic() + MIN_INTERVAL + REQUEST_TIMEOUT
        while await self.call(good, (200, 401, 503, 504), "a good token") != 200:
            if time.monotonic() > deadline:
                self.violations.append(f"{self.case.name}: not taken after {MIN_INTERVAL + REQUEST_TIMEOUT:g} s")
                return
            await asyncio.sleep(0.5)

    async def ask_with_keys(self) -> None:
        """Fail again, once a token and its key are known, past the time for which the provider is left alone."""
        known = self.provider.token("ada-there")
        await self.call(known, (200,), "a token before")
        self.fail()
        await asyncio.sleep(MIN_INTERVAL)
        strange = self.provider.token("ada-there", rsa("strange"))
        new = self.case.statuses if self.case.claims else (200,)
        await asyncio.gather(
            self.call(strange, (*AWAY, 401), "an unknown key"),
            self.call(self.own, (200,), "a token of the service's own"),
        )
        if self.case.name != "wrong keys":  # these are taken for a rotation: what was signed by the former ends
            await self.call(known, (200,), "a known token")
            await self.call(self.token(), new, "a new token by a known key")

    async def rotate(self) -> None:
        """Let the provider sign by another key, and publish it beside the former, then alone."""
        self.provider.instead = None
        former, key = self.provider.keys[0], rsa("second")
        old = self.provider.token("ada-there")
        await self.call(old, (200,), "a token before the rotation")
        self.provider.keys[:] = [key, former]
        await asyncio.sleep(MIN_INTERVAL)
        await self.call(self.provider.token("ada-there"), (200,), "a token after the rotation")
        await self.call(old, (200,), "a token before the rotation")
        self.provider.keys[:] = [key]
        await asyncio.sleep(MIN_INTERVAL)
        await self.call(self.provider.token("ada-there", rsa("strange")), (401,), "an unknown key")
        await self.call(old, (401,), "a token whose key was withdrawn")


async def _prepare(dsn: str, issuer: str) -> str:
    """Make a linked user; return a token of the service's own."""
    raw = await asyncpg.connect(dsn)
    world = await World.create(raw)
    ada = await world.user("ada")
    await raw.execute("DELETE FROM identity_links WHERE issuer = $1", issuer)
    await raw.execute(
        "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject)"
        " VALUES ($1, gen_random_uuid(), $2, $3, 'ada-there')",
        *(world.id, ada.id, issuer),
    )
    await raw.close()
    return ada.token


@asynccontextmanager
async def _stage(
    service: Service, dsn: str, provider: IdentityProvider, case: Case, flood: Flood
) -> AsyncIterator[Stage]:
    own = await _prepare(dsn, provider.issuer)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield Stage(service, provider, session, own, case, flood)


def fail_in_each_way(
    directory: Path, dsn: str, by_role: str, cases: Sequence[Case], module: str = "service", *, whole: bool
) -> Outcome:
    """Fail in each way, before a service with empty caches; if whole, recover, fail again and rotate, too."""
    flood = LARGE_FLOOD if cases is not SHORT else SMALL_FLOOD
    requests, slowest, violations = 0, 0.0, list[str]()
    for case in cases:
        with provider_in_a_thread() as provider:
            said = {
                "OIDC_ISSUER": provider.issuer,
                "OIDC_AUDIENCE": AUDIENCE,
                "REQUEST_TIMEOUT": f"{REQUEST_TIMEOUT}",
                "MAX_REQUESTS": f"{flood.max_requests}",
            }
            with running_service(directory, by_role, module=module, **said) as service:
                seen = asyncio.run(_fail(service, dsn, provider, case, flood, whole=whole))
        requests, slowest = requests + seen.requests, max(slowest, seen.slowest)
        violations += seen.violations
    return Outcome(len(cases), tuple(violations), f"{requests:,} requests, the slowest took {slowest:.1f} s")


async def _fail(
    service: Service, dsn: str, provider: IdentityProvider, case: Case, flood: Flood, *, whole: bool
) -> Stage:
    async with _stage(service, dsn, provider, case, flood) as stage:
        await stage.ask_without_keys()
        if whole:
            await stage.recover()
            await stage.ask_with_keys()
        if whole and case.handler is None:
            await stage.rotate()
        return stage


def run(directory: Path, times: int, module: str = "service", *, whole: bool = True) -> Outcome:
    """Fail in each way so many times, on a database of its own."""
    with embedded_postgres(directory / "postgres", ("-c", "fsync=off")) as dsn:
        asyncio.run(migrate(dsn))
        by_role = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        return fail_in_each_way(directory, dsn, by_role, CASES * times, module, whole=whole)


def run_control(directory: Path, times: int) -> Outcome:
    """Fail likewise against the service that takes everything, which must break each promise about it."""
    outcome = run(directory, times, without_provider_guard.MODULE, whole=False)
    missed = [name for name in ("slow", "large answers", "redirects") if not any(map(_of(name), outcome.violations))]
    return Outcome(outcome.times, () if missed else outcome.violations, f"{outcome.summary}; not detected: {missed}")


def _of(name: str) -> Callable[[str], bool]:
    return lambda violation: violation.startswith(name)


FAULTS: Final = (
    Fault(
        name="identity-provider",
        description="the identity provider is away, slow, answers 10 MB, redirects, has wrong keys, rotates them,"
        " or its clock is 5 minutes off",
        guarantee="the service's own tokens work, known ones go on, new ones are refused with the reason,"
        " no request waits longer than its deadline",
        run=run,
        times=1,
        without="bounds for what the provider answers and for who waits for it",
        control=run_control,
        control_times=1,
        shows="was answered|took",
    ),
)
