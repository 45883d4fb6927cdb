"""Bitmaps on a device become the run-length masks that encoding them here would give."""

from __future__ import annotations

import numpy as np
import pytest

from scenekeeper import masks
from scenekeeper.segment.cutout import cut_out, enlarge, stability, without_overlap

pytestmark = pytest.mark.models
torch = pytest.importorskip("torch")


@pytest.mark.parametrize("size", [(48, 64), (47, 61), (9, 3)])
def test_bitmaps_survive_the_journey(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    dense = np.zeros((4, *size), np.bool_)
    dense[0] = rng.random(size) < 0.3
    dense[1, 2:5, 1:3] = True
    dense[2] = True
    cut = cut_out(torch.from_numpy(dense))
    assert cut.found.tolist() == [True, True, True, False]
    for k in range(3):
        counts = masks.encode(dense[k])
        assert cut.counts(k) == counts
        assert cut.box_xyxy[k].tolist() == list(masks.box(counts, size))


def test_the_share_of_a_box_that_a_mask_fills() -> None:
    dense = np.zeros((1, 20, 30), np.bool_)
    dense[0, 5:10, 3:13] = True
    cut = cut_out(torch.from_numpy(dense))
    assert cut.filled(0, np.array([3, 5, 13, 10.0])) == 1
    assert cut.filled(0, np.array([3, 5, 13, 15.0])) == 0.5
    assert cut.filled(0, np.array([-9, 5, 13, 10.0])) == pytest.approx(10 / 13)
    assert cut.filled(0, np.array([40, 5, 50, 10.0])) == 0


def test_no_two_masks_share_a_pixel_and_none_is_lost() -> None:
    torch.manual_seed(0)
    large = enlarge(torch.randn(5, 1, 16, 16), (37, 53))
    apart = without_overlap(large)
    assert int(apart.sum(0).max()) == 1
    assert torch.equal(apart.any(0), (large > 0).any(0))
    assert all(int(large[:, y, x].argmax()) == k for k, y, x in apart.nonzero()[::40].tolist())
    assert without_overlap(large[:0]).shape == (0, 37, 53)


def test_stability_is_the_area_beyond_doubt_over_the_area_in_doubt() -> None:
    logits = torch.tensor([[[[2.0, 0.5, -0.5, -2.0]]], [[[9.0, 9.0, -9.0, -9.0]]]])
    assert stability(logits).tolist() == pytest.approx([1 / 3, 1])
