from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http import rate_limit
from service.http.rate_limit import SECOND, RateLimiter, limit_headers

rates = st.floats(min_value=0.01, max_value=10_000)
bursts = st.integers(min_value=1, max_value=50)
pauses = st.lists(st.one_of(st.just(0), st.integers(min_value=0, max_value=5 * SECOND)), max_size=200)


class Bucket:
    """A reference implementation: a token bucket that is filled continuously, exact and slow."""

    def __init__(self, per_second: float, burst: int) -> None:
        self.rate = Fraction(1, max(1, round(SECOND / per_second)))  # in a nanosecond
        self.burst = self.tokens = Fraction(burst)
        self.at = 0

    def take(self, now: int) -> tuple[bool, int, int]:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        allowed = self.tokens >= 1
        if allowed:
            self.tokens -= 1
        return allowed, int(self.tokens), ceil((int(self.tokens) + 1 - self.tokens) / self.rate)


@given(rates, bursts, pauses)
def test_rate_limit_equals_a_token_bucket(rate: float, burst: int, pauses: list[int]) -> None:
    limit, bucket, now = RateLimiter(rate, burst), Bucket(rate, burst), 0

    for pause in pauses:
        now += pause
        assert limit.take("ada", now) == bucket.take(now)


@given(rates, bursts, pauses)
def test_rate_limit_holds_in_every_span_of_time(rate: float, burst: int, pauses: list[int]) -> None:
    limit, now, allowed = RateLimiter(rate, burst), 0, []
    for pause in pauses:
        now += pause
        if limit.take("ada", now).allowed:
            allowed.append(now)

    interval = max(1, round(SECOND / rate))
    for first, begin in enumerate(allowed):
        for count, end in enumerate(allowed[first:], 1):
            assert count <= burst + (end - begin) // interval


@given(rates, bursts)
def test_rate_limit_allows_a_caller_after_the_stated_wait_and_no_sooner(rate: float, burst: int) -> None:
    limit = RateLimiter(rate, burst)
    for _ in range(burst):
        assert limit.take("ada", 0).allowed

    refused = limit.take("ada", 0)

    assert (refused.allowed, refused.remaining) == (False, 0)
    assert not limit.take("ada", refused.wait - 1).allowed
    assert limit.take("ada", refused.wait).allowed


@given(rates, bursts, st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, SECOND)), max_size=100))
def test_rate_limit_counts_callers_separately(rate: float, burst: int, calls: list[tuple[str, int]]) -> None:
    together, apart, now = RateLimiter(rate, burst), {name: RateLimiter(rate, burst) for name in "abc"}, 0

    for name, pause in calls:
        now += pause
        assert together.take(name, now) == apart[name].take(name, now)


def test_rate_limit_remembers_a_bounded_number_of_the_most_recent_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_CALLERS", 100)
    limit = RateLimiter(1, burst=1)

    for number in range(1000):
        assert limit.take(number, number).allowed
        assert len(limit) <= 100

    assert not limit.take(999, 1000).allowed
    assert limit.take(0, 1000).allowed


def test_rate_limit_forgets_callers_with_a_whole_burst() -> None:
    limit = RateLimiter(10, burst=5)
    for number in range(1000):
        limit.take(number, 0)
    assert len(limit) == 1000

    limit.take("ada", SECOND)

    assert len(limit) == 1


def test_limit_headers_are_those_of_the_draft() -> None:
    limit = RateLimiter(0.5, burst=2)

    headers = [limit_headers(limit, limit.take("ada", now)) for now in (0, 0, SECOND, 2 * SECOND)]

    policy = {"RateLimit-Policy": '"token";q=2;w=4'}
    assert headers == [
        policy | {"RateLimit": '"token";r=1;t=2'},
        policy | {"RateLimit": '"token";r=0;t=2'},
        policy | {"RateLimit": '"token";r=0;t=1', "Retry-After": "1"},
        policy | {"RateLimit": '"token";r=0;t=2'},
    ]
