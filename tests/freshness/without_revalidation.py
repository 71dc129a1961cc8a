"""The control: a service that gives what it kept, and updates by it, without asking whether it is still so."""

from typing import Any, Final

from service.__main__ import main
from service.batching.cache import RevisionCache, _key
from service.identity import Caller
from service.repositories import job_updates, tokens

MODULE: Final = "tests.freshness.without_revalidation"
"""To be run in the place of `service`."""


def find_unchecked(self: RevisionCache[Any], caller: Caller) -> Any:
    """RevisionCache.find without its comparisons."""
    entry = self._entries.get(_key(caller))
    if entry is None:
        self.absent += 1
        return None
    self.hits += 1
    return entry.value


UNPROVED: Final = job_updates.UPDATE_EACH.replace(tokens.ACTIVE, "true").replace(
    "f.revisions = f.actual_revisions", "true"
)

if __name__ == "__main__":
    job_updates.UPDATE_EACH = UNPROVED  # type: ignore[misc]
    setattr(RevisionCache, "find", find_unchecked)  # noqa: B010 - of the type that it really has
    main()
