"""The night with known errors is as long and as wrong as the study says, and its truth adds up."""

import numpy as np
import pytest
from benchmarks.reviewed_rooms import KINDS, Night, World, world


@pytest.fixture(scope="module")
def night() -> World:
    return world(1)


def test_it_has_the_size_and_the_errors_of_the_study(night: World) -> None:
    assert 2300 < len(night.units) < 2700
    assert 220_000 < len(night.unit) < 245_000
    assert len(night.missed) == 18_000
    shares = [night.wrong_by_kind[kind].mean() for kind in KINDS]
    assert 0.13 < night.wrong.mean() < 0.22
    np.testing.assert_allclose(shares, (0.03, 0.10, 0.035, 0.017), atol=0.03)


def test_labels_lie_where_their_tracks_say(night: World) -> None:
    frame_id = night.frame % night.night.frames
    np.testing.assert_array_equal(np.bincount(night.unit), night.units.frames)
    assert (frame_id >= night.units.first[night.unit]).all()
    assert (frame_id <= night.units.last[night.unit]).all()
    assert [f"night-{s:03d}" for s in night.frame[:500] // 300] == [
        night.units.session[k] for k in night.unit[:500]
    ]


def test_the_truth_of_tracks_is_the_truth_of_their_labels(night: World) -> None:
    frames = night.units.frames
    np.testing.assert_array_equal(
        night.count(night.wrong_by_kind["hallucination"]), frames * night.ghost
    )
    np.testing.assert_array_equal(night.count(night.wrong_by_kind["class"]), frames * night.renamed)
    wrong = np.array([t != p for t, p in zip(night.truth, night.units.phrase, strict=True)])
    np.testing.assert_array_equal(wrong, night.ghost | night.renamed)
    drift = night.drift[:, 1] - night.drift[:, 0]
    np.testing.assert_array_equal(night.count(night.wrong_by_kind["mask"]), drift)
    tail = np.where(night.switch >= 0, night.units.last + 1 - night.switch, 0)
    np.testing.assert_array_equal(night.count(night.wrong_by_kind["identity"]), tail)


def test_the_same_seed_gives_the_same_night_and_another_does_not() -> None:
    small = Night(things=30, sessions=4)
    a, b, c = world(3, small), world(3, small), world(4, small)
    np.testing.assert_array_equal(a.units.X, b.units.X)
    np.testing.assert_array_equal(a.wrong, b.wrong)
    assert a.units.choices == b.units.choices
    assert len(a.wrong) != len(c.wrong) or (a.units.logit != c.units.logit).any()


def test_every_signal_knows_something_and_none_knows_all(night: World) -> None:
    bad = night.wrong_labels > 0
    for name, column in zip(night.units.signals, night.units.X.T, strict=True):
        apart = (column[bad].mean() - column[~bad].mean()) / column.std()
        assert 0 < apart < 1.5, name
