"""Which objects are pieces of one thing: of one name, touching, and never seen at once."""

from __future__ import annotations

import numpy as np
import pytest

from scenekeeper.voxels import voxel_keys
from scenekeeper.world.pieces import Piece, united
from scenekeeper.world.scene import CELL


def strip(number: int, start: float, stop: float, *frames: int, name: str = "table") -> Piece:
    """Part of a board that runs along x."""
    x, y = np.meshgrid(np.arange(start, stop, 0.02), np.arange(0, 0.3, 0.02))
    cells = np.unique(voxel_keys(np.stack((x, y, 0 * x), -1).reshape(-1, 3), CELL))
    return Piece(number, name, cells, frozenset(frames))


def test_two_ends_that_touch_and_are_never_seen_at_once_are_one() -> None:
    assert united([strip(1, 0, 0.6, 1, 2), strip(2, 0.6, 1.6, 5)]) == [(1, 2)]


@pytest.mark.parametrize(
    "other",
    [
        strip(2, 0.6, 1.6, 2, 5),
        strip(2, 0.6, 1.6, 5, name="bench"),
        strip(2, 0.8, 1.6, 5),
    ],
    ids=["seen at once", "another name", "apart"],
)
def test_what_is_seen_at_once_called_otherwise_or_apart_stays_two(other: Piece) -> None:
    assert united([strip(1, 0, 0.6, 1, 2), other]) == []


def test_a_board_seen_in_three_parts_is_one() -> None:
    parts = [strip(1, 0, 0.4, 1), strip(2, 0.4, 1.4, 2), strip(3, 1.4, 1.8, 3)]
    assert sorted(united(parts)) == [(1, 2), (3, 2)]


def test_a_piece_that_two_things_seen_at_once_lay_claim_to_goes_to_one_of_them() -> None:
    """Were it part of both, these would be one."""
    parts = [strip(1, 0, 0.6, 1, 2), strip(2, 0.6, 0.8, 7), strip(3, 0.8, 1.6, 1, 3)]
    assert len(united(parts)) == 1


def test_nothing_is_united_with_nothing() -> None:
    assert united([]) == [] and united([strip(1, 0, 0.6, 1)]) == []
