"""Identity: a thing keeps its id out of view and back, neighbours keep apart, pictures suffice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenekeeper import geometry
from scenekeeper.schema import Camera
from scenekeeper.segment.associate import Seen, associate
from scenekeeper.segment.tracklets import link

K = np.array([[300.0, 0, 159.5], [0, 300, 119.5], [0, 0, 1]])
CAMERA = Camera("camera", 320, 240, K)


def seen_from(x: float, t: float, places: np.ndarray, posed: bool = True) -> tuple[Seen, list[int]]:
    """Boxes of 10 cm things at world places, from a camera at ``x`` that looks along +z."""
    T = np.eye(4)
    T[0, 3] = x
    local = geometry.transform(geometry.invert(T), places)
    pixels = geometry.project(K, local)
    half = 300 * 0.05 / local[:, 2:]
    boxes = np.concatenate((pixels - half, pixels + half), 1)
    shown = [k for k, b in enumerate(boxes) if b[0] > 0 and b[2] < 320]
    n = len(shown)
    seen = Seen(
        round(t * 1e9),
        CAMERA,
        T if posed else None,
        boxes[shown],
        np.full(n, 0.9),
        local[shown, 2] if posed else np.full(n, np.nan),
    )
    return seen, shown


def ids(frames: list[tuple[Seen, list[int]]]) -> dict[int, set[int]]:
    """Per true thing the ids that it was given."""
    tracks = associate([f for f, _ in frames]).track
    out: dict[int, set[int]] = {}
    for (_, shown), given in zip(frames, tracks, strict=True):
        for thing, track in zip(shown, given.tolist(), strict=True):
            out.setdefault(thing, set()).add(track)
    return out


ROW = np.array([[x, 0.0, 2.0] for x in (-0.45, -0.15, 0.15, 0.45)])


def test_identical_neighbours_keep_their_own_ids() -> None:
    found = ids([seen_from(0.01 * k, 0.1 * k, ROW) for k in range(20)])
    assert all(len(v) == 1 for v in found.values())
    assert len({next(iter(v)) for v in found.values()}) == 4


def test_a_thing_keeps_its_id_when_it_comes_back_into_view() -> None:
    there = [seen_from(x, 0.1 * k, ROW) for k, x in enumerate(np.linspace(0, 4, 60))]
    back = [seen_from(x, 20 + 0.1 * k, ROW) for k, x in enumerate(np.linspace(4, 0, 60))]
    found = ids(there + back)
    assert any(not shown for _, shown in there)
    assert all(len(v) == 1 for v in found.values())


def test_pictures_alone_give_ids_while_things_stay_in_view() -> None:
    found = ids([seen_from(0.004 * k, 0.1 * k, ROW, posed=False) for k in range(20)])
    assert all(len(v) == 1 for v in found.values())
    assert len({next(iter(v)) for v in found.values()}) == 4


def test_the_order_of_detections_does_not_matter() -> None:
    frames = [seen_from(0.01 * k, 0.1 * k, ROW) for k in range(12)]
    turned = []
    for k, (f, shown) in enumerate(frames):
        order = np.roll(np.arange(len(shown)), k)
        turned.append(
            (
                Seen(f.t_ns, f.camera, f.T_world_camera, f.box_xyxy[order], f.score, f.depth),
                [shown[i] for i in order],
            )
        )
    assert all(len(v) == 1 for v in ids(turned).values())


def test_what_looks_different_at_the_same_place_is_another_thing() -> None:
    look = np.eye(4, dtype=np.float32)
    frames = []
    for k in range(12):
        f, shown = seen_from(0.0, 0.1 * k, ROW[:1])
        embedding = look[[0]] if k < 6 else -look[[0]]
        frames.append(
            (
                Seen(
                    f.t_ns,
                    f.camera,
                    f.T_world_camera,
                    f.box_xyxy,
                    f.score,
                    f.depth,
                    embedding,
                ),
                shown,
            )
        )
    assert len(ids(frames)[0]) == 2


@pytest.mark.parametrize("n", [0, 1, 3])
def test_frames_without_detections_are_no_trouble(n: int) -> None:
    empty = [seen_from(9.0, 0.1 * k, ROW)[0] for k in range(n)]
    assert [len(t) for t in associate(empty).track] == [0] * n


def looking(f: Seen, box: np.ndarray, look: np.ndarray) -> Seen:
    """A frame with these boxes and looks instead of its own."""
    n = len(box)
    return Seen(
        f.t_ns, CAMERA, None, box, np.full(n, 0.9), np.full(n, np.nan), look.astype(np.float32)
    )


def at(*x: float) -> np.ndarray:
    """Boxes of 40 pixels a side whose left edges are at ``x``."""
    return np.array([[v, 100.0, v + 40, 140] for v in x])


def stretch_lengths(frames: list[Seen]) -> list[int]:
    return sorted(len(s) for s in link(frames))


MUG, BOOK = np.eye(4)[0], np.eye(4)[1]


def test_a_box_goes_on_as_what_looks_like_it_not_as_what_is_nearest() -> None:
    empty, _ = seen_from(9.0, 0.0, ROW, posed=False)
    before = looking(empty, at(100), np.stack([MUG]))
    later, _ = seen_from(9.0, 0.1, ROW, posed=False)
    after = looking(later, at(101, 112), np.stack([BOOK, MUG]))
    [longest] = [s for s in link([before, after]) if len(s) == 2]
    assert longest[1].tolist() == [1, 1]


@pytest.mark.parametrize(("look", "lengths"), [(MUG, [2]), (BOOK, [1, 1])])
def test_how_far_a_box_may_be_off_depends_on_how_it_looks(
    look: np.ndarray, lengths: list[int]
) -> None:
    empty, _ = seen_from(9.0, 0.0, ROW, posed=False)
    later, _ = seen_from(9.0, 0.1, ROW, posed=False)
    frames = [
        looking(empty, at(100, 180, 230, 280), np.stack([MUG, BOOK, BOOK, BOOK])),
        looking(later, at(114, 180, 230, 280), np.stack([look, BOOK, BOOK, BOOK])),
    ]
    assert stretch_lengths(frames) == sorted([*lengths, 2, 2, 2])


def test_without_looks_places_alone_decide() -> None:
    frames = [seen_from(0.004 * k, 0.1 * k, ROW, posed=False)[0] for k in range(5)]
    assert stretch_lengths(frames) == [5, 5, 5, 5]


@pytest.mark.parametrize(("look", "things"), [(MUG, 1), (BOOK, 2)])
def test_what_comes_back_a_bit_off_is_the_same_only_if_it_looks_so(
    look: np.ndarray, things: int
) -> None:
    frames = []
    for k in range(24):
        first = k < 12
        place = ROW[:1] + (0 if first else [[0.25, 0, 0]])
        f, shown = seen_from(0.0, 0.1 * k + (0 if first else 5), place)
        looks = np.stack([MUG if first else look]).astype(np.float32)
        frames.append((replace(f, embedding=looks), shown))
    assert len(ids(frames)[0]) == things
