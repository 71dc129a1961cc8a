"""Strategies for each kind of value of docs/reference/values.md: valid ones, nearly valid ones, and hostile ones."""

from datetime import UTC, timedelta, timezone
from typing import Any, Final

from hypothesis import strategies as st

from service.permissions import PERMISSION_BITS, SCOPE_BITS, Role
from service.values.instants import END, FIRST
from service.values.names import RESERVED, UNFIT

Value = st.SearchStrategy[Any]

FULL_WIDTH: Final = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
ARABIC_DIGITS: Final = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")

SPECIAL: Final = (
    *("", " ", "\t", "\n", "\r\n", "\0", "\x1b[2J", "\x7f", "\x85", "\u00ad", "\u034f", "\u061c", "\u115f", "\u200b"),
    *("\u200d", "\u202e", "\u2028", "\u2029", "\u2066", "\u2800", "\u3000", "\ufeff", "\ufe0f", "\ufffe", "\U0010ffff"),
    *(
        "\ud800",
        "\udfff",
        "\U000e0041",
        "\u0345",
        "\u0130",
        "ß",
        "ẞ",
        "ﬁ",
        "Å",
        "①",
        "\u1e9b\u0323",
        "각",
        "👩‍👩‍👧",
        "a\u0301",
    ),
    *(
        ".",
        "..",
        "me",
        "ME",
        "ｍｅ",
        "pipelines",
        "ＰＩＰＥＬＩＮＥＳ",
        "users",
        "null",
        "None",
        "true",
        "*",
        "%",
        "%00",
        "%2e%2e",
    ),
    *(
        "%2F",
        "%zz",
        "..%2f",
        "/",
        "//",
        "\\",
        "\\N",
        "\\.",
        "'",
        '"',
        "';--",
        "$1",
        "{}",
        "{0}",
        "<b>",
        "&",
        "=",
        "+",
        "#",
    ),
    *("NaN", "Infinity", "-Infinity", "-0", "1e999", "0x10", "1_000", "१२", "+1", "9" * 40, "infinity", "now", "epoch"),
    *("ς", "Σ", "ı", "K", "ſ", "\u1161", "\uffa0", "\u2060", "\u17b4", "\U0001d159", "\ufff9", "\ud83d", "\u0378"),
)
"""Texts that others have stumbled over."""


def mostly(usual: Value, odd: Value, tenths: int) -> Value:
    """Draw from one strategy in so many tenths of all cases, and from another one in the rest.

    `one_of` would not do: it takes the branches of its own branches for as many of its own.
    """
    return st.integers(0, 9).flatmap(lambda drawn: usual if drawn < tenths else odd)


_UNFIT: Final = st.sampled_from(UNFIT).flatmap(lambda each: st.integers(*each)).map(chr)
_CHARACTER: Final = st.one_of(st.characters(), st.sampled_from(SPECIAL), _UNFIT)

WORDS: Final[Value] = st.from_regex(r"[A-Za-z0-9_.@-]{1,100}", fullmatch=True)


def texts(longest: int) -> Value:
    """Draw texts around a longest length: of any characters, odd ones, or of one character many times."""
    lengths = st.sampled_from([1, longest - 1, longest, longest + 1, 2 * longest, 4 * longest + 1])
    long = st.builds(
        lambda unit, length: (unit * length)[:length], st.sampled_from(["a", "é", "😀", " a", "ﷺ"]), lengths
    )
    mixed = st.lists(_CHARACTER, max_size=12).map("".join)
    around = st.builds(lambda odd, place: f"{'a' * place}{odd}{'b' * (3 - place)}", _CHARACTER, st.integers(0, 3))
    return st.one_of(st.text(max_size=20), mixed, around, long, st.sampled_from(SPECIAL))


def alike(valid: Value) -> Value:
    """Draw what looks like a valid value: in other widths, cases or digits, escaped, or with something added."""
    change = st.sampled_from(
        [
            lambda text: text.translate(FULL_WIDTH),
            lambda text: text.translate(ARABIC_DIGITS),
            str.upper,
            str.lower,
            str.swapcase,
            lambda text: f" {text} ",
            lambda text: f"\ufeff{text}",
            lambda text: f"{text}\n",
            lambda text: f"{text}\0",
            lambda text: "".join(f"%{ord(each) % 256:02x}" for each in text),
            lambda text: text[: len(text) // 2] + "\u200b" + text[len(text) // 2 :],
            lambda text: text * 3,
            lambda text: text[:-1],
        ]
    )
    return st.builds(lambda text, changed: changed(text), valid, change)


OFFSETS: Final = st.integers(-15 * 60 - 59, 15 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS: Final[Value] = st.datetimes(
    FIRST.replace(tzinfo=None) + timedelta(days=2), END.replace(tzinfo=None) - timedelta(days=2), timezones=OFFSETS
)
TIMES: Final[Value] = st.one_of(
    MOMENTS.map(lambda moment: moment.isoformat()),
    st.builds(
        lambda moment, mark, fraction: f"{moment.astimezone(UTC):%Y-%m-%d{mark}%H:%M:%S}{fraction}Z",
        MOMENTS,
        st.sampled_from("Tt "),
        st.one_of(st.just(""), st.from_regex(r"\.[0-9]{1,40}", fullmatch=True)),
    ),
)
_DATES: Final = ("1969-12-31", "1970-01-01", "2016-12-31", "2028-02-29", "2027-02-29", "2030-06-30", "2199-12-31")
_MORE_DATES: Final = ("2200-01-01", "0000-01-01", "0001-01-01", "9999-12-31", "2030-W05-4", "2030-031", "20300131")
_CLOCKS: Final = ("T00:00:00", "T23:59:60", "T23:59:61", "T24:00:00", " 12:00:00", "t12:00", "T12:00:00,5", "T120000")
_ZONES: Final = (
    "Z",
    "z",
    "",
    "+00:00",
    "-00:00",
    "+23:59",
    "-23:59",
    "+24:00",
    "+0100",
    "+01",
    " 01:00",
    "[UTC]",
    "UTC",
)
NEARLY_TIMES: Final[Value] = st.one_of(
    st.builds(
        lambda date, clock, fraction, zone: date + clock + fraction + zone,
        st.sampled_from(_DATES + _MORE_DATES),
        st.sampled_from(_CLOCKS),
        st.sampled_from(["", ".", ".9999999", "." + "9" * 400, ".１"]),
        st.sampled_from(_ZONES),
    ),
    alike(TIMES),
    st.sampled_from(["infinity", "-infinity", "now", "epoch", "allballs", "tomorrow", "1e999", "0", "1893456000"]),
)

IDS: Final[Value] = st.uuids().map(str)
NEARLY_IDS: Final[Value] = st.one_of(
    st.uuids().map(lambda value: value.hex),
    st.uuids().map(lambda value: f"{{{value}}}"),
    st.uuids().map(lambda value: f"urn:uuid:{value}"),
    alike(IDS),
)

JSON: Final[Value] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(SPECIAL),
        st.sampled_from([-0.0, 2**31, 2**63, 2**64, -1, 0, 1.0, 1e308]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(SPECIAL), inner, max_size=3)),
    max_leaves=6,
)

NUMBERS: Final[Value] = st.one_of(
    st.integers(-2, 1002), st.sampled_from([2**31, 2**63, 10**25, 1.0, 0.5, True, "1", None])
)


def sets_of(names: Any) -> Value:
    """Draw lists of names, some twice, some that are none."""
    known = [*names]
    return st.one_of(
        st.lists(st.sampled_from(known), max_size=8),
        st.lists(st.one_of(st.sampled_from(known), alike(st.sampled_from(known)), JSON), max_size=3),
        st.just(known * 20),
    )


PERMISSIONS: Final[Value] = sets_of(PERMISSION_BITS)
SCOPES: Final[Value] = sets_of(SCOPE_BITS)
ROLES: Final[Value] = mostly(st.sampled_from([*map(str, Role)]), alike(st.sampled_from([*map(str, Role)])), 7)

NAMES: Final[Value] = mostly(
    WORDS, st.one_of(alike(WORDS), st.sampled_from([*RESERVED, "Pipelines", "mE"]), texts(100)), 4
)
JOB_IDS: Final[Value] = mostly(
    st.from_regex(r"[A-Za-z0-9_.:-]{1,128}", fullmatch=True), st.one_of(NAMES, texts(128)), 4
)
SHOWN: Final[Value] = mostly(
    st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"]), min_size=1, max_size=255),
    st.one_of(texts(255), alike(texts(255))),
    5,
)
EMAILS: Final[Value] = mostly(st.emails(), st.one_of(texts(320), st.tuples(texts(9), texts(9)).map("@".join)), 4)
DESCRIPTIONS: Final[Value] = st.one_of(st.text(max_size=50), texts(10_000))
ENDS: Final[Value] = mostly(st.one_of(TIMES, st.none()), st.one_of(NEARLY_TIMES, JSON), 6)
INSTANTS: Final[Value] = mostly(TIMES, NEARLY_TIMES, 5)
ANY_IDS: Final[Value] = st.one_of(IDS, NEARLY_IDS, texts(36))
