"""What is left of, right of, in front of and behind what, for a viewer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.simulate.home import furnish
from scenekeeper.simulate.motion import orbit
from scenekeeper.simulate.render import look_at, see
from scenekeeper.simulate.session import Visit, pinhole
from scenekeeper.world.solids import Solid
from scenekeeper.world.views import relate_in_view, view_frame

FRAME = view_frame("kitchen", 7)


def pose(
    eye: tuple[float, float, float], target: tuple[float, float, float]
) -> NDArray[np.float64]:
    return np.asarray(look_at(np.array(eye), np.array(target)), np.float64)


def block(number: int, x: float, y: float, kind: str = "thing") -> Solid:
    corners = np.array([[a, b, c] for a in (0, 0.1) for b in (0, 0.1) for c in (0, 0.1)])
    return Solid.of(number, kind, corners + np.array((x, y, 0.7)))


FROM_SOUTH = pose((0.2, -1.5, 1.5), (0.2, 0, 0.7))
FROM_NORTH = pose((0.2, 1.8, 1.5), (0.2, 0, 0.7))


@pytest.mark.parametrize(
    ("where", "aside", "deep"),
    [(FROM_SOUTH, "left of", "in front of"), (FROM_NORTH, "right of", "behind")],
)
def test_directions_turn_round_with_the_viewer(
    where: NDArray[np.float64], aside: str, deep: str
) -> None:
    solids = [block(1, 0, 0), block(2, 0.3, 0), block(3, 0, 0.4)]
    found = {(r.subject, r.object): r for r in relate_in_view(solids, where, FRAME)}
    assert found[1, 2].predicate == aside
    assert found[1, 3].predicate == deep
    assert all(r.frame == "view kitchen/7" and 0 < r.score <= 1 for r in found.values())


def test_things_far_from_each_other_or_behind_the_viewer_are_not_compared() -> None:
    assert not relate_in_view([block(1, 0, 0), block(2, 1.5, 0)], FROM_SOUTH, FRAME)
    away = pose((0.2, -1.5, 1.5), (0.2, -3, 0.7))
    assert not relate_in_view([block(1, 0, 0), block(2, 0.3, 0)], away, FRAME)


def test_only_what_is_in_view_is_spoken_of() -> None:
    solids = [block(1, 0, 0), block(2, 0.3, 0), block(3, 0.6, 0)]
    found = relate_in_view(solids, FROM_SOUTH, FRAME, ids=(1, 2))
    assert [(r.subject, r.object) for r in found] == [(1, 2)]


def test_walls_and_what_stands_on_another_are_left_out() -> None:
    on_top = Solid.of(3, "thing", block(3, 0, 0).points + np.array((0, 0, 0.1)))
    assert not relate_in_view([block(1, 0, 0), block(2, 0.3, 0, "wall"), on_top], FROM_SOUTH, FRAME)


def test_what_is_left_of_another_is_left_of_it_in_the_picture() -> None:
    """From true poses of a rendered room, against true masks of what is whole in the picture."""
    home = furnish(21, ["office"])
    motion = orbit(home, 2.0, np.random.default_rng(1))
    visit = Visit("office", home, motion, pinhole("hand", 160, 120), fps=2.0)
    camera = visit.camera
    assert camera.intrinsics is not None
    rays = geometry.rays(camera.intrinsics, camera.width, camera.height)
    agree: dict[str, list[bool]] = {}
    for row in range(len(visit.t_ns)):
        T = visit.pose(row)
        shot = see(visit.scene, camera, T)
        points = geometry.transform(T, geometry.unproject(shot.depth, rays)).astype(np.float64)
        ids = [i for i in np.unique(shot.ids).tolist() if i > 0 and (shot.ids == i).sum() > 30]
        solids = [Solid.of(i, "thing", points[shot.ids == i]) for i in ids]
        column = {i: float(np.nonzero(shot.ids == i)[1].mean()) for i in ids}
        depth = {i: float(np.median(shot.depth[shot.ids == i])) for i in ids}
        for r in relate_in_view(solids, T, view_frame("office", row), ids):
            if r.score < 0.5:
                continue
            axis = column if r.predicate in ("left of", "right of") else depth
            more = axis[r.subject] > axis[r.object]
            agree.setdefault(r.predicate, []).append(
                more == (r.predicate in ("right of", "behind"))
            )
    assert set(agree) == {"left of", "right of", "in front of", "behind"}
    assert np.mean(agree["left of"] + agree["right of"]) > 0.97
    # What a large thing shows is not as far away as its middle is.
    assert np.mean(agree["in front of"] + agree["behind"]) > 0.85
