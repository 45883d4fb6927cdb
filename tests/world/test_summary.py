"""A session summed up: names by habit, boxes without what sticks out, a track for every object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.world.evidence import Evidence
from scenekeeper.world.gathering import Gathering, Shown
from scenekeeper.world.mapping import MapConfig
from scenekeeper.world.names import HabitConfig, Said, habitual
from scenekeeper.world.summary import Told, evidence, surface
from tests.world.made_views import BOWL, MUG, depth, points, shown

UP = np.array([0.0, -1.0, 0.0])


def summed(*frames: Shown, told: dict[int, Told] | None = None) -> list[Evidence]:
    gathering = Gathering(MapConfig(settle=False))
    for frame in frames:
        gathering.add(frame)
    gathering.finish()
    things, rows = evidence(gathering, UP, told or {}, 50)
    assert len(things) == len(rows)
    return things


def called(*words: str, score: float = 0.8) -> Evidence:
    frames = [shown(k, {1: MUG}, depth(MUG), w, score) for k, w in enumerate(words)]
    (one,) = summed(*frames)
    return one


def test_a_view_that_says_another_name_is_outvoted() -> None:
    thing = called(*["mug"] * 8, "vase", "mug")
    assert thing.phrase == "mug" and thing.names["mug"] > 0.8


def test_views_that_agree_are_surer_than_one() -> None:
    once, often = called("mug"), called(*["mug"] * 20)
    assert once.names["mug"] < often.names["mug"] <= 0.99


def test_doubtful_scores_stay_doubtful_however_many_there_are() -> None:
    assert called(*["mug"] * 30, score=0.5).names["mug"] < 0.65


def test_a_thing_that_nobody_named_is_unnamed() -> None:
    thing = called("object", "object")
    assert thing.names == {} and thing.phrase == "object"


def test_the_track_of_most_frames_stands_for_an_object_and_for_one_only() -> None:
    frames = [shown(k, {3: MUG}, depth(MUG, BOWL)) for k in range(4)]
    frames += [shown(4 + k, {5: MUG, 3: BOWL}, depth(MUG, BOWL)) for k in range(2)]
    assert [t.track for t in summed(*frames)] == [3, 51]


def test_what_other_stages_know_of_the_track_is_kept() -> None:
    look = np.array([1.0, 0.0], np.float32)
    (one,) = summed(shown(0, {1: MUG}, depth(MUG)), told={1: Told("flat", look)})
    assert one.kind == "flat" and one.embedding is look


def test_what_lies_in_anothers_cells_is_judged_as_well() -> None:
    """As a ghost on furniture, or a picture on a wall."""
    table, ghost = (20, 20, 140, 100), (60, 50, 76, 66)
    frames = [shown(k, {1: table}, depth(table)) for k in range(8)]
    frames.insert(4, shown(9, {-1: ghost}, depth(table), "mug", score=0.05))
    whole, part = summed(*frames)
    assert (whole.frames, part.frames) == (8, 1)
    assert part.existence < 0.1 and 40 < len(part.cells) < 120
    assert part.center[:2] == pytest.approx(points(ghost).mean(0)[:2], abs=0.03)


def test_few_cells_that_stick_out_do_not_stretch_the_box() -> None:
    frames = [shown(k, {1: MUG}, depth(MUG)) for k in range(9)]
    wide = (MUG[0], 60, 110, 63)  # now and then the mask bleeds along a line
    bled = [shown(9, {1: MUG}, depth(MUG)), shown(10, {1: wide}, depth(MUG))]
    (plain,), (stretched, *_) = summed(*frames), summed(*frames, *bled, *bled)
    assert stretched.extent == pytest.approx(plain.extent, abs=0.06)
    assert stretched.center == pytest.approx(plain.center, abs=0.04)


def test_the_box_holds_the_thing() -> None:
    (one,) = summed(*[shown(k, {1: MUG}, depth(MUG)) for k in range(4)])
    side = np.ptp(points(MUG), axis=0)
    assert one.center[:2] == pytest.approx(points(MUG).mean(0)[:2], abs=0.02)
    assert np.sort(one.extent)[-1] >= side.max() - 0.03


def test_what_the_picture_cuts_off_may_go_on_beyond_it() -> None:
    cut, whole = (0, 50, 30, 80), (30, 50, 60, 80)
    (a,), (b,) = (summed(*[shown(k, {1: at}, depth(at)) for k in range(4)]) for at in (cut, whole))
    assert np.sort(a.extent)[-1] > 1.3 * np.sort(b.extent)[-1]
    assert a.position_std[0] > 1.2 * b.position_std[0]
    assert a.center[0] < points(cut).mean(0)[0] - 0.05
    assert b.center[0] == pytest.approx(points(whole).mean(0)[0], abs=0.03)
    left = np.eye(4)
    left[0, 3] = -0.5  # now the picture goes on beyond the thing
    aside = (cut[0] + 43, cut[1], cut[2] + 43, cut[3])
    moved = replace(shown(4, {1: aside}, depth(aside)), T_world_camera=left)
    (c,) = summed(*[shown(k, {1: cut}, depth(cut)) for k in range(4)], moved)
    assert c.position_std[0] < 1.1 * b.position_std[0]


def test_the_surface_of_a_session_has_one_point_per_voxel() -> None:
    many = np.random.default_rng(0).uniform(0, 0.049, (500, 3)).astype(np.float32)
    assert surface([many, many + np.float32(0.05)]).shape == (2, 3)
    assert surface([]).shape == (0, 3)


# --- names by habit -------------------------------------------------------------------------------

COUNTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 40), st.floats(0.02, 0.98)), min_size=1
)


@given(COUNTS)
def test_posteriors_by_habit_are_probabilities(rows: list[tuple[int, int, float]]) -> None:
    by_word = {w: (n, p) for w, n, p in rows}
    said = Said(
        np.zeros(len(by_word), np.int64),
        np.array(list(by_word), np.int64),
        np.array([n for n, _ in by_word.values()], np.float64),
        np.array([p for _, p in by_word.values()]),
    )
    p = habitual(said, 2, 5, HabitConfig())
    assert p.shape == (2, 6) and np.isfinite(p).all() and (p >= -1e-12).all()
    assert p.sum(1) == pytest.approx([1, 1])
    assert p[1, :5] == pytest.approx(p[1, 0])  # nothing was said of it


def test_habits_are_calibrated_on_things_that_are_usually_misnamed_alike() -> None:
    rng = np.random.default_rng(5)
    n, words = 3000, 20
    sure = rng.beta(6, 1.5, n)
    usual = np.where(rng.random(n) < sure, 0, rng.integers(1, words, n))
    counts = np.zeros((n, words))
    for k in range(n):
        views = rng.integers(1, 25)
        flicker = rng.random(views) < 0.12
        says = np.where(flicker, rng.integers(0, words, views), usual[k])
        counts[k] = np.bincount(says, minlength=words)
    of, word = np.nonzero(counts)
    said = Said(of, word, counts[of, word], 0.88 * sure[of])
    p = habitual(said, n, words, HabitConfig())
    best = p[:, :words].argmax(1)
    confidence, right = p[np.arange(n), best], best == 0
    bins = (confidence * 10).astype(int).clip(0, 9)
    gap = np.abs(np.bincount(bins, confidence - right, 10)).sum() / n
    assert gap < 0.05


def test_the_colours_of_all_views_are_kept_and_how_tall_and_wide_they_show_it() -> None:
    few, many = (summed(*[shown(k, {1: MUG}, depth(MUG)) for k in range(n)])[0] for n in (1, 40))
    assert many.palette.sum() == 40 * few.palette.sum() > 0
    assert (many.tall, many.wide) == (few.tall, few.wide) and many.wide > 0
