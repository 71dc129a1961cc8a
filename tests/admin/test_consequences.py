"""What goes along with a change, shown before or after it."""

from playwright.async_api import expect

from tests.admin.browser import Desk
from tests.api.calls import As
from tests.api.test_token_trees import make, root
from tests.conftest import Client
from tests.factories import World


async def test_revoking_a_token_says_how_many_go_along(desk: Desk, client: Client, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    await world.raw.execute("UPDATE tokens SET revoked_at = now() WHERE user_id = $1", bob.id)
    token = await root(client, world, bob)
    child = await make(token.call)
    async with desk.visit(ada, "/tokens?username=bob") as visit:
        await visit.row(token.id).get_by_role("button", name="Revoke").click()
        await expect(visit.dialog).to_contain_text("1 token made with it, or in its place, goes along.")
        await visit.confirm("Revoke token")
        await expect(visit.page.get_by_text("2 tokens are revoked.")).to_be_visible()
    assert not await child.works()


async def test_demotion_shows_what_they_granted_themselves(desk: Desk, client: Client, world: World) -> None:
    ada, pam = await world.user("ada", role="admin"), await world.user("pam", role="pipeline_admin")
    made = await As.member(client, pam)("POST", "/flow/pipeline", {"name": "Hers"})
    assert made.status == 201
    async with desk.visit(ada, "/users") as visit:
        await visit.row("pam").get_by_role("button", name="Change the role of pam").click()
        await visit.field("Member").check()
        await visit.dialog.get_by_role("button", name="Save").click()
        await expect(visit.dialog).to_contain_text("pam is a member now")
        await expect(visit.dialog).to_contain_text("Hers")
        await visit.confirm("Take it back")
    assert (await As.member(client, pam).get("/flow/pipeline")).body["pipelines"] == []
