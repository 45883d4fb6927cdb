"""Cloth, toys, plants, people."""

from __future__ import annotations

import math

import numpy as np

from scenekeeper.simulate.families.base import (
    BLACK,
    WHITE,
    Family,
    Material,
    Model,
    any_color,
    cloth,
    metal,
    paint,
    pick,
    plastic,
)
from scenekeeper.simulate.mesh import Mesh, arc, ball, box, cylinder, grid, join, lathe, tube

Rng = np.random.Generator
LIVING = frozenset({"living room"})
_SKIN = ((0.85, 0.65, 0.52), (0.72, 0.5, 0.37), (0.5, 0.33, 0.22), (0.3, 0.19, 0.13))


def shoe(rng: Rng) -> Model:
    length = rng.uniform(0.25, 0.29)

    def upper(u, v):  # type: ignore[no-untyped-def]
        a = 2 * np.pi * v
        w = 0.045 * np.clip(np.sin(np.clip(u, 0.015, 0.985) * np.pi) ** 0.45, 0, 1)
        w *= 1 - 0.12 * np.cos(6.3 * u + 0.6)
        h = np.interp(
            u,
            [0, 0.08, 0.3, 0.5, 0.75, 0.93, 1],
            [0.05, 0.1, 0.098, 0.075, 0.055, 0.04, 0.02],
        )
        return (u - 0.5) * length, 0.95 * w * np.cos(a), 0.015 + h / 2 + h / 2 * np.sin(a)

    sole = lathe([(0, 0), (0.5, 0), (0.5, 1), (0, 1)], 24, 1).scaled(1.02 * length, 0.1, 0.022)
    opening = ball(1, 14, (0.045, 0.028, 0.012), 2).moved(-0.3 * length, 0, 0.1)
    laces = [
        tube(
            [
                (length * x, -0.022, 0.085 - 0.12 * x),
                (length * x, 0.022, 0.085 - 0.12 * x),
            ],
            0.003,
            6,
            1,
        )
        for x in (-0.02, 0.05, 0.12)
    ]
    return Model(
        join(grid(20, 16, upper, flip=True), sole, opening, *laces),
        (
            Material(paint(rng), pick(rng, None, "fabric"), 0.15, 15, 0, 2),
            plastic(WHITE if rng.random() < 0.6 else BLACK),
            Material((0.05, 0.05, 0.05), None, 0, 5),
        ),
    )


def towel(rng: Rng) -> Model:
    w, d = rng.uniform(0.22, 0.4), rng.uniform(0.3, 0.5)
    waves, phase = rng.uniform(3, 6), rng.random(3) * 6
    layers = int(rng.integers(1, 4))

    def layer(k: int) -> Mesh:
        def sheet(u, v):  # type: ignore[no-untyped-def]
            z = 0.006 * np.sin(2 * waves * u + phase[0] + k) * np.sin(waves * v + phase[1])
            z = z + 0.004 * np.sin(13 * v + phase[2])
            return (u - 0.5) * w, (v - 0.5) * d * (1 - 0.06 * k), 0.012 * (k + 1) + z

        return grid(16, 16, sheet, two_sided=True)

    body = box(0.98 * w, 0.97 * d, 0.012 * layers, 0.003)
    texture = pick(rng, "stripes", "fabric", "checks", "fabric")
    return Model(
        join(*(layer(k) for k in range(layers)), body).grounded(), (cloth(paint(rng), texture, 1),)
    )


def cushion(rng: Rng) -> Model:
    size, thick = rng.uniform(0.34, 0.5), rng.uniform(0.06, 0.09)

    def half(sign: int):  # type: ignore[no-untyped-def]
        def surface(u, v):  # type: ignore[no-untyped-def]
            a, b = 2 * u - 1, 2 * v - 1
            h = np.clip((1 - a**4) * (1 - b**4), 0, 1) ** 0.6
            x = a * size / 2 * (1 - 0.07 * (1 - b * b) * np.abs(a) ** 3)
            y = b * size / 2 * (1 - 0.07 * (1 - a * a) * np.abs(b) ** 3)
            return x, y, sign * thick * h

        return surface

    mesh = join(grid(12, 12, half(1)), grid(12, 12, half(-1), flip=True)).moved(z=thick)
    return Model(mesh, (cloth(paint(rng), pick(rng, "fabric", "stripes", "checks"), 1),))


def teddy_bear(rng: Rng) -> Model:
    s = rng.uniform(0.8, 1.4)

    def part(r, x, y, z, material=0, stretch=(1, 1, 1)) -> Mesh:  # type: ignore[no-untyped-def]
        return ball(r * s, 14, stretch, material).moved(x * s, y * s, z * s)

    sides = [
        piece
        for k in (-1, 1)
        for piece in (
            part(0.02, 0.042 * k, 0, 0.25),
            part(0.03, 0.075 * k, -0.03, 0.12, 0, (1, 1, 1.4)),
            part(0.033, 0.05 * k, -0.07, 0.035, 0, (1, 1.4, 1)),
            part(0.007, 0.02 * k, -0.06, 0.215, 2),
        )
    ]
    mesh = join(
        part(0.07, 0, 0, 0.085, 0, (1, 0.9, 1.15)),
        part(0.055, 0, -0.01, 0.2),
        part(0.024, 0, -0.055, 0.19, 1),
        part(0.009, 0, -0.077, 0.195, 2),
        *sides,
    )
    fur = pick(rng, (0.5, 0.32, 0.18), (0.75, 0.6, 0.42), (0.85, 0.82, 0.78), any_color(rng))
    return Model(
        mesh.grounded(),
        (
            cloth(fur, "fabric", 2),
            Material((0.85, 0.72, 0.55), None, 0, 5),
            plastic((0.03, 0.03, 0.03)),
        ),
    )


def sports_ball(rng: Rng) -> Model:
    r = rng.uniform(0.06, 0.12)
    texture = pick(rng, "checks", "stripes", "peel")
    return Model(ball(r, 26).moved(z=r), (Material(any_color(rng, 0.4, 1.0), texture, 0.2, 30),))


def potted_plant(rng: Rng) -> Model:
    r = rng.uniform(0.06, 0.15)
    h = 1.6 * r
    pot = lathe(
        [(0, 0), (0.7 * r, 0), (r, h), (0.92 * r, h), (0.9 * r, 0.9 * h), (0, 0.88 * h)], 24
    )
    leaves = [_leaf(rng, r, 0.9 * h) for _ in range(int(rng.integers(14, 26)))]
    clay = any_color(rng, 0.3, 0.8) if rng.random() < 0.5 else (0.65, 0.32, 0.2)
    green = (rng.uniform(0.08, 0.2), rng.uniform(0.3, 0.5), rng.uniform(0.08, 0.15))
    return Model(
        join(pot, *leaves).grounded(),
        (Material(clay, None, 0.1, 10), Material(green, "leaf", 0.15, 20)),
    )


def _leaf(rng: Rng, r: float, z: float) -> Mesh:
    turn, length = rng.random() * 2 * math.pi, rng.uniform(1.1, 3.0) * r
    rise, width = rng.uniform(0.5, 1.4), length * rng.uniform(0.12, 0.2)
    along = np.array([math.cos(turn), math.sin(turn), 0])
    across = np.array([math.sin(turn), -math.cos(turn), 0])

    def blade(u, v):  # type: ignore[no-untyped-def]
        broad = width * np.sin(np.clip(u, 0.02, 0.98) * np.pi) ** 0.7 * (2 * v - 1)
        p = np.outer(u * length * math.cos(rise), along) + np.outer(broad, across)
        droop = u * length * math.sin(rise) - 0.3 * u**2 * length
        return p[:, 0], p[:, 1], np.maximum(droop + z, 0.01)

    return grid(6, 2, blade, material=1, two_sided=True)


def backpack(rng: Rng) -> Model:
    mesh = join(
        box(rng.uniform(0.27, 0.33), 0.16, rng.uniform(0.38, 0.46), 0.06),
        box(0.22, 0.06, 0.2, 0.025, 1).moved(0, -0.1, 0.04),
        tube(arc((0, 0, 0.41), 0.04, 0, 180, 9, "xz", 0.05), 0.008, 8, 1),
        tube([(-0.15, -0.05, 0.3), (0, -0.085, 0.3), (0.15, -0.05, 0.3)], 0.004, 6, 2),
    )
    return Model(mesh, (cloth(paint(rng)), cloth(paint(rng)), plastic(BLACK)))


def hat(rng: Rng) -> Model:
    r, h = rng.uniform(0.085, 0.1), rng.uniform(0.09, 0.13)
    brim = r * rng.uniform(1.3, 1.9)
    profile = [(brim, 0.0), (1.02 * r, 0.006), (r, 0.5 * h), (0.8 * r, 0.92 * h), (0, h)]
    return Model(lathe(profile, 30).seen_from_behind(), (cloth(paint(rng)),))


def rug(rng: Rng) -> Model:
    w, d = rng.uniform(1.2, 2.0), rng.uniform(0.8, 1.4)
    texture = pick(rng, "stripes", "checks", "fabric", "picture", "dots")
    return Model(box(w, d, 0.012, 0.004), (cloth(paint(rng), texture, 1),))


def person(rng: Rng) -> Model:
    """A clothed figure, standing, its arms hanging, raised or reaching."""
    h = rng.uniform(1.5, 1.9)
    k = h / 1.75
    skin, hair = pick(rng, *_SKIN), pick(rng, BLACK, (0.2, 0.12, 0.07), (0.6, 0.45, 0.2))
    hip, shoulder, build = 0.92 * k, 1.42 * k, rng.uniform(0.9, 1.15)
    legs = [
        tube(
            [(s * 0.09 * k, 0.0, 0.07), (s * 0.1 * k, -0.01, 0.5 * k), (s * 0.09 * k, 0, hip)],
            [0.055 * build, 0.065 * build, 0.09 * build],
            12,
            1,
        )
        for s in (-1, 1)
    ]
    feet = [box(0.09, 0.25, 0.08, 0.03, 4).moved(s * 0.1 * k, -0.05) for s in (-1, 1)]
    trunk = [
        (0.0, hip - 0.08),
        (0.15 * build, hip - 0.06),
        (0.155 * build, hip + 0.05),
        (0.14 * build, hip + 0.2 * k),
        (0.17 * build, shoulder - 0.1 * k),
        (0.14 * build, shoulder),
        (0.05, shoulder + 0.04),
        (0.0, shoulder + 0.04),
    ]
    body = lathe(trunk, 20, 0).scaled(1.15, 0.75, 1)
    neck = cylinder(0.05, 0.12, 12, material=2).moved(z=shoulder)
    head = ball(0.1, 18, (0.9, 1.0, 1.2), 2).moved(0, -0.01, shoulder + 0.2 * k)
    scalp = ball(0.104, 18, (0.92, 1.0, 1.0), 3).moved(0, 0.018, shoulder + 0.235 * k)
    arms = [_arm(rng, s, shoulder, k, build) for s in (-1, 1)]
    return Model(
        join(*legs, *feet, body, neck, head, scalp, *arms).grounded(),
        (
            cloth(paint(rng), pick(rng, "fabric", "stripes", "checks", "fabric"), 2),
            cloth(pick(rng, (0.12, 0.15, 0.25), BLACK, (0.35, 0.3, 0.25), paint(rng)), "fabric", 2),
            Material(skin, None, 0.08, 10),
            Material(hair, "leaf", 0.1, 10),
            plastic(BLACK),
        ),
    )


def _arm(rng: Rng, side: int, shoulder: float, k: float, build: float) -> Mesh:
    lift, out = rng.uniform(-80, 20), rng.uniform(5, 35)
    a, b = math.radians(lift), math.radians(out)
    upper = np.array([side * math.sin(b), -max(0.05, math.cos(a)), math.sin(a)])
    upper /= np.linalg.norm(upper)
    bend = np.array([-0.2 * side * rng.random(), -0.7 * rng.random(), 0.3 * rng.normal()])
    fore = upper + bend
    fore /= np.linalg.norm(fore)
    start = np.array([side * 0.19 * build, 0, shoulder - 0.05])
    elbow, wrist = start + 0.3 * k * upper, start + 0.3 * k * upper + 0.26 * k * fore
    sleeve = tube([start, elbow], [0.06 * build, 0.048 * build], 10, 0)
    below = tube([elbow, wrist], [0.045 * build, 0.032], 10, 0 if rng.random() < 0.5 else 2)
    palm = ball(0.045, 12, (0.7, 0.9, 1.2), 2).moved(*(wrist + 0.05 * k * fore))
    return join(sleeve, below, palm)


def hand(rng: Rng) -> Model:
    """A forearm that reaches in, its fingers along -y."""
    skin = pick(rng, *_SKIN)
    length, curl = rng.uniform(0.2, 0.4), rng.uniform(0, 0.5)
    forearm = tube(
        [(0, length, 0.05), (0, length / 2, 0.045), (0, 0, 0.035)], [0.045, 0.04, 0.028], 12, 1
    )
    palm = ball(0.5, 14, (0.085, 0.1, 0.035)).moved(0, -0.045, 0.032)
    fingers = [
        tube(
            [
                (x, -0.085, 0.034),
                (1.1 * x, -0.115, 0.034 - 0.02 * curl),
                (1.15 * x, -0.115 - 0.035 * math.cos(curl), 0.03 - 0.06 * curl),
            ],
            [0.009, 0.0085, 0.006],
            8,
        )
        for x in (-0.03, -0.01, 0.01, 0.03)
    ]
    thumb = tube([(0.035, -0.03, 0.03), (0.065, -0.06, 0.028), (0.07, -0.085, 0.026)], 0.009, 8)
    bare = rng.random() < 0.5
    sleeve = Material(skin, None, 0.08, 10) if bare else cloth(paint(rng))
    return Model(
        join(forearm, palm, *fingers, thumb).grounded(), (Material(skin, None, 0.08, 10), sleeve)
    )


def gripper(rng: Rng, opening: float | None = None) -> Model:
    """A parallel-jaw gripper pointing along -y, as a wrist camera sees it."""
    gap = rng.uniform(0.0, 0.085) if opening is None else opening
    jaws = [gripper_jaw(s).moved(s * gap / 2) for s in (-1, 1)]
    color = pick(rng, WHITE, BLACK, (0.35, 0.36, 0.38), (0.85, 0.45, 0.1))
    return Model(
        join(gripper_palm(), *jaws).grounded(),
        (plastic(color), metal((0.3, 0.3, 0.32)), plastic((0.06, 0.06, 0.06))),
    )


def gripper_palm() -> Mesh:
    """What carries the jaws: centred in x, its axis 3 cm above z = 0."""
    palm = box(0.13, 0.05, 0.06, 0.006).moved(0, 0.1)
    return join(palm, cylinder(0.035, 0.1, 18).rotated("x", -90).moved(0, 0.11, 0.03))


def gripper_jaw(side: int) -> Mesh:
    """The jaw at one side, -1 or 1, of a closed gripper; it opens along x."""
    return join(
        box(0.016, 0.1, 0.024, 0.002, 1).moved(side * 0.008, 0.03, 0.018),
        box(0.008, 0.03, 0.02, 0.001, 2).moved(side * 0.002, -0.01, 0.02),
    )


FAMILIES = (
    Family("shoe", shoe, ("sneaker", "trainer"), frozenset({"floor", "surface"}), LIVING),
    Family("towel", towel, ("cloth", "dish towel", "rag")),
    Family("cushion", cushion, ("pillow", "throw pillow"), frozenset({"surface"}), LIVING),
    Family("teddy bear", teddy_bear, ("stuffed toy", "plush toy"), rooms=LIVING),
    Family(
        "sports ball", sports_ball, ("ball", "football"), frozenset({"floor", "surface"}), LIVING
    ),
    Family("potted plant", potted_plant, ("plant", "houseplant"), frozenset({"surface", "floor"})),
    Family("backpack", backpack, ("rucksack", "bag"), frozenset({"floor", "surface"})),
    Family("hat", hat, ("cap",), rooms=LIVING),
    Family("rug", rug, ("carpet", "mat"), frozenset({"floor"}), LIVING, "heavy"),
    Family("person", person, ("human", "man", "woman"), frozenset({"floor"})),
    Family("hand", hand, ("human hand", "arm"), frozenset({"surface"})),
    Family("gripper", gripper, ("robot gripper", "robot hand"), frozenset({"surface"})),
)
