from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.values.instants import END, FIRST, check_end, parse_instant, written

NOT_A_TIME = "Must be a time as in 2030-01-31T12:00:00Z."
OUT_OF_BOUNDS = "Must be a time from the year 1970 on, and before 2200."


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31t12:00:00z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31 12:00:00+02:30", datetime(2030, 1, 31, 9, 30, tzinfo=UTC)),
        ("2030-01-31T12:00:00-15:59", datetime(2030, 2, 1, 3, 59, tzinfo=UTC)),
        ("2030-01-31T12:00:00.5Z", datetime(2030, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2030-01-31T12:00:00.1234567Z", datetime(2030, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2199-12-31T23:59:59." + "9" * 100 + "Z", END - timedelta(microseconds=1)),
        ("1970-01-01T00:00:00Z", FIRST),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T08:59:60.5+09:00", datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        # As Go, Java, .NET, Python, JavaScript and PostgreSQL write it.
        ("2030-01-31T12:00:00.123456789+01:00", datetime(2030, 1, 31, 11, 0, 0, 123_456, tzinfo=UTC)),
        ("2030-01-31T12:00:00.120Z", datetime(2030, 1, 31, 12, 0, 0, 120_000, tzinfo=UTC)),
        ("2030-01-31T12:00:00.0000000+00:00", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31 12:00:00.000001+00:00", datetime(2030, 1, 31, 12, 0, 0, 1, tzinfo=UTC)),
        ("2030-01-31T12:00:00-00:00", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00+15:59", datetime(2030, 1, 30, 20, 1, tzinfo=UTC)),
    ],
)
def test_parse_instant(text: str, instant: datetime) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "2030-01-31", "2030-01-31T12:00:00", "2030-02-30T12:00:00Z", "2030-01-31T24:00:00Z"),
        *("2030-01-31T12:00:60Z", "2030-01-31T12:00:00.Z", "2030-01-31T12:00:00+2:00", "2030-01-31T12:00:00+24:00"),
        *("2030-W01-1T00:00:00Z", "2030W011T00:00:00Z", "20300131T120000Z", "2030-031T12:00:00Z", "2030-01-31T12Z"),
        *("2030-01-31T12:00Z", "2030-01-31\t12:00:00Z", "2030-01-31_12:00:00Z", "2030-01-31T12:00:00 Z"),
        *("2030-01-31T12:00:00+01", "2030-01-31T12:00:00+0100", "2030-01-31T12:00:00+01:00:30"),
        *(
            "2030-01-31T12:00:00+00:60",
            "2030-01-31T12:00:00\u221201:00",
            "+012345-01-01T00:00:00Z",
            "-0044-03-15T12:00:00Z",
        ),
        *("2030-01-31T23:59:60+01:00", "2030-01-30T23:59:60Z", "2030-01-31T12:59:60Z", "2030-01-31T12:00:61Z"),
        *("2030-01-31T12:00:00+16:00", "2030-01-31T12:00:00-23:59"),
        *("2030-01-31T12:00:00Z BC", "epoch", "today", "2030-01-31T12:00:00Z[Europe/Berlin]"),
        *("2030-01-31T12:00:00,5Z", "infinity", "-infinity", "now", "10000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        *(
            "0001-01-01T00:00:00+15:59",
            "9999-12-31T23:59:59-23:59",
            "9999-12-31T23:59:60Z",
            "٢٠٣٠-01-31T12:00:00Z",
            "2030-01-31T12:00:00Z\n",
            1,
            None,
            True,
        ),
    ],
)
def test_parse_instant_refuses_what_is_no_time(text: object) -> None:
    with pytest.raises(ValueError, match=NOT_A_TIME):
        parse_instant(text)


def test_parse_instant_says_how_a_plus_is_written_in_an_address() -> None:
    with pytest.raises(
        ValueError, match=r"Must be a time as in 2030-01-31T12:00:00Z; in an address \+ is written %2B\."
    ):
        parse_instant("2030-01-31T12:00:00 01:00")


@pytest.mark.parametrize(
    "text",
    [
        *("1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00+00:01", "0001-01-01T00:00:00Z"),
        *("2200-01-01T00:00:00Z", "2199-12-31T23:59:59-00:01", "9999-12-31T23:59:59.9999999Z"),
    ],
)
def test_parse_instant_refuses_what_is_out_of_bounds(text: str) -> None:
    with pytest.raises(ValueError, match=OUT_OF_BOUNDS):
        parse_instant(text)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - the zone follows
def test_written_instants_are_parsed_again(instant: datetime) -> None:
    assert parse_instant(written(instant)) == instant


@pytest.mark.parametrize("end", [datetime.now(UTC), END, END + timedelta(days=1), FIRST])
def test_check_end_refuses_what_has_passed_or_is_too_late(end: datetime) -> None:
    with pytest.raises(ValueError, match="Must be a time after now, and before the year 2200"):
        check_end(end)


def test_check_end_takes_what_is_to_come() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=5)

    assert check_end(soon) == soon
