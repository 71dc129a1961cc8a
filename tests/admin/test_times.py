"""Dates that no calendar of the API has: an error at the field, and nothing uncaught."""

import pytest
from playwright.async_api import expect

from tests.admin.browser import Desk
from tests.factories import World


@pytest.mark.parametrize("date", ["12345-01-01T00:00", "275760-09-13T00:00", "2200-01-02T00:00"])
async def test_expiry_beyond_the_calendar_is_an_error_at_the_field(desk: Desk, world: World, date: str) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada, "/tokens?username=ada") as visit:
        await visit.button("Make a token").first.click()
        await visit.dialog.get_by_label("Expires", exact=True).select_option("date")
        control = visit.dialog.get_by_label("Expires: date and time")
        await control.fill(date)
        await visit.dialog.get_by_role("button", name="Make the token").click()

        await expect(visit.dialog).to_contain_text("Must be a time from the year 1970 on, and before 2200.")
        await expect(control).to_have_attribute("aria-invalid", "true")


async def test_expiry_without_a_date_is_an_error_at_the_field(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada, "/tokens?username=ada") as visit:
        await visit.button("Make a token").first.click()
        await visit.dialog.get_by_label("Expires", exact=True).select_option("date")
        await visit.dialog.get_by_role("button", name="Make the token").click()

        await expect(visit.dialog).to_contain_text("Must be a time as in 2030-01-31T12:00:00Z.")


async def test_audit_filtered_by_a_day_beyond_the_calendar_says_so(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada, "/audit") as visit:
        await visit.page.get_by_label("From", exact=True).fill("12345-01-01")
        await visit.page.get_by_label("From", exact=True).dispatch_event("change")

        await expect(visit.page.get_by_text("Must be a time from the year 1970 on, and before 2200.")).to_be_visible()
