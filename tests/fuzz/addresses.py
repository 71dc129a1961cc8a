"""Settings and addresses of databases with odd values: each is taken, or refused by a sentence that names it."""

import os
import re
from dataclasses import fields
from typing import Final
from unittest.mock import patch

from hypothesis import strategies as st

from service.database.address import read_address
from service.database.libpq_parameters import VARIABLES
from service.errors import StartupError
from service.settings import Settings, find_unknown, read_settings
from tests.fuzz import values
from tests.fuzz.invariants import READ_BACK, SENTENCE, TALLY, require_no_internals
from tests.fuzz.stage import Stage

_SETTINGS: Final = [each.name.upper() for each in fields(Settings) if each.name != "tracing"]
_NUMBERS: Final = st.one_of(
    st.integers(-2, 10**9).map(str),
    st.floats().map(str),
    st.sampled_from(
        [
            "1e3",
            "0x10",
            "1_000",
            "+5",
            "-0",
            "1e999",
            "nan",
            "NaN",
            "inf",
            "９",
            "٣",
            "5 ",
            "5\n",
            "9" * 5000,
            "1,5",
            ".5",
        ]
    ),
)
_HOSTS: Final = st.one_of(
    st.sampled_from(
        ["db", "127.0.0.1", "[::1]", "[::1", "::1", "%2Frun", "/run", "a,b", ",", "", "b\u00fccher.example", "a" * 300]
    ),
    values.texts(60),
)
_PORTS: Final = st.sampled_from(
    ["", ":5432", ":0", ":65536", ":", ":５", ":-1", ":1e3", ":5432,a:1", ":99999999999", ":\u0663"]
)
_PARAMETERS: Final = st.one_of(
    st.sampled_from([*VARIABLES, "options", "keepalives", "ssl", "database"]), values.texts(20)
)
_PARAMETER_VALUES: Final = st.one_of(
    st.sampled_from(
        ["require", "verify-full", "disable", "1", "-1", "-c%20search_path%3Dx", "%", "%00", "%ff", "read-write"]
    ),
    _NUMBERS,
    values.texts(30),
)
DATABASES: Final = st.one_of(
    st.builds(
        lambda scheme, user, host, port, name, query: (
            f"{scheme}{user}{host}{port}/{name}"
            + ("?" + "&".join(f"{key}={value}" for key, value in query) if query else "")
        ),
        st.sampled_from(["postgresql://", "postgres://", "postgresql:/", "mysql://", "POSTGRESQL://"]),
        st.sampled_from(["", "ada@", "ada:secret@", "a%40b:%@", "a@b@", ":@"]),
        _HOSTS,
        _PORTS,
        values.texts(20),
        st.lists(st.tuples(_PARAMETERS, _PARAMETER_VALUES), max_size=3),
    ),
    st.lists(st.tuples(_PARAMETERS, _PARAMETER_VALUES), min_size=1, max_size=3).map(
        lambda pairs: " ".join(f"{key}='{value}'" for key, value in pairs)
    ),
    values.texts(100),
)
_URLS: Final = st.one_of(
    st.builds(
        lambda scheme, host, port, path: scheme + host + port + path,
        st.sampled_from(["http://", "https://", "//", "HTTP://"]),
        _HOSTS,
        _PORTS,
        st.sampled_from(["", "/", "/a", "/..", "/a?b", "/a/../b", "/%2e"]),
    ),
    st.sampled_from(
        ["*", "*,*", "https://a,https://b", "null", "10.0.0.0/8", "10.0.0.1/8", "fd00::/8", "0/0", "10.0.0.0/33"]
    ),
)
_OTHERS: Final = st.one_of(
    _NUMBERS, _URLS, values.texts(120), st.sampled_from(["0660", "666", "8", "true", "YES", "debug", "JSON"])
)

VARIABLES_SET: Final = st.dictionaries(st.sampled_from(_SETTINGS), _OTHERS, min_size=1, max_size=3).flatmap(
    lambda drawn: st.one_of(st.just(drawn), DATABASES.map(lambda url: {**drawn, "DATABASE_URL": url}))
)


async def settings(_: Stage, drawn: dict[str, str]) -> None:
    """Read settings, and the address of the database if they have one."""
    TALLY.begin("settings")
    given = {name: _storable(value) for name, value in drawn.items()}
    with patch.dict(os.environ, given, clear=True):
        find_unknown(given)
        try:
            read = read_settings()
        except StartupError as error:
            _check_refusal(error, [*given], given)
            return
        with TALLY.holds(READ_BACK):
            assert read == read_settings()
        if read.database_url:
            try:
                read_address(read.database_url, {})
            except StartupError as error:
                _check_refusal(error, ["DATABASE_URL", "database", "sslmode", "PG"], given)
                return
    TALLY.accept()


def _storable(text: str) -> str:
    """Return a text as an environment can have it."""
    return re.sub("[\0\ud800-\udfff]", "", text)


def _check_refusal(error: StartupError, names: list[str], given: dict[str, str]) -> None:
    said = "\n".join(map(str, error.args))
    with TALLY.holds(SENTENCE):
        assert any(name in said for name in names), said
        assert said.rstrip().endswith((".", ")", "?")), said
        assert ":secret" not in said, said
    require_no_internals(said, *given.values())
