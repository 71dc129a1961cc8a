"""A control: a service that shuts down as aiohttp does by itself."""

from typing import Final

from aiohttp import web

from service.__main__ import main
from service.http.server.listener import ListeningSite
from service.http.server.runner import Runner

MODULE: Final = __name__
"""The module to run in the place of `service`."""


def end_connections(_: Runner) -> None:
    """Replace Runner.end_connections, without its effect."""


if __name__ == "__main__":
    setattr(Runner, "end_connections", end_connections)  # noqa: B010 - of the types that they really have
    setattr(Runner, "cleanup", web.AppRunner.cleanup)  # noqa: B010 - likewise
    setattr(ListeningSite, "stop", web.BaseSite.stop)  # noqa: B010 - likewise
    main()
