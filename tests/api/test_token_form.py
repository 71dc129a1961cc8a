"""The form of tokens, by which scanners find leaked ones, and answers that hold one."""

import re

import pytest

from service.authentication.token_format import new_token
from service.http.routes import ROUTES, Route
from service.operations.tokens import create_token
from tests.api.calls import As
from tests.api.test_token_trees import make, root
from tests.conftest import Client
from tests.factories import World
from tests.process.running import ROOT

SECRETS = [route for route in ROUTES if route.tells_secret]


@pytest.mark.parametrize("route", SECRETS, ids=lambda route: route.operation.__name__)
async def test_answer_with_a_secret_is_not_stored(client: Client, world: World, route: Route) -> None:
    token = await root(client, world, await world.user())

    answer = await token.call(route.method, route.path.format(token_id=token.id), {})

    assert answer.body["secret"].startswith("fp_")
    assert answer.headers["Cache-Control"] == "no-store"


def test_rows_that_tell_secrets() -> None:
    assert create_token in {route.operation for route in SECRETS}
    assert all(not route.only_reads and not route.cached for route in SECRETS)


def scanner() -> re.Pattern[str]:
    """Return the pattern that SECURITY.md gives to scanners."""
    return re.compile(re.findall(r"^ {4}(\\b\(fp_.*)$", (ROOT / "SECURITY.md").read_text(), re.MULTILINE)[0])


def naive_checksum(text: str) -> str:
    """CRC-32 bit by bit, and base 62 from its definition."""
    crc = 0xFFFFFFFF
    for byte in text.encode():
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return "".join(digits[(crc ^ 0xFFFFFFFF) // 62**place % 62] for place in reversed(range(6)))


async def test_secret_is_found_by_a_scanner(client: Client, world: World) -> None:
    secret = (await make(As.member(client, await world.user()))).secret
    others = [new_token() for _ in range(100)]

    for token in (secret, *others):
        found = scanner().search(f"curl -H 'Authorization: Bearer {token}'")
        assert found
        assert (found[0], found[2]) == (token, naive_checksum(found[1]))
    assert len({*others}) == 100
    before = scanner().search(f"TOKEN=fp_{'0' * 64}\n")
    assert before
    assert before[2] is None, "made before there was a checksum"
    assert not scanner().search(f"fp_{'0' * 64}x")
