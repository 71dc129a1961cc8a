"""Statements on the partitions of the audit trail: a month each, but for the first and the last one.

The months are UTC's. `audit_earlier` has what is before the first month, from before there were months; `audit_later`
what is behind the last one, which is nothing as long as months are made ahead.
"""

from datetime import datetime
from typing import Final, NamedTuple

from service.database.pool import Connection
from service.values.months import Month

MONTHS_AHEAD: Final = 2
"""Months behind the present one that always exist."""


class Partition(NamedTuple):
    """A partition of the trail."""

    name: str
    begin: datetime | None
    """The first moment that it has; None: it has all that is before its end."""
    end: datetime | None
    """The first moment that it has no longer; None: it has all that comes."""
    detaching: bool
    """True if it is being taken out of the trail, which an operator began and has not ended."""


async def make_missing(connection: Connection) -> int:
    """Make the months that are missing ahead; return how many there were."""
    row = await connection.fetch_one("audit_months.make", "SELECT make_audit_months() AS made")
    return int(row["made"])


async def list_partitions(connection: Connection) -> list[Partition]:
    """Return the partitions of the trail, in the order of time."""
    rows = await connection.fetch(
        "audit_months.partitions", "SELECT p.name, p.begins, p.ends, p.detaching FROM audit_partitions() p"
    )
    return [Partition(*row) for row in rows]


async def read_present(connection: Connection) -> Month:
    """Return the present month by the database's clock, by which entries get their times."""
    row = await connection.fetch_one("audit_months.present", "SELECT now() AS now")
    return Month.of(row["now"])


async def count_ahead(connection: Connection) -> int:
    """Return the number of months behind the present one that exist; less than none: not even that does."""
    row = await connection.fetch_one(
        "audit_months.ahead", "SELECT now() AS now, p.begins FROM audit_partitions() p WHERE p.ends IS NULL"
    )
    return Month.of(row["begins"]).minus(Month.of(row["now"])) - 1
