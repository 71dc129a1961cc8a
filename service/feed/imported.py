"""The meaning of an import's entries, each of which has up to some hundred things that the import has written.

A caller is told of each thing by itself, as if it had been changed alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from service.feed.sight import Concerned, Sight, grantee, objects, value
from service.feed.told import Told
from service.permissions import READ
from service.repositories.audit import Entry
from service.values.ids import parse_uuid

Item = Mapping[str, Any]


def _concern_nothing(_item: Item, _concerned: Concerned) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Import:
    """The meaning of the entries that list what an import has written to one table."""

    table: str
    tell_item: Callable[[Entry, Item, Sight], tuple[str, str, dict[str, Any]] | None]
    """Returns the target, the type and the data of a change; None if it is not the caller's to know."""
    concern_by: Callable[[Item, Concerned], None] = _concern_nothing

    def concern(self, entry: Entry, concerned: Concerned) -> None:
        """Add what has to be looked up before an entry can be told."""
        for item in objects(entry.after, self.table):
            self.concern_by(item, concerned)

    def tell(self, entry: Entry, sight: Sight) -> list[Told]:
        """Return what an entry means to a caller."""
        return [*self._told(entry, sight)]

    def _told(self, entry: Entry, sight: Sight) -> Iterator[Told]:
        for number, item in enumerate(objects(entry.after, self.table), 1):
            if found := self.tell_item(entry, item, sight):
                yield Told(*found, number)


def _user(entry: Entry, item: Item, sight: Sight) -> tuple[str, str, dict[str, Any]] | None:
    """Tell a user who was there before of a role, or that they are enabled again."""
    if parse_uuid(str(item.get("id"))) != sight.caller.user_id:
        return None
    was = next((each for each in objects(entry.before, "users") if each.get("id") == item.get("id")), None)
    if was is None or all(was.get(each) == item.get(each) for each in ("role", "disabled")):
        return None
    return f"user:{item.get('username')}", "access.changed", {"role": item.get("role")}


def _member(_entry: Entry, item: Item, sight: Sight) -> tuple[str, str, dict[str, Any]] | None:
    group = item.get("group")
    return (f"group:{group}", "access.changed", {"group": group}) if sight.is_caller(item.get("member")) else None


def _grant(entry: Entry, item: Item, sight: Sight) -> tuple[str, str, dict[str, Any]] | None:
    """Tell whom it was granted to, but by a token that may read no pipeline."""
    to, pipeline_id = str(item.get("to")), value(item.get("pipeline"), "id")
    if not sight.caller.allows(READ) or not sight.is_granted(*grantee(to, item), entry.at):
        return None
    return f"grant:{pipeline_id}/{to}", "access.changed", {"pipeline_id": pipeline_id}


def _concern_grantee(item: Item, concerned: Concerned) -> None:
    concerned.add_grantee(*grantee(str(item.get("to")), item))


def _pipeline(_entry: Entry, item: Item, sight: Sight) -> tuple[str, str, dict[str, Any]] | None:
    pipeline_id = _id(item)
    if pipeline_id is None or not sight.reads(pipeline_id):
        return None
    kind = "pipeline.created" if item.get("created") is True else "pipeline.changed"
    return f"pipeline:{pipeline_id}", kind, {"name": item.get("name")}


def _concern_pipeline(item: Item, concerned: Concerned) -> None:
    pipeline_id = _id(item)
    if pipeline_id is not None:
        concerned.pipelines.add(pipeline_id)


def _id(item: Item) -> UUID | None:
    return parse_uuid(str(item.get("id")))


_ALL: Final = (
    Import("users", _user),
    Import("memberships", _member),
    Import("user_grants", _grant),
    Import("group_grants", _grant, _concern_grantee),
    Import("pipelines", _pipeline, _concern_pipeline),
)
IMPORTS: Final[Mapping[str, Import]] = {f"import.{each.table}": each for each in _ALL}
"""The imports by action."""
