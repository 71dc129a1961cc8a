"""Attributes of which SCIM has several and the service one: the address of mail that counts, and the role.

Identity providers name one by its type (`emails[type eq "work"].value`) or as the primary one. The service keeps no
types, so what is meant is found before a library looks at it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
from scim2_models import User

_PATH: Final = re.compile(
    rf"(?:{re.escape(str(User.__schema__))}:)?(?P<attribute>emails|roles)"
    r"(?:\[(?P<filter>[^\]]{1,200})\])?(?:\.(?P<part>[A-Za-z]{1,50}))?",
    re.IGNORECASE,
)
_MEANT: Final = re.compile(r"""type\s+eq\s+"work"|primary\s+eq\s+"?true"?""", re.IGNORECASE)


AT_WORK: Final = re.compile(r"""\bemails\[\s*type\s+eq\s+"work"\s*\]\.value\b""", re.IGNORECASE)
"""The address at work in a filter, which is the one that the service keeps."""
_BY_VALUE: Final = re.compile(r"""\s*value\s+eq\s+"[^"]*"\s*""", re.IGNORECASE)


def each_by_path(operation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an operation without path as several, where names of its value are paths into attributes, as of Entra."""
    by_name = {key.lower(): key for key in operation}
    value = operation.get(by_name.get("value", ""))
    if operation.get(by_name.get("path", "")) not in (None, "") or not isinstance(value, dict):
        return [dict(operation)]
    paths = [key for key in value if (match := _PATH.fullmatch(key)) and (match["filter"] or match["part"])]
    rest = {key: each for key, each in value.items() if key not in paths}
    whole = [{**operation, by_name["value"]: rest}] if rest or not paths else []
    return whole + [{**operation, "path": path, by_name["value"]: value[path]} for path in paths]


def role_named(value: str | None) -> str | None:
    """Return the name of a role, which Entra writes as JSON of its role where it sends several."""
    if value is None or not value.startswith("{"):
        return value
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    named = found.get("value")
    return named if isinstance(named, str) else value


def single(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a user is described as, with the one address that counts; roles are looked at by their values."""
    return {key: _one(value) if key.lower() == "emails" else value for key, value in payload.items()}


def single_of_operation(operation: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an operation of a PATCH with what it means; None if that is nothing that the service keeps."""
    by_name = {key.lower(): key for key in operation}
    op, path, value = (operation.get(by_name.get(name, "")) for name in ("op", "path", "value"))
    if path in (None, ""):
        return {**operation, by_name["value"]: single(value)} if isinstance(value, dict) else dict(operation)
    if len(by_name) < len(operation) or "op" not in by_name:
        return dict(operation)  # which the library refuses
    match = _PATH.fullmatch(path) if isinstance(path, str) else None
    if match is None:
        return dict(operation)
    attribute, chosen, part = match["attribute"].lower(), match["filter"], match["part"]
    if chosen is not None and _BY_VALUE.fullmatch(chosen):
        return dict(operation)
    if not _is_kept(attribute, chosen, part):
        return None
    meant = {**operation, by_name["path"]: attribute}
    if str(op).lower() == "remove":
        meant.pop(by_name.get("value", ""), None)
    elif "value" not in by_name:
        return dict(operation)
    elif chosen is not None or part is not None:
        listed = value if isinstance(value, list) else [value]
        meant |= {
            by_name["op"]: "replace",
            by_name["value"]: [each if isinstance(each, dict) else {"value": each} for each in listed],
        }
    elif attribute == "emails":
        meant[by_name["value"]] = _one(value)
    return meant


def _is_kept(attribute: str, chosen: str | None, part: str | None) -> bool:
    """Return whether a path leads to what the service keeps of an attribute."""
    if part is not None and part.lower() != "value":
        return False
    return chosen is None or attribute != "emails" or _MEANT.search(chosen) is not None


def _one(emails: object) -> object:
    """Return the primary one of several addresses, else that at work, else the first; what is no list stays."""
    listed = [emails] if isinstance(emails, dict) else emails
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        return emails
    return sorted(listed, key=_rank)[:1]


def _rank(email: Mapping[str, Any]) -> int:
    of = {key.lower(): str(value).lower() for key, value in email.items()}
    return 0 if of.get("primary") == "true" else 1 if of.get("type") == "work" else 2
