"""Any line is parsed or refused."""

import json

from hypothesis import given
from hypothesis import strategies as st

from service.transfer.records import BadRecord, parse_line
from tests.transfer.files import READ, whole

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from([READ]),
    lambda children: st.lists(children, max_size=2) | st.dictionaries(st.text(max_size=3), children, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from([*whole()]), st.data())
def test_parse_line_accepts_or_refuses_any_mutated_record(kind: str, data: st.DataObject) -> None:
    record = whole()[kind]
    for key in data.draw(st.sets(st.sampled_from([*record, "expires_at", "scopes", "x"]), max_size=3)):
        record[key] = data.draw(values)
    line = json.dumps(record).encode()

    try:
        parsed = parse_line(line)
    except BadRecord:
        return
    assert parsed is not None
    assert "\n" not in parsed[1]


@given(
    st.lists(st.sampled_from(["type", "id", "name", "a", 'a":', "\\"]), max_size=6), st.sampled_from(["", " ", "\t"])
)
def test_parse_line_refuses_a_key_that_is_given_twice(keys: list[str], space: str) -> None:
    pairs = [(json.dumps(key), json.dumps("organization" if key == "type" else f'{key}":')) for key in keys]
    line = "{" + ",".join(f"{key}{space}:{space}{value}" for key, value in pairs) + "}"

    try:
        parse_line(line.encode())
    except BadRecord as error:
        refusal = str(error)
    assert ("more than once" in refusal) == (len({*keys}) < len(keys))


@given(st.binary(max_size=60))
def test_parse_line_refuses_noise(line: bytes) -> None:
    try:
        parsed = parse_line(line)
    except BadRecord:
        return
    assert parsed is None
