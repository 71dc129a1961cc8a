"""Cursors as texts: they come back as they were, and whatever is none is refused as such."""

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.feed import cursor
from service.feed.cursor import Cursor
from service.repositories.audit_feed import Epoch

ORGANIZATION = UUID(int=7)
numbers = st.integers(0, 2**62)


@st.composite
def snapshots(draw: st.DrawFn) -> str:
    lowest = draw(st.integers(1, 2**40))
    running = sorted(draw(st.sets(st.integers(lowest, lowest + 500), max_size=20)))
    beyond = lowest + 501 if running else lowest + draw(st.integers(0, 9))
    return f"{lowest}:{beyond}:{','.join(map(str, running))}"


@given(
    st.tuples(st.integers(0, 2**64 - 1), numbers, numbers, numbers, numbers),
    numbers,
    snapshots(),
    st.none() | snapshots(),
    numbers,
    numbers,
)
def test_cursor_comes_back(
    epoch: tuple[int, ...], written: int, seen: str, target: str | None, after: int, known: int
) -> None:
    made = Cursor(Epoch._make((*epoch, epoch[-1] + written)), seen, target, after, known)
    text = made.write(ORGANIZATION)

    assert Cursor.read(text, ORGANIZATION) == made
    with pytest.raises(ValueError, match=r"another organization"):
        Cursor.read(text, UUID(int=8))


@given(st.lists(st.integers(0, 2**70), max_size=14))
def test_cursor_that_is_made_up_is_one_or_is_refused(parts: list[int]) -> None:
    payload = bytes([cursor._VERSION]) + b"".join(map(cursor._varint, parts))
    raw = payload + cursor._check(payload, ORGANIZATION)
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    try:
        found = Cursor.read(text, ORGANIZATION)
    except (ValueError, TypeError):
        return
    for snapshot in filter(None, (found.seen, found.target)):
        lowest, beyond, under_way = snapshot.split(":")
        running = [int(each) for each in under_way.split(",") if each]
        assert 0 < int(lowest) <= int(beyond) < 2**63
        assert running == sorted({*running})
        assert all(int(lowest) <= each < int(beyond) for each in running)
    assert max(found.after, found.known) < 2**63
