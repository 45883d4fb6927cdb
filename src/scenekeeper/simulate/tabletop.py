"""A kitchen corner of analytic shapes: a set table, two chairs, a shelf, and how each looks.

Out: :func:`tabletop`, the things with their names, exact boxes and what carries them. Metres, world
z up, the floor at 0, the table's middle at x = y = 0. A texture maps points and normals in a
shape's own axes, ``[3, N]``, to linear albedo ``[3, N]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scenekeeper.simulate.raycast import Float32, Kind, Shape, Vec3

Texture = Callable[[Float32, Float32], Float32]

TABLE_TOP = 0.74
_BOARDS = (0.04, 0.46, 0.88, 1.30)  # undersides of the shelf's boards
_BOARD = 0.03
_PILE = 0.008  # of the rug the table and the chairs stand on


@dataclass(frozen=True)
class Part:
    """One surface of a thing."""

    shape: Shape
    texture: Texture


@dataclass(frozen=True)
class Thing:
    """One object of the room.

    Attributes:
        id: from 1, the value of its pixels in the instance images.
        name: what it is called.
        center: of its box, world.
        extent: full size of its box along its own axes; exact, not fitted.
        yaw: rotation of its axes about world z, radians.
        supported_by: id of the thing that carries it, if any.
        parts: its surfaces, in the world.
    """

    id: int
    name: str
    center: Vec3
    extent: Vec3
    yaw: float
    supported_by: int | None
    parts: tuple[Part, ...]


def tabletop() -> tuple[Thing, ...]:
    """All things of the room, floor and walls included, ascending in id."""
    top, shelf, bowl = TABLE_TOP, (1.05, 1.80), (0.03, 0.12, TABLE_TOP)
    # Two fruits of 37 mm radius that touch each other and the bowl 7.7 mm above its lowest point.
    left, right = ((bowl[0] + side * 0.037, bowl[1], top + 0.0077) for side in (-1, 1))
    lower, upper = _BOARDS[1] + _BOARD, _BOARDS[2] + _BOARD
    basket, ball = (shelf[0] - 0.1, shelf[1], lower), (shelf[0] + 0.22, shelf[1] - 0.02, lower)
    paper = (-0.06, -0.22, top)
    rug_cloth = _woven("#b3665a", "#eadfc8")
    porcelain = _bands("#eee9df", "#5c86a8", 0.03)
    # name, parts in its own frame, where that frame stands, yaw, name of what carries it
    layout: list[tuple[str, list[Part], Vec3, float, str | None]] = [
        ("floor", [_box(8, 7, 0, _tiles)], (0, -0.5, 0), 0, None),
        ("wall", [_box(7, 0, 3, _painted("#cfdccf"))], (0, 2, 0), 0, None),
        ("wall", [_box(7, 0, 3, _painted("#efe6d6"))], (-2.2, -1.5, 0), np.pi / 2, None),
        ("rug", [_box(2.3, 1.7, _PILE, rug_cloth)], (0.05, 0.1, 0), 0.06, "floor"),
        ("table", _table(), (0, 0, 0), 0, "rug"),
        ("chair", _chair(), (0.18, 0.72, _PILE), -0.12, "rug"),
        ("chair", _chair(), (-0.98, -0.06, _PILE), np.pi / 2 + 0.2, "rug"),
        ("shelf", _shelf(), (*shelf, 0), 0, "floor"),
        ("plant", _plant(), (-1.62, 1.5, 0), 0, "floor"),
        ("picture", [_box(0.72, 0.03, 0.5, _landscape)], (-0.62, 1.985, 1.05), 0, "wall"),
        ("mug", _mug("#b8433a"), (0.40, -0.20, top), -0.9, "table"),
        ("mug", _mug("#3e6e9e"), (-0.33, 0.17, top), 2.4, "table"),
        ("stack of magazines", _magazines(), (-0.42, -0.17, top), 0.25, "table"),
        ("cereal box", [_box(0.19, 0.065, 0.28, _cereal)], (0.30, 0.24, top), -0.35, "table"),
        ("bowl", [_round("bowl", 0.236, 0.075, porcelain)], bowl, 0, "table"),
        ("orange", [_round("sphere", 0.074, 0.074, _mottled("#e8862a"))], left, 0, "bowl"),
        ("apple", [_round("sphere", 0.074, 0.074, _mottled("#8fae3a"))], right, 0, "bowl"),
        ("can", [_round("cylinder", 0.068, 0.114, _tin)], (0.52, 0.05, top), 0.5, "table"),
        ("sheet of paper", [_box(0.21, 0.297, 0.0005, _page)], paper, -0.18, "table"),
        ("book", [_box(0.15, 0.215, 0.024, _bound)], (0.19, -0.27, top), 0.35, "table"),
        ("books", _row_of_books(), (shelf[0] - 0.16, shelf[1] - 0.02, upper), 0, "shelf"),
        ("vase", _vase(), (shelf[0] + 0.2, shelf[1], upper), 0, "shelf"),
        ("storage box", [_box(0.36, 0.24, 0.22, _woven("#b89a6a"))], basket, 0.05, "shelf"),
        ("ball", [_round("sphere", 0.18, 0.18, _mottled("#d9b13b"))], ball, 0, "shelf"),
    ]
    ids = {name: k for k, (name, *_) in reversed(list(enumerate(layout, 1)))}
    return tuple(
        _thing(k, name, parts, at, yaw, None if on is None else ids[on])
        for k, (name, parts, at, yaw, on) in enumerate(layout, 1)
    )


def _thing(
    id: int, name: str, parts: Sequence[Part], at: Vec3, yaw: float, on: int | None
) -> Thing:
    """Place parts given in the thing's own frame; its box is that of the parts in that frame."""
    center = np.array([part.shape.center for part in parts])
    half = np.array([_half_extent(part.shape) for part in parts])
    low, high = (center - half).min(0), (center + half).max(0)
    x, y, z = (float(v) for v in (low + high) / 2)
    dx, dy, dz = (float(v) for v in high - low)
    box = Shape("box", (x, y, z), (dx, dy, dz)).placed(at, yaw)
    placed = tuple(Part(part.shape.placed(at, yaw), part.texture) for part in parts)
    return Thing(id, name, box.center, box.extent, float(yaw), on, placed)


def _half_extent(shape: Shape) -> Vec3:
    x, y, z = (size / 2 for size in shape.extent)
    if shape.kind not in ("box", "rectangle"):
        return x, y, z
    c, s = abs(np.cos(shape.yaw)), abs(np.sin(shape.yaw))
    return c * x + s * y, s * x + c * y, z


# --- the things, each standing on z = 0 of its own frame ------------------------------------------


def _box(
    x: float, y: float, z: float, texture: Texture, at: Vec3 = (0, 0, 0), yaw: float = 0
) -> Part:
    """A box of that size, flat if one size is 0, by the middle of its underside."""
    kind: Kind = "box" if x and y and z else "rectangle"
    return Part(Shape(kind, (at[0], at[1], at[2] + z / 2), (x, y, z), yaw), texture)


def _round(kind: Kind, width: float, z: float, texture: Texture, at: Vec3 = (0, 0, 0)) -> Part:
    """A round shape of that width and height by the middle of its underside."""
    return Part(Shape(kind, (at[0], at[1], at[2] + z / 2), (width, width, z)), texture)


def _table() -> list[Part]:
    thick, foot = 0.035, _PILE
    leg = TABLE_TOP - thick - foot
    wood, dark = _wood("#cf9d66", "#9c6a36", plank=0.12), _wood("#b27d48", "#85562e", along=2)
    parts = [_box(1.3, 0.84, thick, wood, (0, 0, TABLE_TOP - thick))]
    for x in (-1, 1):
        parts.append(_box(0.02, 0.64, 0.078, dark, (x * 0.55, 0, leg - 0.07)))
        parts += [_box(0.06, 0.06, leg, dark, (x * 0.58, y * 0.35, foot)) for y in (-1, 1)]
    return parts


def _chair() -> list[Part]:
    """A chair whose back is on the +y side."""
    wood, rung = _wood("#dfbd8f", "#c09663", along=2), _wood("#dfbd8f", "#c09663")
    parts = [_box(0.42, 0.42, 0.035, _woven("#6f909c"), (0, 0, 0.42))]
    for x in (-0.19, 0.19):
        parts.append(_box(0.035, 0.035, 0.42, wood, (x, -0.19, 0)))
        parts.append(_box(0.035, 0.035, 0.92, wood, (x, 0.19, 0)))
    return parts + [_box(0.345, 0.018, 0.075, rung, (0, 0.19, z)) for z in (0.56, 0.69, 0.82)]


def _shelf() -> list[Part]:
    wood, side = _wood("#eadfca", "#d5c2a2"), _wood("#eadfca", "#d5c2a2", along=2)
    height = _BOARDS[-1] + _BOARD
    parts = [_box(0.76, 0.3, _BOARD, wood, (0, 0, z)) for z in _BOARDS]
    return parts + [_box(0.02, 0.3, height, side, (x, 0, 0)) for x in (-0.39, 0.39)]


def _plant() -> list[Part]:
    leaves = [(0, 0, 0.34, 0.36), (0.13, 0.06, 0.57, 0.3), (-0.12, -0.06, 0.64, 0.28)]
    leaves += [(0.02, 0.02, 0.85, 0.26), (-0.1, 0.1, 0.47, 0.26), (0.12, -0.1, 0.44, 0.24)]
    foliage = _mottled("#48743c", "#93b56a")
    pot = _round("cylinder", 0.3, 0.32, _bands("#b5694a", "#c47d5c", 0.11))
    return [pot] + [_round("sphere", d, d, foliage, (x, y, z)) for x, y, z, d in leaves]


def _mug(colour: str) -> list[Part]:
    radius, glaze = 0.041, _mottled(colour)
    return [
        _round("cup", 2 * radius, 0.095, glaze),
        _round("cylinder", 2 * radius - 0.002, 0.07, _mottled("#3a2416")),
        _box(0.03, 0.012, 0.012, glaze, (radius + 0.0145, 0, 0.067)),
        _box(0.03, 0.012, 0.012, glaze, (radius + 0.0145, 0, 0.018)),
        _box(0.012, 0.012, 0.061, glaze, (radius + 0.0235, 0, 0.018)),
    ]


def _magazines() -> list[Part]:
    covers = [
        (0.00, 0.004, 0.10, "#d9d2c3"),
        (0.006, -0.004, -0.08, "#7d8fa6"),
        (-0.004, 0.003, 0.05, "#c98a7d"),
        (0.003, 0.0, -0.03, "#e7c35c"),
    ]
    return [
        _box(0.21, 0.28, 0.011, _cover(colour), (x, y, 0.011 * k), yaw)
        for k, (x, y, yaw, colour) in enumerate(covers)
    ]


def _row_of_books() -> list[Part]:
    colours = "#a8483f #d9b573 #44617a #6f8f6a #e2d8c6 #7a4f6d #c57a3f #39505c"
    parts, x = [], -0.19
    for k, colour in enumerate(colours.split()):
        width, height = 0.032 + 0.011 * (k * 5 % 3), 0.21 + 0.022 * (k * 7 % 4)
        spine = _bands(colour, "#efe5cf", 0.16)
        parts.append(_box(width, 0.17, height, spine, (x + width / 2, 0, 0)))
        x += width
    return parts


def _vase() -> list[Part]:
    glaze = _bands("#6d8c94", "#c9d6d4", 0.05)
    return [_round("sphere", 0.16, 0.16, glaze), _round("cup", 0.06, 0.1, glaze, (0, 0, 0.14))]


# --- textures -------------------------------------------------------------------------------------


def _linear(colour: str) -> Float32:
    """``#rrggbb`` to linear light ``[3, 1]``; a gamma of 2 is near enough to sRGB and cheap."""
    value = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return np.array(value, np.float32)[:, None] ** 2


def _mix(a: Float32, b: Float32, weight: Float32) -> Float32:
    return a + (b - a) * np.asarray(weight, np.float32)


def _random(i: Float32, j: Float32) -> Float32:
    """A number in [0, 1) that depends on two whole numbers alone."""
    value = np.sin(i * np.float32(12.99) + j * np.float32(78.23)) * np.float32(4375.85)
    return np.asarray(value - np.floor(value), np.float32)


def _wood(light: str, dark: str, along: int = 0, plank: float = 0.0) -> Texture:
    """Grain along one axis; with a plank width, boards that differ, and the seams between them."""
    pale, deep = _linear(light), _linear(dark)

    def texture(p: Float32, n: Float32) -> Float32:
        length, side = p[along], p[(along + 1) % 3] + 0.6 * p[(along + 2) % 3]
        board = np.floor(side / plank) if plank else np.zeros_like(side)
        tone = _random(board, board + 3)
        length = length + 3 * tone
        ring = side * 55 + 1.6 * np.sin(length * 2.7 + side * 9) + 0.5 * np.sin(length * 8 + tone)
        grain = 0.5 + 0.5 * np.sin(ring + 1.7 * np.sin(ring * 0.37 + 6 * tone))
        fibre = 0.5 + 0.5 * np.sin(side * 420 + 3 * np.sin(length * 5))
        weight = 0.5 * grain * grain + 0.2 * fibre + (0.35 * tone if plank else 0.1)
        albedo = _mix(pale, deep, weight)
        if plank:
            albedo = albedo * np.where(np.abs(side / plank - board - 0.5) > 0.488, 0.55, 1)
        return albedo

    return texture


def _bands(colour: str, band: str, period: float) -> Texture:
    """Two thin horizontal bands per period of height."""
    base, line = _linear(colour), _linear(band)

    def texture(p: Float32, n: Float32) -> Float32:
        phase = p[2] / period - np.floor(p[2] / period)
        stripe = ((phase > 0.62) & (phase < 0.72)) | ((phase > 0.8) & (phase < 0.84))
        return np.where(stripe & (np.abs(n[2]) < 0.9), line, base)

    return texture


def _writing(u: Float32, v: Float32, line: float) -> Float32:
    """Where lines of words would be inked, as 0 or 1."""
    row = np.floor(v / line)
    word = np.floor(u / (1.1 * line) + 7 * _random(row, row))
    inked = (v / line - row < 0.45) & (_random(row, word) > 0.25)
    return np.asarray(inked, np.float32)


def _cover(colour: str) -> Texture:
    """A magazine's cover: a title, a photograph, lines of text."""
    base, ink, photo = _linear(colour), _linear("#232a38"), _linear("#5b8f9b")
    pages = _linear("#efece4")

    def texture(p: Float32, n: Float32) -> Float32:
        u, v = p[0], -p[1]
        title = (np.abs(u) < 0.085) & (np.abs(v + 0.11) < 0.015) & (np.sin(u * 160) > -0.75)
        picture = (np.abs(u) < 0.085) & (v > -0.08) & (v < 0.05)
        hill = v > 0.005 + 0.02 * np.sin(u * 35 + 1)
        text = (np.abs(u) < 0.085) & (v > 0.065) & (v < 0.13)
        front = _mix(base, ink, np.where(title, 0.95, 0.8 * text * _writing(u, v, 0.017)))
        front = np.where(picture, photo * np.where(hill, 0.35, 1.15), front)
        return np.where(n[2] > 0.5, front, pages * (0.9 + 0.1 * np.sin(p[2] * 2400)))

    return texture


def _painted(colour: str) -> Texture:
    """Rolled paint over a white skirting board."""
    paint, skirting = _linear(colour), _linear("#f4f1ea")

    def texture(p: Float32, n: Float32) -> Float32:
        x, z = p[0], p[2]
        mottle = np.sin(x * 3.1 + 2 * np.sin(z * 2.3)) * np.sin(z * 3.7 + np.sin(x * 1.9))
        groove = np.where(z > -1.417, 0.6, 1)
        return np.where(z < -1.41, skirting * groove, paint * (1 + 0.03 * mottle))

    return texture


def _tiles(p: Float32, n: Float32) -> Float32:
    first, second, line = (_linear(c) for c in ("#c9b8a0", "#bba88f", "#8f8272"))
    i, j = np.floor(p[0] / 0.42), np.floor(p[1] / 0.42)
    edge = np.maximum(np.abs(p[0] / 0.42 - i - 0.5), np.abs(p[1] / 0.42 - j - 0.5)) > 0.487
    cloud = 0.5 + 0.5 * np.sin(p[0] * 9 + 2 * np.sin(p[1] * 7 + i)) * np.sin(p[1] * 11 + j)
    return np.where(edge, line, _mix(first, second, 0.75 * _random(i, j) + 0.25 * cloud))


def _woven(colour: str, trim: str | None = None) -> Texture:
    """Cloth with a fine weave; a trim draws two lines along the edge of a large rug."""
    cloth, border = _linear(colour), _linear(trim or colour)

    def texture(p: Float32, n: Float32) -> Float32:
        weave = 1 + 0.07 * np.sin(p[0] * 260) * np.sin((p[1] + p[2]) * 260)
        edge = np.minimum(1.15 - np.abs(p[0]), 0.85 - np.abs(p[1]))
        line = ((edge > 0.05) & (edge < 0.08)) | ((edge > 0.11) & (edge < 0.17))
        return np.asarray(np.where(line, border, cloth) * weave, np.float32)

    return texture


def _mottled(colour: str, spots: str | None = None) -> Texture:
    """Almost plain, or with leaves of a second colour."""
    first, second = _linear(colour), _linear(spots or colour)

    def texture(p: Float32, n: Float32) -> Float32:
        wave = np.sin(n[0] * 17 + 2 * np.sin(n[2] * 11)) * np.sin(n[1] * 19 + 2 * np.sin(n[0] * 7))
        wave *= np.sin(n[2] * 15 + n[1] * 5)
        shade = 1 + np.float32(0.12 if spots else 0.03) * wave
        return np.asarray(_mix(first, second, 0.5 + 0.5 * wave) * shade, np.float32)

    return texture


def _page(p: Float32, n: Float32) -> Float32:
    paper, ink = _linear("#f6f4ee"), _linear("#3c4250")
    u, v = p[0], -p[1]
    body = (np.abs(u) < 0.085) & (v > -0.09) & (v < 0.12)
    title = (np.abs(u + 0.02) < 0.055) & (np.abs(v + 0.113) < 0.009)
    return _mix(paper, ink, np.where(title, 0.9, 0.75 * body * _writing(u, v, 0.016)))


def _cereal(p: Float32, n: Float32) -> Float32:
    red, sun, ink, milk = (_linear(c) for c in ("#d4572e", "#f3cf5b", "#6b1f14", "#fbf7ee"))
    front, z = np.abs(n[1]) > 0.5, p[2]
    u = np.where(front, -p[0] * np.sign(n[1]), p[1] * np.sign(n[0]))  # to the viewer's right
    face = np.where(np.hypot(u, z + 0.025) < 0.066, sun, red)
    face = np.where((np.hypot(u, z + 0.03) < 0.05) & (z < -0.03), milk, face)
    face = np.where((np.abs(z + 0.022) < 0.009) & (np.abs(u) < 0.05), ink, face)
    title = (np.abs(u) < 0.08) & (np.abs(z - 0.09) < 0.024)
    letters = (np.abs(z - 0.09) < 0.017) & (np.sin(u * 230) > -0.55)
    face = np.where(title, np.where(letters, ink, milk), face)
    panel = (np.abs(z + 0.01) < 0.08) & (np.abs(u) < 0.024)
    side = _mix(np.where(panel, milk, red), ink, panel * _writing(u, z, 0.013))
    return np.where(np.abs(n[2]) > 0.5, sun, np.where(front, face, side))


def _tin(p: Float32, n: Float32) -> Float32:
    """A tin with a printed label and a wave around it."""
    base, light, tin = _linear("#b72f35"), _linear("#f4eee2"), _linear("#c3c6c9")
    wave = np.abs(p[2] + 0.008 * np.sin(3 * np.arctan2(p[1], p[0]))) < 0.016
    stripe = (np.abs(p[2]) > 0.034) & (np.abs(p[2]) < 0.038)
    metal = (np.abs(p[2]) > 0.05) | (np.abs(n[2]) > 0.5)
    return np.where(metal, tin, np.where(wave | stripe, light, base))


def _bound(p: Float32, n: Float32) -> Float32:
    """A book lying flat: cloth with a gilt frame, pages on three sides."""
    cloth, gilt, pages = _linear("#2f7d6b"), _linear("#e2c87a"), _linear("#efe8d8")
    edge = np.minimum(0.075 - np.abs(p[0]), 0.1075 - np.abs(p[1]))
    title = (np.abs(p[0]) < 0.04) & (np.abs(np.abs(p[1] - 0.045) - 0.008) < 0.004)
    top = np.where(((edge > 0.012) & (edge < 0.017)) | title, gilt, cloth)
    block = (np.abs(p[2]) < 0.008) & (n[0] > -0.5)
    return np.where(n[2] > 0.5, top, np.where(block, pages, cloth))


def _landscape(p: Float32, n: Float32) -> Float32:
    frame, mount, sky, sun = (_linear(c) for c in ("#4a3a2c", "#f3efe6", "#e9c9a0", "#f7eeda"))
    far, near = _linear("#8a9fa3"), _linear("#47685c")
    x, z = p[0], p[2]
    edge = np.minimum(0.36 - np.abs(x), 0.25 - np.abs(z))
    view = np.where(np.hypot(x - 0.12, z - 0.06) < 0.04, sun, _mix(sky, sun, 0.5 - 2 * z))
    view = np.where(z < 0.03 * np.sin(x * 14) + 0.015 * np.sin(x * 31), far, view)
    view = np.where(z < -0.07 + 0.03 * np.sin(x * 9 + 2), near, view)
    return np.where(edge < 0.022, frame, np.where(edge < 0.075, mount, view))
