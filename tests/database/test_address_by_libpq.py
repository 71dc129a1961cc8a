"""Addresses held against libpq itself: of any that both take, each of its parts is the same."""

import ctypes
import random
from collections.abc import Callable
from typing import Any, Final

import pytest

from service.database.address import read_address
from service.database.address_syntax import AddressError
from service.embedded.programs import find_programs

OLDEST: Final = 180000
"""The version of libpq from which on blanks around the parts of a URI don't count."""

HOSTS: Final = ("h", "127.0.0.1", "[::1]", "%2Ftmp", "", "h%2Eg", "[fe80::1%25e]")
PORTS: Final = ("", "", ":1", ":5432", ":", ":07", ":%35")
CREDENTIALS: Final = ("", "u@", "u:p@", "u:@", "%75@", ":p@", "u:p%3A@", "u%2Fx:p@", "Ł:p@")
QUERY: Final = (
    *(
        "sslmode=require",
        "sslmode=disable",
        "port=1",
        "port=1,2",
        "port=",
        "port=%31",
        "host=/tmp",
        "host=h",
        "host=a,b",
    ),
    *("user=v", "password=p%26q", "dbname=m", "application_name=%20x%20", "application_name=", "sslmode=%72equire"),
    *("sslrootcert=system", "channel_binding=prefer", "target_session_attrs=any", "passfile=%2Fx"),
)
WORDS: Final = (
    *("host=h", "host=a,b", "host=/tmp", "host=''", "port=1", "port=1,2", "port=''", "user=u", "user=", "dbname=n"),
    *("password='a b'", r"password=a\ b", r"password='x\'y'", "password=o'h", "sslmode=require", "hostaddr=::1"),
    *("application_name='a=b'", "connect_timeout=' 4 '"),
)


class _Option(ctypes.Structure):
    """The C structure PQconninfoOption."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label", "dispchar")),
        ("dispsize", ctypes.c_int),
    )


Parse = Callable[[str], dict[str, str] | None]
"""Returns the parameters of an address that are no defaults; None if libpq refuses it."""


@pytest.fixture(scope="module", name="libpq")
def _libpq() -> Parse:
    try:
        library = ctypes.CDLL(str(find_programs().directory.parent / "lib" / "libpq.so.5"))
    except OSError:
        pytest.skip("there is no libpq beside PostgreSQL's programs")
    if library.PQlibVersion() < OLDEST:
        pytest.skip("libpq is older")
    library.PQconninfoParse.restype = ctypes.POINTER(_Option)
    library.PQconninfoParse.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    library.PQconninfoFree.argtypes = [ctypes.POINTER(_Option)]

    def parse(address: str) -> dict[str, str] | None:
        options = library.PQconninfoParse(address.encode(), None)
        if not options:
            return None
        found, number = dict[str, str](), 0
        while options[number].keyword:
            if options[number].val is not None:
                found[options[number].keyword.decode()] = options[number].val.decode()
            number += 1
        library.PQconninfoFree(options)
        return found

    return parse


def uri(chance: random.Random) -> str:
    hosts = ",".join(chance.choice(HOSTS) + chance.choice(PORTS) for _ in range(chance.choice([0, 1, 1, 1, 2, 3])))
    path = chance.choice(["", "/", "/n", "/n%2Fm", "/n%20", "/n ", "/ n"])
    query = "&".join(chance.choice(QUERY) for _ in range(chance.choice([0, 0, 1, 2, 3])))
    return f"postgresql://{chance.choice(CREDENTIALS)}{hosts}{path}" + (f"?{query}" if query else "")


def keywords(chance: random.Random) -> str:
    return chance.choice([" ", "  ", "\n", "\t"]).join(chance.choice(WORDS) for _ in range(chance.randint(1, 4)))


def _places(told: dict[str, str]) -> list[tuple[str, int]]:
    """Return the hosts and ports that libpq would try."""
    hosts = (told.get("host") or told.get("hostaddr") or "").split(",")
    ports = (told.get("port") or "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return [(host, int(port or 5432)) for host, port in zip(hosts, ports, strict=True) if host]


def _parts(told: dict[str, str]) -> dict[str, Any]:
    """Return the parts but hosts and ports, without those that are empty, which stand for a default."""
    return {name: value for name, value in told.items() if value and name not in {"host", "hostaddr", "port"}}


@pytest.mark.parametrize("make", [uri, keywords])
def test_address_that_libpq_takes_is_read_the_same_or_refused(libpq: Parse, make: Callable[..., str]) -> None:
    chance, compared, refused = random.Random(1), 0, list[str]()  # noqa: S311 - a story, not a secret
    for _ in range(4000):
        address = make(chance)
        told = libpq(address)
        try:
            found = read_address(address, {})
        except AddressError:
            continue
        if told is None:
            refused.append(address)
            continue
        here = {"user": found.parameters["user"], "dbname": told.get("user") or found.parameters["user"]}
        assert _parts(dict(found.parameters)) == here | _parts(told), address
        assert [(host.name, host.port) for host in found.hosts] == _places(told), address
        compared += 1

    assert refused == []
    assert compared > 1000
