"""A control: a service that goes on with every cursor of its database, whatever a failover has lost."""

from typing import Final

import service.feed.reader
import service.operations.changes
from service.__main__ import main
from service.database.pool import Connection
from service.repositories.audit_epochs import Epoch
from service.repositories.audit_feed import FeedState

MODULE: Final = __name__
"""The module to run in the place of `service`."""


async def carry_over(_: Connection, then: Epoch, state: FeedState) -> Epoch:
    return then if then.timeline == state.epoch.timeline else state.epoch


if __name__ == "__main__":
    for module in (service.feed.reader, service.operations.changes):
        setattr(module, "carry_over", carry_over)  # noqa: B010 - mypy takes it for a mistake otherwise
    main()
