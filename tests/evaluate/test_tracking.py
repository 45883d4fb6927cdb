"""HOTA, IDF1, switches and fragmentations against TrackEval and by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scenekeeper.evaluate.tracking import TrackingScore, score_tracks

Frames = tuple[list[NDArray[np.int64]], list[NDArray[np.int64]], list[NDArray[np.float64]]]

LEVELS = (0.0, 0.0, 0.0, 0.04, 0.3, 0.5, 0.5, 0.75, 0.9, 1.0)


@st.composite
def sequences(draw: st.DrawFn) -> Frames:
    """Few ids and coarse similarities, so that ties, rivals and empty frames are common."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    frames = draw(st.integers(0, 12))
    coarse = draw(st.booleans())
    truth, found, similarity = [], [], []
    for _ in range(frames):
        n, m = rng.integers(0, 5, 2)
        truth.append(rng.permutation(5)[:n])
        found.append(rng.permutation(6)[:m])
        table = rng.choice(LEVELS, (n, m))
        similarity.append(table if coarse else table * rng.uniform(0.8, 1, (n, m)))
    return truth, found, similarity


def trackeval_data(frames: Frames) -> dict[str, Any]:
    truth, found, similarity = frames
    known = [np.unique(np.concatenate([np.zeros(0, np.int64), *ids])) for ids in (truth, found)]
    return {
        "gt_ids": [np.searchsorted(known[0], ids) for ids in truth],
        "tracker_ids": [np.searchsorted(known[1], ids) for ids in found],
        "similarity_scores": similarity,
        "num_gt_ids": len(known[0]),
        "num_tracker_ids": len(known[1]),
        "num_gt_dets": sum(map(len, truth)),
        "num_tracker_dets": sum(map(len, found)),
        "num_timesteps": len(truth),
    }


def trackeval_says(sequences: list[Frames]) -> dict[str, Any]:
    metrics = pytest.importorskip("trackeval.metrics", reason="compares with TrackEval")
    quiet = {"PRINT_CONFIG": False}
    said: dict[str, Any] = {}
    for metric in (metrics.HOTA(), metrics.Identity(quiet), metrics.CLEAR(quiet)):
        parts = {k: metric.eval_sequence(trackeval_data(one)) for k, one in enumerate(sequences)}
        said |= metric.combine_sequences(parts) if len(parts) > 1 else parts[0]
    return said


def same(score: TrackingScore, said: dict[str, Any]) -> None:
    curves = {"HOTA": "hota_at", "DetA": "deta_at", "AssA": "assa_at", "LocA": "loca_at"}
    curves |= {"HOTA_TP": "tp", "HOTA_FP": "fp", "HOTA_FN": "fn"}
    for name, ours in curves.items():
        np.testing.assert_allclose(getattr(score, ours), said[name], rtol=0, atol=1e-9)
    single = {"IDF1": "idf1", "IDTP": "idtp", "IDFP": "idfp", "IDFN": "idfn", "MOTA": "mota"}
    single |= {"IDSW": "switches", "Frag": "fragmentations"}
    if not score.tp[0] + score.fn[0]:
        del single["MOTA"]  # zero or less, depending on whether sequences are combined
    for name, ours in single.items():
        assert getattr(score, ours) == pytest.approx(said[name], abs=1e-9), name
    assert score.hota == pytest.approx(np.mean(said["HOTA"]), abs=1e-9)


@settings(max_examples=300, deadline=None)
@given(sequences())
def test_tracks_score_as_trackeval_says(frames: Frames) -> None:
    same(score_tracks(*frames), trackeval_says([frames]))


@settings(max_examples=60, deadline=None)
@given(st.lists(sequences(), min_size=2, max_size=4))
def test_sequences_laid_end_to_end_score_as_trackeval_combines_them(parts: list[Frames]) -> None:
    truth = [ids + 100 * k for k, part in enumerate(parts) for ids in part[0]]
    found = [ids + 100 * k for k, part in enumerate(parts) for ids in part[1]]
    similarity = [table for part in parts for table in part[2]]
    same(score_tracks(truth, found, similarity), trackeval_says(parts))


def test_a_lone_track_that_is_kept_scores_one() -> None:
    frames = 5
    score = score_tracks([[7]] * frames, [[3]] * frames, [[[1.0]]] * frames)
    assert (score.hota, score.idf1, score.mota) == (1, 1, 1)
    assert (score.switches, score.fragmentations, score.idtp) == (0, 0, frames)


def test_a_switch_halves_the_association_and_a_gap_is_a_fragmentation() -> None:
    found = [[1], [1], [], [2], [2], [2]]
    similarity = [np.ones((1, len(ids))) for ids in found]
    similarity[3][:] = 0  # lost for one frame that has something found
    score = score_tracks([[0]] * 6, found, similarity)
    assert (score.switches, score.fragmentations) == (1, 1)
    assert score.idtp == 2 and score.tp.tolist() == [4] * 19
    # Two couples of two matches each: of six truths and two or three found.
    assert score.assa == pytest.approx((2 * 2 / 6 + 2 * 2 / 7) / 4)


def test_what_was_matched_stays_matched_although_another_is_nearer() -> None:
    score = score_tracks([[0], [0]], [[1, 2], [1, 2]], [[[0.9, 0.6]], [[0.6, 0.9]]])
    assert score.switches == 0


@pytest.mark.parametrize(
    ("truth", "found"), [([], []), ([[], []], [[], []]), ([[1]], [[]]), ([[]], [[4]])]
)
def test_without_truth_or_tracks_the_score_is_zero(truth: list[Any], found: list[Any]) -> None:
    empty = [np.zeros((len(t), len(f))) for t, f in zip(truth, found, strict=True)]
    score = score_tracks(truth, found, empty)
    assert (score.hota, score.idf1, score.loca) == (0, 0, 1)
    assert score.mota == 0 if truth == [[1]] else np.isnan(score.mota)


def test_a_score_survives_as_json() -> None:
    text = json.dumps(score_tracks([[1]], [[1]], [[[0.7]]]).to_dict(), allow_nan=False)
    assert len(json.loads(text)["hota_at"]) == 19 and json.loads(text)["tp"][-1] == 0


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (([[1, 1]], [[2]], [[[0.1], [0.1]]]), "frame 0: truth id 1 stands there twice"),
        (([[1], [1]], [[2], [5, 5]], [[[0]], [[0, 0]]]), "frame 1: found id 5"),
        (([[1]], [[2]], [[[np.nan]]]), "within 0..1"),
        (([[1]], [[2]], [[[1.5]]]), "within 0..1"),
        (([[1]], [[2]], [[[0.5, 0.5]]]), r"frame 0: similarity is \[1, 2\]"),
        (([[1]], [[2]], []), "must be as many"),
    ],
)
def test_frames_that_make_no_sense_are_refused(frames: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        score_tracks(*frames)


def test_a_threshold_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        score_tracks([], [], [], threshold=0)
