"""The control: a service that ends as aiohttp does by itself."""

from typing import Final

from aiohttp import web

from service.__main__ import main
from service.http.server.listener import ListeningSite
from service.http.server.runner import Runner

MODULE: Final = __name__
"""To be run in the place of `service`."""


def end_nothing(_: Runner) -> None:
    """Runner.end_connections without its effect."""


if __name__ == "__main__":
    setattr(Runner, "end_connections", end_nothing)  # noqa: B010 - of the type that they really have
    setattr(Runner, "cleanup", web.AppRunner.cleanup)  # noqa: B010
    setattr(ListeningSite, "stop", web.BaseSite.stop)  # noqa: B010
    main()
