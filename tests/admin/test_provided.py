"""What an identity provider's claims add, on the page of the caller and in the reasons of their access."""

from dataclasses import replace

from aiohttp.test_utils import TestClient, TestServer
from playwright.async_api import expect

from service.app import create_app
from service.database.pool import Database
from service.health import Health
from service.settings import Settings
from service.values.identity_providers import Provider
from tests.admin.browser import Desk
from tests.authentication.oidc.conftest import link
from tests.authentication.oidc.provider import AUDIENCE, running_provider
from tests.factories import Member, World


async def test_page_tells_what_an_identity_provider_adds(
    desk: Desk, settings: Settings, database: Database, world: World
) -> None:
    ada, pipeline = await world.user("ada"), await world.pipeline("Invoices")
    await world.grant(pipeline, await world.group(name="reviewers"))
    async with running_provider() as provider:
        await link(world, ada, provider, "ada-there")
        trusted = Provider(
            provider.issuer, AUDIENCE, organization=world.id, groups=(("/r", "reviewers"),), roles=(("boss", "admin"),)
        )
        app = create_app(replace(settings, providers=(trusted,)), database, Health(database, 1))
        async with TestClient(TestServer(app)) as client:
            there = Desk(desk.browser, str(client.make_url("")).rstrip("/"))
            token = provider.token("ada-there", groups=["/r"], roles=["boss"])
            async with there.visit(Member(ada.id, "ada", token), "/users/ada") as visit:
                facts = visit.page.locator("dl.facts")
                await expect(facts).to_contain_text(f"Signed in by{provider.issuer}")
                await expect(facts).to_contain_text("Its groups/r, mapped to reviewers")
                await expect(facts).to_contain_text("Its roleboss, mapped to Administrator")
                await visit.follow(f"/pipelines/{pipeline}/who?username=ada")
                answer = visit.page.get_by_role("list", name="The answer")
                await expect(answer).to_contain_text("through the identity provider's group /r, mapped to reviewers")
                await expect(answer).to_contain_text(
                    "through the identity provider's role boss, mapped to administrator, who manages every one."
                )
