"""Floors, walls with doorways, skirting and a window: the rooms before they are furnished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scenekeeper.simulate.families import Material, Model
from scenekeeper.simulate.mesh import Mesh, box, grid, join
from scenekeeper.simulate.render import Part

FLOOR, WALL = -1, -2
DOOR_WIDTH, DOOR_HEIGHT = 0.95, 2.05


@dataclass(frozen=True)
class Walls:
    """One room's inner faces, metres.

    Attributes:
        x0: left wall.
        x1: right wall.
        y0: front wall.
        y1: back wall.
        height: of the ceiling.
        solid_sides: sides without opening or window: 0 back, 1 front, 2 left, 3 right.
        keep_free: footprints (x, y, half x, half y) where nothing may stand: doorways.
    """

    x0: float
    x1: float
    y0: float
    y1: float
    height: float
    solid_sides: tuple[int, ...]
    keep_free: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, eq=False)
class Shell:
    """The empty home.

    Attributes:
        rooms: one per room, left to right.
        parts: what to draw.
        structure: phrase of each negative instance.
        window: middle of the pane through which daylight comes.
        doors: y of the middle of the doorway in each wall between two rooms.
    """

    rooms: tuple[Walls, ...]
    parts: tuple[Part, ...]
    structure: dict[int, str]
    window: tuple[float, float, float]
    doors: tuple[float, ...]


def build_shell(
    sizes: Sequence[tuple[float, float, float]], rng: np.random.Generator, randomise: float
) -> Shell:
    """Rooms of given width, depth and height in a row along x, with doorways between them."""
    rooms: list[Walls] = []
    parts: list[Part] = []
    left = -sum(w for w, _, _ in sizes) / 2
    depth, height = max(d for _, d, _ in sizes), max(h for _, _, h in sizes)
    doors = [float(rng.uniform(-0.3, 0.3) * depth) for _ in sizes[1:]]
    window_x = 0.0
    for k, (width, _, _) in enumerate(sizes):
        x0, x1, y0, y1 = left, left + width, -depth / 2, depth / 2
        left = x1
        solid = tuple(
            side for side, open_ in ((1, False), (2, k > 0), (3, k < len(sizes) - 1)) if not open_
        )
        free = [(x0, doors[k - 1], 0.9, 0.75)] if k > 0 else []
        free += [(x1, doors[k], 0.9, 0.75)] if k < len(sizes) - 1 else []
        walls = Walls(x0, x1, y0, y1, height, solid, tuple(free))
        rooms.append(walls)
        floor, wall = _surfaces(rng, randomise)
        door = doors[k] if k < len(sizes) - 1 else None
        look = int(rng.integers(1 << 30))
        parts += [replace(p, look=look) for p in _surround(walls, floor, wall, door, k == 0)]
        if k == 0:
            window_x = (x0 + x1) / 2 + float(rng.uniform(-0.3, 0.3)) * width * 0.8
    window = (window_x, depth / 2 - 0.005, 1.5)
    parts.append(Part(0, _window(), _at(window_x, depth / 2, 0.9), casts=False))
    return Shell(tuple(rooms), tuple(parts), {FLOOR: "floor", WALL: "wall"}, window, tuple(doors))


def _surfaces(rng: np.random.Generator, randomise: float) -> tuple[Material, Material]:
    floor_kind = str(rng.choice(["planks", "tiles", "fabric", "planks", "marble"]))
    wild = rng.random() < 0.7 * randomise
    tint = rng.uniform(0.1, 0.9, 3) if wild else 0.4 + 0.4 * rng.random(3)
    if floor_kind == "planks" and not wild:
        tint = np.array([0.62, 0.45, 0.28]) * rng.uniform(0.5, 1.3)
    wall = rng.uniform(0.2, 0.95, 3) if wild else 0.6 + 0.35 * rng.random(3)
    wall_kind = str(rng.choice(["stripes", "checks", "tiles"])) if wild else "plaster"
    return (
        Material(_rgb(tint), floor_kind, 0.12, 20, 0, 1.2),
        Material(_rgb(wall), wall_kind, 0.02, 5),
    )


def _surround(
    w: Walls, floor: Material, wall: Material, door: float | None, first: bool
) -> list[Part]:
    width, depth = w.x1 - w.x0, w.y1 - w.y0
    ceiling = Material((0.92, 0.92, 0.9), None, 0.0, 5)
    eye = np.eye(4)
    faces = [
        _sheet((w.x0, w.y0, 0), (0, depth, 0), (0, 0, w.height), depth, w.height)
        if first
        else None,
        _sheet((w.x0, w.y1, 0), (width, 0, 0), (0, 0, w.height), width, w.height),
        _sheet((w.x0, w.y0, 0), (width, 0, 0), (0, 0, w.height), width, w.height),
        *_right_wall(w, door),
    ]
    trim = 0.09
    skirting = [
        box(width, 0.02, trim).moved((w.x0 + w.x1) / 2, w.y1 - 0.01, 0),
        box(width, 0.02, trim).moved((w.x0 + w.x1) / 2, w.y0 + 0.01, 0),
    ]
    ground = _sheet((w.x0, w.y0, 0), (width, 0, 0), (0, depth, 0), width / 1.2, depth / 1.2)
    top = _sheet((w.x0, w.y0, w.height), (width, 0, 0), (0, depth, 0), 1, 1)
    walls = join(*[f for f in faces if f is not None])
    return [
        Part(FLOOR, Model(ground, (floor,)), eye, casts=False),
        Part(WALL, Model(walls, (wall,)), eye, casts=False),
        Part(0, Model(top, (ceiling,)), eye, casts=False),
        Part(WALL, Model(join(*skirting), (Material((0.9, 0.9, 0.88)),)), eye, casts=False),
    ]


def _right_wall(w: Walls, door: float | None) -> list[Mesh]:
    """The right wall, in three pieces where there is a doorway in it."""
    depth = w.y1 - w.y0
    if door is None:
        return [_sheet((w.x1, w.y0, 0), (0, depth, 0), (0, 0, w.height), depth, w.height)]
    a, b = door - DOOR_WIDTH / 2, door + DOOR_WIDTH / 2
    up = w.height - DOOR_HEIGHT
    return [
        _sheet((w.x1, w.y0, 0), (0, a - w.y0, 0), (0, 0, w.height), a - w.y0, w.height),
        _sheet((w.x1, b, 0), (0, w.y1 - b, 0), (0, 0, w.height), w.y1 - b, w.height),
        _sheet((w.x1, a, DOOR_HEIGHT), (0, b - a, 0), (0, 0, up), b - a, up),
    ]


def _sheet(
    corner: tuple[float, float, float],
    u: tuple[float, float, float],
    v: tuple[float, float, float],
    repeat_u: float,
    repeat_v: float,
) -> Mesh:
    """A flat rectangle seen from both sides, its texture repeated."""
    c, du, dv = np.array(corner), np.array(u), np.array(v)

    def surface(a, b):  # type: ignore[no-untyped-def]
        return tuple((c + a[:, None] * du + b[:, None] * dv).T)

    sheet = grid(6, 6, surface)
    return Mesh(
        sheet.vertices,
        sheet.triangles,
        sheet.uv * np.array([repeat_u, repeat_v], np.float32),
        sheet.material,
        np.ones(len(sheet.triangles), np.bool_),
    )


def _window() -> Model:
    frame = box(1.3, 0.06, 1.2)
    pane = box(1.2, 0.07, 1.1, material=1).moved(0, 0, 0.05)
    return Model(
        join(frame, pane),
        (Material((0.95, 0.95, 0.95)), Material((0.85, 0.93, 1.0), None, 0.1, 20, 1.2)),
    )


def _at(x: float, y: float, z: float):  # type: ignore[no-untyped-def]
    T = np.eye(4)
    T[:3, 3] = x, y, z
    return T


def _rgb(values) -> tuple[float, float, float]:  # type: ignore[no-untyped-def]
    return float(values[0]), float(values[1]), float(values[2])
