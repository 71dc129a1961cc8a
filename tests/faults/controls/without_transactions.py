"""A control: a service without transactions, in which each statement commits on its own."""

from typing import Final

from service import __main__ as service
from service.database.pool import Database

MODULE: Final = __name__
"""The module to run in the place of `service.__main__`."""


def main() -> None:
    setattr(Database, "transaction", Database.connection)  # noqa: B010 - of the type that it really has
    service.main()
