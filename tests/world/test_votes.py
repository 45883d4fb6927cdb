"""The table of votes does what dictionaries do, however it grows and whoever is joined."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scenekeeper.voxels import offset_key, voxel_keys
from scenekeeper.world import votes as table
from scenekeeper.world.votes import SLOTS, Votes

Int = NDArray[np.int64]
STEPS = [(0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]


def keys(index: Any) -> Int:
    return voxel_keys(np.asarray(index, np.float64).reshape(-1, 3) + 0.5, 1.0)


def starts(detections: list[Int]) -> Int:
    return np.cumsum([0, *map(len, detections)])


class Plain:
    """The same in dictionaries: who has how many votes in a cell, whose part each object is."""

    def __init__(self) -> None:
        self.cells: dict[int, Counter[int]] = {}
        self.part: list[int] = []

    def now(self, o: int) -> int:
        return o if self.part[o] == o else self.now(self.part[o])

    def add(self, cells: Int, o: int) -> None:
        for key in cells.tolist():
            self.cells.setdefault(key, Counter())[o] += 1

    def join(self, loser: int, winner: int) -> None:
        loser, winner = self.now(loser), self.now(winner)
        self.part[loser] = winner

    def at(self, key: int) -> Counter[int]:
        found: Counter[int] = Counter()
        for o, n in self.cells.get(key, Counter()).items():
            found[self.now(o)] += n
        return found

    def overlaps(self, detections: list[Int]) -> dict[tuple[int, int], int]:
        out: Counter[tuple[int, int]] = Counter()
        for m, cells in enumerate(detections):
            for key in cells.tolist():
                near = {o for step in STEPS for o in self.at(key + offset_key(*step))}
                out.update((m, o) for o in near)
        return dict(out)


cells = st.lists(st.tuples(*[st.integers(-3, 3)] * 3), max_size=12)
acts = st.one_of(
    st.tuples(st.just("add"), cells, st.integers(0, SLOTS - 1)),
    st.tuples(st.just("join"), st.integers(0, SLOTS - 1), st.integers(0, SLOTS - 1)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(acts, max_size=25), st.lists(cells, max_size=3))
def test_votes_are_those_of_dictionaries(history: list[Any], asked: list[Any]) -> None:
    votes, plain = Votes(room=2), Plain()
    votes.born(SLOTS)
    plain.part = list(range(SLOTS))
    for what, a, b in history:
        if what == "add":
            votes.add(keys(a), np.array([0, len(a)]), np.array([b]))
            plain.add(keys(a), plain.now(b))
        else:
            votes.join(a, b)
            plain.join(a, b)
    everyone = np.arange(SLOTS)
    assert votes.resolve(everyone).tolist() == [plain.now(o) for o in range(SLOTS)]
    detections = [keys(c) for c in asked]
    for _ in range(2):  # asking changes nothing
        found = votes.overlaps(np.concatenate([keys([]), *detections]), starts(detections))
        rows = np.stack(found, 1).tolist()
        assert len(rows) == len(plain.overlaps(detections))
        assert {(m, o): n for m, o, n in rows} == plain.overlaps(detections)
    assert len(votes) == len(plain.cells)
    key, owner, count = votes.owners()
    assert key.tolist() == sorted(plain.cells)
    for k, o, n in zip(key.tolist(), owner.tolist(), count.tolist(), strict=True):
        assert n == plain.at(k)[o] == max(plain.at(k).values())
    for k, objects, shares in zip(key.tolist(), *votes.at(key), strict=True):
        said = Counter[int]()
        for o, share in zip(objects.tolist(), shares.tolist(), strict=True):
            said[o] += share
        assert said.pop(-1, 0) == 0
        assert said == pytest.approx({o: n / plain.at(k).total() for o, n in plain.at(k).items()})
    total: Counter[tuple[int, int]] = Counter()
    for k, o, n in zip(*map(np.ndarray.tolist, votes.all_votes()), strict=True):
        total[k, o] += n
    assert total == {(k, o): n for k in plain.cells for o, n in plain.at(k).items()}
    parts = Counter(plain.now(o) for counts in plain.cells.values() for o in counts)
    whole = Counter(o for k in plain.cells for o in plain.at(k))
    assert all(whole[o] <= votes.size[o] <= parts[o] for o in parts)


@pytest.mark.parametrize("n", [table.LOOKED, 2 * table.LOOKED, 20 * table.LOOKED + 7])
def test_of_many_cells_the_share_on_an_object_is_known_to_a_few_percent(n: int) -> None:
    rng, votes = np.random.default_rng(n), Votes()
    votes.born(2)
    all_cells = keys(3 * np.stack(np.unravel_index(rng.permutation(20**3)[:n], (20, 20, 20)), 1))
    on = np.sort(rng.permutation(n)[: int(0.3 * n)])
    votes.add(all_cells[on], np.array([0, len(on)]), np.array([1]))
    det, obj, shared = votes.overlaps(all_cells, np.array([0, n]))
    assert det.tolist() == [0] and obj.tolist() == [1]
    assert abs(shared[0] / n - 0.3) < 0.09
    if n < 2 * table.LOOKED:
        assert shared[0] == len(on)


def test_growing_keeps_every_vote() -> None:
    votes, rng = Votes(room=2), np.random.default_rng(0)
    votes.born(50)
    index = np.unique(rng.integers(-40, 40, (30_000, 3)), axis=0)
    owner = rng.integers(0, 50, len(index))
    for o in range(50):
        mine = keys(index[owner == o])
        votes.add(mine, np.array([0, len(mine)]), np.array([o]))
    order = np.argsort(keys(index))
    key, who, count = votes.owners()
    assert np.array_equal(key, keys(index)[order]) and np.array_equal(who, owner[order])
    assert (count == 1).all() and np.array_equal(votes.size, np.bincount(owner, minlength=50))


def test_a_million_cells_take_less_than_200_megabytes_however_often_they_are_seen() -> None:
    votes = Votes()
    votes.born(1)
    index = np.stack(np.unravel_index(np.arange(1_000_000), (100, 100, 100)), 1) - 50
    for _ in range(3):
        for part in np.array_split(keys(index), 20):
            votes.add(part, np.array([0, len(part)]), np.array([0]))
    assert len(votes) == votes.size[0] == 1_000_000 and votes.nbytes < 200e6


def test_of_many_objects_in_a_cell_those_with_most_votes_stay() -> None:
    votes, here, one = Votes(room=2), keys([[-7, 0, 7]]), np.array([0, 1])
    votes.born(40)
    for o in [0] * 30 + [1] * 20 + list(range(2, 40)) + [0, 1]:
        votes.add(here, one, np.array([o]))
    _, who, count = votes.all_votes()
    found = dict(zip(who.tolist(), count.tolist(), strict=True))
    assert found[0] == 31 and found[1] == 21 and len(found) <= SLOTS
    assert votes.owners()[1].tolist() == [0]
    assert {o: 1 for o in found} == {o: n for o, n in enumerate(votes.size.tolist()) if n}


def test_a_count_stops_where_its_type_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    votes, here = Votes(room=2), keys([[0, 0, 0]])
    votes.born(1)
    votes.add(here, np.array([0, 1]), np.array([0]))
    votes._vote[..., 1][votes._vote[..., 1] > 0] = table.MOST
    votes.add(here, np.array([0, 1]), np.array([0]))
    assert votes.owners()[2].tolist() == [table.MOST]


def test_joining_in_a_circle_or_in_a_long_chain_ends() -> None:
    votes = Votes(room=2)
    votes.born(1000)
    for o in range(999):
        votes.join(o, o + 1)
    assert (votes.resolve(np.arange(1000)) == 999).all()
    votes.join(999, 0)  # part of each other already
    assert votes.resolve(np.array([-1, 0, 999])).tolist() == [-1, 999, 999]


def test_a_detection_of_nobody_leaves_no_vote() -> None:
    votes = Votes(room=2)
    votes.born(1)
    votes.add(keys([[0, 0, 0], [5, 5, 5]]), np.array([0, 1, 2]), np.array([-1, 0]))
    assert votes.owners()[0].tolist() == keys([[5, 5, 5]]).tolist() and len(votes) == 1


def test_nothing_is_found_in_an_empty_table() -> None:
    votes = Votes()
    for key in (keys([]), keys([[0, 0, 0]])):
        assert [len(a) for a in votes.overlaps(key, np.array([0, len(key)]))] == [0, 0, 0]
    assert [len(a) for a in votes.owners()] == [0, 0, 0]
    assert [len(a) for a in votes.all_votes()] == [0, 0, 0]


@pytest.mark.parametrize("room", [0, -4, 3, 100])
def test_a_room_of_no_power_of_two_is_refused(room: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Votes(room)


@pytest.mark.parametrize("far", [-(1 << 20) + 1, (1 << 20) - 2])
def test_cells_at_the_end_of_the_map_are_cells_like_others(far: int) -> None:
    votes, there = Votes(), keys([[far, far, far], [far, far, -far]])
    votes.born(2)
    votes.add(there, np.array([0, 1, 2]), np.array([0, 1]))
    found = votes.overlaps(there, np.array([0, 1, 2]))
    assert [a.tolist() for a in found] == [[0, 1], [0, 1], [1, 1]]


def test_what_a_frame_costs_does_not_grow_with_the_objects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table, "_slot", table._slot.py_func)
    looked = {}
    for n in (10, 3000):
        votes, steps = Votes(), 0
        votes.born(n)
        index = np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3)
        for o in range(n):
            mine = keys(index + np.array((10 * (o % 60), 10 * (o // 60), -3)))
            votes.add(mine, np.array([0, len(mine)]), np.array([o]))

        class Counted(np.ndarray[Any, Any]):
            """A table that counts how often it is looked at."""

            def __getitem__(self, at: Any) -> Any:
                nonlocal steps
                steps += 1
                return super().__getitem__(at)

        asked = keys(index + np.array((30, 0, -3)))
        found = table._overlaps.py_func(
            asked,
            np.array([0, len(asked)]),
            votes._block.view(Counted),
            votes._row,
            votes._vote,
            votes.alias,
            np.full((n, 2), -1),
        )
        assert found[1].tolist() == [3] and found[2].tolist() == [64]
        looked[n] = steps
    # Two looks per slot on the way: fuller tables, longer ways. Of 64 cells, each of which begin a
    # block, 16 have a neighbour in another one on each of six sides.
    assert looked[3000] <= 2 * looked[10] <= 2 * (64 + 6 * 16) * 6
