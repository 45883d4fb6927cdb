"""Average precision, recall and matching against COCO's own tools."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from scenekeeper import masks
from scenekeeper.evaluate import overlap
from scenekeeper.evaluate.detection import Boxes, DetectionScore, match, score_detection
from tests.evaluate.coco_run import FIGURES, evaluation, figures, reference

NONE = Boxes.of([], [], [])
# Few values, so that ties of scores and overlaps and areas on the limits of the ranges are common.
PLACES = st.integers(0, 16).map(lambda k: 8.0 * k)
SCORES = st.sampled_from([0.1, 0.5, 0.5000001, 0.9])


@st.composite
def boxes(draw: st.DrawFn, *, found: bool, most: int = 14) -> Boxes:
    n = draw(st.integers(0, most))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=n, max_size=n))

    corners = np.array([column(PLACES) for _ in range(4)]).T.reshape(n, 4)
    box = np.concatenate(
        (np.minimum(*np.split(corners, 2, 1)), np.maximum(*np.split(corners, 2, 1))), 1
    )
    image, category = column(st.integers(0, 2)), column(st.integers(3, 5))
    if found:
        return Boxes.of(image, category, box, column(SCORES))
    area = np.where(column(st.booleans()), 32.0**2, np.prod(box[:, 2:] - box[:, :2], axis=1))
    crowd, ignored = (column(st.sampled_from([0, 0, 0, 1])) for _ in range(2))
    return Boxes.of(image, category, box, area=area, crowd=crowd, ignored=ignored)


def with_masks(boxes: Boxes, size: tuple[int, int] = (24, 20)) -> Boxes:
    """Each box as an ellipse in a small image, tight boxes and areas included."""
    v, u = np.mgrid[: size[0], : size[1]] + 0.5
    counts = []
    for x0, y0, x1, y1 in boxes.box_xyxy / 8:
        a, b = max(x1 - x0, 1) / 2, max(y1 - y0, 1) / 2
        inside = ((u - x0 - a) / a) ** 2 + ((v - y0 - b) / b) ** 2 <= 1
        counts.append(masks.encode(inside))
    return Boxes.of(
        boxes.image,
        boxes.category,
        [masks.box(c, size) for c in counts],
        boxes.score,
        mask=counts,
        size=np.tile(size, (len(boxes), 1)),
        crowd=boxes.crowd,
        ignored=boxes.ignored,
    )


def ours(score: DetectionScore) -> list[float]:
    return [getattr(score, name) for name in FIGURES]


@settings(max_examples=150, deadline=None)
@given(boxes(found=False), boxes(found=True), st.booleans())
def test_boxes_score_as_pycocotools_says(truth: Boxes, found: Boxes, mixed: bool) -> None:
    done = reference(COCO, COCOeval, truth, found, "box", mixed)
    score = score_detection(truth, found, class_agnostic=mixed)
    np.testing.assert_allclose(ours(score), figures(done), rtol=0, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(boxes(found=False).map(with_masks), boxes(found=True).map(with_masks), st.booleans())
def test_masks_score_as_pycocotools_says(truth: Boxes, found: Boxes, mixed: bool) -> None:
    done = reference(COCO, COCOeval, truth, found, "mask", mixed)
    score = score_detection(truth, found, "mask", class_agnostic=mixed)
    np.testing.assert_allclose(ours(score), figures(done), rtol=0, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(boxes(found=False), boxes(found=True))
def test_curves_are_those_of_pycocotools(truth: Boxes, found: Boxes) -> None:
    done = reference(COCO, COCOeval, truth, found, "box", False)
    score = score_detection(truth, found)
    kept = np.isin(done.params.catIds, truth.category)
    expected = done.eval["precision"][:, :, kept, 0, 2] if len(truth) else np.zeros((10, 101, 0))
    np.testing.assert_allclose(np.nan_to_num(score.precision, nan=-1), expected, rtol=0, atol=1e-9)
    reached = done.eval["recall"][:, kept, 0, 2] if len(truth) else np.zeros((10, 0))
    np.testing.assert_allclose(np.nan_to_num(score.recall, nan=-1), reached, rtol=0, atol=1e-9)
    assert list(score.per_category) == np.unique(truth.category).tolist()
    for k, one in enumerate(score.per_category.values()):
        assert np.nan_to_num(one.ap, nan=-1) == pytest.approx(expected[..., k].mean(), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(boxes(found=False), boxes(found=True), st.integers(1, 3), st.booleans())
def test_matches_are_those_of_pycocotools(
    truth: Boxes, found: Boxes, limit: int, mixed: bool
) -> None:
    done = evaluation(COCO, COCOeval, truth, found, "box", mixed)
    done.params.maxDets = [limit]
    with contextlib.redirect_stdout(io.StringIO()):
        done.evaluate()
    matches = match(truth, found, max_per_image=limit, class_agnostic=mixed)
    truth_of, ignored = np.full((10, len(found)), -1), np.ones((10, len(found)), np.bool_)
    found_of = np.full((10, len(truth)), -1)
    for one in done.evalImgs:
        if one is not None and one["aRng"][0] == 0 and one["aRng"][1] > 1e9:
            rows, columns = np.array(one["dtIds"], int) - 1, np.array(one["gtIds"], int) - 1
            truth_of[:, rows], ignored[:, rows] = one["dtMatches"] - 1, one["dtIgnore"]
            found_of[:, columns] = one["gtMatches"] - 1
    assert (matches.truth_of == truth_of).all() and (matches.found_of == found_of).all()
    assert (matches.found_ignored == ignored).all()
    assert (matches.truth_ignored == (truth.crowd | truth.ignored)).all()


@settings(max_examples=60, deadline=None)
@given(boxes(found=False), boxes(found=True), st.booleans(), st.booleans())
def test_scores_are_those_of_faster_coco_eval(
    truth: Boxes, found: Boxes, mixed: bool, masked: bool
) -> None:
    library = pytest.importorskip("faster_coco_eval", reason="compares with faster-coco-eval")
    if not len(truth) or not len(found):
        return
    if masked:
        truth, found = with_masks(truth), with_masks(found)
    iou = "mask" if masked else "box"
    done = reference(library.COCO, library.COCOeval_faster, truth, found, iou, mixed)
    score = score_detection(truth, found, "mask" if masked else "box", mixed)
    np.testing.assert_allclose(ours(score), figures(done), rtol=0, atol=1e-9)


def test_more_found_than_the_limit_are_cut_at_a_hundred() -> None:
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 9, (260, 2)) * 10.0
    truth = Boxes.of([0] * 40, [1] * 40, np.c_[corner[:40], corner[:40] + 25])
    found = Boxes.of([0] * 260, [1] * 260, np.c_[corner, corner + 24], rng.integers(0, 50, 260))
    done = reference(COCO, COCOeval, truth, found, "box", False)
    np.testing.assert_allclose(ours(score_detection(truth, found)), figures(done), atol=1e-9)
    assert match(truth, found).found_ignored.all(0).sum() == 160


def test_pairs_taken_some_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 50, (90, 2))
    both = Boxes.of(np.arange(90) % 7, [1] * 90, np.c_[low, low + 40], rng.uniform(0, 1, 90))
    whole = match(both, both)
    monkeypatch.setattr(overlap, "_PAIRS_AT_ONCE", 5)
    parts = match(both, both)
    assert (whole.truth_of == parts.truth_of).all() and (whole.overlap == parts.overlap).all()


def test_any_number_of_thresholds_can_be_matched() -> None:
    truth = Boxes.of([0], [0], [[0, 0, 10, 10]])
    found = Boxes.of([0], [0], [[0, 0, 10, 5]], [0.3])
    levels = tuple(np.linspace(0.01, 1, 100).tolist())
    matches = match(truth, found, thresholds=levels)
    assert (matches.truth_of[:, 0] == np.where(np.array(levels) <= 0.5, 0, -1)).all()
    assert matches.overlap.max() == 0.5
    with pytest.raises(ValueError, match="threshold"):
        match(truth, found, thresholds=())


def test_a_category_that_is_not_in_the_truth_counts_only_when_categories_are_mixed() -> None:
    truth = Boxes.of([0], [1], [[0, 0, 10, 10]])
    found = Boxes.of([0, 0], [1, 2], [[0, 0, 10, 10], [50, 50, 60, 60]], [0.5, 0.9])
    assert score_detection(truth, found).ap == pytest.approx(1)
    assert score_detection(truth, found, class_agnostic=True).ap == pytest.approx(0.5)


def test_a_score_without_truth_is_not_a_number_and_none_in_json() -> None:
    found = Boxes.of([0], [1], [[0, 0, 1, 1]], [0.5])
    excused = [Boxes.of([0], [1], [[0, 0, 9, 9]], **{k: [True]}) for k in ("crowd", "ignored")]
    for truth in (NONE, *excused):
        score = score_detection(truth, found)
        assert np.isnan(ours(score)).all()
        assert json.loads(json.dumps(score.to_dict(), allow_nan=False))["ap"] is None


def test_nothing_found_of_something_scores_zero() -> None:
    score = score_detection(Boxes.of([0], [1], [[0, 0, 200, 200]]), NONE)
    assert (score.ap, score.ar100, score.ap_large) == (0, 0, 0) and np.isnan(score.ap_small)


def test_boxes_without_area_match_nothing() -> None:
    flat = Boxes.of([0, 0], [1, 1], [[5, 5, 5, 9], [5, 5, 5, 5]])
    assert (match(flat, flat).truth_of == -1).all()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"box_xyxy": [[0, 0, np.nan, 1]]}, "box_xyxy"),
        ({"score": [np.nan]}, "score"),
        ({"area": [np.inf]}, "area"),
        ({"box_xyxy": [[2, 0, 1, 1]]}, "before it starts"),
        ({"category": [1, 2]}, "category"),
        ({"mask": [b"", b""]}, "masks"),
    ],
)
def test_boxes_that_make_no_sense_are_refused(fields: dict[str, Any], said: str) -> None:
    usual: dict[str, Any] = {"image": [0], "category": [1], "box_xyxy": [[0, 0, 1, 1]]}
    if "mask" in fields:
        fields["area"] = [1]
    with pytest.raises(ValueError, match=said):
        Boxes.of(**{**usual, **fields})


def test_masks_that_are_missing_or_of_another_size_are_refused() -> None:
    bare = Boxes.of([0], [1], [[0, 0, 4, 4]])
    square = masks.encode(np.ones((4, 4), np.bool_))
    small = Boxes.of([0], [1], [[0, 0, 4, 4]], mask=[square], size=[[4, 4]])
    wide = Boxes.of([0], [1], [[0, 0, 4, 4]], mask=[square], size=[[2, 8]])
    holed = Boxes.of([0], [1], [[0, 0, 4, 4]], mask=[None], size=[[4, 4]])
    assert small.area == 16 and match(small, small, "mask").overlap.min() == 1
    for found, said in ((bare, "there are none"), (wide, "different sizes"), (holed, "has none")):
        with pytest.raises(ValueError, match=said):
            match(small, found, "mask")
