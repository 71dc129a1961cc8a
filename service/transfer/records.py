"""The records of the import format: parse a line into a row for COPY, or refuse it with the reason.

Hand-written, as it runs for millions of lines: a converter takes a JSON value and returns one column's text.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import orjson

from service.permissions import PERMISSION_BITS, READ, SCOPE_BITS, Role, scope_set
from service.values.identity_providers import ISSUER, SUBJECT
from service.values.ids import UUID_TEXT
from service.values.instants import END, FIRST, parse_instant
from service.values.names import (
    DESCRIPTION,
    DISPLAY_NAME,
    EMAIL,
    EXTERNAL_ID,
    GROUP_NAME,
    JOB_ID,
    JOB_NAME,
    ORGANIZATION_NAME,
    PIPELINE_NAME,
    TOKEN_NAME,
    USERNAME,
    Rule,
    name_key,
)
from service.values.repeated import repeated

NULL: Final = r"\N"
_NULLS: Final = {"display_name": f"{NULL}\t{NULL}", "email": f"{NULL}\t{NULL}"}
"""The text of null in more columns than one, by the record's key."""

WITHOUT_DIGEST: Final = "token without sha256"
"""The type that parse_line() gives to a token of an export without digests: it says that there was one, and no more."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SPECIAL: Final = re.compile(r"[\\\t\n\r]")
_ESCAPED: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})

Converter = Callable[[Any], str]


class BadRecord(Exception):
    """A line that can't be imported; the text is the reason."""


def parse_line(line: bytes) -> tuple[str, str] | None:
    """Parse a line into the type of its record and the columns, tab-separated; None for a blank line.

    Raises:
        BadRecord: the line is not a record.
    """
    if not line or line.isspace():
        return None
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadRecord(f"not JSON: {_reason(line, error)}") from error
    if not isinstance(record, dict):
        raise BadRecord("not a JSON object")
    if line.count(b'":') != len(record) or b'" ' in line or b"\t" in line or b"\r" in line:
        _require_each_key_once(line)
    kind = record.pop("type", None)
    known = RECORD_TYPES.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise BadRecord(f"type must be one of {', '.join(RECORD_TYPES)}")
    if kind == "token" and "sha256" not in record:
        return WITHOUT_DIGEST, _DIGESTLESS.columns_of(record)
    return kind, known.columns_of(record)


def _reason(line: bytes, error: orjson.JSONDecodeError) -> str:
    """Return the reason for which a line is not JSON, with what helps where that is known."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return "it is not UTF-8; of what is compressed, gzip and zstd are unpacked"
    if error.msg == "unexpected end of data":
        return "the line ends within a record, which takes one line: perhaps the file was cut off"
    return error.msg


def _require_each_key_once(line: bytes) -> None:
    """Require each key of a line once: of two values, nobody can say which one was meant.

    The lines that can have one twice are few, and read once more: orjson, which takes a tenth of the time, can't tell.

    Raises:
        BadRecord: one is given more than once, or the line is nested too deeply to know.
    """
    try:
        json.loads(line, object_pairs_hook=_require_once, parse_int=str)
    except RecursionError as error:
        raise BadRecord("nested too deeply") from error


def _require_once(pairs: list[tuple[str, Any]]) -> None:
    if found := repeated(name for name, _ in pairs):
        raise BadRecord(f"{_shown(found[0])} is given more than once")


@dataclass(frozen=True, slots=True)
class RecordType:
    """The keys of a record of one type, in the order of its staging table's columns."""

    required: Mapping[str, Converter]
    optional: Mapping[str, Converter]
    prepare: Callable[[dict[str, Any]], None] | None = None
    """A function that brings other spellings of a record to the one form that has columns."""
    absent: str = field(init=False)
    """The columns of a record with none of the optional keys, as most are."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "absent", "\t".join(_NULLS.get(key, NULL) for key in self.optional))

    def columns_of(self, record: dict[str, Any]) -> str:
        """Convert a record to the columns of its row.

        Raises:
            BadRecord: a key is missing, unknown, or has an invalid value.
        """
        if self.prepare:
            self.prepare(record)
        columns = []
        try:
            for key, convert in self.required.items():
                columns.append(convert(record.pop(key)))
            if not record:
                columns.append(self.absent)
                return "\t".join(columns)
            for key, convert in self.optional.items():
                value = record.pop(key, None)
                columns.append(_NULLS.get(key, NULL) if value is None else convert(value))
        except KeyError as error:
            raise BadRecord(f"{error.args[0]} is missing") from error
        except ValueError as error:
            raise BadRecord(f"{key} must be {error}") from error
        if record:
            raise BadRecord(f"{_shown(next(iter(record)))} is not a key of such a record")
        return "\t".join(columns)


def _shown(name: str) -> str:
    """Return a key as a sentence has it."""
    return name[:100] if name[:100].strip() else f'"{name[:100]}"'


def _uuid(value: Any) -> str:
    if isinstance(value, str) and UUID_TEXT.fullmatch(value):
        return value.lower()
    raise ValueError("a UUID")


_cached_uuid: Final = lru_cache(maxsize=2**15)(_uuid)


def _reference(value: Any) -> str:
    """Convert a UUID that other lines are likely to have, too: users and pipelines are referred to many times."""
    return _cached_uuid(value) if isinstance(value, str) else _uuid(value)


def _escape(text: str) -> str:
    """Escape what COPY understands differently; looking whether there is any takes a quarter of the time."""
    return text.translate(_ESCAPED) if _SPECIAL.search(text) else text


def _by(rule: Rule) -> Converter:
    return lambda value: _escape(rule.check(value))


def _keyed(rule: Rule) -> Converter:
    """Return a converter to two columns: the name, and the key by which names are compared."""

    def convert(value: Any) -> str:
        name = rule.check(value)
        return f"{_escape(name)}\t{_escape(name_key(name))}"

    return convert


def _sha256(value: Any) -> str:
    if isinstance(value, str) and _SHA256.fullmatch(value):
        return rf"\\x{value}"
    raise ValueError("64 lower-case hexadecimal digits")


def _boolean(value: Any) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    raise ValueError("true or false")


def _role(value: Any) -> str:
    if value in [*Role]:
        return str(value)
    raise ValueError(f"one of {', '.join(Role)}")


def _names(known: Mapping[str, int]) -> Callable[[Any], list[str]]:
    def check(value: Any) -> list[str]:
        if isinstance(value, list) and all(isinstance(name, str) and name in known for name in value):
            return value
        raise ValueError(f"a list of {', '.join(known)}")

    return check


_permission_names: Final = _names(PERMISSION_BITS)
_scope_names: Final = _names(SCOPE_BITS)


def _access(value: Any) -> str:
    return str(scope_set(_permission_names(value)) | READ)


def _scopes(value: Any) -> str:
    if names := _scope_names(value):
        return str(scope_set(names))
    raise ValueError("null, or a list that is not empty")


def _instant(value: Any) -> str:
    """Convert a time, also one at which something ended: an export has what has expired, too."""
    try:
        return parse_instant(value).isoformat()
    except ValueError as error:
        raise ValueError(f"an RFC 3339 time with its offset, from {FIRST.year} on and before {END.year}") from error


def _whole(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return str(value)
    raise ValueError("a whole number")


def _user(record: dict[str, Any]) -> None:
    if ("role" in record) == ("is_admin" in record):
        raise BadRecord("either role or is_admin must be given")
    if "is_admin" in record:
        is_admin = record.pop("is_admin")
        if not isinstance(is_admin, bool):
            raise BadRecord("is_admin must be true or false")
        record["role"] = Role.ADMIN if is_admin else Role.MEMBER


def _grant(record: dict[str, Any]) -> None:
    if (record.get("user_id") is None) == (record.get("group_id") is None):
        raise BadRecord("either user_id or group_id must be given")


_ABOUT_TOKEN: Final[Mapping[str, Converter]] = {
    "id": _uuid,
    "name": _by(TOKEN_NAME),
    "scopes": _scopes,
    "expires_at": _instant,
    "revoked_at": _instant,
    "created_at": _instant,
    "last_used_at": _instant,
}

RECORD_TYPES: Final[Mapping[str, RecordType]] = {
    "organization": RecordType({"id": _uuid, "name": _by(ORGANIZATION_NAME)}, {"created_at": _instant}),
    "user": RecordType(
        {"id": _uuid, "organization_id": _reference, "username": _by(USERNAME), "role": _role},
        {
            "disabled": _boolean,
            "created_at": _instant,
            "display_name": _keyed(DISPLAY_NAME),
            "email": _keyed(EMAIL),
        },
        _user,
    ),
    "deleted_user": RecordType(
        {"id": _uuid, "organization_id": _reference, "username": USERNAME.check_reference}, {"deleted_at": _instant}
    ),
    "group": RecordType(
        {"id": _uuid, "organization_id": _reference, "name": _by(GROUP_NAME)}, {"created_at": _instant}
    ),
    "membership": RecordType({"group_id": _reference, "user_id": _reference}, {"created_at": _instant}),
    "pipeline": RecordType(
        {"id": _uuid, "organization_id": _reference, "name": _keyed(PIPELINE_NAME)},
        {"description": _by(DESCRIPTION), "created_at": _instant, "updated_at": _instant},
    ),
    "grant": RecordType(
        {"pipeline_id": _reference, "permissions": _access, "is_manager": _boolean},
        {"user_id": _reference, "group_id": _reference, "expires_at": _instant, "updated_at": _instant},
        _grant,
    ),
    "token": RecordType(
        {"user_id": _reference, "sha256": _sha256},
        _ABOUT_TOKEN,
    ),
    "identity": RecordType(
        {"user_id": _reference, "issuer": _by(ISSUER), "subject": _by(SUBJECT)},
        {"id": _uuid, "created_at": _instant, "last_used_at": _instant},
    ),
    "provisioned_user": RecordType(
        {"user_id": _reference},
        {
            "external_id": _by(EXTERNAL_ID),
            "gives_role": _boolean,
            "deprovisioned": _boolean,
            "changed_at": _instant,
        },
    ),
    "provisioned_group": RecordType(
        {"group_id": _reference}, {"external_id": _by(EXTERNAL_ID), "changed_at": _instant}
    ),
    "job": RecordType(
        {"id": _by(JOB_ID), "organization_id": _reference, "owner_id": _reference},
        {"name": _by(JOB_NAME), "created_at": _instant},
    ),
    "assignment": RecordType(
        {"job_id": JOB_ID.check_reference, "pipeline_id": _reference}, {"position": _whole, "assigned_at": _instant}
    ),
}
"""Record types by name, parents before children."""

_DIGESTLESS: Final = RecordType({"user_id": _reference}, _ABOUT_TOKEN)
