"""Header values as the standard has them: lists over several lines, without case, with any white space around."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from service.http.header_lists import has_directive, joined, list_of, quality


def lines(*values: str) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(("X", value) for value in values))


def test_lines_of_a_name_are_one_list() -> None:
    assert list_of(lines("a, b", " c\t,, ", ""), "x") == ["a", "b", "c"]
    assert joined(lines('"a"', '"b"'), "x") == '"a","b"'
    assert joined(lines(), "x") is None


@pytest.mark.parametrize(
    ("values", "has"),
    [
        (["no-cache"], True),
        (["No-Cache"], True),
        (["max-age=0,NO-CACHE"], True),
        (["max-age=0", "\tno-cache\t"], True),
        (['no-cache="Set-Cookie"'], True),
        (["no-cache = x"], True),
        (["x-no-cache"], False),
        (["no-cache-please"], False),
        (["no-store, max-age=0"], False),
        (["no cache"], False),
        ([""], False),
        ([], False),
    ],
)
def test_directive_compares_without_case_and_whole(values: list[str], *, has: bool) -> None:
    assert has_directive(lines(*values), "x", "no-cache") is has


@pytest.mark.parametrize(
    ("values", "weight"),
    [
        (["gzip"], 1),
        (["GZIP"], 1),
        (["br, gzip;q=0.5"], 0.5),
        (["br", "gzip ; Q=0.5"], 0.5),
        (["gzip;q=0"], 0),
        (["gzip;q=0.000"], 0),
        (["*"], 1),
        (["*;q=0"], 0),
        (["gzip;q=0, *"], 0),
        (["gzipped"], 0),
        (["gzip;q=x"], 0),
        (["identity"], 0),
        ([], 0),
    ],
)
def test_quality_of_a_coding(values: list[str], weight: float) -> None:
    assert quality(lines(*values), "x", "gzip") == weight
