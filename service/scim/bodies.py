"""Bounds and parts that bodies of users and of groups share: the operations of a PATCH, attributes held to a rule."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

from scim2_models import Context, PatchOp, ResourceType

from service.errors import InvalidArgument
from service.operations.provisioned_groups import MAX_CHANGED
from service.scim.resources import GROUPS, USERS, Group, User
from service.values.names import Rule

MAX_OPERATIONS: Final = MAX_CHANGED
"""Operations of a PATCH, each of which may be about a member."""
MAX_PATH: Final = 200
"""Characters of the path of an operation of a PATCH."""
MAX_PATHS: Final = 2_000
"""Characters of those paths together, as the library takes some microseconds for each."""
MAX_VALUES: Final = 250
"""Values in a body beside members: several times what identity providers send, and read in some milliseconds."""
MAX_CHARACTERS: Final = 16_000
"""Characters of the names and texts in it: the library takes up to 0.7 µs for each, where it refuses them."""

SCHEMAS: Final = {USERS.name: str(User.__schema__), GROUPS.name: str(Group.__schema__)}


def keys(payload: Mapping[str, Any]) -> set[str]:
    """Return the names of the attributes of a body, in lower case, as SCIM tells no case apart."""
    return {key.lower() for key in payload}


def operations_of(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the operations of a PATCH.

    Raises:
        InvalidArgument: there are none, or not as objects, or too many, or one name is given twice or too long.
    """
    require_once(payload)
    found = next((value for key, value in payload.items() if key.lower() == "operations"), None)
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise InvalidArgument("Operations must be a list of at least one.", reason="invalidSyntax")
    if len(found) > MAX_OPERATIONS:
        raise InvalidArgument(f"At most {MAX_OPERATIONS:,} operations may be asked for at once.", reason="tooMany")
    for each in found:
        require_once(each)
    return found


def require_once(payload: Mapping[str, Any]) -> None:
    """Require that no name is given twice, as SCIM tells no case apart, and that they are not too long to tell.

    Raises:
        InvalidArgument: one is.
    """
    if sum(map(len, payload)) > MAX_CHARACTERS:
        raise _too_long()
    if len(keys(payload)) < len(payload):
        raise InvalidArgument("A name is given more than once, regardless of case.", reason="invalidSyntax")


def with_operations(payload: Mapping[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a PATCH with other operations."""
    return {key: operations if key.lower() == "operations" else value for key, value in payload.items()}


def patch(model: type[User] | type[Group], payload: Mapping[str, Any]) -> Any:
    """Return a PATCH of a kind of resource, which is small.

    Raises:
        InvalidArgument: it is none, or its paths are longer than any that the service knows.
    """
    paths = [value for each in operations_of(payload) for key, value in each.items() if key.lower() == "path"]
    lengths = [len(each) for each in paths if isinstance(each, str)]
    if max(lengths, default=0) > MAX_PATH or sum(lengths) > MAX_PATHS:
        raise InvalidArgument(
            f"A path must have at most {MAX_PATH} characters, and those of a request {MAX_PATHS:,}; of members, any.",
            reason="invalidPath",
        )
    return _PATCHES[model].model_validate(payload, scim_ctx=Context.RESOURCE_PATCH_REQUEST)


_PATCHES: Final[Mapping[type[Any], Any]] = {User: PatchOp[User], Group: PatchOp[Group]}


def require_small(payload: Mapping[str, Any]) -> None:
    """Require no more values and characters than a user or a group can have use for: the library takes long for each.

    Raises:
        InvalidArgument: there are more, or one name is given twice.
    """
    require_once(payload)
    number = length = 0
    level: list[Any] = [payload]
    while level:
        children = [child for each in level for child in (each if isinstance(each, list) else each.values())]
        number += len(children)
        if number > MAX_VALUES:
            raise InvalidArgument(f"The body holds more than {MAX_VALUES} values beside members.", reason="tooMany")
        texts = [child for child in children if isinstance(child, str)]
        length += sum(len(each) for each in chain(texts, *(each for each in level if isinstance(each, dict))))
        if length > MAX_CHARACTERS:
            raise _too_long()
        level = [child for child in children if isinstance(child, dict | list)]


def _too_long() -> InvalidArgument:
    return InvalidArgument(f"The body holds more than {MAX_CHARACTERS:,} characters beside members.", reason="tooMany")


def with_known_schemas(payload: Mapping[str, Any], kind: ResourceType) -> dict[str, Any]:
    """Return a body without the schemas that the service does not know: it would otherwise answer that it has them."""
    schema = SCHEMAS[str(kind.name)]
    known = dict(payload)
    for key, value in payload.items():
        if (
            key.lower() == "schemas"
            and isinstance(value, list)
            and schema.lower() in [str(each).lower() for each in value]
        ):
            known[key] = [schema]
    return known


def checked(name: str, value: object, rule: Rule) -> str:
    """Return the value of an attribute that keeps its rule.

    Raises:
        InvalidArgument: it does not.
    """
    try:
        return rule.check(value)
    except ValueError as error:
        sentence = f"{name}: must be {error}."
    raise InvalidArgument(sentence, reason="invalidValue")


def optional(name: str, value: str | None, rule: Rule) -> str | None:
    """Return the value of an attribute that may be absent; an empty one is."""
    return None if value is None or value == "" else checked(name, value, rule)
