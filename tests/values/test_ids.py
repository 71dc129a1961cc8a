from uuid import UUID

import pytest

from service.values.ids import parse_uuid

ID = "8c400d55-15d4-41f9-b306-ec2836898d83"


@pytest.mark.parametrize("text", [ID, ID.upper()])
def test_parse_uuid(text: str) -> None:
    assert parse_uuid(text) == UUID(ID)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f" {ID}",
        f"{ID}\n",
        ID.replace("8", "٨"),
        ID[:-1],
        "K" + ID[1:],
    ],
)
def test_parse_uuid_knows_no_other_form(text: str) -> None:
    assert parse_uuid(text) is None
