"""A control: a service whose transactions leave a setting behind in their session."""

from typing import Final

from service.__main__ import main
from service.database.pool import Connection

MODULE: Final = __name__
"""The module to run in the place of `service`."""

execute = Connection.execute


async def execute_with_session_setting(self: Connection, name: str, statement: str, *arguments: object) -> None:
    """Replace Connection.execute, and set a session's lock_timeout before each transaction instead of within it."""
    if name == "begin":
        await execute(self, "set", "SET lock_timeout = '2s'")
    await execute(self, name, statement, *arguments)


if __name__ == "__main__":
    setattr(Connection, "execute", execute_with_session_setting)  # noqa: B010 - of the type that it really has
    main()
