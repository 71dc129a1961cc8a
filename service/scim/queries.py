"""Parameters of SCIM clients → filters and pages of lists, and the attributes that an answer is to have."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from scim2_models import ResourceType, ResponseParameters, SearchRequest
from scim2_models.path.expressions import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    ValuePath,
)

from service.errors import InvalidArgument
from service.http.reader import refuse_unstorable
from service.repositories.provisioned_groups import ProvisionedGroupFilters
from service.repositories.provisioned_users import ProvisionedUserFilters
from service.scim.failures import told
from service.scim.resources import MAX_COUNT, PROVIDER, SERVICE
from service.scim.single_values import AT_WORK
from service.values.ids import parse_uuid

MAX_FILTER: Final = 1_000
"""Characters of a filter."""
MAX_START: Final = 2**31
MAX_ATTRIBUTES: Final = 20
"""Attributes that an answer is to have or to lack: the library looks at each for each resource of a page."""
MAX_PARAMETERS: Final = 4_000
"""Characters of what a list is asked for."""


class Search(NamedTuple):
    """A page of a list that a client asks for."""

    request: SearchRequest[Any]
    conditions: Mapping[str, Any]
    """The values that attributes must equal, by the attribute's name in lower case."""
    offset: int
    limit: int


def search(kind: ResourceType, parameters: Mapping[str, Any]) -> Search:
    """Read what a list is asked for, of a query or of the body of a `.search`.

    Raises:
        InvalidArgument: it is not valid, or its filter is not one of equality.
        NotSupported: it is to be sorted, or paged by a cursor.
    """
    if len(str(parameters.get("filter", ""))) > MAX_FILTER:
        raise InvalidArgument(f"A filter must have at most {MAX_FILTER:,} characters.", reason="invalidFilter")
    _require_few_attributes(parameters)
    if isinstance(text := parameters.get("filter"), str):
        parameters = {**parameters, "filter": AT_WORK.sub("emails.value", text)}
    with told(), PROVIDER:
        request, _ = SERVICE.read_search([kind], parameters)
    limit = MAX_COUNT if request.count is None else max(request.count, 0)
    start = max(request.start_index or 1, 1)
    if start > MAX_START:
        raise InvalidArgument(f"The startIndex must be at most {MAX_START:,}.", reason="invalidValue")
    conditions = _conditions(request.filter.ast) if request.filter else {}
    return Search(request, conditions, start - 1, min(limit, MAX_COUNT))


def _conditions(node: FilterNode) -> dict[str, Any]:
    """Return the values that attributes must equal.

    Raises:
        InvalidArgument: one must equal two values, or the filter is not one of equality.
    """
    conditions: dict[str, Any] = {}
    for attribute, value in _equalities(node):
        refuse_unstorable(value)
        if conditions.setdefault(attribute, value) != value:
            raise InvalidArgument(f"A filter can ask for one value of {attribute} alone.", reason="invalidFilter")
    return conditions


def _equalities(node: FilterNode) -> Iterator[tuple[str, Any]]:
    """Yield the attributes and values of comparisons that are joined by `and`."""
    if isinstance(node, LogicalExpr) and node.op is LogicalOperator.and_:
        for term in node.terms:
            yield from _equalities(term)
    elif isinstance(node, Comparison) and node.op is CompareOperator.eq:
        yield _named(node.attr_path), node.value
    elif isinstance(node, ValuePath) and node.sub_attr is None:
        for attribute, value in _equalities(node.val_filter):
            yield f"{_named(node.attr_path)}.{attribute}", value
    else:
        raise InvalidArgument("A filter can only ask for equality (eq), several by and.", reason="invalidFilter")


def _named(path: AttrPath) -> str:
    return str(path).rpartition(":")[2].lower()


def user_filters(conditions: Mapping[str, Any]) -> ProvisionedUserFilters | None:
    """Return the filters of users; None if no user can fit.

    Raises:
        InvalidArgument: it is another attribute that is asked for.
    """
    of = {
        "id": "id",
        "username": "username",
        "externalid": "external_id",
        "displayname": "display_name",
        "active": "active",
        "emails": "email",
        "emails.value": "email",
    }
    values = _filters(conditions, of, "id, userName, externalId, displayName, active, emails.value")
    return None if None in values.values() else ProvisionedUserFilters(**values)


def group_filters(conditions: Mapping[str, Any]) -> ProvisionedGroupFilters | None:
    """Return the filters of groups; None if no group can fit.

    Raises:
        InvalidArgument: it is another attribute that is asked for.
    """
    of = {
        "id": "id",
        "displayname": "name",
        "externalid": "external_id",
        "members": "member_id",
        "members.value": "member_id",
    }
    values = _filters(conditions, of, "id, displayName, externalId, members.value")
    return None if None in values.values() else ProvisionedGroupFilters(**values)


def _filters(conditions: Mapping[str, Any], of: Mapping[str, str], known: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for attribute, value in conditions.items():
        if attribute not in of:
            raise InvalidArgument(f"A filter can ask for {known}, and nothing else.", reason="invalidFilter")
        name = of[attribute]
        kind = bool if name == "active" else str
        if name == "active" and isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"  # noqa: PLW2901 - as Entra writes it
        if not isinstance(value, kind):
            raise InvalidArgument(f"{attribute} is compared with a value of another type.", reason="invalidFilter")
        values[name] = parse_uuid(str(value)) if name in ("id", "member_id") else value
    return values


def _require_few_attributes(parameters: Mapping[str, Any]) -> None:
    """Require no more than a list can have use for, as the library takes long for each attribute that is named.

    Raises:
        InvalidArgument: there is more.
    """
    texts = [*map(str, parameters), *(text for value in parameters.values() for text in _texts(value))]
    if sum(map(len, texts)) > MAX_PARAMETERS:
        raise InvalidArgument(f"The parameters must have at most {MAX_PARAMETERS:,} characters.", reason="tooMany")
    for name, value in parameters.items():
        named = sum(text.count(",") + 1 for text in _texts(value))
        if "attributes" in name.lower() and named > MAX_ATTRIBUTES:
            raise InvalidArgument(f"At most {MAX_ATTRIBUTES} attributes may be named.", reason="tooMany")


def _texts(value: object) -> list[str]:
    """Return what a parameter holds as texts; of what is none, how it is written."""
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def projection(kind: ResourceType, query: Mapping[str, str]) -> ResponseParameters[Any]:
    """Read which attributes an answer is to have.

    Raises:
        InvalidArgument: they are too many, or no attributes.
    """
    _require_few_attributes(query)
    with told(), PROVIDER:
        return SERVICE.read_response_parameters(kind, query)
