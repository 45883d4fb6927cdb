"""Which detection is which thing: small scenes whose answer is plain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper.schema import Camera
from scenekeeper.simulate.raycast import Shape, cast, pixel_grid
from scenekeeper.world.mapping import Event, MapConfig, Mapper, Seen

Float = NDArray[np.float64]
Vec3 = tuple[float, float, float]

WIDTH, HEIGHT = 160, 120
CAMERA = Camera("front", WIDTH, HEIGHT, np.array([[120.0, 0, 79.5], [0, 120, 59.5], [0, 0, 1]]))
AHEAD: Vec3 = (1.2, 0.0, 0.0)
RED, BLUE, GREEN = np.eye(3, 16, dtype=np.float32)


def looking(eye: Vec3, at: Vec3 = AHEAD) -> Float:
    """Pose of a camera, upright, world z up."""
    z = np.subtract(at, eye) / np.linalg.norm(np.subtract(at, eye))
    x = np.cross(z, (0, 0, 1))
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3] = np.stack((x, np.cross(z, x), z), 1)
    T[:3, 3] = eye
    return T


HERE = looking((0.0, 0.0, 0.6))
THERE = looking((0.2, 0.4, 0.7))


def moved(by: float) -> Float:
    """The camera farther along x."""
    T = HERE.copy()
    T[0, 3] += by
    return T


def box(x: float, y: float, size: float = 0.2) -> Shape:
    return Shape("box", (x, y, 0.0), (size, size, size))


def view(
    shapes: Sequence[Shape],
    T: Float = HERE,
    parts: Sequence[Sequence[int]] | None = None,
    **other: Any,
) -> Seen:
    """What the camera sees of shapes; each detection is of the shapes named in its part."""
    hits = cast(shapes, CAMERA, T, pixel_grid(WIDTH, HEIGHT))
    depth = np.where(np.isfinite(hits.depth), hits.depth, 0).reshape(HEIGHT, WIDTH)
    shape = hits.shape.reshape(HEIGHT, WIDTH)
    masks, places = [], []
    for part in [[k] for k in range(len(shapes))] if parts is None else parts:
        mask = np.isin(shape, part)
        v, u = np.nonzero(mask)
        x0, y0, x1, y1 = u.min(), v.min(), u.max() + 1, v.max() + 1
        masks.append(mask[y0:y1, x0:x1])
        places.append((x0, y0, x1, y1))
    where = np.array(places, np.int64).reshape(-1, 4)
    return Seen(0, CAMERA, T, depth.astype(np.float32), masks, where, **other)


def half(seen: Seen, side: str) -> Seen:
    mask = seen.masks[0].copy()
    middle = mask.shape[1] // 2
    mask[:, middle:] &= side == "right"
    mask[:, :middle] &= side == "left"
    return replace(seen, masks=[mask])


def mapper(**config: Any) -> Mapper:
    return Mapper(MapConfig(**({"settle": False} | config)))


def watch(m: Mapper, *frames: Seen) -> list[list[int]]:
    return [m.observe(seen).tolist() for seen in frames]


TWO = [box(1.2, 0.11), box(1.2, -0.11)]


def test_one_thing_seen_twice_is_one_object() -> None:
    m = mapper()
    assert watch(m, view([box(1.2, 0)]), view([box(1.2, 0)], THERE)) == [[0], [0]]
    assert m.objects.tolist() == [0] and m.events == [Event("born", 0, 0)]


def test_two_alike_things_side_by_side_stay_two() -> None:
    m, alike = mapper(), np.stack((RED, RED))
    frames = [view(TWO, T, look=alike) for T in (HERE, THERE, HERE)]
    assert watch(m, *frames) == [[0, 1]] * 3


@pytest.mark.parametrize("T", [HERE, THERE])
def test_what_looks_alike_beside_a_thing_that_is_missed_is_another(T: Float) -> None:
    twin = Shape("box", (1.2, -0.13, 0), (0.2, 0.06, 0.2))
    m, shapes, looks = mapper(), [box(1.2, 0.0), twin, box(1.2, 0.4)], np.stack((RED, GREEN))
    assert watch(m, *[view(shapes, T, parts=[[0], [2]], look=looks)] * 3) == [[0, 1]] * 3
    assert watch(m, *[view(shapes, T, parts=[[1], [2]], look=looks)] * 3) == [[2, 1]] * 3
    assert m.objects.tolist() == [0, 1, 2]


def test_a_thing_seen_in_halves_becomes_one() -> None:
    m, whole = mapper(), view([Shape("box", (1.2, 0, 0), (0.2, 0.6, 0.2))])
    seen = watch(m, half(whole, "left"), half(whole, "right"), whole, whole)
    assert seen[:2] == [[0], [1]] and m.events[-1] == Event("merged", 3, 1, 0)
    assert m.resolve(np.ravel(seen)).tolist() == [0] * 4 and m.objects.tolist() == [0]
    assert m.votes.alias.tolist() == [0, 0]


def test_halves_that_look_unlike_stay_two() -> None:
    m, whole = mapper(), view([Shape("box", (1.2, 0, 0), (0.2, 0.6, 0.2))])
    watch(m, view([box(1.2, 0.5)], look=GREEN[None]))
    left, right = half(whole, "left"), half(whole, "right")
    for _ in range(2):
        watch(m, replace(left, look=RED[None]), replace(right, look=BLUE[None]))
    watch(m, *[replace(whole, look=RED[None])] * 4)
    assert len(m.objects) == 3 and {e.kind for e in m.events} == {"born"}


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_what_was_taken_for_one_and_is_two_is_split_for_good(order: list[int]) -> None:
    m = mapper()
    watch(m, view(TWO, parts=[[0, 1]]))
    first = m.observe(view(TWO))
    assert sorted(first.tolist()) == [0, 1] and m.events[-1] == Event("split", 1, 1, 0)
    for _ in range(3):  # whatever the order in which they are named
        again = m.observe(view(TWO, parts=[[k] for k in order]))
        assert again.tolist() == first[order].tolist()
    alone = [watch(m, view([TWO[k]], T))[0][0] for k in order for T in (HERE, THERE)]
    assert alone == first[np.repeat(order, 2)].tolist()
    assert len(m.events) == 2


def test_no_object_has_two_detections_in_one_frame() -> None:
    m = mapper()
    watch(m, view(TWO, parts=[[0]]))
    twice = m.observe(view(TWO, parts=[[0], [0], [0], [1]]))
    assert len(set(twice.tolist())) == 4 and 0 in twice


@pytest.mark.parametrize(("look", "o"), [(RED, 0), (BLUE, 1)])
def test_looks_decide_where_cells_do_not(look: NDArray[np.float32], o: int) -> None:
    m, between = mapper(), box(1.2, 0.0)
    watch(m, *[view(TWO, look=np.stack((RED, BLUE)))] * 2)
    assert watch(m, view([between], look=look[None])) == [[o]]


def test_what_looks_the_opposite_is_another_thing_in_the_same_place() -> None:
    m, here = mapper(), box(1.2, 0)
    watch(m, *[view([here, box(1.2, 0.5)], look=np.stack((RED, BLUE)))] * 3)
    assert watch(m, *[view([here], look=BLUE[None])] * 2) == [[2], [2]]
    assert watch(m, view([here], look=RED[None])) == [[0]]


def test_without_looks_a_thing_in_the_same_place_is_the_same() -> None:
    m = mapper()
    watch(m, view([box(1.2, 0)], look=RED[None]))
    assert watch(m, view([box(1.2, 0)])) == [[0]]


def test_a_track_says_which_of_two_it_is() -> None:
    between = box(1.2, 0.0)
    without, with_track = mapper(), mapper()
    for m in (without, with_track):
        watch(m, view(TWO, track=np.array([7, 8])))
    guess = watch(without, view([between]))[0][0]
    for track, o in ((7, 0), (8, 1)):
        m = mapper()
        watch(m, view(TWO, track=np.array([7, 8])))
        assert watch(m, view([between], track=np.array([track]))) == [[o]]
    assert guess in (0, 1)
    assert watch(with_track, view([TWO[0]], track=np.array([-1]))) == [[0]]


def test_a_thousand_identical_things_keep_their_names() -> None:
    m = mapper()
    seen = view([box(1.2, -0.6 + 0.3 * k, 0.15) for k in range(5)], look=np.tile(RED, (5, 1)))
    for lap in range(2):
        for n in range(200):  # copies of one row, a metre apart
            got = m.observe(replace(seen, T_world_camera=moved(n)))
            assert got.tolist() == list(range(5 * n, 5 * n + 5)), (lap, n)
    assert len(m.objects) == 1000 and all(e.kind == "born" for e in m.events)


def test_a_frame_without_detections_changes_nothing() -> None:
    m = mapper()
    for look in (None, np.zeros((0, 16), np.float32)):
        assert watch(m, view([box(1.2, 0)], parts=[], look=look)) == [[]]
    assert watch(m, view([box(1.2, 0)], look=RED[None])) == [[0]]
    assert len(m.objects) == 1


def test_too_little_of_a_thing_is_nobody() -> None:
    assert watch(mapper(), view([box(1.2, 0, 0.02)])) == [[-1]]
    unknown = view([box(1.2, 0)])
    assert watch(mapper(), replace(unknown, depth=np.zeros_like(unknown.depth))) == [[-1]]


def test_five_hundred_masks_in_a_frame_are_five_hundred_objects() -> None:
    depth = np.full((HEIGHT, WIDTH), 6.0, np.float32)
    places = [(6 * i, 6 * j, 6 * i + 5, 6 * j + 5) for j in range(20) for i in range(26)][:500]
    masks = [np.ones((5, 5), np.bool_)] * 500
    seen = Seen(0, CAMERA, HERE, depth, masks, np.array(places))
    assert watch(mapper(), seen, seen) == [list(range(500))] * 2


def test_a_jump_of_the_pose_makes_new_objects_where_the_new_poses_put_them() -> None:
    m, things = mapper(), [box(1.2, -0.3), box(1.2, 0), box(1.2, 0.3)]
    looks = np.stack((RED, BLUE, GREEN))
    before = watch(m, *[view(things, look=looks)] * 3)
    jumped = HERE.copy()
    jumped[1, 3] += 1.0
    after = watch(m, *[replace(view(things, look=looks), T_world_camera=jumped)] * 3)
    assert before == [[0, 1, 2]] * 3 and after == [[3, 4, 5]] * 3
    assert watch(m, view(things, look=looks)) == [[0, 1, 2]]  # the old ones are where they were
    assert all(e.kind == "born" for e in m.events)


def test_times_that_go_back_make_no_difference() -> None:
    frames = [view(TWO, T) for T in (HERE, THERE, HERE)]
    forth, back = mapper(), mapper()
    times = (0, 10, 20)
    a = watch(forth, *[replace(f, t_ns=t) for f, t in zip(frames, times, strict=True)])
    b = watch(back, *[replace(f, t_ns=-t) for f, t in zip(frames, times, strict=True)])
    assert a == b and forth.events == back.events


def test_the_same_frames_give_the_same_map() -> None:
    rng = np.random.default_rng(0)
    frames = [
        view(TWO, looking((0.0, y, 0.6)), look=rng.normal(size=(2, 16)).astype(np.float32))
        for y in np.linspace(-0.3, 0.3, 6)
    ]
    one, other = mapper(), mapper()
    assert watch(one, *frames) == watch(other, *frames)
    for a, b in zip(one.votes.all_votes(), other.votes.all_votes(), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"T_world_camera": None}, "without a pose"),
        ({"T_world_camera": np.full((4, 4), np.nan)}, "finite 4x4"),
        ({"T_world_camera": np.eye(3)}, "finite 4x4"),
        ({"T_world_camera": 2 * HERE}, "not a rotation"),
        ({"T_world_camera": moved(500e3)}, "off the map"),
        ({"depth": np.zeros((HEIGHT // 2, WIDTH), np.float32)}, "not of its size"),
        ({"camera": Camera("front", WIDTH, HEIGHT)}, "no intrinsics"),
        ({"masks": []}, "0 masks"),
        ({"places": np.array([(0, 0, 1, 1), (0, 0, 1, 1)])}, "mask 0"),
        ({"track": np.array([1])}, "tracks"),
        ({"look": np.zeros((1, 16), np.float32)}, "looks of 2"),
        ({"look": np.zeros((2, 4), np.float32)}, "looks are 4 long, were 16"),
        ({"look": np.full((2, 16), np.nan, np.float32)}, "not finite"),
    ],
)
def test_a_frame_that_cannot_be_is_refused_and_leaves_no_trace(
    change: dict[str, Any], message: str
) -> None:
    good = view(TWO, look=np.stack((RED, BLUE)), track=np.array([1, 2]))
    m, other = mapper(), mapper()
    watch(m, good)
    with pytest.raises(ValueError, match=message):
        m.observe(replace(good, **change))
    watch(other, good)
    assert watch(m, good) == watch(other, good) and m.events == other.events
    for a, b in zip(m.votes.all_votes(), other.votes.all_votes(), strict=True):
        assert np.array_equal(a, b)


def test_ten_kilometres_from_the_origin_things_are_told_apart_as_at_home() -> None:
    m = mapper()
    frames = [replace(view(TWO, T), T_world_camera=T + moved(10e3) - HERE) for T in (HERE, THERE)]
    assert watch(m, *frames) == [[0, 1], [0, 1]]
