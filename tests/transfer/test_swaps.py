"""A file is judged by how it ends, and not by what is so on the way."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from service.transfer.importing import ImportRefused, import_records
from tests.transfer.files import Record, lines, whole

NAMED = {"user": ("username", "users"), "group": ("name", "groups"), "pipeline": ("name", "pipelines")}
Raw = Any


def several(kind: str, *names: str) -> tuple[Record, list[Record]]:
    """Return an organization, and records of one kind by name."""
    found = whole()
    record = found[kind]
    return found["organization"], [{**record, "id": str(uuid4()), NAMED[kind][0]: name} for name in names]


async def names_of(raw: Raw, kind: str, organization: Record) -> dict[str, str]:
    name, table = NAMED[kind]
    rows = await raw.fetch(f"SELECT id, {name} FROM {table} WHERE organization_id = $1", UUID(organization["id"]))
    return {str(row[0]): row[1] for row in rows}


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize(
    "after",
    [("b", "a", "c"), ("b", "c", "a"), ("B", "A", "C"), ("b", "d", "c"), ("d", "a", "b"), ("A", "b", "c")],
    ids=["two swap", "three in a ring", "also in capitals", "a chain", "a chain backwards", "case alone"],
)
async def test_names_are_passed_on(dsn: str, raw: Raw, kind: str, after: tuple[str, ...]) -> None:
    organization, before = several(kind, "a", "b", "c")
    await import_records(dsn, lines(organization, *before))
    now = [{**record, NAMED[kind][0]: name} for record, name in zip(before, after, strict=True)]

    result = await import_records(dsn, lines(organization, *now))

    changed = sum(old[NAMED[kind][0]] != new[NAMED[kind][0]] for old, new in zip(before, now, strict=True))
    assert result.written == {NAMED[kind][1]: changed}
    assert await names_of(raw, kind, organization) == {each["id"]: each[NAMED[kind][0]] for each in now}
    assert (await import_records(dsn, lines(organization, *now))).written == {}


@pytest.mark.parametrize("kind", NAMED)
async def test_name_of_an_earlier_line_is_free_where_a_later_line_gives_another(dsn: str, raw: Raw, kind: str) -> None:
    organization, (one, other) = several(kind, "x", "x")
    last = {**one, NAMED[kind][0]: "y"}

    await import_records(dsn, lines(organization, one, other, last))

    assert await names_of(raw, kind, organization) == {one["id"]: "y", other["id"]: "x"}


@pytest.mark.parametrize("kind", NAMED)
async def test_name_that_is_taken_in_the_end_is_refused_by_its_line(dsn: str, raw: Raw, kind: str) -> None:
    organization, (one, two, three) = several(kind, "a", "b", "c")
    await import_records(dsn, lines(organization, one, two, three))
    key = NAMED[kind][0]

    for file, line in [
        ([{**one, key: "B"}], 1),  # of a row that the file leaves alone
        ([{**one, key: "b"}, {**two, key: "c"}], 2),
        ([{**one, key: "d"}, {**two, key: "D"}], 2),
        ([{**one, key: "b"}, {**two, key: "a"}, {**three, key: "a"}], 3),
        ([{**one, key: "x"}, {**one, key: "b"}], 2),
    ]:
        with pytest.raises(ImportRefused, match=f"^line {line}: {key} is taken by another {kind}"):
            await import_records(dsn, lines(*file))
    assert await names_of(raw, kind, organization) == {each["id"]: each[key] for each in (one, two, three)}


async def test_key_of_an_older_version_is_brought_up_to_date(dsn: str, raw: Raw) -> None:
    organization, (one,) = several("pipeline", "In\u200bvoices")
    await import_records(dsn, lines(organization, one))
    await raw.execute("UPDATE pipelines SET name_key = $2 WHERE id = $1", UUID(one["id"]), "in\u200bvoices")

    await import_records(dsn, lines(organization, one))

    assert await raw.fetchval("SELECT name_key FROM pipelines WHERE id = $1", UUID(one["id"])) == "invoices"
