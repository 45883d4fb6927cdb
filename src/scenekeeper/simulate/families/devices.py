"""Electric things and tools."""

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
    metal,
    paint,
    pick,
    plastic,
    wood,
    wooden,
)
from scenekeeper.simulate.mesh import Mesh, arc, ball, box, cylinder, join, lathe, tube

Rng = np.random.Generator
DESKS = frozenset({"office", "living room"})
KITCHEN = frozenset({"kitchen"})
WORKSHOP = frozenset({"workshop"})
STORED = frozenset({"surface", "shelf"})


def toaster(rng: Rng) -> Model:
    body = box(0.28, rng.uniform(0.14, 0.18), rng.uniform(0.16, 0.2), 0.025)
    top = float(body.vertices[:, 2].max())
    slots = [box(0.2, 0.025, 0.002, material=1).moved(0, y, top) for y in (-0.03, 0.03)]
    lever = box(0.012, 0.03, 0.02, 0.003, 1).moved(0.145, 0, 0.55 * top)
    color = METAL if rng.random() < 0.6 else paint(rng)
    return Model(join(body, *slots, lever), (metal(color), plastic((0.05, 0.05, 0.05))))


def microwave(rng: Rng, opened: bool = False) -> Model:
    w, d, h = rng.uniform(0.44, 0.52), 0.36, rng.uniform(0.26, 0.3)
    front = -d / 2
    panel = box(0.09, 0.006, 0.83 * h, material=2).moved(w / 2 - 0.06, front - 0.002, 0.09 * h)
    door_width = w - 0.13
    door = join(
        box(door_width, 0.012, 0.88 * h, material=0),
        box(0.85 * door_width, 0.004, 0.72 * h, material=1).moved(0, -0.008, 0.08 * h),
        tube(
            [
                (door_width / 2 - 0.02, -0.03, 0.12 * h),
                (door_width / 2 - 0.02, -0.03, 0.76 * h),
            ],
            0.006,
            8,
        ),
    )
    hinge = -w / 2 + 0.005
    angle = -float(rng.uniform(70, 110)) if opened else 0.0
    door = door.moved(door_width / 2).rotated("z", angle).moved(hinge, front - 0.006, 0.06 * h)
    pieces = [box(w, d, h, 0.006), panel, door]
    if opened:
        cavity = box(0.9 * door_width, 0.002, 0.72 * h, material=3)
        pieces.append(cavity.moved(hinge + door_width / 2, front - 0.001, 0.12 * h))
    color = WHITE if rng.random() < 0.5 else METAL
    top = Support(h, -0.45 * w, 0.45 * w, -0.42 * d, 0.42 * d, "top", 0.4)
    return Model(
        join(*pieces),
        (
            Material(color, None, 0.4, 40),
            Material((0.03, 0.03, 0.04), None, 0.6, 90),
            Material((0.15, 0.15, 0.16), "keys", 0.1, 20),
            Material((0.5, 0.48, 0.42), None, 0.1, 10),
        ),
        (top,),
    )


def microwave_opened(rng: Rng) -> Model:
    return microwave(rng, opened=True)


def laptop(rng: Rng, opened: bool = True) -> Model:
    w = rng.uniform(0.3, 0.37)
    d = 0.68 * w
    base = box(w, d, 0.016, 0.003)
    keys = box(0.9 * w, 0.45 * d, 0.001, material=1).moved(0, 0.12 * d, 0.016)
    pad = box(0.3 * w, 0.25 * d, 0.001, material=3).moved(0, -0.28 * d, 0.016)
    shell = (0.55, 0.56, 0.58) if rng.random() < 0.6 else (0.1, 0.1, 0.11)
    materials = (
        Material(shell, None, 0.4, 40),
        Material((1, 1, 1), "keys", 0.1, 20),
        Material((1, 1, 1), "screen", 0.2, 90, 0.25),
        Material((0.45, 0.45, 0.46), None, 0.2, 30),
    )
    lid = box(w, 0.007, d, 0.002)
    screen = box(0.94 * w, 0.001, 0.9 * d, material=2).moved(0, -0.004, 0.05 * d)
    if not opened:
        return Model(join(base, box(w, d, 0.007, 0.002).moved(z=0.017)), materials)
    tilt = rng.uniform(5, 35)
    back = join(lid, screen).rotated("x", -tilt).moved(0, d / 2, 0.014)
    return Model(join(base, keys, pad, back), materials)


def keyboard(rng: Rng) -> Model:
    w = rng.uniform(0.28, 0.45)
    keys = box(0.97 * w, 0.12, 0.004, material=1).moved(z=0.014)
    color = (0.12, 0.12, 0.13) if rng.random() < 0.5 else (0.85, 0.85, 0.85)
    return Model(
        join(box(w, 0.135, 0.016, 0.004), keys),
        (plastic(color), Material((1, 1, 1), "keys", 0.1, 20)),
    )


def mouse(rng: Rng) -> Model:
    size = (rng.uniform(0.055, 0.066), rng.uniform(0.095, 0.12), rng.uniform(0.05, 0.075))
    body = ball(0.5, 20, size)
    flat = Mesh(
        np.maximum(body.vertices, (-1, -1, -0.012)),
        body.triangles,
        body.uv,
        body.material,
        body.two_sided,
    )
    wheel = cylinder(0.009, 0.007, 12, material=1).rotated("y", 90).moved(-0.0035, -0.032, 0.02)
    color = (0.1, 0.1, 0.11) if rng.random() < 0.6 else paint(rng)
    return Model(
        join(flat, wheel).grounded(), (Material(color, None, 0.35, 40), plastic((0.3, 0.3, 0.3)))
    )


def monitor(rng: Rng) -> Model:
    w = rng.uniform(0.45, 0.7)
    h = w * rng.uniform(0.5, 0.62)
    lift = rng.uniform(0.08, 0.16)
    mesh = join(
        box(w, 0.03, h, 0.004).moved(z=lift),
        box(0.96 * w, 0.002, 0.93 * h, material=1).moved(0, -0.016, lift + 0.035 * h),
        box(0.05, 0.03, lift + 0.04).moved(0, 0.02),
        box(0.24, 0.18, 0.012, 0.004).moved(0, 0.02),
    )
    on = rng.random() < 0.6
    screen = (
        Material((1, 1, 1), "screen", 0.3, 90, 0.3)
        if on
        else Material((0.03, 0.03, 0.04), None, 0.5, 110)
    )
    return Model(mesh, (Material((0.05, 0.05, 0.06), None, 0.3, 40), screen))


def television(rng: Rng) -> Model:
    w = rng.uniform(0.7, 1.1)
    h = 0.57 * w
    feet = [box(0.03, 0.2, 0.05).moved(s * 0.3 * w) for s in (-1, 1)]
    mesh = join(
        box(w, 0.05, h, 0.005).moved(z=0.05),
        box(0.97 * w, 0.002, 0.94 * h, material=1).moved(0, -0.026, 0.05 + 0.03 * h),
        *feet,
    )
    off = rng.random() < 0.5
    screen = Material(
        (0.02, 0.02, 0.03) if off else (1, 1, 1), "screen", 0.5, 120, 0.02 + 0.3 * (not off)
    )
    return Model(mesh, (Material((0.03, 0.03, 0.04), None, 0.3, 40), screen))


def remote_control(rng: Rng) -> Model:
    length = rng.uniform(0.13, 0.21)
    rows = np.linspace(-0.36, 0.3, 6) * length
    buttons = [
        ball(0.004, 8, (1, 1, 0.4), 1).moved(x, y, 0.016) for y in rows for x in (-0.012, 0, 0.012)
    ]
    color = BLACK if rng.random() < 0.75 else WHITE
    knob = (0.5, 0.5, 0.5) if rng.random() < 0.7 else (0.7, 0.1, 0.1)
    return Model(join(box(0.045, length, 0.017, 0.004), *buttons), (plastic(color), plastic(knob)))


def phone(rng: Rng) -> Model:
    w, h = rng.uniform(0.066, 0.08), rng.uniform(0.14, 0.165)
    glass = box(0.93 * w, 0.95 * h, 0.0006, material=1).moved(z=0.008)
    on = rng.random() < 0.5
    screen = (
        Material((1, 1, 1), "screen", 0.4, 100, 0.1)
        if on
        else Material((0.02, 0.02, 0.025), None, 0.6, 120)
    )
    return Model(
        join(box(w, h, 0.008, 0.0035), glass), (Material(paint(rng), None, 0.4, 50), screen)
    )


def headphones(rng: Rng) -> Model:
    r = rng.uniform(0.075, 0.09)
    band = tube(arc((0, 0, 0.02), r, 0, 180, 18, "xy", 1.1 * r), 0.008, 8)
    cups = [
        join(
            cylinder(0.038, 0.03, 20, material=1),
            cylinder(0.03, 0.012, 20, material=2).moved(z=0.03),
        )
        .rotated("y", s * 90)
        .moved(-s * r, -0.01, 0.038)
        for s in (-1, 1)
    ]
    color = paint(rng)
    return Model(
        join(band, *cups).grounded(),
        (plastic(color), plastic(color if rng.random() < 0.5 else paint(rng)), plastic(BLACK)),
    )


def game_controller(rng: Rng) -> Model:
    body = ball(0.5, 18, (0.14, 0.075, 0.036)).moved(z=0.022)
    grips = [ball(0.5, 14, (0.045, 0.085, 0.036)).moved(s * 0.052, -0.03, 0.02) for s in (-1, 1)]
    sticks = [
        cylinder(0.008, 0.012, 12, material=1).moved(s * 0.025, -0.012, 0.036) for s in (-1, 1)
    ]
    buttons = [
        ball(0.005, 8, material=1).moved(0.048 + dx, 0.008 + dy, 0.035)
        for dx, dy in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01))
    ]
    return Model(
        join(body, *grips, *sticks, *buttons).grounded(),
        (plastic(paint(rng)), plastic((0.15, 0.15, 0.16))),
    )


def table_lamp(rng: Rng) -> Model:
    h, r = rng.uniform(0.25, 0.4), rng.uniform(0.08, 0.14)
    shade = lathe([(r, 0.75 * h), (r * rng.uniform(0.5, 0.9), 1.25 * h)], 28, 1).seen_from_behind()
    post = tube([(0, 0, 0), (0, 0, h)], rng.uniform(0.006, 0.02), 10)
    foot = wooden(wood(rng)) if rng.random() < 0.5 else metal()
    glow = Material((0.95, 0.9, 0.75), pick(rng, None, "fabric"), 0, 5, pick(rng, 0.05, 0.4))
    return Model(join(cylinder(0.7 * r, 0.02, 24), post, shade), (foot, glow))


def hammer(rng: Rng) -> Model:
    length = rng.uniform(0.26, 0.36)
    handle = tube([(0, 0, 0.014), (length, 0, 0.014)], [0.013, 0.01], 10)
    head = cylinder(0.014, 0.1, 16, material=1).rotated("x", 90).moved(length, 0.05, 0.014)
    claw = box(0.024, 0.045, 0.012, 0.003, 1).moved(length, -0.065, 0.006)
    grip = wooden(wood(rng)) if rng.random() < 0.6 else plastic(paint(rng))
    return Model(join(handle, head, claw).moved(-length / 2).grounded(), (grip, metal()))


def screwdriver(rng: Rng) -> Model:
    shaft = rng.uniform(0.08, 0.16)
    profile = [(0, 0), (0.011, 0.002), (0.015, 0.03), (0.012, 0.06), (0.015, 0.09), (0.006, 0.1)]
    handle = lathe([*profile, (0, 0.1)], 14)
    blade = tube([(0, 0, 0.1), (0, 0, 0.1 + shaft)], 0.003, 8, 1)
    lying = join(handle, blade).rotated("y", 90).moved(-(0.1 + shaft) / 2)
    return Model(lying.grounded(), (plastic(any_color(rng)), metal()))


def wrench(rng: Rng) -> Model:
    length = rng.uniform(0.14, 0.28)
    bar = box(length, 0.02, 0.008, 0.002)
    jaws = [box(0.03, 0.012, 0.01, 0.002).moved(length / 2 + 0.01, s * 0.014) for s in (-1, 1)]
    ring = tube(arc((-length / 2 - 0.008, 0, 0.005), 0.014, 0, 360, 14, "xy"), 0.006, 8)
    return Model(join(bar, *jaws, ring).grounded(), (metal(),))


def drill(rng: Rng) -> Model:
    body = cylinder(0.032, 0.16, 18).rotated("y", 90).moved(-0.08, 0, 0.19)
    chuck = cylinder(0.022, 0.05, 16, top=0.012, material=1).rotated("y", 90).moved(0.08, 0, 0.19)
    bit = tube([(0.13, 0, 0.19), (0.2, 0, 0.19)], 0.003, 6, 1)
    grip = box(0.045, 0.036, 0.13, 0.012, 2).rotated("y", 8).moved(-0.045, 0, 0.05)
    battery = box(0.11, 0.07, 0.055, 0.008, 2).moved(-0.05)
    return Model(
        join(body, chuck, bit, grip, battery),
        (plastic(any_color(rng, 0.1, 0.9)), metal(), plastic((0.1, 0.1, 0.11))),
    )


def toolbox(rng: Rng) -> Model:
    w, d, h = rng.uniform(0.36, 0.5), rng.uniform(0.18, 0.24), rng.uniform(0.16, 0.22)
    body = box(w, d, 0.7 * h, 0.008)
    lid = box(w, d, 0.28 * h, 0.012, 1).moved(z=0.7 * h)
    handle = tube(arc((0, 0, 0.98 * h), 0.08, 0, 180, 11, "xz", 0.04), 0.008, 8, 2)
    clips = [box(0.03, 0.01, 0.04, 0.002, 2).moved(s * 0.3 * w, -d / 2, 0.6 * h) for s in (-1, 1)]
    return Model(
        join(body, lid, handle, *clips),
        (plastic(paint(rng)), plastic(paint(rng)), plastic((0.12, 0.12, 0.13))),
    )


def tape_roll(rng: Rng) -> Model:
    r, h = rng.uniform(0.035, 0.055), rng.uniform(0.015, 0.05)
    hole = 0.65 * r
    ring = lathe([(hole, 0), (r, 0), (r, h), (hole, h), (hole, 0)], 28)
    color = pick(rng, (0.72, 0.6, 0.4), (0.75, 0.75, 0.78), (0.08, 0.08, 0.09), any_color(rng))
    return Model(ring, (Material(color, None, 0.35, 40),))


def pen(rng: Rng) -> Model:
    length = rng.uniform(0.12, 0.16)
    barrel = cylinder(0.005, length, 10)
    tip = cylinder(0.005, 0.012, 10, top=0.001, material=1).moved(z=length)
    lying = join(barrel, tip).rotated("y", 90).moved(-length / 2)
    return Model(lying.grounded(), (plastic(paint(rng)), plastic((0.1, 0.1, 0.1))))


def scissors(rng: Rng) -> Model:
    blades = [box(0.11, 0.012, 0.003).rotated("z", s * 7).moved(0.04, 0, 0.003) for s in (-1, 1)]
    rings = [
        tube(arc((-0.045, s * 0.022, 0.006), 0.024, 0, 360, 14, "xy", 0.017), 0.005, 8, 1)
        for s in (-1, 1)
    ]
    return Model(join(*blades, *rings).grounded(), (metal(), plastic(any_color(rng))))


def stapler(rng: Rng) -> Model:
    base = box(0.14, 0.035, 0.012, 0.003)
    arm = box(0.135, 0.03, 0.024, 0.008, 1).rotated("y", -6).moved(0, 0, 0.022)
    return Model(join(base, arm).grounded(), (plastic(BLACK), plastic(paint(rng))))


def desk_fan(rng: Rng) -> Model:
    r, h = rng.uniform(0.1, 0.16), rng.uniform(0.2, 0.3)
    rings = [
        tube(arc((0, -0.04 * k, h), r * s, 0, 360, 26, "xz"), 0.003, 6)
        for k in (0, 1)
        for s in (1.0, 0.66, 0.33)
    ]
    blades = [
        box(0.85 * r, 0.004, 0.3 * r, material=1).moved(0.45 * r).rotated("y", a).moved(0, -0.02, h)
        for a in (0, 120, 240)
    ]
    post = tube([(0, 0.03, 0.02), (0, 0.03, h)], 0.012, 10)
    hub = ball(0.035, 14, material=1).moved(0, 0.01, h)
    return Model(
        join(cylinder(0.7 * r, 0.02, 24), post, hub, *rings, *blades),
        (plastic(paint(rng)), plastic(paint(rng))),
    )


def speaker(rng: Rng) -> Model:
    w, h = rng.uniform(0.1, 0.2), rng.uniform(0.15, 0.34)
    front = -0.45 * w
    cones = [
        cylinder(s * w, 0.006, 22, material=1).rotated("x", 90).moved(0, front, z * h)
        for s, z in ((0.33, 0.35), (0.18, 0.78))
    ]
    color = wood(rng) if rng.random() < 0.4 else BLACK
    return Model(
        join(box(w, 0.9 * w, h, 0.004), *cones), (plastic(color), plastic((0.1, 0.1, 0.1)))
    )


FAMILIES = (
    Family("toaster", toaster, (), rooms=KITCHEN),
    Family(
        "microwave",
        microwave,
        ("microwave oven",),
        rooms=KITCHEN,
        mobility="heavy",
        build_opened=microwave_opened,
    ),
    Family("laptop", laptop, ("notebook computer",), rooms=DESKS),
    Family("keyboard", keyboard, ("computer keyboard",), rooms=DESKS),
    Family("computer mouse", mouse, ("mouse",), rooms=DESKS),
    Family("monitor", monitor, ("computer monitor", "screen", "display"), rooms=DESKS),
    Family(
        "television",
        television,
        ("tv", "tv set"),
        rooms=frozenset({"living room"}),
        mobility="heavy",
    ),
    Family("remote control", remote_control, ("remote",), rooms=DESKS),
    Family("phone", phone, ("smartphone", "cell phone", "mobile phone")),
    Family("headphones", headphones, ("headset",), rooms=DESKS),
    Family("game controller", game_controller, ("gamepad", "controller"), rooms=DESKS),
    Family(
        "table lamp",
        table_lamp,
        ("desk lamp", "floor lamp", "table lamp"),
        STORED,
        DESKS,
        noun="lamp",
    ),
    Family("speaker", speaker, ("loudspeaker",), STORED, DESKS),
    Family("fan", desk_fan, ("desk fan",), rooms=DESKS),
    Family("hammer", hammer, (), rooms=WORKSHOP),
    Family("screwdriver", screwdriver, (), rooms=WORKSHOP),
    Family("wrench", wrench, ("spanner",), rooms=WORKSHOP),
    Family("drill", drill, ("power drill", "cordless drill"), rooms=WORKSHOP),
    Family("toolbox", toolbox, ("tool box",), frozenset({"surface", "floor"}), WORKSHOP),
    Family("tape", tape_roll, ("roll of tape", "adhesive tape"), rooms=WORKSHOP | {"office"}),
    Family("pen", pen, ("pencil", "marker"), rooms=frozenset({"office", "workshop"})),
    Family("scissors", scissors, (), rooms=WORKSHOP | {"office"}),
    Family("stapler", stapler, (), rooms=frozenset({"office"})),
)
