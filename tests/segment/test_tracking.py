"""Tracks of a robot's detector: identity out of view and back, poses settled, steady boxes.

Sequences are those of the benchmark, at 10 frames a second.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from benchmarks.byte_track import byte_track
from benchmarks.moving_boxes import BAD, EXACT, GOOD, Frame, PoseNoise, camera, sequence

from scenekeeper import geometry
from scenekeeper.evaluate.jitter import Boxes, jitter
from scenekeeper.evaluate.tracking import TrackingScore, score_tracks
from scenekeeper.segment.associate import associate
from scenekeeper.segment.settle import moved, places, settle, shake
from scenekeeper.segment.smooth import Smoothed, local_curve, smooth
from scenekeeper.segment.tracklets import Seen, common_step, link

SEED = 7
Found = list[tuple[np.ndarray, np.ndarray]]


@cache
def frames_of(noise: PoseNoise) -> list[Frame]:
    return sequence(SEED, 10, True, noise)


def seen_in(frames: list[Frame], posed: bool = True, deep: bool = True) -> list[Seen]:
    return [
        Seen(
            f.t_ns,
            camera(),
            f.T_world_camera if posed else None,
            f.box,
            f.score,
            f.depth if deep else np.full(len(f.depth), np.nan),
        )
        for f in frames
    ]


@cache
def tracked(noise: PoseNoise) -> list[Smoothed]:
    seen = seen_in(frames_of(noise))
    return smooth(seen, associate(seen))


def pairs(found: list[Smoothed]) -> Found:
    return [(s.track, s.box_xyxy) for s in found]


def score(frames: list[Frame], found: Found) -> TrackingScore:
    iou = [geometry.box_iou(f.truth, box) for f, (_, box) in zip(frames, found, strict=True)]
    shaped = [
        i.reshape(len(f.ids), len(t)) for i, f, (t, _) in zip(iou, frames, found, strict=True)
    ]
    return score_tracks([f.ids for f in frames], [t for t, _ in found], shaped)


@pytest.mark.parametrize(("noise", "least"), [(EXACT, 0.8), (GOOD, 0.8), (BAD, 0.7)])
def test_identity_is_kept_in_the_world_even_where_poses_are_bad(
    noise: PoseNoise, least: float
) -> None:
    ours = score(frames_of(noise), pairs(tracked(noise))).hota
    assert ours > least
    assert ours > 1.3 * score(frames_of(noise), byte_track(frames_of(noise), 10)).hota


def test_without_poses_or_depth_identity_is_as_good_as_a_tracker_of_pictures() -> None:
    frames = frames_of(EXACT)
    peer = score(frames, byte_track(frames, 10)).hota
    for posed, deep in ((False, False), (True, False)):
        seen = seen_in(frames, posed, deep)
        assert score(frames, pairs(smooth(seen, associate(seen)))).hota > peer


@pytest.mark.parametrize("noise", [EXACT, GOOD])
def test_boxes_shake_less_fit_better_and_do_not_lag(noise: PoseNoise) -> None:
    frames = frames_of(noise)
    truth = [Boxes.of(f.ids, f.truth) for f in frames]
    raw = [
        Boxes.of(s.track[s.row >= 0], f.box[s.row[s.row >= 0]])
        for f, s in zip(frames, tracked(noise), strict=True)
    ]
    before, after = (
        jitter(truth, raw),
        jitter(truth, [Boxes.of(s.track, s.box_xyxy) for s in tracked(noise)]),
    )
    assert after.rms < 0.6 * before.rms
    assert after.iou > before.iou + 0.02
    assert abs(after.lag) < 0.3


def test_a_frame_that_missed_a_thing_is_filled_in() -> None:
    filled = [s for s in tracked(EXACT) if (s.row < 0).any()]
    assert len(filled) > 20
    assert all(len(np.unique(s.track)) == len(s.track) for s in tracked(EXACT))


def test_settling_takes_out_most_of_what_poses_drift() -> None:
    frames = frames_of(PoseNoise(0.05, np.radians(2.0), 0.01))
    seen = seen_in(frames)
    stretches = link(seen)
    found = places(seen)
    after = moved(found, seen, settle(seen, found, stretches))
    whose = _whose(frames)

    def spread(points: np.ndarray) -> float:
        """Of what stands, the median distance of its sightings from their middle."""
        own = [points[(whose == k) & np.isfinite(points[:, 0])] for k in range(18)]
        off = [np.linalg.norm(p - np.median(p, 0), axis=1) for p in own if len(p) > 20]
        return float(np.median(np.concatenate(off)))

    assert spread(after) < 0.6 * spread(found.point)
    steady = seen_in(frames_of(EXACT))
    assert shake(seen, found, stretches) > 5 * shake(steady, places(steady), link(steady))


def _whose(frames: list[Frame]) -> np.ndarray:
    out = []
    for f in frames:
        iou = geometry.box_iou(f.box, f.truth)
        sure = iou.max(1, initial=0) > 0.5
        out.append(np.where(sure, f.ids[iou.argmax(1)] if len(f.ids) else -1, -1))
    return np.concatenate(out)


def test_exact_poses_are_hardly_touched() -> None:
    seen = seen_in(frames_of(EXACT))
    correction = settle(seen, places(seen), link(seen))
    assert np.abs(correction[:, :3]).mean() < np.radians(0.5)
    assert np.abs(correction[:, 3:]).mean() < 0.02


def test_stretches_are_of_one_thing_each() -> None:
    frames = frames_of(GOOD)
    whose, starts = _whose(frames), np.cumsum([0, *(len(f.box) for f in frames)])
    same = total = 0
    for stretch in link(seen_in(frames)):
        own = whose[starts[stretch[:, 0]] + stretch[:, 1]]
        assert len(np.unique(stretch[:, 0])) == len(stretch)
        same += np.bincount(own + 1).max()
        total += len(own)
    assert same / total > 0.98


def test_two_cameras_do_not_share_stretches() -> None:
    one = seen_in(frames_of(EXACT))[:20]
    other = [replace(s, t_ns=s.t_ns + 1, camera=replace(s.camera, name="wrist")) for s in one]
    both = [s for pair in zip(one, other, strict=True) for s in pair]
    for stretch in link(both):
        assert len({both[f].camera.name for f in stretch[:, 0]}) == 1


def test_the_step_of_a_picture_is_that_of_most_boxes() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 800, (9, 2))
    box = np.concatenate((corner, corner + rng.uniform(40, 90, (9, 2))), 1)
    then = Seen(0, camera(), None, box, np.ones(9), np.full(9, np.nan))
    later = replace(then, box_xyxy=box + np.tile([33.0, -12.0], 2) + rng.normal(0, 1, box.shape))
    assert np.abs(common_step(then, later) - (33, -12)).max() < 3


def test_a_parabola_is_left_as_it_is_and_one_wild_value_does_not_matter() -> None:
    t = np.linspace(0, 2, 41)
    values = (3 + 2 * t - 4 * t**2)[:, None]
    trust = np.ones_like(values)
    assert np.abs(local_curve(t, values, trust, t, 0.3) - values)[5:-5].max() < 0.02
    wild = values.copy()
    wild[20] += 50
    assert np.abs(local_curve(t, wild, trust, t, 0.3) - values)[5:-5].max() < 3


def test_nothing_seen_is_no_trouble() -> None:
    empty = Seen(0, camera(), None, np.zeros((0, 4)), np.zeros(0), np.zeros(0))
    for seen in ([], [empty], [empty, replace(empty, t_ns=5)]):
        assert [len(s.track) for s in smooth(seen, associate(seen))] == [0] * len(seen)
