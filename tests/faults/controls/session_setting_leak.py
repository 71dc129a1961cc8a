"""The control: a service that changes the session in which it begins a transaction."""

from typing import Final

from service.__main__ import main
from service.database.pool import Connection

MODULE: Final = __name__
"""To be run in the place of `service`."""

execute = Connection.execute


async def execute_in_a_changed_session(self: Connection, name: str, statement: str, *arguments: object) -> None:
    """Connection.execute, which sets something for a transaction, but not in it."""
    if name == "begin":
        await execute(self, "set", "SET lock_timeout = '1s'")
    await execute(self, name, statement, *arguments)


if __name__ == "__main__":
    setattr(Connection, "execute", execute_in_a_changed_session)  # noqa: B010 - of the type that it really has
    main()
