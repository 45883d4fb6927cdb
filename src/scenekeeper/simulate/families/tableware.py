"""What one eats and drinks from, and cooks in."""

from __future__ import annotations

import math

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
    glazed,
    metal,
    paint,
    pick,
    plastic,
    wood,
    wooden,
)
from scenekeeper.simulate.mesh import Mesh, arc, ball, box, cylinder, join, lathe, tube

Rng = np.random.Generator
HOME = frozenset({"kitchen", "living room", "office"})
KITCHEN = frozenset({"kitchen"})


def mug(rng: Rng) -> Model:
    r, h, wall = rng.uniform(0.035, 0.048), rng.uniform(0.075, 0.11), 0.004
    foot = r * rng.uniform(0.76, 1.0)
    outside = [(0, 0), (foot, 0), (foot * 1.06, 0.004), (r, h / 2), (r, h)]
    inside = [(r - wall, h), (r - wall, h / 2), (foot - wall, 0.01), (0, 0.008)]
    body = lathe(outside + inside, 32)
    loop = arc((r - 0.003, 0, h * 0.52), rng.uniform(0.022, 0.03), -95, 95, 12, "xz", h * 0.32)
    handle = tube(loop, 0.005, 8)
    texture = pick(rng, None, None, "stripes", "label", "dots", "speckle")
    return Model(join(body, handle), (glazed(paint(rng), texture),))


def cup(rng: Rng) -> Model:
    r, h, wall = rng.uniform(0.032, 0.042), rng.uniform(0.08, 0.14), 0.003
    foot = r * rng.uniform(0.62, 0.95)
    profile = [(0, 0), (foot, 0), (r, h), (r - wall, h), (foot - wall, 0.006), (0, 0.006)]
    if rng.random() < 0.3:  # a drinking glass
        color = pick(rng, (0.75, 0.85, 0.9), (0.65, 0.8, 0.75), (0.85, 0.85, 0.88))
        return Model(lathe(profile, 32), (Material(color, None, 0.7, 110),))
    return Model(lathe(profile, 32), (plastic(paint(rng), pick(rng, None, "stripes", "label")),))


def bowl(rng: Rng) -> Model:
    r = rng.uniform(0.06, 0.12)
    h, wall = r * rng.uniform(0.45, 0.75), 0.005
    u = np.linspace(0, 1, 8)
    width = r * (0.4 + 0.6 * np.sin(u * 1.5) / math.sin(1.5))
    height = h * u**1.4
    outside = [(0, 0), (0.4 * r, 0), *zip(width[1:], height[1:], strict=True)]
    inside = [*zip(width[:0:-1] - wall, height[:0:-1] + 0.001, strict=True)]
    profile = [*outside, *inside, (0.36 * r, 0.008), (0, 0.008)]
    material = (
        wooden(wood(rng))
        if rng.random() < 0.2
        else glazed(paint(rng), pick(rng, None, None, "stripes", "dots"))
    )
    floor = Support(0.01, -0.5 * r, 0.5 * r, -0.5 * r, 0.5 * r, "inside", 0.2)
    return Model(lathe(profile, 36), (material,), (floor,))


def plate(rng: Rng) -> Model:
    r, h, wall = rng.uniform(0.085, 0.14), rng.uniform(0.016, 0.026), 0.004
    outside = [(0, 0), (0.55 * r, 0), (0.65 * r, 0.004), (r, h)]
    inside = [(r, h + wall), (0.63 * r, 0.007 + wall), (0.55 * r, wall), (0, wall)]
    color = WHITE if rng.random() < 0.5 else paint(rng)
    top = Support(0.012, -0.45 * r, 0.45 * r, -0.45 * r, 0.45 * r, "inside", 0.2)
    return Model(
        lathe(outside + inside, 40), (glazed(color, pick(rng, None, None, "stripes")),), (top,)
    )


def pot(rng: Rng) -> Model:
    r = rng.uniform(0.09, 0.13)
    h, wall = r * rng.uniform(0.8, 1.2), 0.004
    body = lathe(
        [
            (0, 0),
            (0.95 * r, 0),
            (r, 0.008),
            (r, h),
            (r - wall, h),
            (r - wall, 0.01),
            (0, 0.008),
        ],
        36,
    )
    right = tube(arc((r, 0, 0.75 * h), 0.03, -90, 90, 9, "xy", 0.04), 0.006, 8, 1)
    left = tube(arc((-r, 0, 0.75 * h), 0.03, 90, 270, 9, "xy", 0.04), 0.006, 8, 1)
    pieces = [body, right, left]
    if rng.random() < 0.5:
        lid = [(1.01 * r, h), (0.8 * r, 1.1 * h), (0.02, 1.17 * h), (0, 1.17 * h)]
        pieces += [lathe(lid, 36), ball(0.016, 12, material=1).moved(z=1.17 * h + 0.012)]
    color = METAL if rng.random() < 0.5 else paint(rng)
    return Model(join(*pieces), (Material(color, None, 0.7, 70), plastic(BLACK)))


def pan(rng: Rng) -> Model:
    r, h, wall = rng.uniform(0.1, 0.14), rng.uniform(0.035, 0.06), 0.004
    body = lathe(
        [(0, 0), (0.85 * r, 0), (r, h), (r - wall, h), (0.85 * r - wall, 0.006), (0, 0.005)], 36
    )
    path = [(r - 0.01, 0, 0.8 * h), (r + 0.06, 0, 1.1 * h), (r + 0.2, 0, 1.3 * h)]
    handle = tube(path, [0.008, 0.009, 0.012], 8, 1)
    color = (0.1, 0.1, 0.11) if rng.random() < 0.6 else METAL
    grip = BLACK if rng.random() < 0.6 else wood(rng)
    return Model(join(body, handle), (Material(color, None, 0.4, 40), plastic(grip)))


def kettle(rng: Rng) -> Model:
    r, h = rng.uniform(0.07, 0.09), rng.uniform(0.17, 0.21)
    body = lathe(
        [
            (0, 0),
            (r, 0),
            (1.02 * r, 0.01),
            (0.8 * r, 0.8 * h),
            (0.7 * r, 0.85 * h),
            (0, 0.92 * h),
        ],
        32,
    )
    spout = tube(
        [(0.8 * r, 0, 0.55 * h), (1.15 * r, 0, 0.7 * h), (1.3 * r, 0, 0.85 * h)],
        [0.018, 0.013, 0.01],
    )
    loop = arc((-0.75 * r, 0, 0.52 * h), 0.65 * r, 90, 270, 12, "xz", 0.36 * h)
    knob = ball(0.013, 12, material=1).moved(z=0.95 * h)
    color = METAL if rng.random() < 0.5 else paint(rng)
    return Model(
        join(body, spout, tube(loop, 0.01, 8, 1), knob),
        (Material(color, None, 0.6, 70), plastic(BLACK)),
    )


def teapot(rng: Rng) -> Model:
    r = rng.uniform(0.06, 0.08)
    belly = [(r * math.cos(a), 0.9 * r * math.sin(a)) for a in np.linspace(-1.2, 1.25, 12)]
    body = lathe([(0, -0.84 * r), *belly, (0, 0.9 * r)], 32)
    spout = tube(
        [(0.8 * r, 0, -0.2 * r), (1.3 * r, 0, 0.1 * r), (1.65 * r, 0, 0.65 * r)],
        [0.017, 0.012, 0.008],
    )
    handle = tube(arc((-0.85 * r, 0, 0), 0.6 * r, 80, 280, 12, "xz", 0.6 * r), 0.007, 8)
    knob = ball(0.012, 12).moved(z=0.98 * r)
    return Model(
        join(body, spout, handle, knob).grounded(), (glazed(paint(rng), pick(rng, None, "dots")),)
    )


def vase(rng: Rng) -> Model:
    h, r, phase = rng.uniform(0.16, 0.32), rng.uniform(0.045, 0.08), rng.uniform(0, 6)
    u = np.linspace(0, 1, 14)
    width = r * (0.55 + 0.45 * np.sin(1.2 + 3.4 * u + 0.3 * math.sin(phase)))
    rim = float(width[-1])
    profile = [(0, 0), *zip(width, h * u, strict=True)]
    profile += [(rim - 0.004, h), (max(rim - 0.006, 0.004), 0.8 * h), (0, 0.7 * h)]
    texture = pick(rng, None, "stripes", "marble")
    return Model(lathe(profile, 32), (Material(paint(rng), texture, 0.45, 70),))


def spoon(rng: Rng) -> Model:
    length = rng.uniform(0.1, 0.18)
    path = [(0, 0, 0.004), (0.6 * length, 0, 0.008), (length, 0, 0.006)]
    handle = tube(path, 0.0035, 6).scaled(1, 1.6, 0.8)
    hollow = [
        (0, -0.006),
        (0.012, -0.003),
        (0.018, 0.004),
        (0.016, 0.004),
        (0.01, -0.001),
        (0, -0.004),
    ]
    head = lathe(hollow, 18).scaled(1.4, 1, 1).moved(length + 0.02, 0, 0.006)
    material = metal() if rng.random() < 0.7 else wooden(wood(rng), None)
    return Model(join(handle, head).moved(-length / 2).grounded(), (material,))


def fork(rng: Rng) -> Model:
    length = rng.uniform(0.12, 0.14)
    path = [(0, 0, 0.004), (0.6 * length, 0, 0.008), (length, 0, 0.005)]
    handle = tube(path, 0.0035, 6).scaled(1, 1.6, 0.8)
    neck = box(0.02, 0.024, 0.003).moved(length + 0.008, 0, 0.003)
    tines = [
        box(0.035, 0.003, 0.0025).moved(length + 0.033, y, 0.003)
        for y in (-0.0095, -0.0032, 0.0032, 0.0095)
    ]
    return Model(join(handle, neck, *tines).moved(-length / 2).grounded(), (metal(),))


def knife(rng: Rng) -> Model:
    length = rng.uniform(0.1, 0.2)
    outline = np.array(
        [[0, -0.012, 0], [length, -0.012, 0], [length * 1.15, 0.012, 0], [0, 0.012, 0]]
    )
    triangles = [
        (0, 2, 1),
        (0, 3, 2),
        (4, 5, 6),
        (4, 6, 7),
        (0, 1, 5),
        (0, 5, 4),
        (1, 2, 6),
        (1, 6, 5),
        (2, 3, 7),
        (2, 7, 6),
        (3, 0, 4),
        (3, 4, 7),
    ]
    blade = Mesh.of(np.concatenate((outline, outline + np.array([0, 0, 0.002]))), triangles).moved(
        z=0.005
    )
    grip = box(0.11, 0.022, 0.014, 0.003, 1).moved(-0.055)
    color = BLACK if rng.random() < 0.6 else wood(rng)
    return Model(
        join(blade, grip).moved(-length / 3), (Material(METAL, None, 0.8, 80), plastic(color))
    )


def spatula(rng: Rng) -> Model:
    length = rng.uniform(0.2, 0.26)
    stick = tube([(0, 0, 0.006), (length, 0, 0.01)], 0.006, 8)
    blade = box(0.09, 0.065, 0.004, 0.001, 1).moved(length + 0.04, 0, 0.008)
    return Model(
        join(stick, blade).moved(-length / 2),
        (
            wooden(wood(rng), None) if rng.random() < 0.5 else plastic(BLACK),
            plastic(BLACK if rng.random() < 0.5 else any_color(rng)),
        ),
    )


def cutting_board(rng: Rng) -> Model:
    w = rng.uniform(0.18, 0.3)
    top = Support(0.016, -0.7 * w, 0.7 * w, -0.45 * w, 0.45 * w)
    material = wooden(wood(rng)) if rng.random() < 0.75 else plastic(paint(rng))
    return Model(box(1.5 * w, w, rng.uniform(0.012, 0.025), 0.004), (material,), (top,))


def jar(rng: Rng) -> Model:
    r, h = rng.uniform(0.035, 0.05), rng.uniform(0.08, 0.14)
    body = lathe(
        [(0, 0), (0.95 * r, 0), (r, 0.006), (r, 0.8 * h), (0.8 * r, 0.88 * h), (0.8 * r, 0.9 * h)]
    )
    lid = cylinder(0.88 * r, 0.14 * h, 28, material=1).moved(z=0.88 * h)
    label = lathe([(r + 0.0008, 0.2 * h), (r + 0.0008, 0.65 * h)], 28, 2)
    color = (0.7, 0.3, 0.15) if rng.random() < 0.5 else any_color(rng, 0.3)
    return Model(
        join(body, lid, label),
        (
            Material(color, None, 0.5, 80),
            metal(any_color(rng)),
            Material((1, 1, 1), "label", 0.1, 20),
        ),
    )


FAMILIES = (
    Family("mug", mug, ("coffee mug", "tea mug"), rooms=HOME, stackable=False, tips=True),
    Family("cup", cup, ("glass", "drinking glass", "tumbler"), rooms=HOME, tips=True),
    Family("bowl", bowl, ("dish",), rooms=HOME, stackable=True),
    Family("plate", plate, ("dinner plate", "saucer"), rooms=HOME, stackable=True),
    Family("pot", pot, ("cooking pot", "saucepan"), rooms=KITCHEN),
    Family("pan", pan, ("frying pan", "skillet"), rooms=KITCHEN),
    Family("kettle", kettle, ("water kettle",), rooms=frozenset({"kitchen", "office"})),
    Family("teapot", teapot, ("tea pot",), rooms=HOME),
    Family("vase", vase, ("flower vase",), frozenset({"surface", "shelf"}), rooms=HOME, tips=True),
    Family("spoon", spoon, ("ladle", "wooden spoon"), rooms=KITCHEN),
    Family("fork", fork, (), rooms=KITCHEN),
    Family("knife", knife, ("kitchen knife",), rooms=KITCHEN),
    Family("spatula", spatula, ("turner",), rooms=KITCHEN),
    Family("cutting board", cutting_board, ("chopping board",), rooms=KITCHEN),
    Family("jar", jar, ("jam jar", "preserving jar"), frozenset({"surface", "shelf"}), tips=True),
)
