"""Files to import with odd values in one record or two, or odd bytes, in each form that a file may have."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

from hypothesis import strategies as st

from service.transfer.importing import ImportRefused, import_records
from service.transfer.records import RECORD_TYPES
from service.values.instants import parse_instant
from service.values.names import has_unfit
from tests.fuzz import values
from tests.fuzz.invariants import (
    BYSTANDER,
    CARRIED,
    ENDING,
    LISTED,
    LISTS,
    READ_BACK,
    SENTENCE,
    TALLY,
    UNCHANGED,
    check_answer,
    require_no_internals,
)
from tests.fuzz.lifecycles import carry
from tests.fuzz.stage import Stage, exported
from tests.transfer.files import Record, whole

_NAMES: Final = {
    "organization": values.SHOWN,
    "user": values.NAMES,
    "group": values.NAMES,
    "pipeline": values.SHOWN,
    "job": values.SHOWN,
    "token": values.SHOWN,
}
_BOOLEANS: Final = st.one_of(st.booleans(), values.JSON)
_OF_PROVIDERS: Final = st.one_of(values.SHOWN, values.texts(300))
_BY_KEY: Final[Mapping[str, values.Value]] = {
    "username": values.NAMES,
    "role": values.ROLES,
    "is_admin": _BOOLEANS,
    "is_manager": _BOOLEANS,
    "disabled": _BOOLEANS,
    "display_name": values.SHOWN,
    "email": values.EMAILS,
    "issuer": _OF_PROVIDERS,
    "subject": _OF_PROVIDERS,
    "external_id": _OF_PROVIDERS,
    "gives_role": _BOOLEANS,
    "deprovisioned": _BOOLEANS,
    "description": values.DESCRIPTIONS,
    "permissions": values.PERMISSIONS,
    "scopes": values.SCOPES,
    "position": values.NUMBERS,
    "sha256": st.one_of(st.from_regex("[0-9a-f]{64}", fullmatch=True), values.texts(64)),
    "job_id": values.JOB_IDS,
}


def _value_of(kind: str, key: str) -> values.Value:
    if key == "name":
        return _NAMES[kind]
    if key.endswith("_at"):
        return values.INSTANTS
    return values.JOB_IDS if (kind, key) == ("job", "id") else _BY_KEY.get(key, values.ANY_IDS)


@st.composite
def _edits(draw: st.DrawFn) -> tuple[str, str, Any]:
    """Draw the type of a record, a key of it, and another value."""
    kind = draw(st.sampled_from([*RECORD_TYPES]))
    known = RECORD_TYPES[kind]
    key = draw(st.sampled_from([*known.required, *known.optional]))
    if draw(st.integers(0, 19)) == 0:
        return kind, draw(st.sampled_from(values.SPECIAL)), draw(values.JSON)
    return kind, key, draw(values.mostly(_value_of(kind, key), values.JSON, 9))


_ODD_LINES: Final = st.one_of(
    st.just(b""),
    st.sampled_from(
        [
            *(
                b"null",
                b"[]",
                b"{",
                b"\xff",
                b"\x00",
                b"\xef\xbb\xbf{}",
                b'{"type": NaN}',
                b'{"type": 1e999}',
                b"{}" * 2,
            ),
            *(
                b'{"type": ["user"]}',
                b'{"type": "user", "type": "group"}',
                b'{"a":' * 2000,
                b"[" * 100_000,
                b" " * 2_000_000,
            ),
            *(
                b'{"type": "group", "name": "\\ud800"}',
                b'{"type": "\\u0000"}',
                b"9" * 5000,
                b"\\.",
                b"\\N",
                b"\t",
                b"\x1a",
            ),
        ]
    ),
    st.binary(max_size=30),
)


def _zstd(data: bytes) -> bytes:
    from backports.zstd import compress  # noqa: PLC0415 - of an extra

    return bytes(compress(data))


FORMS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "plain": bytes,
    "with a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "with CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "with blank lines": lambda data: data.replace(b"\n", b"\n \n\n"),
    "without the last end of line": lambda data: data[:-1],
    "gzip": gzip.compress,
    "gzip, cut": lambda data: gzip.compress(data)[:-9],
    "gzip, twice": lambda data: gzip.compress(gzip.compress(data)),
    "zstd": _zstd,
    "zstd, cut": lambda data: _zstd(data)[:-5],
    "UTF-16": lambda data: data.decode("utf-8", "replace").encode("utf-16"),
}

FILES: Final = st.tuples(
    st.lists(_edits(), max_size=2),
    values.mostly(st.just(b""), _ODD_LINES, 8),
    st.sampled_from(["plain"] * 8 + [*FORMS]),
    st.sampled_from([True] * 9 + [False]),
    st.sampled_from([False] * 9 + [True]),
)
"""Edits, an odd line, the form of the file, whether the database has something already, and whether by commands."""

Drawn = tuple[list[tuple[str, str, Any]], bytes, str, bool, bool]


def _bystander(of: str) -> list[Record]:
    """Return an administrator of an organization, and their token of the digest of `SECRET`."""
    user = str(uuid4())
    return [
        {"type": "user", "id": user, "organization_id": of, "username": "bystander", "role": "admin"},
        {"type": "token", "user_id": user, "sha256": hashlib.sha256(SECRET.encode()).hexdigest()},
    ]


SECRET: Final = "fp_" + "5" * 64


async def bring_in(stage: Stage, drawn: Drawn) -> None:
    """Import a file of what is drawn; what is accepted must be exported, and keep nobody from their lists."""
    TALLY.begin("import")
    edits, odd_line, form, resident, by_command = drawn
    records = whole()
    organization = records["organization"]["id"]
    former = {"id": str(uuid4()), "organization_id": organization, "username": "former"}
    records["deleted_user"] = {"type": "deleted_user", **former}
    for kind, key, value in edits:
        records[kind][key] = value
    lines = [
        json.dumps(each).encode("utf-8", "surrogatepass") for each in [*records.values(), *_bystander(organization)]
    ]
    data = FORMS[form](b"\n".join([*lines[:5], odd_line, *lines[5:]]) + b"\n")
    await stage.empty_other(resident=resident)
    said = _by_command(stage, data) if by_command else await _import(stage, data)
    if said:
        with TALLY.holds(SENTENCE):
            assert re.match(r"line [0-9]+: \S", said), said
        require_no_internals(said)
        with TALLY.holds(UNCHANGED):
            assert await exported(stage.other_dsn) == b""
        return
    TALLY.accept()
    await _check_imported(stage, records, edits, resident=resident)


async def _import(stage: Stage, data: bytes) -> str:
    """Import a file, and return why it is refused, or nothing."""
    try:
        await import_records(stage.other_dsn, BytesIO(data))
    except ImportRefused as error:
        return str(error)
    return ""


def _by_command(stage: Stage, data: bytes) -> str:
    """Import a file by the command, and export it again by the other; return why it is refused, or nothing."""
    with TemporaryDirectory() as name:
        file, other = Path(name) / "given", Path(name) / "exported"
        file.write_bytes(data)
        code, out, err = stage.commands(["import", str(file)], DATABASE_URL=stage.other_dsn)
        with TALLY.holds(ENDING):
            assert code in (0, 1), (code, out, err)
        with TALLY.holds(SENTENCE):
            assert not has_unfit((out + err).replace("\n", "")), (out, err)
        if code:
            return err.removeprefix("flow-pipelines: ")
        with TALLY.holds(ENDING):
            code, out, err = stage.commands(["export", str(other), "--with-tokens"], DATABASE_URL=stage.other_dsn)
            assert code == 0, (out, err)
            assert other.read_bytes()
    return ""


async def _check_imported(
    stage: Stage, records: dict[str, Record], edits: list[tuple[str, str, Any]], *, resident: bool
) -> None:
    data = await exported(stage.other_dsn)
    with TALLY.holds(READ_BACK):
        lines = [json.loads(line) for line in data.splitlines()]
        for kind, key, value in edits:
            if records[kind].get(key) == value and value is not None:
                assert any(each["type"] == kind and _equal(key, value, each) for each in lines), (kind, key, value)
    with TALLY.holds(CARRIED):
        await carry(stage, data, resident=resident)
        await import_records(stage.other_dsn, BytesIO(data))
        assert await exported(stage.other_dsn) == data
    with TALLY.holds(LISTED):  # last, as it writes when the token was used
        for path in LISTS:
            answer = await stage.call(SECRET, "GET", path, to=stage.other_api)
            check_answer(answer)
            with TALLY.holds(BYSTANDER):
                assert answer.status == 200, answer


def _equal(key: str, sent: Any, record: Record) -> bool:
    """Return whether a record has the value that was sent, as docs/reference/values.md has it."""
    if key == "is_admin":
        return bool(record["role"] == ("admin" if sent else "member"))
    if key in ("permissions", "scopes"):
        return {*sent} <= {*record.get(key, [])}
    read = record.get(key)
    if key.endswith("_at"):
        return read is not None and parse_instant(read) == parse_instant(sent)
    if key.endswith("id") and record["type"] != "job":
        return str(read).lower() == str(sent).lower()
    if key == "position":
        return isinstance(read, int)  # counted anew from 1
    return bool(read == sent or (isinstance(sent, str) and key == "name" and read == sent.strip()))
