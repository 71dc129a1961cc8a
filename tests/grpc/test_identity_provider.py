"""Tokens of an identity provider by gRPC and by Connect: through the same dispatcher, with the same answers."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from service.values.identity_providers import Provider
from tests.authentication.oidc.conftest import link
from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider, running_provider
from tests.factories import Member, World, bearer
from tests.grpc.as_http import ByMessages, by_connect, by_grpc
from tests.grpc.conftest import Served, Start

LIST = "/api/v1/flow/pipeline"


@pytest.fixture(name="provider")
async def _provider() -> AsyncIterator[IdentityProvider]:
    async with running_provider() as running:
        yield running


@pytest.fixture(name="served")
async def _served(start: Start, provider: IdentityProvider, world: World) -> Served:
    trusted = Provider(provider.issuer, AUDIENCE, organization=world.id, groups=(("/r", "reviewers"),))
    return await start(providers=(trusted,))


@pytest.fixture(name="ada")
async def _ada(provider: IdentityProvider, world: World) -> Member:
    member = await world.user("ada")
    await link(world, member, provider, "ada-there")
    return member


def transports(served: Served) -> Mapping[str, Any]:
    found: dict[str, ByMessages] = {
        "gRPC": by_grpc(served.rpcs, served.http),
        "Connect": by_connect(served.http),
    }
    return {**found, "HTTP": served.http}


async def test_token_of_a_provider_is_taken_by_each_transport(
    served: Served, provider: IdentityProvider, world: World, ada: Member
) -> None:
    await world.grant(await world.pipeline("invoices"), await world.group(name="reviewers"))
    token = provider.token("ada-there", groups=["/r"])

    for name, client in transports(served).items():
        for _ in range(2):  # the second one from the cache
            answer = await client.get(LIST, headers=bearer(token))
            assert [each["name"] for each in (await answer.json())["pipelines"]] == ["invoices"], name
        me = (await (await client.get("/api/v1/users/me", headers=bearer(token))).json())["user"]
        assert me["identity_provider"]["groups"] == [{"name": "reviewers", "mapped_from": "/r"}], name
        own = await client.get(LIST, headers=ada.headers)
        assert (await own.json())["pipelines"] == [], name
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"], "the keys are fetched for all of them"


async def test_token_of_a_provider_is_refused_by_each_transport(
    served: Served, provider: IdentityProvider, world: World, ada: Member
) -> None:
    good, forged = provider.token("ada-there"), provider.token("ada-there", aud="another-service")
    clients = transports(served)
    for name, client in clients.items():
        assert (await client.get(LIST, headers=bearer(good))).status == 200, name
        answer = await client.get(LIST, headers=bearer(forged))
        assert answer.status == 401, name
        assert "not for this service, by its audience" in (await answer.json())["msg"], name
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", ada.id)

    for name, client in clients.items():
        assert (await client.get(LIST, headers=bearer(good))).status == 401, name


async def test_write_by_a_token_of_a_provider_is_made_by_each_transport(
    served: Served, provider: IdentityProvider, world: World, ada: Member
) -> None:
    pipeline = await world.pipeline()
    await world.grant(pipeline, await world.group(name="reviewers"))
    job, token = await world.job(ada), provider.token("ada-there", groups=["/r"])

    for name, client in transports(served).items():
        for ids in ([str(pipeline)], []):
            body = {"job_id": job, "pipeline_ids": ids}
            answer = await client.post("/api/v1/jobs/pipelines", json=body, headers=bearer(token))
            assert answer.status == 200, (name, await answer.json())
            assert [str(each) for each in await world.pipelines_of(job)] == ids, name
