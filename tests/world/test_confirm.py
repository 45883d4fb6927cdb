"""Depth images of two visits that confirm a shared frame, or do not."""

from __future__ import annotations

import numpy as np
import pytest

from scenekeeper.voxels import voxel_centers
from scenekeeper.world.confirm import Visit, confirmed
from scenekeeper.world.scene import CELL
from tests.world.made_visits import CARTON, EYES, KETTLE, TABLE, Box, evidence, keyframes

SHELF = Box("shelf", (-0.5, 0.5, 1.0), (0.4, 0.3, 0.6))
ROOM = (TABLE, CARTON, KETTLE, SHELF)
OTHER = (
    Box("sofa", (0.6, -0.9, 0.3), (0.7, 0.5, 0.6)),
    Box("stool", (-0.9, -0.4, 0.25), (0.4, 0.4, 0.5)),
    Box("lamp", (0.2, 0.9, 0.7), (0.2, 0.2, 1.4)),
)


def visit(boxes: tuple[Box, ...], eyes: slice) -> Visit:
    points = [voxel_centers(evidence(b).cells, CELL) for b in boxes]
    return Visit(np.concatenate(points), keyframes(boxes, EYES[eyes]))


def shifted(metres: float) -> np.ndarray:
    T = np.eye(4)
    T[0, 3] = metres
    return T


def test_visits_from_opposite_sides_of_one_room_confirm_it() -> None:
    assert confirmed(visit(ROOM, slice(0, 2)), visit(ROOM, slice(2, 4)), np.eye(4))


@pytest.mark.parametrize("metres", [0.15, 0.3, 1.0])
def test_not_where_one_is_shifted(metres: float) -> None:
    one, other = visit(ROOM, slice(0, 2)), visit(ROOM, slice(2, 4))
    assert not confirmed(one, other, shifted(metres))


def test_not_of_another_room() -> None:
    assert not confirmed(visit(ROOM, slice(0, 5)), visit(OTHER, slice(0, 5)), np.eye(4))


def test_not_where_hardly_anything_is_looked_at() -> None:
    blind = Visit(visit(ROOM, slice(0, 2)).points, [])
    assert not confirmed(blind, blind, np.eye(4))
