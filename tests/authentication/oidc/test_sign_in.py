"""Sign-in by an identity provider's token: who it leads to, and what they may."""

from tests.authentication.oidc.conftest import Serve, link
from tests.authentication.oidc.provider import IdentityProvider
from tests.factories import World, bearer

LIST = "/api/v1/flow/pipeline"


async def test_token_of_a_linked_user_lists_their_pipelines(
    serve: Serve, provider: IdentityProvider, world: World
) -> None:
    ada = await world.user()
    pipeline = await world.pipeline("invoices")
    await world.grant(pipeline, ada)
    await link(world, ada, provider, "ada-at-the-provider")
    client = await serve()

    answer = await client.get(LIST, headers=bearer(provider.token("ada-at-the-provider")))

    assert answer.status == 200
    assert [each["name"] for each in (await answer.json())["pipelines"]] == ["invoices"]
