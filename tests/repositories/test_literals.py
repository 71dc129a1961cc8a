"""The array literals are read by PostgreSQL as the values that they were made of."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from service.repositories.literals import array_literal, column_literal

pytestmark = pytest.mark.asyncio

KEY = UUID("8c400d55-15d4-41f9-b306-ec2836898d83")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("boolean", [True, False, None]),
        ("bytea", [b"", b"\x00\\x\xff", None]),
        ("integer", [0, -1, 2**31 - 1, None]),
        ("text", ["a", "", "null", "NULL", None]),
        ("text", ['"', "\\", '\\"', "{}", "a,b", " a ", "\n\t\x7f", "Łódź 🗎"]),
        ("timestamptz", [datetime(2199, 12, 31, 23, 59, 59, 999_999, UTC), datetime(1, 1, 1, tzinfo=UTC), None]),
        ("timestamptz", [datetime(2026, 11, 27, tzinfo=timezone(timedelta(hours=-9, minutes=-30)))]),
        ("uuid", [KEY, None]),
        ("uuid", []),
    ],
)
async def test_literal_of_a_column_is_read_as_its_values(raw: asyncpg.Connection, kind: str, values: list[Any]) -> None:
    assert await raw.fetchval(f"SELECT $1::text::{kind}[]", column_literal(kind, values)) == values


async def test_literals_in_a_column_are_read_as_theirs(raw: asyncpg.Connection) -> None:
    literals = [array_literal([1, 2]), array_literal([]), None, column_literal("text", ['a"', "b,c", None])]

    column = column_literal("text", literals)

    assert await raw.fetchval("SELECT $1::text::text[]", column) == literals
    assert await raw.fetchval("SELECT $1::text::text[]", literals[3]) == ['a"', "b,c", None]
