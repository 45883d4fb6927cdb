"""A furnished home: rooms side by side, things on floors, surfaces, shelves, in containers.

In: kinds of rooms, a seed. Out: every thing with its place, what carries it, and the scenery and
lamps around it. Changing the home afterwards is :mod:`scenekeeper.simulate.changes`' job.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper.simulate.families import FAMILIES, Family, Model
from scenekeeper.simulate.families.base import any_color
from scenekeeper.simulate.render import Lamp, Part
from scenekeeper.simulate.shell import Shell, Walls, build_shell
from scenekeeper.simulate.spots import (
    Footprint,
    Taken,
    find_spot,
    half_footprint,
    overlaps,
    pose,
    rotation,
)

Float = NDArray[np.float64]
RoomKind = Literal["kitchen", "living room", "office", "workshop"]
Carried = Literal["on", "in", "attached"]

ROOM_KINDS: tuple[RoomKind, ...] = ("kitchen", "living room", "office", "workshop")
_ALONG_WALLS: dict[str, tuple[str, ...]] = {
    "kitchen": ("sink counter", "stove", "refrigerator", "cabinet", "cabinet"),
    "living room": ("sofa", "television stand", "bookshelf", "cabinet", "floor lamp"),
    "office": ("desk", "bookshelf", "drawer unit", "desk", "cabinet"),
    "workshop": ("workbench", "cabinet", "workbench", "bookshelf"),
}
_IN_THE_MIDDLE: dict[str, tuple[str, ...]] = {
    "kitchen": ("table",),
    "living room": ("coffee table",),
    "office": ("desk",),
    "workshop": ("table",),
}
_AROUND: dict[str, tuple[str, ...]] = {
    "kitchen": ("chair", "chair", "chair", "stool", "trash can"),
    "living room": ("chair", "potted plant", "basket", "sports ball", "stool"),
    "office": ("chair", "chair", "trash can", "backpack", "box"),
    "workshop": ("stool", "crate", "trash can", "box", "crate"),
}
_FRONTAL = frozenset({"laptop", "monitor", "television", "microwave", "toaster", "cereal box"})
"""Things that people turn towards themselves."""


@dataclass(frozen=True, eq=False)
class Thing:
    """One thing in the home.

    Attributes:
        id: its identity, for ever; > 0.
        family: what it is.
        model: its shape and materials.
        T_world_thing: ``float64 [4, 4]``.
        carrier: id of the thing that carries it; ``None`` = floor or wall.
        carried: how.
        room: index of its room.
        look: things of one family and look are indistinguishable.
        opened: its door or lid is open.
    """

    id: int
    family: Family
    model: Model
    T_world_thing: Float
    carrier: int | None
    carried: Carried
    room: int
    look: int
    opened: bool = False

    @property
    def low(self) -> Float:
        """Lower corner ``[3]`` of its box in its own frame."""
        return np.asarray(self.model.mesh.vertices.min(0), np.float64)

    @property
    def high(self) -> Float:
        """Upper corner ``[3]`` of its box in its own frame."""
        return np.asarray(self.model.mesh.vertices.max(0), np.float64)

    @property
    def center(self) -> Float:
        """Centre ``[3]`` of its oriented box in the world."""
        T = self.T_world_thing
        return np.asarray(T[:3, :3] @ ((self.low + self.high) / 2) + T[:3, 3], np.float64)

    @property
    def extent(self) -> Float:
        """Size ``[3]`` of its oriented box along its own axes."""
        return self.high - self.low


@dataclass(frozen=True)
class RoomPlan:
    """One room's floor and what it is used for.

    Attributes:
        kind: kitchen, living room, office or workshop.
        x0: left wall, metres.
        x1: right wall.
        y0: front wall.
        y1: back wall.
        height: of the ceiling.
    """

    kind: RoomKind
    x0: float
    x1: float
    y0: float
    y1: float
    height: float

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the floor."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


@dataclass(frozen=True, eq=False)
class Home:
    """Rooms with everything in them.

    Attributes:
        seed: what it was made from.
        rooms: floor plans.
        things: what can be labelled, ascending by id.
        scenery: walls, floors, windows; their parts' instances are below zero or 0.
        structure: per negative instance of the scenery its phrase (``floor``, ``wall``).
        lamps: light sources.
        ambient: linear light from everywhere.
        doors: y of the middle of the doorway in each wall between two rooms.
        last_id: the highest id that any thing has ever had here.
    """

    seed: int
    rooms: tuple[RoomPlan, ...]
    things: tuple[Thing, ...]
    scenery: tuple[Part, ...]
    structure: dict[int, str]
    lamps: tuple[Lamp, ...]
    ambient: tuple[float, float, float]
    doors: tuple[float, ...] = ()
    last_id: int = 0

    def thing(self, id: int) -> Thing:
        """The thing with an id.

        Raises:
            KeyError: there is none.
        """
        for thing in self.things:
            if thing.id == id:
                return thing
        raise KeyError(f"no thing {id}")

    def with_things(self, things: Sequence[Thing]) -> Home:
        """The same home with other things in it."""
        ids = (t.id for t in (*self.things, *things))
        ordered = tuple(sorted(things, key=lambda t: t.id))
        return replace(self, things=ordered, last_id=max(self.last_id, *ids))

    def parts(self) -> list[Part]:
        """Everything to draw; a thing's instance is its id."""
        return [
            *self.scenery,
            *(Part(t.id, t.model, t.T_world_thing, look=t.look) for t in self.things),
        ]


def furnish(
    seed: int,
    kinds: Sequence[RoomKind] | None = None,
    clutter: float = 1.0,
    randomise: float = 0.0,
) -> Home:
    """A home from a seed; the same arguments give the same home, to the last bit.

    Args:
        seed: of everything.
        kinds: the rooms, side by side with open doorways; one of any kind when absent.
        clutter: how many small things there are; 1 = about 35 a room.
        randomise: domain randomisation, 0 (as in a catalogue) to 1: colours, textures, lights
            and sizes that no shop sells.

    Raises:
        ValueError: no rooms, or a negative amount.
    """
    if kinds is not None and not kinds:
        raise ValueError("a home needs at least one room")
    if clutter < 0 or not 0 <= randomise <= 1:
        raise ValueError(f"clutter {clutter} or randomise {randomise} is out of range")
    rng = np.random.default_rng([seed, 1])
    chosen = tuple(kinds) if kinds else (ROOM_KINDS[int(rng.integers(len(ROOM_KINDS)))],)
    shell = build_shell([_plan(kind, rng) for kind in chosen], rng, randomise)
    stock = _Stock(rng, randomise)
    things: list[Thing] = []
    for index, (kind, walls) in enumerate(zip(chosen, shell.rooms, strict=True)):
        room = _Room(index, kind, walls, stock, rng, things)
        room.furnish()
        room.fill(round(clutter * rng.uniform(26, 44)))
    return Home(
        seed,
        tuple(_room_plan(kind, w) for kind, w in zip(chosen, shell.rooms, strict=True)),
        tuple(things),
        shell.parts,
        shell.structure,
        *_lights(shell, rng, randomise),
        shell.doors,
        stock.next_id - 1,
    )


def _plan(kind: RoomKind, rng: np.random.Generator) -> tuple[float, float, float]:
    """Width, depth and height of a room."""
    wide = 0.4 if kind == "workshop" else 0.0
    return (
        float(rng.uniform(3.4, 5.0) + wide),
        float(rng.uniform(3.2, 4.6)),
        float(rng.uniform(2.4, 2.8)),
    )


def _room_plan(kind: RoomKind, walls: Walls) -> RoomPlan:
    return RoomPlan(kind, walls.x0, walls.x1, walls.y0, walls.y1, walls.height)


def _lights(
    shell: Shell, rng: np.random.Generator, randomise: float
) -> tuple[tuple[Lamp, ...], tuple[float, float, float]]:
    """A ceiling lamp per room and daylight through the first window."""
    lamps = []
    warm = rng.uniform(0.75, 1.05)
    tint = 1 + randomise * rng.uniform(-0.25, 0.25, 3)
    for walls in shell.rooms:
        x, y = (walls.x0 + walls.x1) / 2, (walls.y0 + walls.y1) / 2
        x, y = x + rng.uniform(-0.5, 0.5), y + rng.uniform(-0.5, 0.5)
        power = rng.uniform(0.7, 1.5) if rng.random() < 0.85 else 0.08
        r, g, b = (power * tint * (1.0, 0.93, 0.82 * warm)).tolist()
        lamps.append(Lamp((x, y, walls.height - 0.15), (x + 1e-3, y, 0), (r, g, b), 6.0, 150))
    sun = rng.uniform(0.3, 2.0)
    wx, wy, wz = shell.window
    r, g, b = (sun * np.array([0.9, 0.97, 1.08])).tolist()
    lamps.append(Lamp((wx, wy - 0.08, wz), (wx, wy - 3, 0), (r, g, b), 3.0, 140))
    level = rng.uniform(0.18, 0.45)
    return tuple(lamps), (float(level), float(level), float(1.05 * level))


class _Stock:
    """Where new things come from: ids, repeated looks, and randomised materials."""

    def __init__(self, rng: np.random.Generator, randomise: float) -> None:
        self.rng, self.randomise = rng, randomise
        self.next_id = 1
        self.looks: dict[str, int] = {}

    def model(self, family: Family, look: int) -> Model:
        build = family.build
        if is_open(family, look) and family.build_opened is not None:
            build = family.build_opened
        model = build(np.random.default_rng([look, 2]))
        rng = np.random.default_rng([look, 6])
        return randomised(model, rng) if rng.random() < 0.6 * self.randomise else model

    def look(self, family: Family) -> int:
        """A new look, or for one in six the look of an earlier one of the family."""
        if family.name in self.looks and self.rng.random() < 0.3:
            return self.looks[family.name]
        self.looks[family.name] = int(self.rng.integers(1 << 30))
        return self.looks[family.name]

    def id(self) -> int:
        self.next_id += 1
        return self.next_id - 1


def is_open(family: Family, look: int) -> bool:
    """Whether a thing of this look is found open at first."""
    return family.build_opened is not None and np.random.default_rng([look, 9]).random() < 0.2


def randomised(model: Model, rng: np.random.Generator) -> Model:
    """The shape with materials of random colour, texture and gloss."""
    kinds = ("wood", "fabric", "stripes", "checks", "marble", "speckle", "label", "dots", None)
    materials = tuple(
        replace(
            m,
            rgb=any_color(rng, 0.03, 0.95),
            texture=kinds[int(rng.integers(len(kinds)))],
            specular=float(rng.uniform(0, 0.6)),
        )
        if rng.random() < 0.6
        else m
        for m in model.materials
    )
    return replace(model, materials=materials)


class _Room:
    """Puts things into one room; ``things`` is shared by all rooms of the home."""

    def __init__(
        self,
        index: int,
        kind: RoomKind,
        walls: Walls,
        stock: _Stock,
        rng: np.random.Generator,
        things: list[Thing],
    ) -> None:
        self.index, self.kind, self.walls, self.stock, self.rng = index, kind, walls, stock, rng
        self.things = things
        self.footprints: list[Footprint] = list(walls.keep_free)
        self.taken: Taken = {}

    # --- furniture --------------------------------------------------------------------------------

    def furnish(self) -> None:
        for name in _IN_THE_MIDDLE[self.kind]:
            self._on_floor(name, against_wall=False)
        for name in _ALONG_WALLS[self.kind]:
            self._on_floor(name, against_wall=True)
        around = _AROUND[self.kind]
        for k in self.rng.permutation(len(around))[: int(self.rng.integers(2, len(around) + 1))]:
            self._on_floor(around[k], against_wall=False)
        if self.rng.random() < 0.35:
            self._on_floor("person", against_wall=False)
        for name in ("shoe", "rug", "radiator", "sports ball", "toolbox"):
            if self.rng.random() < 0.3 and self.kind in FAMILIES[name].rooms:
                self._on_floor(name, against_wall=name == "radiator")
        for name in ("picture", "clock", "picture"):
            if self.rng.random() < 0.7:
                self._on_wall(name)

    def _on_floor(self, name: str, against_wall: bool) -> None:
        name = {"television stand": "cabinet"}.get(name, name)
        family = FAMILIES[name]
        look = self.stock.look(family)
        model = self.stock.model(family, look)
        low, high = model.mesh.vertices.min(0), model.mesh.vertices.max(0)
        for _ in range(30):
            x, y, yaw = self._floor_spot(high - low, against_wall)
            center = rotation(yaw)[:2, :2] @ ((low + high) / 2)[:2]
            hx, hy = half_footprint(high - low, yaw, 0.03)
            w = self.walls
            inside = w.x0 - 0.01 <= x - hx and x + hx <= w.x1 + 0.01
            inside &= w.y0 - 0.01 <= y - hy and y + hy <= w.y1 + 0.01
            flat = family.name == "rug"
            if not inside or (not flat and overlaps((x, y, hx, hy), self.footprints, 1.0)):
                continue
            if not flat:
                self.footprints.append((x, y, hx, hy))
            at = pose((x - center[0], y - center[1], 0.002 * flat), yaw)
            self._add(family, model, at, None, "on", look)
            return

    def _floor_spot(self, extent: Float, against_wall: bool) -> tuple[float, float, float]:
        w, rng = self.walls, self.rng
        cx, cy = (w.x0 + w.x1) / 2, (w.y0 + w.y1) / 2
        if not against_wall:
            reach = 0.36
            x = cx + rng.uniform(-reach, reach) * (w.x1 - w.x0)
            y = cy + rng.uniform(-reach, reach) * (w.y1 - w.y0)
            return x, y, rng.uniform(0, 2 * math.pi)
        half, edge = extent[0] / 2, extent[1] / 2 + 0.03
        side = int(rng.integers(4))
        if side == 0:
            return rng.uniform(w.x0 + half, w.x1 - half), w.y1 - edge, 0.0
        if side == 1:
            return rng.uniform(w.x0 + half, w.x1 - half), w.y0 + edge, math.pi
        if side == 2:
            return w.x0 + edge, rng.uniform(w.y0 + half, w.y1 - half), math.pi / 2
        return w.x1 - edge, rng.uniform(w.y0 + half, w.y1 - half), -math.pi / 2

    def _on_wall(self, name: str) -> None:
        family, w, rng = FAMILIES[name], self.walls, self.rng
        look = self.stock.look(family)
        model = self.stock.model(family, look)
        depth = float(np.ptp(model.mesh.vertices[:, 1])) / 2 + 0.005
        for _ in range(10):
            side, z = int(rng.choice(w.solid_sides)), rng.uniform(1.25, 1.65)
            along = rng.uniform(0.2, 0.8)
            x, y = w.x0 + along * (w.x1 - w.x0), w.y0 + along * (w.y1 - w.y0)
            spot = {
                0: ((x, w.y1 - depth, z), 0.0),
                1: ((x, w.y0 + depth, z), math.pi),
                2: ((w.x0 + depth, y, z), math.pi / 2),
                3: ((w.x1 - depth, y, z), -math.pi / 2),
            }[side]
            key = (-10 - side, 0.0)
            half = float(np.ptp(model.mesh.vertices[:, 0])) / 2
            place = (along * max(w.x1 - w.x0, w.y1 - w.y0), z, half, 0.4)
            if overlaps(place, self.taken.setdefault(key, []), 1.1):
                continue
            self.taken[key].append(place)
            self._add(family, model, pose(*spot), None, "attached", look)
            return

    # --- small things -----------------------------------------------------------------------------

    def fill(self, count: int) -> None:
        families = [
            f for f in FAMILIES.values() if {"surface", "shelf"} & f.where and self.kind in f.rooms
        ]
        placed = 0
        for _ in range(4 * count):
            placed += self._drop(families[int(self.rng.integers(len(families)))])
            if placed >= count:
                return

    def _drop(self, family: Family) -> bool:
        rng = self.rng
        look = self.stock.look(family)
        model = self.stock.model(family, look)
        tipped = family.tips and rng.random() < 0.12
        if tipped:
            model = replace(model, mesh=model.mesh.rotated("x", 90).grounded(), supports=())
        yaw = rng.normal(0, 0.4) if family.name in _FRONTAL else rng.uniform(0, 2 * math.pi)
        here = [t for t in self.things if t.room == self.index]
        spot = find_spot(here, self.taken, family, model, yaw, rng)
        if spot is None:
            return False
        thing = self._add(family, model, spot.T_world_thing, spot.carrier, spot.how, look)
        if family.stackable and not tipped and rng.random() < 0.5:
            self._stack(thing, int(rng.integers(1, 4)))
        return True

    def _stack(self, below: Thing, more: int) -> None:
        """Put more of the same on top of one another, each a little askew."""
        for _ in range(more):
            rise = _nested_rise(below)
            T = below.T_world_thing @ pose((0, 0, rise), self.rng.normal(0, 0.15))
            T[:2, 3] += self.rng.normal(0, 0.004, 2)
            below = self._add(below.family, below.model, T, below.id, "on", below.look)

    def _add(
        self,
        family: Family,
        model: Model,
        T_world_thing: Float,
        carrier: int | None,
        carried: Carried,
        look: int,
    ) -> Thing:
        thing = Thing(
            self.stock.id(),
            family,
            model,
            T_world_thing,
            carrier,
            carried,
            self.index,
            look,
            is_open(family, look),
        )
        self.things.append(thing)
        return thing


def _nested_rise(thing: Thing) -> float:
    """How much higher the next of a stack stands: bowls and plates sink into one another."""
    height = float(thing.extent[2])
    return height * {"bowl": 0.3, "plate": 0.45, "cup": 0.25}.get(thing.family.name, 1.0)
