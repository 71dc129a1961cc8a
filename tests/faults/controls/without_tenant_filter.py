"""A control: a service one statement of which is not restricted to the caller's organization."""

from typing import Final

from service.__main__ import main
from service.repositories import pipelines

MODULE: Final = __name__
"""The module to run in the place of `service`."""


if __name__ == "__main__":
    unfiltered = pipelines.FIND.replace("p.organization_id = $1 AND", "")
    assert unfiltered != pipelines.FIND
    setattr(pipelines, "FIND", unfiltered)  # noqa: B010 - it is Final
    main()
