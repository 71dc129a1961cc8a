"""The control: a service one statement of which forgets whose organization it is to look in."""

from typing import Final

from service.__main__ import main
from service.repositories import pipelines

MODULE: Final = __name__
"""To be run in the place of `service`."""


if __name__ == "__main__":
    forgetful = pipelines.FIND.replace("p.organization_id = $1 AND", "")
    assert forgetful != pipelines.FIND
    setattr(pipelines, "FIND", forgetful)  # noqa: B010 - it is Final
    main()
