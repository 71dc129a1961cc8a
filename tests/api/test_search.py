"""Search inside members, grants, queues and jobs by a part of an id or a name, with totals and pages of what fits."""

import pytest

from service.permissions import READ
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World


async def fill(world: World) -> str:
    """Return the path of a pipeline with grants and jobs; the group team has two members and a grant."""
    bob, eve = await world.user("bob.mills"), await world.user("eve")
    pipeline = await world.pipeline("Prüfung")
    await world.grant(pipeline, await world.group(bob, eve, name="team"))
    await world.grant(pipeline, await world.group(name="Readers"), READ)
    await world.grant(pipeline, bob)
    for job_id, name in (("Case-1", "Mills v. Boone"), ("case-2", ""), ("other_3", "100% _ \\")):
        await world.job(bob, pipeline, job_id=job_id)
        await world.raw.execute(
            "UPDATE jobs SET name = $2 WHERE organization_id = $1 AND id = $3", world.id, name, job_id
        )
    known = "display_name = 'Éve', display_name_key = 'éve'"
    await world.raw.execute(f"UPDATE users SET {known} WHERE organization_id = $1 AND id = $2", world.id, eve.id)
    return f"/flow/pipeline/{pipeline}"


@pytest.mark.parametrize(
    ("path", "items", "key", "found"),
    [
        ("/groups/team/members", "members", "username", {"MILLS": ["bob.mills"], "ÉVE": ["eve"], "%": []}),
        ("{pipeline}/grants", "grants", "group", {"EA": ["Readers", "team"], "mills": [None], "_": []}),
        ("/groups/team/grants", "grants", "is_manager", {"PRÜF": [False], "x": []}),
        ("{pipeline}/jobs", "jobs", "id", {"CASE": ["Case-1", "case-2"], "boone": ["Case-1"], "%": ["other_3"]}),
        ("/jobs", "jobs", "id", {"CASE": ["case-2", "Case-1"], "boone": ["Case-1"], "\\": ["other_3"], "x": []}),
    ],
)
async def test_search_finds_a_part_of_a_name_regardless_of_case(
    client: Client, world: World, path: str, items: str, key: str, found: dict[str, list[object]]
) -> None:
    call = As.member(client, await world.user("root", role="admin"))
    address = path.format(pipeline=await fill(world))
    for text, keys in found.items():
        whole = await call.get(address, q=text, total="true")
        assert [item[key] for item in whole.body[items]] == keys, (path, text)
        assert whole.body["total_size"] == len(keys)
        if len(keys) > 1:
            first = await call.get(address, q=text, page_size="1")
            token = first.body["next_page_token"]
            second = await call.get(address, q=text, page_size="1", page_token=token)
            assert [item[key] for page in (first, second) for item in page.body[items]] == keys
            assert (await call.get(address, q="another", page_size="1", page_token=token)).status == 400
    everything = await call.get(address, q="")
    assert len(everything.body[items]) == len((await call.get(address)).body[items])
    assert (await call.get(address, q="x" * 321)).status == 400


async def test_search_of_jobs_finds_only_what_the_caller_sees(client: Client, world: World) -> None:
    await fill(world)
    eve = await world.user("ann")
    call = As.member(client, eve)
    await world.job(eve, job_id="case-of-hers")
    assert [job["id"] for job in (await call.get("/jobs", q="case")).body["jobs"]] == ["case-of-hers"]
