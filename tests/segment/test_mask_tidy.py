"""Doubles, holes and specks go by the rules of SAM 3, checked against other people's code."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

pytestmark = pytest.mark.models
torch = pytest.importorskip("torch")

from scenekeeper.segment.mask_tidy import overlap, singles, sizes, tidy  # noqa: E402


def patches(found: np.ndarray) -> np.ndarray:
    """Size of the patch of every pixel, by SciPy; corners touch."""
    out = np.zeros(found.shape, int)
    for k, mask in enumerate(found):
        label, _ = ndimage.label(mask, np.ones((3, 3)))
        out[k] = np.bincount(label.ravel())[label] * mask
    return out


@pytest.mark.parametrize("most", [1, 4, 16])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_patches_are_counted_as_scipy_counts_them(most: int, share: float) -> None:
    found = np.random.default_rng(most).random((6, 40, 37)) < share
    expected = np.minimum(patches(found), most + 1)
    assert np.array_equal(sizes(torch.from_numpy(found), most).numpy(), expected)


def test_a_snake_is_as_long_as_it_is() -> None:
    """The worst case: a patch in which numbers have the farthest to go."""
    found = np.zeros((2, 12, 12), np.bool_)
    found[0, 0, :] = True
    found[1, 0, :10] = found[1, 2, :10] = True
    found[1, 1, 9] = True
    for most in (9, 10, 11, 12, 20, 21, 22):
        expected = np.minimum(patches(found), most + 1)
        assert np.array_equal(sizes(torch.from_numpy(found), most).numpy(), expected)


def test_holes_are_filled_and_specks_go_but_not_small_things() -> None:
    logits = torch.full((2, 20, 20), -5.0)
    logits[0, 2:12, 2:12] = 5
    logits[0, 5:7, 5:7] = -5  # a hole of 4
    logits[0, 15, 15] = 5  # a speck
    logits[1, 3, 3:5] = 5  # all there is of a thing
    done = tidy(logits, 4)
    assert (done[0, 5:7, 5:7] > 0).all() and done[0, 15, 15] < 0
    assert (done[1] > 0).sum() == 2
    assert torch.equal(tidy(logits, 0), logits)
    assert torch.equal(tidy(logits, 3) > 0, (logits > 0) & (done > 0))


def test_of_doubles_the_best_is_kept() -> None:
    found = torch.zeros(4, 10, 10, dtype=torch.bool)
    found[0, :5], found[1, :6], found[2, 6:], found[3, :7] = True, True, True, True
    keep = singles(found, torch.tensor([0.5, 0.9, 0.1, 0.7]), 0.5)
    assert keep.tolist() == [False, True, True, False]
    assert singles(found[:0], torch.zeros(0), 0.5).tolist() == []


def test_overlap_is_intersection_over_union() -> None:
    a = torch.zeros(2, 4, 4, dtype=torch.bool)
    a[0, :2] = True
    b = torch.ones(1, 4, 4, dtype=torch.bool)
    assert overlap(a, b).tolist() == [[0.5], [0.0]]
    assert overlap(a[1:], a[1:]).tolist() == [[0.0]]
