"""What the world says a picture shows: outlines where things are seen, none where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper import geometry
from scenekeeper.voxels import voxel_keys
from scenekeeper.world.expected import Owners, expected
from scenekeeper.world.scene import CELL
from tests.world.made_views import BOWL, HEIGHT, HERE, MUG, WIDTH, K, depth, mask, points


def owners(*boxes: tuple[int, int, int, int]) -> Owners:
    return Owners.of([np.unique(voxel_keys(points(b), CELL)) for b in boxes], CELL)


def seen(whose: Owners, surface: np.ndarray, **more: float) -> dict[int, np.ndarray]:
    known = {"stride": 1, "max_depth": 6.0, "least": 50, **more}
    out = {}
    for n, (crop, (x0, y0, x1, y1)) in expected(whose, surface, K, HERE, **known).items():  # type: ignore[arg-type]
        out[n] = np.zeros((HEIGHT, WIDTH), np.bool_)
        out[n][y0:y1, x0:x1] = crop
    return out


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_things_are_outlined_where_their_surface_is_seen() -> None:
    found = seen(owners(MUG, BOWL), depth(MUG, BOWL))
    assert sorted(found) == [0, 1]
    assert overlap(found[0], mask(MUG)) > 0.8 and overlap(found[1], mask(BOWL)) > 0.8


def test_what_is_before_a_thing_is_not_part_of_it() -> None:
    surface = depth(MUG)
    surface[:, :55] = 0.8
    found = seen(owners(MUG), surface)
    assert not found[0][:, :55].any()
    assert overlap(found[0], mask((55, MUG[1], MUG[2], MUG[3]))) > 0.7


@pytest.mark.parametrize("surface", [0.0, 0.8, 2.0, 65.0])
def test_nothing_is_expected_where_the_surface_is_elsewhere(surface: float) -> None:
    assert seen(owners(MUG), np.full((HEIGHT, WIDTH), surface, np.float32)) == {}


def test_too_small_a_part_is_not_expected() -> None:
    assert seen(owners(MUG), depth(MUG), least=2000) == {}


def test_a_cell_that_two_claim_is_the_smaller_ones() -> None:
    inner = (50, 55, 65, 75)
    found = seen(owners(MUG, inner), depth(MUG))
    assert overlap(found[1], mask(inner)) > 0.6
    assert not (found[0] & found[1]).any()


def test_no_cells_at_all_are_no_error() -> None:
    assert seen(Owners.of([], CELL), depth(MUG)) == {}


@given(st.floats(-3, 3), st.floats(-0.5, 0.5), st.integers(1, 3))
def test_outlines_do_not_depend_on_where_the_world_has_its_origin(
    shift: float, turn: float, stride: int
) -> None:
    T = np.eye(4)
    T[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    T[:3, 3] = shift, -shift / 2, shift / 3
    cells = np.unique(voxel_keys(geometry.transform(T, points(MUG)), CELL))
    got = expected(
        Owners.of([cells], CELL), depth(MUG), K, T, stride=stride, max_depth=6.0, least=50
    )
    crop, (x0, y0, x1, y1) = got[0]
    whole = np.zeros((HEIGHT, WIDTH), np.bool_)
    whole[y0:y1, x0:x1] = crop
    assert overlap(whole, mask(MUG)) > 0.7
