"""A session gathered into objects: what was said of each, and what silence says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper.world.existence import ExistenceConfig, existence, told_by_tracks
from scenekeeper.world.gathering import Gathering, Shown, Tally
from scenekeeper.world.mapping import MapConfig
from tests.world.made_views import BOWL, HEIGHT, MUG, WIDTH, Box, depth, shown


def gathered(*frames: Shown) -> Gathering:
    gathering = Gathering(MapConfig(settle=False))
    for frame in frames:
        gathering.add(frame)
    gathering.finish()
    return gathering


def belief(gathering: Gathering) -> list[float]:
    return [float(p) for p in existence(gathering.existence, gathering.belief)]


def seen(first: int, n: int, track: int = 1) -> list[Shown]:
    return [shown(first + k, {track: MUG}, depth(MUG)) for k in range(n)]


def silent(first: int, n: int, surface: NDArray[np.float32]) -> list[Shown]:
    return [shown(first + k, {}, surface) for k in range(n)]


def test_views_of_a_thing_are_told_together() -> None:
    gathering = gathered(*seen(0, 5), *seen(5, 3, track=2))
    assert gathering.mapper.objects.tolist() == [0]
    tally = gathering.tallies[0]
    assert (tally.frames, tally.first_t_ns, tally.last_t_ns) == (8, 0, 7 * 10**8)
    assert tally.tracks == {1: 5, 2: 3}
    n, total = tally.words[1, "mug"]
    assert n == 5 and total == pytest.approx(4.0)
    assert tally.views[0][1] == 7


def test_every_frame_says_which_instance_is_which_object() -> None:
    gathering = gathered(shown(0, {1: MUG, 2: BOWL}, depth(MUG, BOWL)), shown(1, {}, depth()))
    rows = list(gathering.sightings())
    assert [(f, i, o) for f, _, i, o in rows] == [(0, (0, 1), [0, 1]), (1, (), [])]


def test_a_thing_that_is_missed_where_it_shows_is_doubted() -> None:
    ghost = gathered(*seen(0, 1), *silent(1, 9, depth(MUG)))
    assert belief(ghost)[0] < 0.1 < 0.5 < belief(gathered(*seen(0, 1)))[0]


@pytest.mark.parametrize("name", ["hidden", "no depth", "too far to measure"])
def test_nothing_is_doubted_where_nothing_was_looked_at(name: str) -> None:
    surface = {
        "hidden": depth((0, 0, WIDTH, HEIGHT), z=0.7),
        "no depth": np.zeros((HEIGHT, WIDTH), np.float32),
        "too far to measure": np.zeros((HEIGHT, WIDTH), np.float32),
    }[name]
    before, after = gathered(*seen(0, 2)), gathered(*seen(0, 2), *silent(2, 9, surface))
    assert belief(after) == pytest.approx(belief(before))


def test_a_place_that_stays_empty_means_that_the_thing_is_gone() -> None:
    assert belief(gathered(*seen(0, 6), *silent(6, 6, depth())))[0] < 0.1


def test_a_place_that_seemed_empty_before_the_thing_was_seen_again_does_not() -> None:
    again = gathered(*seen(0, 6), *silent(6, 3, depth()), *seen(9, 3))
    gone = gathered(*seen(0, 9), *silent(9, 3, depth()))
    assert belief(again)[0] > 0.5 > 0.1 > belief(gone)[0]


def test_ghosts_before_a_thing_say_nothing_against_it() -> None:
    alone = belief(gathered(*seen(0, 6)))[0]
    ghosts = [shown(6 + k, {9: MUG}, depth(MUG), score=0.05) for k in range(4)]
    assert belief(gathered(*seen(0, 6), *ghosts))[0] > 0.8 * alone
    assert belief(gathered(*ghosts))[0] < 0.2


TABLE, PHONE = (20, 20, 140, 100), (62, 52, 72, 62)
LEFT, RIGHT = (20, 20, 80, 100), (80, 20, 140, 100)


def of_table(first: int, *tracks: dict[int, Box]) -> list[Shown]:
    """Frames that see the table's surface, whatever was detected."""
    return [
        replace(
            shown(first + k, boxes, depth(TABLE)),
            phrase=tuple("phone" if b == PHONE else "table" for b in boxes.values()),
        )
        for k, boxes in enumerate(tracks)
    ]


def objects(gathering: Gathering) -> list[list[int]]:
    return [of for _, _, _, of in gathering.sightings()]


def test_a_small_thing_on_furniture_is_not_the_furniture() -> None:
    gathering = gathered(*of_table(0, {1: TABLE}, {1: TABLE}, {2: PHONE}, {1: TABLE, 2: PHONE}))
    assert objects(gathering) == [[0], [0], [1], [0, 1]]


def test_furniture_is_not_the_small_thing_that_was_seen_on_it_first() -> None:
    gathering = gathered(*of_table(0, {2: PHONE}, {1: TABLE}, {2: PHONE}, {1: TABLE}))
    assert objects(gathering) == [[0], [1], [0], [1]]


def test_what_furniture_covers_now_and_then_does_not_become_part_of_it() -> None:
    gathering = gathered(*of_table(0, *[{1: TABLE}, {2: PHONE}] * 4))
    assert objects(gathering) == [[0], [1]] * 4


def test_a_whole_that_was_taken_for_two_halves_becomes_one() -> None:
    gathering = gathered(*of_table(0, {1: LEFT}, {2: RIGHT}, {3: TABLE}, {3: TABLE}))
    assert len({o for of in objects(gathering) for o in of}) == 1


def test_a_thing_that_pictures_show_by_halves_becomes_one() -> None:
    halves = of_table(0, {1: LEFT}, {1: LEFT}, {2: RIGHT}, {2: RIGHT})
    gathering = gathered(*halves)
    assert objects(gathering) == [[0]] * 4
    assert gathering.tallies[0].frames == 4 and gathering.tallies[0].tracks == {1: 2, 2: 2}
    assert [e.kind for e in gathering.mapper.events] == ["born", "born", "merged"]


def test_two_of_a_name_side_by_side_that_one_picture_shows_stay_two() -> None:
    gathering = gathered(*of_table(0, {1: LEFT}, {2: RIGHT}, {1: LEFT, 2: RIGHT}))
    assert objects(gathering) == [[0], [1], [0, 1]]


def test_the_part_of_a_thing_that_is_not_hidden_is_that_thing() -> None:
    hidden = depth(TABLE)
    hidden[:, 36:] = 0.7
    corner = (20, 20, 36, 100)
    gathering = gathered(*of_table(0, {1: TABLE}, {1: TABLE}), shown(2, {5: corner}, hidden))
    assert objects(gathering) == [[0]] * 3


def test_one_tracks_scores_count_as_they_always_did() -> None:
    config = ExistenceConfig()
    told = told_by_tracks(np.array([5.0]), np.array([-3.0]), 5.0, config)
    assert told == pytest.approx(-3.0)


def test_what_was_said_of_two_objects_that_are_one_is_added_up() -> None:
    a, b = Tally(), Tally()
    a.add(shown(4, {1: MUG}, depth()), 0, np.array([0.0, 0, 1]), 0.5)
    b.add(shown(2, {2: MUG}, depth()), 0, np.array([1.0, 0, 0]), -1.0)
    a.join(b)
    assert (a.frames, a.first_t_ns, a.last_t_ns) == (2, 2 * 10**8, 4 * 10**8)
    assert a.scores == {1: (1, 0.5), 2: (1, -1.0)} and len(a.towards) == 2
    a.join(Tally())
    assert a.frames == 2


def test_a_session_without_detections_has_no_objects() -> None:
    gathering = gathered(*silent(0, 3, depth()))
    assert not len(gathering.mapper.objects) and len(list(gathering.sightings())) == 3
