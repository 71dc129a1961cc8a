"""The first line at fault of a file that the database refuses, and the reason."""

from uuid import uuid4

import pytest

from service.transfer.importing import ImportRefused, import_records
from tests.factories import World
from tests.transfer.files import lines, whole


async def test_diagnosis_names_the_first_of_several_lines_at_fault(dsn: str) -> None:
    found = whole()

    with pytest.raises(ImportRefused, match=r"^line 2: group_id: there is no such group"):
        await import_records(dsn, lines(found["organization"], found["membership"], found["assignment"]))


@pytest.mark.parametrize(("child", "parent"), [("user", "organization"), ("grant", "pipeline"), ("assignment", "job")])
async def test_diagnosis_of_a_child_before_its_parent(dsn: str, child: str, parent: str) -> None:
    found = whole()
    order = [kind for kind in found if kind not in (child, parent)]

    with pytest.raises(ImportRefused, match=rf": there is no such {parent}|organization has no such {parent}"):
        await import_records(dsn, lines(*(found[kind] for kind in order if kind != "x"), found[child], found[parent]))


async def test_diagnosis_of_records_that_mix_organizations(dsn: str) -> None:
    ours, theirs = whole(), whole()

    for record, reason in (
        (
            {**ours["grant"], "group_id": theirs["group"]["id"]},
            "group_id and pipeline_id belong to different organizations",
        ),
        (
            {**ours["membership"], "user_id": theirs["user"]["id"]},
            "user_id and group_id belong to different organizations",
        ),
        ({**ours["job"], "owner_id": theirs["user"]["id"]}, "owner_id and organization_id belong to different"),
        ({**ours["assignment"], "job_id": theirs["job"]["id"]}, "the pipeline's organization has no such job"),
        (
            {**ours["user"], "organization_id": theirs["organization"]["id"]},
            "another organization has a user of the same id",
        ),
    ):
        with pytest.raises(ImportRefused, match=f"^line 19: .*{reason}"):
            await import_records(dsn, lines(*ours.values(), *theirs.values(), record))


async def test_diagnosis_of_a_token_of_another_user(dsn: str, world: World) -> None:
    ada, grace = await world.user(), await world.user()
    token = {"type": "token", "sha256": uuid4().hex * 2}
    await import_records(dsn, lines({**token, "user_id": str(ada.id)}))

    with pytest.raises(ImportRefused, match=r"^line 1: sha256 is the token of another user"):
        await import_records(dsn, lines({**token, "user_id": str(grace.id)}))
