"""What rooms are furnished with: it carries the rest."""

from __future__ import annotations

import numpy as np

from scenekeeper.simulate.families.base import (
    BLACK,
    METAL,
    WHITE,
    Family,
    Material,
    Model,
    Support,
    any_color,
    cloth,
    metal,
    paint,
    pick,
    plastic,
    wood,
    wooden,
)
from scenekeeper.simulate.mesh import Mesh, arc, ball, box, cylinder, join, lathe, tube

Rng = np.random.Generator
FLOOR, WALL = frozenset({"floor"}), frozenset({"wall"})
KITCHEN, LIVING = frozenset({"kitchen"}), frozenset({"living room"})
OFFICE, WORKSHOP = frozenset({"office"}), frozenset({"workshop"})


def _legs(
    x: float, y: float, h: float, thick: float, round_: bool, material: int = 0
) -> list[Mesh]:
    one = cylinder(thick / 2, h, 12, material=material) if round_ else box(thick, thick, h)
    return [one.using(material).moved(sx * x, sy * y) for sx in (-1, 1) for sy in (-1, 1)]


def _table(rng: Rng, w: float, d: float, h: float) -> Model:
    thick, leg, round_ = rng.uniform(0.02, 0.045), rng.uniform(0.04, 0.08), rng.random() < 0.4
    top = box(w, d, thick, 0.006).moved(z=h - thick)
    legs = _legs(w / 2 - leg, d / 2 - leg, h - thick, leg, round_, 1)
    material = (
        wooden(wood(rng), pick(rng, "wood", "planks", "wood"))
        if rng.random() < 0.75
        else plastic(paint(rng))
    )
    under = metal() if rng.random() < 0.3 else wooden(wood(rng))
    carries = Support(h, -w / 2 + 0.03, w / 2 - 0.03, -d / 2 + 0.03, d / 2 - 0.03)
    return Model(join(top, *legs), (material, under), (carries,))


def table(rng: Rng) -> Model:
    if rng.random() < 0.2:
        return _round_table(rng)
    return _table(rng, rng.uniform(1.1, 1.7), rng.uniform(0.7, 0.9), rng.uniform(0.7, 0.77))


def _round_table(rng: Rng) -> Model:
    r, h = rng.uniform(0.45, 0.65), rng.uniform(0.7, 0.77)
    mesh = join(
        cylinder(r, 0.03, 40).moved(z=h - 0.03),
        cylinder(0.05, h - 0.03, 16, material=1),
        cylinder(0.5 * r, 0.02, 28, material=1),
    )
    half = 0.66 * r
    return Model(
        mesh,
        (wooden(wood(rng)), metal() if rng.random() < 0.5 else wooden(wood(rng))),
        (Support(h, -half, half, -half, half),),
    )


def coffee_table(rng: Rng) -> Model:
    model = _table(rng, rng.uniform(0.8, 1.1), rng.uniform(0.45, 0.6), rng.uniform(0.38, 0.46))
    w, d = float(model.mesh.extent[0]), float(model.mesh.extent[1])
    top = model.supports[0]
    board = box(w - 0.1, d - 0.1, 0.02).moved(z=0.35 * top.z)
    shelf = Support(0.35 * top.z + 0.02, top.x0, top.x1, top.y0, top.y1, "shelf", 0.5 * top.z)
    return Model(join(model.mesh, board), model.materials, (top, shelf))


def desk(rng: Rng) -> Model:
    return _table(rng, rng.uniform(1.2, 1.7), rng.uniform(0.6, 0.8), rng.uniform(0.7, 0.76))


def workbench(rng: Rng) -> Model:
    w, d, h = rng.uniform(1.3, 1.9), rng.uniform(0.6, 0.75), rng.uniform(0.82, 0.95)
    mesh = join(
        box(w, d, 0.06, 0.006).moved(z=h - 0.06),
        *_legs(w / 2 - 0.07, d / 2 - 0.07, h - 0.06, 0.09, False, 1),
        box(w - 0.12, d - 0.1, 0.03, material=1).moved(z=0.2),
    )
    top = Support(h, -w / 2 + 0.03, w / 2 - 0.03, -d / 2 + 0.03, d / 2 - 0.03)
    low = Support(0.23, -w / 2 + 0.1, w / 2 - 0.1, -d / 2 + 0.1, d / 2 - 0.1, "shelf", h - 0.35)
    return Model(mesh, (wooden(wood(rng), "planks"), wooden(wood(rng))), (top, low))


def chair(rng: Rng) -> Model:
    return _office_chair(rng) if rng.random() < 0.3 else _kitchen_chair(rng)


def _kitchen_chair(rng: Rng) -> Model:
    w, seat, t = rng.uniform(0.38, 0.46), rng.uniform(0.42, 0.47), rng.uniform(0.03, 0.045)
    half, back = w / 2 - t / 2, rng.uniform(0.35, 0.5)
    pieces = [
        *_legs(half, half, seat, t, rng.random() < 0.5),
        box(w, w, 0.04, 0.01, 1).moved(z=seat),
    ]
    pieces += [box(t, t, back).moved(s * half, half, seat + 0.04) for s in (-1, 1)]
    if rng.random() < 0.5:
        pieces += [
            box(w, 0.02, 0.08, 0.005, 1).moved(0, half, seat + back * f) for f in (0.4, 0.7, 0.95)
        ]
    else:
        pieces.append(box(w - 0.02, 0.03, 0.7 * back, 0.01, 1).moved(0, half, seat + 0.35 * back))
    frame = wood(rng) if rng.random() < 0.7 else any_color(rng)
    seat_color = frame if rng.random() < 0.5 else paint(rng)
    return Model(
        join(*pieces),
        (wooden(frame), Material(seat_color, pick(rng, "wood", "fabric"), 0.08, 10)),
        (Support(seat + 0.04, -0.4 * w, 0.4 * w, -0.4 * w, 0.3 * w, "top", 0.4),),
    )


def _office_chair(rng: Rng) -> Model:
    seat, w = rng.uniform(0.42, 0.5), rng.uniform(0.44, 0.52)
    spokes = [
        tube([(0, 0, 0.09), (0.28 * np.cos(a), 0.28 * np.sin(a), 0.05)], 0.018, 8)
        for a in np.arange(5) * 2 * np.pi / 5
    ]
    wheels = [
        ball(0.028, 10).moved(0.28 * np.cos(a), 0.28 * np.sin(a), 0.028)
        for a in np.arange(5) * 2 * np.pi / 5
    ]
    arms = [
        tube(
            [
                (s * w / 2, 0.08, seat + 0.04),
                (s * (w / 2 + 0.03), 0.05, seat + 0.22),
                (s * (w / 2 + 0.03), -0.15, seat + 0.22),
            ],
            0.014,
            8,
        )
        for s in (-1, 1)
    ]
    back = box(w, 0.07, rng.uniform(0.45, 0.6), 0.03, 1).rotated("x", -8)
    pieces = [
        *spokes,
        *wheels,
        cylinder(0.03, seat - 0.08, 14).moved(z=0.08),
        box(w, w, 0.08, 0.03, 1).moved(z=seat),
        back.moved(0, w / 2, seat + 0.12),
    ]
    pieces += arms if rng.random() < 0.7 else []
    top = Support(seat + 0.08, -0.4 * w, 0.4 * w, -0.4 * w, 0.3 * w, "top", 0.4)
    return Model(
        join(*pieces).grounded(),
        (plastic(BLACK), cloth(pick(rng, BLACK, (0.2, 0.2, 0.22), paint(rng)))),
        (top,),
    )


def stool(rng: Rng) -> Model:
    h, r = rng.uniform(0.42, 0.65), rng.uniform(0.15, 0.19)
    ring = tube(arc((0, 0, 0.4 * h), 0.8 * r, 0, 360, 20, "xy"), 0.01, 6)
    mesh = join(
        cylinder(r, 0.04, 28, material=1).moved(z=h), *_legs(0.6 * r, 0.6 * r, h, 0.03, True), ring
    )
    seat = wooden(wood(rng) if rng.random() < 0.5 else any_color(rng))
    frame = wooden(wood(rng)) if rng.random() < 0.6 else metal()
    half = 0.6 * r
    return Model(mesh, (frame, seat), (Support(h + 0.04, -half, half, -half, half, "top", 0.5),))


def sofa(rng: Rng) -> Model:
    w, d = rng.uniform(1.4, 1.9), 0.85
    body = [
        box(w - 0.36, d - 0.15, 0.24, 0.03).moved(0, -0.05, 0.1),
        box(w, 0.22, 0.75, 0.05).moved(0, d / 2 - 0.11, 0.05),
        *(box(0.2, d, 0.56, 0.05).moved(s * (w / 2 - 0.1), 0, 0.05) for s in (-1, 1)),
        *(
            box(0.05, 0.05, 0.1, material=2).moved(sx * (w / 2 - 0.1), sy * (d / 2 - 0.1))
            for sx in (-1, 1)
            for sy in (-1, 1)
        ),
    ]
    n = 2 if w < 1.65 else 3
    one = (w - 0.4) / n
    middles = [-(w - 0.4) / 2 + one * (k + 0.5) for k in range(n)]
    seats = [box(one - 0.01, d - 0.25, 0.14, 0.04, 1).moved(x, -0.08, 0.32) for x in middles]
    backs = [box(one - 0.01, 0.18, 0.4, 0.06, 1).moved(x, 0.16, 0.44) for x in middles]
    color = paint(rng)
    shade = rng.uniform(0.85, 1.1)
    other = (min(1.0, shade * color[0]), min(1.0, shade * color[1]), min(1.0, shade * color[2]))
    top = Support(0.46, -w / 2 + 0.25, w / 2 - 0.25, -d / 2 + 0.1, 0.05, "top", 0.6)
    return Model(
        join(*body, *seats, *backs),
        (cloth(color), cloth(other), wooden(wood(rng))),
        (top,),
    )


def bookshelf(rng: Rng) -> Model:
    w, d, h = rng.uniform(0.7, 1.0), rng.uniform(0.26, 0.34), rng.uniform(1.1, 1.9)
    levels = np.linspace(0.02, h - 0.02, int(rng.integers(4, 6)))
    boards = [box(w, d, 0.02).moved(z=z) for z in levels]
    sides = [box(0.02, d, h).moved(s * w / 2) for s in (-1, 1)]
    back = [box(w, 0.01, h).moved(0, d / 2)] if rng.random() < 0.7 else []
    gap = float(levels[1] - levels[0]) - 0.02
    reach = (-w / 2 + 0.04, w / 2 - 0.04, -d / 2 + 0.02, d / 2 - 0.03)
    shelves = [Support(float(z) + 0.02, *reach, "shelf", gap) for z in levels[:-1]]
    top = Support(float(levels[-1]) + 0.02, *reach, "top", 0.4)
    material = wooden(wood(rng)) if rng.random() < 0.7 else plastic(WHITE)
    return Model(join(*boards, *sides, *back), (material,), (*shelves, top))


def cabinet(rng: Rng, opened: bool = False) -> Model:
    w, d, h = rng.uniform(0.5, 1.1), rng.uniform(0.4, 0.55), rng.uniform(0.6, 0.9)
    n = int(rng.integers(1, 4))
    one = w / n
    which = int(rng.integers(n)) if opened else -1
    pieces = [box(w, d, h, 0.004)]
    for k in range(n):
        door = join(
            box(one - 0.02, 0.015, h - 0.08, 0.004, 1),
            tube([(0.35 * one, -0.025, 0.5 * h), (0.35 * one, -0.025, 0.65 * h)], 0.006, 6, 2),
        )
        left = -w / 2 + one * k + 0.01
        swing = -float(rng.uniform(60, 110)) if k == which else 0.0
        door = door.moved((one - 0.02) / 2).rotated("z", swing)
        pieces.append(door.moved(left, -d / 2 - 0.007, 0.04))
        if k == which:
            hole = box(one - 0.04, 0.002, h - 0.12, material=3)
            pieces.append(hole.moved(left + one / 2 - 0.01, -d / 2 - 0.001, 0.06))
    color = wood(rng) if rng.random() < 0.5 else paint(rng)
    body = Material(color, "wood" if rng.random() < 0.5 else None, 0.1, 15)
    top = Support(h, -w / 2 + 0.03, w / 2 - 0.03, -d / 2 + 0.03, d / 2 - 0.03)
    return Model(
        join(*pieces),
        (body, Material(color, None, 0.12, 20), metal(), Material((0.08, 0.07, 0.06), None, 0, 5)),
        (top,),
    )


def cabinet_opened(rng: Rng) -> Model:
    return cabinet(rng, opened=True)


def drawer_unit(rng: Rng, opened: bool = False) -> Model:
    w, d, h = rng.uniform(0.38, 0.6), rng.uniform(0.4, 0.5), rng.uniform(0.5, 0.8)
    n = int(rng.integers(2, 5))
    one = (h - 0.06) / n
    which = int(rng.integers(n)) if opened else -1
    pull = 0.6 * d
    pieces = [box(w, d, h, 0.004)]
    supports = [Support(h, -w / 2 + 0.03, w / 2 - 0.03, -d / 2 + 0.03, d / 2 - 0.03)]
    for k in range(n):
        z, y = 0.03 + k * one, -d / 2 - (pull if k == which else 0)
        front = box(w - 0.03, 0.018, one - 0.015, 0.003, 1).moved(0, y - 0.009, z)
        grip = tube([(-0.05, y - 0.035, z + one / 2), (0.05, y - 0.035, z + one / 2)], 0.006, 6, 2)
        pieces += [front, grip]
        if k == which:
            pieces += [
                box(w - 0.06, pull, 0.01, material=1).moved(0, y + pull / 2, z + 0.01),
                *(
                    box(0.01, pull, 0.6 * one, material=1).moved(
                        s * (w / 2 - 0.035), y + pull / 2, z
                    )
                    for s in (-1, 1)
                ),
            ]
            room = (-w / 2 + 0.05, w / 2 - 0.05, y + 0.02, y + pull - 0.02)
            supports.append(Support(z + 0.02, *room, "inside", one))
    color = wood(rng) if rng.random() < 0.5 else paint(rng)
    return Model(
        join(*pieces),
        (Material(color, "wood", 0.1, 15), Material(color, None, 0.12, 20), metal()),
        tuple(supports),
    )


def drawer_unit_opened(rng: Rng) -> Model:
    return drawer_unit(rng, opened=True)


def refrigerator(rng: Rng) -> Model:
    w, d, h = rng.uniform(0.58, 0.7), 0.62, rng.uniform(1.5, 1.85)
    split = h * rng.uniform(0.55, 0.7)
    doors = [
        box(w - 0.01, 0.03, split - 0.01, 0.008).moved(0, -d / 2 - 0.015, 0.02),
        box(w - 0.01, 0.03, h - split - 0.03, 0.008).moved(0, -d / 2 - 0.015, split + 0.02),
    ]
    handles = [
        tube([(0.38 * w, -d / 2 - 0.06, a), (0.38 * w, -d / 2 - 0.06, b)], 0.01, 8, 1)
        for a, b in ((split - 0.4, split - 0.05), (split + 0.07, split + 0.3))
    ]
    color = pick(rng, WHITE, WHITE, METAL, METAL, paint(rng))
    return Model(
        join(box(w, d, h, 0.01), *doors, *handles),
        (Material(color, None, 0.35, 35), metal() if rng.random() < 0.5 else plastic(BLACK)),
    )


def sink_counter(rng: Rng) -> Model:
    w, d, h = rng.uniform(1.4, 2.2), 0.6, rng.uniform(0.86, 0.92)
    x = rng.uniform(-0.25, 0.25) * w
    doors = round(w / 0.5)
    one = w / doors
    fronts = [
        box(one - 0.015, 0.015, h - 0.2, 0.003, 1).moved(
            -w / 2 + one * (k + 0.5), -d / 2 + 0.02, 0.1
        )
        for k in range(doors)
    ]
    grips = [
        tube(
            [
                (-w / 2 + one * (k + 0.5) - 0.05, -d / 2 - 0.005, h - 0.15),
                (-w / 2 + one * (k + 0.5) + 0.05, -d / 2 - 0.005, h - 0.15),
            ],
            0.005,
            6,
            2,
        )
        for k in range(doors)
    ]
    basin = [
        box(0.44, 0.36, 0.004, material=2).moved(x, -0.02, h - 0.003 + 0.004),
        box(0.36, 0.28, 0.003, material=3).moved(x, -0.02, h + 0.003),
    ]
    tap = tube(
        [
            (x, 0.2, h),
            (x, 0.2, h + 0.22),
            (x, 0.14, h + 0.28),
            (x, 0.04, h + 0.26),
            (x, 0.03, h + 0.22),
        ],
        0.012,
        10,
        2,
    )
    slab = box(w, d, 0.035, 0.004, 4).moved(z=h - 0.035)
    body = box(w, d - 0.06, h - 0.035).moved(0, 0.02)
    color = wood(rng) if rng.random() < 0.4 else paint(rng)
    left = Support(h, -w / 2 + 0.03, x - 0.24, -d / 2 + 0.03, d / 2 - 0.04)
    right = Support(h, x + 0.24, w / 2 - 0.03, -d / 2 + 0.03, d / 2 - 0.04)
    return Model(
        join(body, slab, *fronts, *grips, *basin, tap),
        (
            plastic(WHITE),
            plastic(color),
            metal(),
            Material((0.25, 0.26, 0.27), None, 0.5, 40),
            Material(pick(rng, (0.3, 0.3, 0.32), wood(rng), (0.75, 0.73, 0.7)), "marble", 0.25, 40),
        ),
        tuple(s for s in (left, right) if s.x1 - s.x0 > 0.2),
    )


def stove(rng: Rng) -> Model:
    w, d, h = 0.6, 0.6, rng.uniform(0.86, 0.92)
    rings = [
        cylinder(r, 0.004, 24, material=1).moved(sx * 0.14, sy * 0.13, h)
        for (sx, sy), r in zip(
            ((-1, -1), (1, -1), (-1, 1), (1, 1)), (0.075, 0.095, 0.095, 0.075), strict=True
        )
    ]
    knobs = [
        cylinder(0.018, 0.02, 14, material=1).rotated("x", 90).moved(x, -d / 2, h - 0.06)
        for x in np.linspace(-0.22, 0.22, 5)
    ]
    door = box(0.52, 0.02, 0.45, 0.004, 2).moved(0, -d / 2 - 0.01, 0.2)
    rail = tube([(-0.22, -d / 2 - 0.05, 0.66), (0.22, -d / 2 - 0.05, 0.66)], 0.008, 8, 3)
    color = WHITE if rng.random() < 0.6 else METAL
    top = Support(h + 0.005, -0.26, 0.26, -0.26, 0.26, "top", 0.5)
    return Model(
        join(box(w, d, h, 0.004), *rings, *knobs, door, rail),
        (
            Material(color, None, 0.35, 40),
            plastic((0.08, 0.08, 0.09)),
            Material((0.05, 0.05, 0.06), None, 0.6, 90),
            metal(),
        ),
        (top,),
    )


def trash_can(rng: Rng) -> Model:
    r = rng.uniform(0.11, 0.16)
    h, t = r * rng.uniform(2, 2.6), 0.004
    profile = [(0, 0), (0.8 * r, 0), (r, h), (r - t, h), (0.8 * r - t, 0.01), (0, 0.01)]
    material = metal() if rng.random() < 0.4 else plastic(paint(rng))
    inside = Support(0.012, -0.5 * r, 0.5 * r, -0.5 * r, 0.5 * r, "inside", h)
    return Model(lathe(profile), (material,), (inside,))


def floor_lamp(rng: Rng) -> Model:
    h, r = rng.uniform(1.3, 1.6), rng.uniform(0.15, 0.22)
    shade = lathe([(r, h - 0.15), (0.7 * r, h + 0.15)], 28, 1).seen_from_behind()
    mesh = join(cylinder(0.8 * r, 0.025, 24), tube([(0, 0, 0), (0, 0, h)], 0.012, 8), shade)
    post = metal() if rng.random() < 0.5 else plastic(BLACK)
    return Model(mesh, (post, Material((0.95, 0.9, 0.78), None, 0, 5, pick(rng, 0.05, 0.5))))


def radiator(rng: Rng) -> Model:
    w, h = rng.uniform(0.6, 1.2), rng.uniform(0.45, 0.6)
    n = int(w / 0.06)
    fins = [
        box(0.045, 0.09, h, 0.012).moved(x, 0, 0.1)
        for x in np.linspace(-w / 2 + 0.03, w / 2 - 0.03, n)
    ]
    pipes = [tube([(-w / 2, 0, z), (w / 2, 0, z)], 0.02, 8) for z in (0.14, 0.06 + h)]
    feet = [box(0.03, 0.06, 0.1).moved(s * 0.4 * w) for s in (-1, 1)]
    return Model(join(*fins, *pipes, *feet), (plastic(WHITE),))


def picture(rng: Rng) -> Model:
    w, h = rng.uniform(0.25, 0.7), rng.uniform(0.25, 0.6)
    mesh = join(
        box(w, 0.025, h, 0.003),
        box(0.86 * w, 0.002, 0.86 * h, material=1).moved(0, -0.0135, 0.07 * h),
    )
    frame = wooden(wood(rng)) if rng.random() < 0.6 else plastic(BLACK)
    return Model(mesh, (frame, Material((1, 1, 1), "picture", 0.1, 30)))


def clock(rng: Rng) -> Model:
    r = rng.uniform(0.1, 0.16)
    rim = lathe([(0, 0), (r, 0), (r, 0.03), (0.93 * r, 0.035), (0.92 * r, 0.028)], 36)
    face = lathe([(0.92 * r, 0.028), (0, 0.028)], 36, 1)
    flat = face.vertices[face.triangles][..., :2] / r
    uv = (0.5 + 0.475 * flat * (1, -1)).astype(np.float32)
    dial = Mesh(face.vertices, face.triangles, uv, face.material, face.two_sided)
    return Model(
        join(rim, dial).rotated("x", 90).moved(0, 0, 0).grounded(),
        (plastic(paint(rng)), Material((1, 1, 1), "clock", 0.1, 20)),
    )


FAMILIES = (
    Family(
        "table",
        table,
        ("dining table", "kitchen table", "coffee table", "desk", "workbench"),
        FLOOR,
        mobility="heavy",
    ),
    Family("coffee table", coffee_table, (), FLOOR, LIVING, noun="table", mobility="heavy"),
    Family("desk", desk, (), FLOOR, OFFICE, noun="table", mobility="heavy"),
    Family("workbench", workbench, (), FLOOR, WORKSHOP, noun="table", mobility="heavy"),
    Family("chair", chair, ("office chair", "kitchen chair", "seat"), FLOOR),
    Family("stool", stool, ("bar stool",), FLOOR),
    Family("sofa", sofa, ("couch", "settee"), FLOOR, LIVING, mobility="heavy"),
    Family("bookshelf", bookshelf, ("shelf", "bookcase", "rack"), FLOOR, mobility="heavy"),
    Family(
        "cabinet",
        cabinet,
        ("cupboard", "sideboard", "drawers", "chest of drawers"),
        FLOOR,
        build_opened=cabinet_opened,
        mobility="heavy",
    ),
    Family(
        "drawer unit",
        drawer_unit,
        (),
        FLOOR,
        OFFICE | LIVING,
        noun="cabinet",
        build_opened=drawer_unit_opened,
        mobility="heavy",
    ),
    Family("refrigerator", refrigerator, ("fridge",), FLOOR, KITCHEN, mobility="fixed"),
    Family("sink counter", sink_counter, ("counter", "sink"), FLOOR, KITCHEN, mobility="fixed"),
    Family("stove", stove, ("oven", "cooker"), FLOOR, KITCHEN, mobility="fixed"),
    Family("trash can", trash_can, ("trash bin", "waste basket", "bin"), FLOOR),
    Family("floor lamp", floor_lamp, (), FLOOR, LIVING | OFFICE, noun="lamp"),
    Family("radiator", radiator, ("heater",), FLOOR, mobility="fixed"),
    Family("picture", picture, ("painting", "photo frame", "poster"), WALL, mobility="fixed"),
    Family("clock", clock, ("wall clock",), WALL, mobility="fixed"),
)
