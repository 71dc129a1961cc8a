from typing import NamedTuple

from service.values.named_tuples import make_each


class Named(NamedTuple):
    id: int
    name: str


def test_make_each_gives_what_calls_of_the_kind_give() -> None:
    made = make_each(Named, [(1, "a"), (2, "b")])

    assert made == [Named(1, "a"), Named(2, "b")]
    assert [type(each) for each in made] == [Named, Named]
    assert made[1].name == "b"
