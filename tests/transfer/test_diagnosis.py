"""The first line at fault of a file that the database refuses, and the reason."""

from typing import Any
from uuid import UUID, uuid4, uuid5

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
        with pytest.raises(ImportRefused, match=f"^line {2 * len(ours) + 1}: .*{reason}"):
            await import_records(dsn, lines(*ours.values(), *theirs.values(), record))


async def test_diagnosis_of_a_token_of_another_user(dsn: str, world: World) -> None:
    ada, grace = await world.user(), await world.user()
    token = {"type": "token", "sha256": uuid4().hex * 2}
    await import_records(dsn, lines({**token, "user_id": str(ada.id)}))

    with pytest.raises(ImportRefused, match=r"^line 1: sha256 is the token of another user"):
        await import_records(dsn, lines({**token, "user_id": str(grace.id)}))


async def link_of(raw: Any, subject: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await raw.fetch("SELECT user_id, id FROM identity_links WHERE subject = $1", subject)]


async def test_diagnosis_of_an_identity_that_is_linked_to_another_user(dsn: str, world: World) -> None:
    """Nobody is taken over by a file: as with `identity link`, an administrator unlinks first."""
    ada, grace = await world.user(), await world.user("grace")
    subject, link_id = str(uuid4()), str(uuid4())
    mine = {"type": "identity", "issuer": "https://id.example", "subject": subject, "user_id": str(ada.id)}
    theirs, reason = {**mine, "user_id": str(grace.id)}, "subject is linked to another user"

    for refused, line in (([mine, theirs], 2), ([theirs, mine, theirs], 2)):
        with pytest.raises(ImportRefused, match=f"^line {line}: {reason}"):
            await import_records(dsn, lines(*refused))
    await import_records(dsn, lines({**mine, "id": link_id}))
    with pytest.raises(ImportRefused, match=f"^line 1: {reason}"):
        await import_records(dsn, lines(theirs))
    with pytest.raises(ImportRefused, match=r"^line 1: id is taken by another link"):
        await import_records(dsn, lines({**theirs, "subject": f"{subject}-2", "id": link_id}))
    twice = [{**theirs, "subject": f"{subject}-{number}", "id": str(uuid5(ada.id, "link"))} for number in range(2)]
    with pytest.raises(ImportRefused, match=r"^line 2: id is taken by another link"):
        await import_records(dsn, lines(*twice))

    assert (await import_records(dsn, lines({**mine, "last_used_at": "2030-01-01T00:00:00Z"}))).written == {}
    assert await link_of(world.raw, subject) == [(ada.id, UUID(link_id))]


async def test_diagnosis_finds_no_fault_with_an_identity_in_each_of_two_organizations(dsn: str, world: World) -> None:
    other = await World.create(world.raw)
    ada, bob, subject = await world.user(), await other.user(), str(uuid4())
    mine = {"type": "identity", "issuer": "https://id.example", "subject": subject, "user_id": str(ada.id)}

    await import_records(dsn, lines(mine, {**mine, "user_id": str(bob.id)}))

    assert {row[0] for row in await link_of(world.raw, subject)} == {ada.id, bob.id}


@pytest.mark.parametrize("kind", ["identity", "provisioned_user", "provisioned_group"])
async def test_diagnosis_of_a_link_or_mark_of_an_unknown_user_or_group(dsn: str, kind: str) -> None:
    record = whole()[kind]
    column = "group_id" if "group" in kind else "user_id"

    with pytest.raises(ImportRefused, match=f"^line 1: {column}: there is no such"):
        await import_records(dsn, lines(record))
