"""Places of those that follow changes, once all are taken: nobody keeps others out by having most of them."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from service.database.fair_queue import Presence
from service.errors import Unavailable
from service.feed.reader import Ended
from service.http.open_streams import End, Streams
from service.settings import Settings
from service.telemetry.request_record import Asking, RequestRecord

MAX = 4


@pytest.fixture(name="streams")
def _streams(settings: Settings) -> Streams:
    return Streams(replace(settings, max_streams=MAX), Presence())


@pytest.fixture(name="places")
def _places() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def by(organization: str, token: str = "t") -> RequestRecord:
    return RequestRecord("id", asking=Asking(organization, f"{organization} {token}"))


def follow(streams: Streams, places: ExitStack, record: RequestRecord) -> End:
    streams.check(record)
    return places.enter_context(streams.following("stream", record))


def gave_way(ends: list[End]) -> list[bool]:
    return [each.gives_way for each in ends]


def test_client_of_the_organization_with_all_places_gives_way(streams: Streams, places: ExitStack) -> None:
    ends = [follow(streams, places, by("a")) for _ in range(MAX)]

    follow(streams, places, by("b"))

    assert gave_way(ends) == [False, False, False, True]
    with pytest.raises(Ended, match="crowded"):
        ends[-1].go_on()
    ends[0].go_on()


def test_client_of_the_token_with_most_places_gives_way(streams: Streams, places: ExitStack) -> None:
    few = follow(streams, places, by("a", "one"))
    many = [follow(streams, places, by("a", "two")) for _ in range(MAX - 1)]

    follow(streams, places, by("a", "three"))

    assert (few.gives_way, gave_way(many)) == (False, [False, False, True])


@pytest.mark.parametrize("record", [by("a"), by("b")], ids=["has most", "has as many as another then"])
def test_caller_with_no_fewer_places_is_refused(streams: Streams, places: ExitStack, record: RequestRecord) -> None:
    ends = [follow(streams, places, by(each)) for each in ("a", "a", "b", "c")]

    with pytest.raises(Unavailable):
        streams.check(record)

    assert not any(gave_way(ends))


def test_no_more_clients_give_way_at_once_than_the_bound_says(streams: Streams, places: ExitStack) -> None:
    held = places.enter_context(ExitStack())
    ends = [follow(streams, held, by("a")) for _ in range(MAX)]
    follow(streams, places, by("b"))
    with pytest.raises(Unavailable):
        streams.check(by("c"))

    held.close()  # also those that gave way leave

    assert (sum(gave_way(ends)), streams.open) == (1, 1)
    follow(streams, places, by("c"))
