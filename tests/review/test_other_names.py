"""Other names are the machine's own alternatives first, then names of things of that size."""

from __future__ import annotations

from scenekeeper.review.other_names import names, others
from tests.review.labelled import Thing, units

THINGS = (
    *(Thing(k, "mug", (0,), side=20) for k in range(1, 6)),
    *(Thing(k, "wall", (0,), side=300) for k in range(6, 16)),
    *(Thing(k, "jar", (0,), side=24) for k in range(16, 18)),
    Thing(18, "object", (0,), side=20),
)


def test_names_in_use_come_with_how_many_and_how_large() -> None:
    known = names(units({"s": THINGS}))
    assert known.words == ("wall", "mug", "jar") and known.count.tolist() == [10, 5, 2]
    assert known.log_size.argmax() == 0


def test_what_the_machine_thinks_of_comes_first() -> None:
    belief = ({"mug": 0.5, "kettle": 0.1, "vase": 0.3, "object": 0.1},) * len(THINGS)
    some = units({"s": THINGS}, choices=belief)
    assert others(some, names(some), [0], 9) == ("vase", "kettle", "jar", "wall")
    assert others(some, names(some), [0], 2) == ("vase", "kettle")


def test_where_it_thinks_of_nothing_size_tells() -> None:
    flat = ({"mug": 0.5, "apple": 0.01, "wall": 0.01, "bed": 0.01, "jar": 0.01},) * len(THINGS)
    some = units({"s": THINGS}, choices=flat)
    assert others(some, names(some), [0], 9) == ("jar", "wall", "apple", "bed")
    assert others(some, names(some), [8], 1) == ("mug",)
