"""Kinds of values that several commands take."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from service.identifiers import NAME
from service.permissions import PERMISSION_BITS


class Duration(click.ParamType[datetime]):
    """A length of time from now on, such as 12h or 90d, as the moment when it is over."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Minutes, hours or days."""
        if isinstance(value, datetime):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", value)
        if match is None:
            self.fail("give a number of minutes, hours or days, such as 30m, 12h or 90d.", param, ctx)
        unit = {"m": "minutes", "h": "hours", "d": "days"}[match[2]]
        return datetime.now(UTC) + timedelta(**{unit: int(match[1])})


class NameType(click.ParamType[str]):
    """A user's or group's name."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """1 to 100 characters of a few kinds."""
        if not NAME.fullmatch(value):
            self.fail("a name is 1 to 100 characters of A-Z a-z 0-9 _ . @ -.", param, ctx)
        return str(value)


NAME_TYPE = NameType()

PERMISSION = click.Choice([name.removeprefix("flow_pipeline:") for name in PERMISSION_BITS])
"""A permission, by its short name."""


def permission_set(short_names: tuple[str, ...]) -> int:
    """The bit set of permissions by their short names."""
    return sum({PERMISSION_BITS[f"flow_pipeline:{name}"] for name in short_names})
