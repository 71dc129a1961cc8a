"""A control: a service that keeps what it has read, whatever becomes of its database.

By itself it is right, as revisions never come back; on a database that draws them from a sequence, it is not.
"""

from typing import Final

from service.__main__ import main
from service.operations.dispatcher import Dispatcher

MODULE: Final = __name__
"""The module to run in the place of `service`."""

SEQUENCE: Final = "CREATE OR REPLACE FUNCTION next_revision() RETURNS bigint LANGUAGE sql RETURN nextval('revisions')"
"""The statement that makes a database draw its revisions as it did before migration 0005."""


def forget(_: Dispatcher) -> None:
    """Replace Dispatcher.forget, without its effect."""


if __name__ == "__main__":
    setattr(Dispatcher, "forget", forget)  # noqa: B010 - of the type that it really has
    main()
