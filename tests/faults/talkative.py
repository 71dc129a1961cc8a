"""The control: a service that takes a moment longer for what is hidden than for what is not there."""

import time
from typing import Final
from uuid import UUID

from service import permissions
from service.__main__ import main
from service.operations import pipelines

MODULE: Final = "tests.faults.talkative"
"""To be run in the place of `service`."""
MOMENT: Final = 150e-6
"""Seconds."""

require_visible = permissions.require_visible


def require_visible_slowly(holder: permissions.Holder, granted: int | None, pipeline_id: UUID) -> int:
    """require_visible, which thinks about what is there."""
    if granted is not None:
        until = time.perf_counter() + MOMENT
        while time.perf_counter() < until:
            pass
    return require_visible(holder, granted, pipeline_id)


if __name__ == "__main__":
    setattr(pipelines, "require_visible", require_visible_slowly)  # noqa: B010 - of the type that it really has
    main()
