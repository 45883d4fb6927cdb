"""What the calibration benchmark measures with: errors, Platt scaling, rooms that stay the same."""

import numpy as np
import pytest
from benchmarks.doubtful_tracks import Doubts, doubtful
from benchmarks.review_calibration import METHODS, Reviewed, _judged
from benchmarks.reviewed_rooms import Night, world
from scipy.special import expit, logit

FEW = Doubts(walks=2)


@pytest.fixture(scope="module")
def night() -> Reviewed:
    made = world(3, Night(things=200, sessions=20, phrase_scale=0.9))
    return Reviewed(made.units, 1 - made.wrong_labels / made.units.frames)


def test_beliefs_that_are_true_have_no_error_and_others_have_theirs(night: Reviewed) -> None:
    none = np.zeros(0, np.int64)
    exact = _judged(night, none, lambda units, rows, wrong: night.right)
    assert exact == pytest.approx((0, 0, 0, 0))
    shifted = _judged(night, none, lambda units, rows, wrong: night.right - 0.1)
    assert shifted == pytest.approx((0.1, 0.1, 0.1, 0.01))


def test_what_was_corrected_is_not_judged(night: Reviewed) -> None:
    rows = np.arange(50)
    p = night.right.copy()
    p[rows] = 1 - p[rows]
    assert _judged(night, rows, lambda *_: p) == pytest.approx((0, 0, 0, 0))


def test_platt_scaling_is_the_likeliest_line(night: Reviewed) -> None:
    rows = np.arange(0, len(night.units), 3)
    p = METHODS["Platt"](night.units, rows, 1 - night.right[rows])
    off = p[rows] - night.right[rows]
    assert abs(off.sum()) < 0.05  # both derivatives of the likelihood are nothing there
    assert abs((off * night.units.logit[rows]).sum()) < 0.1
    bend = np.polyfit(night.units.logit, logit(p), 2)[0]
    assert abs(bend) < 0.01


def test_raw_scores_are_the_machines_own(night: Reviewed) -> None:
    none = np.zeros(0, np.int64)
    p = METHODS["raw scores"](night.units, none, np.zeros(0))
    np.testing.assert_allclose(p, expit(night.units.logit))


def test_doubtful_rooms_are_the_same_for_the_same_seed() -> None:
    (a, wrong), (b, again), (c, _) = doubtful(1, FEW), doubtful(1, FEW), doubtful(2, FEW)
    np.testing.assert_array_equal(a.X, b.X)
    np.testing.assert_array_equal(wrong, again)
    assert len(a) != len(c) or (a.logit != c.logit).any()
    assert 0.1 < wrong.mean() < 0.5
    assert set(a.session) == {"walk-000", "walk-001"}
    assert a.frames.min() >= FEW.confirm
