"""What one buys: packages, bottles, fruit, paper, things to read."""

from __future__ import annotations

import math

import numpy as np

from scenekeeper.simulate.families.base import (
    METAL,
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
from scenekeeper.simulate.mesh import Mesh, arc, ball, box, cylinder, grid, join, lathe, tube

Rng = np.random.Generator
HOME = frozenset({"kitchen", "living room", "office"})
KITCHEN = frozenset({"kitchen"})
FOOD_PLACES = frozenset({"surface", "inside"})
STORED = frozenset({"surface", "shelf"})


def bottle(rng: Rng) -> Model:
    r, h = rng.uniform(0.03, 0.045), rng.uniform(0.18, 0.31)
    neck, shoulder = rng.uniform(0.011, 0.016), rng.uniform(0.5, 0.68)
    curve = [
        (neck + (r - neck) * (0.5 + 0.5 * math.cos(u * math.pi)), h * (shoulder + 0.2 * u))
        for u in np.linspace(0.1, 1, 7)
    ]
    body = lathe([(0, 0), (0.9 * r, 0), (r, 0.006), (r, h * shoulder), *curve, (neck, 0.95 * h)])
    cap = cylinder(1.25 * neck, 0.07 * h, 20, material=1).moved(z=0.94 * h)
    label = lathe([(r + 0.0008, 0.15 * h), (r + 0.0008, h * (shoulder - 0.08))], 28, 2)
    glass = pick(
        rng,
        (0.1, 0.35, 0.15),
        (0.35, 0.18, 0.06),
        (0.75, 0.85, 0.9),
        (0.1, 0.2, 0.5),
        (0.85, 0.1, 0.1),
        (0.9, 0.9, 0.9),
    )
    return Model(
        join(body, cap, label),
        (
            Material(glass, None, 0.6, 90),
            plastic(any_color(rng)),
            Material((1, 1, 1), "label", 0.1, 20),
        ),
    )


def can(rng: Rng) -> Model:
    r, h = rng.uniform(0.03, 0.042), rng.uniform(0.06, 0.13)
    side = lathe([(0.86 * r, 0), (r, 0.006), (r, h - 0.008), (0.88 * r, h)], 28, 1)
    top = lathe([(0.88 * r, h), (0.84 * r, h), (0.82 * r, h - 0.004), (0, h - 0.004)])
    bottom = lathe([(0, 0.002), (0.86 * r, 0)])
    return Model(
        join(side, top, bottom),
        (Material(METAL, None, 0.7, 60), Material((1, 1, 1), "label", 0.35, 40)),
    )


def carton(rng: Rng, opened: bool = False) -> Model:
    x, y, z = rng.uniform(0.12, 0.34), rng.uniform(0.1, 0.27), rng.uniform(0.08, 0.28)
    color = (0.62, 0.45, 0.28) if rng.random() < 0.75 else paint(rng)
    material = Material(color, pick(rng, None, "speckle"), 0.03, 5)
    if not opened:
        tape = box(x * 1.001, 0.04, 0.001, material=1).moved(z=z)
        seal = Material((0.72, 0.6, 0.4), None, 0.3, 40)
        top = Support(z + 0.001, -0.4 * x, 0.4 * x, -0.4 * y, 0.4 * y, "top", 0.4)
        return Model(join(box(x, y, z, 0.002), tape), (material, seal), (top,))
    wall = 0.006
    flap = box(x, 0.45 * y, 0.003).rotated("x", 40)
    mesh = join(
        box(x, y, wall),
        *(box(x, wall, z).moved(0, s * y / 2) for s in (-1, 1)),
        *(box(wall, y, z).moved(s * x / 2) for s in (-1, 1)),
        flap.moved(0, -y / 2 - 0.14 * y, z - 0.12 * y),
        flap.rotated("z", 180).moved(0, y / 2 + 0.14 * y, z - 0.12 * y),
    )
    inside = Support(wall, -0.45 * x, 0.45 * x, -0.45 * y, 0.45 * y, "inside", z)
    return Model(mesh.grounded(), (material,), (inside,))


def opened_carton(rng: Rng) -> Model:
    return carton(rng, opened=True)


def cereal_box(rng: Rng) -> Model:
    x, y, z = rng.uniform(0.14, 0.2), rng.uniform(0.04, 0.075), rng.uniform(0.19, 0.3)
    return Model(box(x, y, z, 0.002), (Material((1, 1, 1), "label", 0.15, 20),))


def tea_box(rng: Rng) -> Model:
    x, y, z = rng.uniform(0.1, 0.16), rng.uniform(0.06, 0.1), rng.uniform(0.05, 0.1)
    return Model(box(x, y, z, 0.002), (Material((1, 1, 1), "label", 0.15, 20),))


def milk_carton(rng: Rng) -> Model:
    w, h = rng.uniform(0.06, 0.075), rng.uniform(0.17, 0.22)
    body = box(w, w, 0.8 * h, 0.001)
    roof = Mesh.of(
        [
            (-w / 2, -w / 2, 0.8 * h),
            (w / 2, -w / 2, 0.8 * h),
            (w / 2, w / 2, 0.8 * h),
            (-w / 2, w / 2, 0.8 * h),
            (-w / 2, 0, h),
            (w / 2, 0, h),
        ],
        [(0, 1, 5), (0, 5, 4), (2, 3, 4), (2, 4, 5), (1, 2, 5), (3, 0, 4)],
        material=1,
    )
    cap = cylinder(0.012, 0.012, 14, material=2).moved(0, -0.22 * w, 0.9 * h)
    return Model(
        join(body, roof, cap),
        (
            Material((1, 1, 1), "label", 0.15, 20),
            plastic(paint(rng)),
            plastic(any_color(rng)),
        ),
    )


def book(rng: Rng) -> Model:
    w, h, t = rng.uniform(0.12, 0.21), rng.uniform(0.18, 0.28), rng.uniform(0.012, 0.05)
    cover = box(w, h, 0.003)
    spine = box(0.003, h, t).moved(-w / 2 + 0.0015)
    pages = box(w - 0.008, h - 0.008, t - 0.006, material=1).moved(z=0.003)
    lying = join(cover.moved(z=t - 0.003), cover, spine, pages)
    materials = (
        Material(any_color(rng, 0.55, 1.0), "cover", 0.2, 30),
        Material((0.9, 0.87, 0.78), None, 0, 5),
    )
    return Model(lying, materials)


def magazine(rng: Rng) -> Model:
    w, h = rng.uniform(0.19, 0.22), rng.uniform(0.26, 0.3)
    pieces = []
    z = 0.0
    for _ in range(int(rng.integers(1, 4))):
        sheet = box(w, h, rng.uniform(0.003, 0.008)).rotated("z", rng.normal(0, 6))
        pieces.append(sheet.moved(rng.normal(0, 0.006), rng.normal(0, 0.006), z))
        z += sheet.extent[2]
    return Model(join(*pieces), (Material(any_color(rng, 0.7, 1.0), "cover", 0.4, 40),))


def paper(rng: Rng) -> Model:
    bend, w, h = rng.uniform(0, 0.006), 0.21, 0.297

    def sheet(u, v):  # type: ignore[no-untyped-def]
        return (u - 0.5) * w, (0.5 - v) * h, 0.0015 + bend * (2 * u - 1) ** 2 * v

    pieces = [
        grid(6, 6, sheet, two_sided=True, flip=True)
        .rotated("z", rng.normal(0, 12))
        .moved(z=0.001 * k)
        for k in range(int(rng.integers(1, 4)))
    ]
    return Model(join(*pieces), (Material((0.95, 0.95, 0.94), "print", 0, 5),))


def newspaper(rng: Rng) -> Model:
    w, h, t = rng.uniform(0.24, 0.32), rng.uniform(0.3, 0.4), rng.uniform(0.008, 0.02)
    return Model(box(w, h, t, 0.004), (Material((0.83, 0.81, 0.76), "print", 0, 5),))


def apple(rng: Rng) -> Model:
    r = rng.uniform(0.032, 0.042)
    a = np.linspace(-np.pi / 2, np.pi / 2, 15)
    dent = np.exp(-((np.abs(np.cos(a)) / 0.35) ** 2)) * np.sign(np.sin(a))
    profile = np.stack(
        (r * np.cos(a) * (1 + 0.1 * np.sin(a)), 0.95 * r * np.sin(a) - 0.35 * r * dent), -1
    )
    profile[[0, -1], 0] = 0
    stem = tube([(0, 0, r / 2), (0.002, 0, 0.8 * r), (0.006, 0, 1.15 * r)], 0.0018, 6, 1)
    skin = pick(rng, (0.7, 0.08, 0.07), (0.45, 0.65, 0.12), (0.8, 0.55, 0.15))
    return Model(
        join(lathe(profile, 24), stem).grounded(),
        (Material(skin, "fruit", 0.3, 40), Material((0.3, 0.2, 0.1), None, 0, 5)),
    )


def orange(rng: Rng) -> Model:
    r = rng.uniform(0.034, 0.042)
    skin = Material((0.95, 0.48, 0.06), "peel", 0.2, 25, 0, 2)
    return Model(ball(r, 24, (1, 1, 0.95)).moved(z=0.95 * r), (skin,))


def banana(rng: Rng) -> Model:
    s, length = np.linspace(0, 1, 14), rng.uniform(0.09, 0.12)
    bow = 2 * (s - 0.5)
    path = np.stack((length * np.sin(bow), 0.6 * length * np.cos(bow) - 0.3 * length, 0 * s), -1)
    thick = 0.018 * np.clip(np.sin(s * np.pi) ** 0.35, 0.2, 1)
    thick[[0, -1]] = 0.005, 0.004
    fruit = tube(path, thick.tolist(), 8).grounded()
    return Model(fruit, (Material((0.92, 0.78, 0.15), "fruit", 0.15, 20),))


def lemon(rng: Rng) -> Model:
    r = rng.uniform(0.025, 0.03)
    skin = Material((0.95, 0.85, 0.15), "peel", 0.2, 25, 0, 2)
    return Model(ball(r, 20, (1.3, 1, 1)).moved(z=r), (skin,))


def bread(rng: Rng) -> Model:
    x, y, z = rng.uniform(0.18, 0.3), rng.uniform(0.09, 0.12), rng.uniform(0.07, 0.1)
    crust = Material((0.62, 0.38, 0.17), "fruit", 0.05, 8)
    return Model(box(x, y, z, 0.035), (crust,))


def candle(rng: Rng) -> Model:
    r, h = rng.uniform(0.025, 0.04), rng.uniform(0.06, 0.16)
    wick = tube([(0, 0, h), (0.001, 0, h + 0.012)], 0.0015, 6, 1)
    wax = Material(paint(rng), None, 0.1, 10, 0.1)
    return Model(join(cylinder(r, h, 20), wick), (wax, plastic((0.05, 0.05, 0.05))))


def tissue_box(rng: Rng) -> Model:
    def tissue(u, v):  # type: ignore[no-untyped-def]
        x = (u - 0.5) * 0.06 * (1 - 0.5 * v)
        return x, 0.02 * np.sin(9 * u) * v, 0.08 + 0.07 * v * (1 - (u - 0.5) ** 2 * 1.6)

    carton_ = box(0.23, 0.12, 0.08, 0.003)
    texture = pick(rng, "dots", "stripes", "picture")
    return Model(
        join(carton_, grid(8, 6, tissue, material=1, two_sided=True)),
        (Material(paint(rng), texture, 0.1, 15), Material((0.96, 0.96, 0.96), None, 0, 5)),
    )


def lunch_box(rng: Rng) -> Model:
    x, y, z = rng.uniform(0.16, 0.24), rng.uniform(0.11, 0.16), rng.uniform(0.05, 0.09)
    body = box(x, y, 0.75 * z, 0.012)
    lid = box(1.03 * x, 1.03 * y, 0.28 * z, 0.008, 1).moved(z=0.73 * z)
    clips = [
        box(0.03, 0.006, 0.4 * z, 0.002, 1).moved(k * 0.2 * x, s * 0.52 * y, 0.5 * z)
        for s in (-1, 1)
        for k in (-1, 1)
    ]
    return Model(join(body, lid, *clips), (plastic(paint(rng)), plastic(paint(rng))))


def basket(rng: Rng) -> Model:
    w, d, h = rng.uniform(0.28, 0.45), rng.uniform(0.2, 0.32), rng.uniform(0.15, 0.28)
    t = 0.01
    walls = [box(w, t, h).moved(0, s * d / 2) for s in (-1, 1)]
    walls += [box(t, d, h).moved(s * w / 2) for s in (-1, 1)]
    handles = [tube(arc((s * w / 2, 0, h), 0.05, 0, 180, 9, "yz", 0.03), 0.007, 6) for s in (-1, 1)]
    color = (0.7, 0.55, 0.35) if rng.random() < 0.6 else paint(rng)
    inside = Support(t, -0.42 * w, 0.42 * w, -0.4 * d, 0.4 * d, "inside", h + 0.15)
    return Model(
        join(box(w, d, t), *walls, *handles),
        (cloth(color, pick(rng, "checks", "fabric", "fabric")),),
        (inside,),
    )


def crate(rng: Rng) -> Model:
    w, d, h = rng.uniform(0.35, 0.5), rng.uniform(0.28, 0.36), rng.uniform(0.18, 0.3)
    t = 0.012
    slats = [
        box(w, t, 0.22 * h).moved(0, s * d / 2, z * h) for s in (-1, 1) for z in (0.05, 0.4, 0.75)
    ]
    slats += [
        box(t, d, 0.22 * h).moved(s * w / 2, 0, z * h) for s in (-1, 1) for z in (0.05, 0.4, 0.75)
    ]
    posts = [
        box(0.03, 0.03, h).moved(sx * (w / 2 - 0.02), sy * (d / 2 - 0.02))
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    material = wooden(wood(rng)) if rng.random() < 0.6 else plastic(paint(rng))
    inside = Support(t, -0.4 * w, 0.4 * w, -0.38 * d, 0.38 * d, "inside", h + 0.15)
    return Model(join(box(w, d, t), *slats, *posts), (material,), (inside,))


def can_of_paint(rng: Rng) -> Model:
    r, h = rng.uniform(0.06, 0.09), rng.uniform(0.12, 0.2)
    body = lathe([(0, 0), (r, 0), (r, h)], 28)
    lid = cylinder(0.93 * r, 0.006, 28, material=1).moved(z=h - 0.003)
    band = lathe([(r + 0.001, 0.1 * h), (r + 0.001, 0.85 * h)], 28, 2)
    return Model(
        join(body, lid, band),
        (metal(), metal(any_color(rng)), Material((1, 1, 1), "label", 0.2, 30)),
    )


FAMILIES = (
    Family("bottle", bottle, ("water bottle", "wine bottle"), STORED, tips=True),
    Family(
        "can", can, ("tin", "soda can", "tin can", "paint can"), STORED, tips=True, stackable=True
    ),
    Family(
        "box",
        carton,
        ("cardboard box", "carton", "package"),
        frozenset({"surface", "floor"}),
        stackable=True,
        build_opened=opened_carton,
    ),
    Family(
        "cereal box",
        cereal_box,
        ("cereal box", "tea box", "packet"),
        STORED,
        KITCHEN,
        tips=True,
        noun="food box",
    ),
    Family("tea box", tea_box, (), STORED, frozenset({"kitchen", "office"}), noun="food box"),
    Family("milk carton", milk_carton, ("juice carton",), STORED, KITCHEN, tips=True),
    Family("book", book, ("novel", "notebook", "textbook"), STORED, stackable=True),
    Family("magazine", magazine, ("magazines", "brochure", "newspaper"), rooms=HOME),
    Family("paper", paper, ("papers", "sheet of paper", "document")),
    Family("newspaper", newspaper, (), rooms=HOME, noun="magazine"),
    Family("apple", apple, (), FOOD_PLACES, HOME),
    Family("orange", orange, ("tangerine",), FOOD_PLACES, HOME),
    Family("banana", banana, (), FOOD_PLACES, HOME),
    Family("lemon", lemon, ("lime",), FOOD_PLACES, KITCHEN),
    Family("bread", bread, ("loaf", "loaf of bread"), FOOD_PLACES, KITCHEN),
    Family("candle", candle, (), STORED, frozenset({"living room", "kitchen"})),
    Family("tissue box", tissue_box, ("tissues", "box of tissues"), STORED),
    Family("lunch box", lunch_box, ("food container", "plastic box"), rooms=HOME),
    Family("basket", basket, ("laundry basket",), frozenset({"floor", "surface", "shelf"})),
    Family("crate", crate, ("wooden crate",), frozenset({"floor"}), frozenset({"workshop"})),
    Family("paint can", can_of_paint, (), STORED, frozenset({"workshop"}), noun="can"),
)
