"""Cursors as texts: they come back as they were, and whatever is none is refused as such."""

import base64
import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.feed import cursor
from service.feed.cursor import Cursor
from service.repositories.audit_epochs import Epoch

ORGANIZATION = UUID(int=7)
numbers = st.integers(0, 2**62)


@st.composite
def snapshots(draw: st.DrawFn) -> str:
    lowest = draw(st.integers(1, 2**40).filter(lambda number: 0 < number % 2**32 < 2**32 - 510))
    running = sorted(draw(st.sets(st.integers(lowest, lowest + 500), max_size=20)))
    beyond = lowest + 501 if running else lowest + draw(st.integers(0, 9))
    return f"{lowest}:{beyond}:{','.join(map(str, running))}"


@given(
    st.tuples(st.integers(0, 2**64 - 1), numbers, numbers, numbers, numbers),
    numbers,
    st.tuples(numbers, numbers),
    snapshots(),
    st.none() | snapshots(),
    numbers,
    numbers,
    st.integers(0, 300),
)
def test_cursor_comes_back(
    epoch: tuple[int, ...],
    written: int,
    last: tuple[int, int],
    seen: str,
    target: str | None,
    after: int,
    known: int,
    part: int,
) -> None:
    made = Cursor(Epoch._make((*epoch, epoch[-1] + written, *last)), seen, target, after, known, part)
    text = made.write(ORGANIZATION)

    assert Cursor.read(text, ORGANIZATION) == made
    with pytest.raises(ValueError, match=r"another organization"):
        Cursor.read(text, UUID(int=8))


@pytest.mark.parametrize("after", [0, 200, 20_000, 4_000_000])
def test_cursor_with_another_character_is_refused(after: int) -> None:
    """Of any length modulo 3, as the last character has bits that mean nothing then."""
    text = Cursor(Epoch(1, 2, 3, 4, 5, 6), "700:800:", None, after).write(ORGANIZATION)

    for place, character in enumerate(text):
        for other in set(f"{string.ascii_letters}{string.digits}-_+/= ") - {character}:
            with pytest.raises(ValueError, match=r"base64|changed"):
                Cursor.read(f"{text[:place]}{other}{text[place + 1 :]}", ORGANIZATION)


@given(st.lists(st.integers(0, 2**70), max_size=16), st.sampled_from([cursor._VERSION, cursor._VERSION_WITHIN]))
def test_cursor_that_is_made_up_is_one_or_is_refused(parts: list[int], version: int) -> None:
    payload = bytes([version]) + b"".join(map(cursor._varint, parts))
    raw = payload + cursor._check(payload, ORGANIZATION)
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    try:
        found = Cursor.read(text, ORGANIZATION)
    except ValueError:
        return
    for snapshot in filter(None, (found.seen, found.target)):
        lowest, beyond, under_way = snapshot.split(":")
        running = [int(each) for each in under_way.split(",") if each]
        assert 0 < int(lowest) <= int(beyond) < 2**63
        assert running == sorted({*running})
        assert all(int(lowest) <= each < int(beyond) for each in running)
        assert all(each % 2**32 for each in (int(lowest), int(beyond), *running)), "else PostgreSQL refuses it"
    assert max(found.after, found.known, found.epoch.last, found.epoch.digest) < 2**63


@pytest.mark.parametrize("snapshot", [f"{2**32}:{2**32 + 1}:", f"1:{2**32}:", f"1:{2**33 + 2}:2,{2**33}"])
def test_cursor_with_a_number_that_no_transaction_has_is_refused(snapshot: str) -> None:
    text = Cursor(Epoch(1, 2, 3, 4, 5, 6), snapshot).write(ORGANIZATION)

    with pytest.raises(ValueError, match="no transaction"):
        Cursor.read(text, ORGANIZATION)
