"""Three rooms to ask about: exact boxes, relations and colours; some doubles, some things lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scenekeeper.schema import Relation
from scenekeeper.world.scene import Scene, Status, Thing

NOW = 1_000_000_000_000
"""Nanoseconds: the moment of asking."""

VIEWER = np.array([[1.0, 0, 0, 0], [0, 0, 1, -3], [0, -1, 0, 1.5], [0, 0, 0, 1]])
"""Stands before the room and looks along +y: right is +x."""

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "table": ("desk", "coffee table", "dining table"),
    "workbench": ("bench",),
    "sofa": ("couch",),
    "monitor": ("screen", "display"),
    "television": ("tv",),
    "trash can": ("bin", "garbage can"),
    "refrigerator": ("fridge",),
    "sink counter": ("counter", "sink"),
    "cushion": ("pillow",),
    "remote control": ("remote",),
    "potted plant": ("plant", "houseplant"),
    "computer mouse": ("mouse",),
    "bookshelf": ("shelf", "bookcase"),
    "phone": ("cell phone", "smartphone"),
    "teddy bear": ("stuffed toy",),
    "drill": ("power drill",),
    "teapot": (),
    "microwave": ("microwave oven",),
    "laptop": ("notebook computer",),
    "orange": ("tangerine",),
}

_RGB = {
    "white": (235, 235, 232),
    "black": (22, 22, 24),
    "gray": (128, 128, 130),
    "red": (190, 30, 35),
    "blue": (35, 70, 180),
    "green": (40, 130, 60),
    "yellow": (235, 205, 40),
    "brown": (115, 72, 40),
    "orange": (240, 130, 30),
}


@dataclass
class Room:
    """Things put down one by one; what is on or in what is said as they are."""

    things: dict[int, Thing] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)

    def put(
        self,
        number: int,
        name: str | Mapping[str, float],
        at: tuple[float, float],
        extent: tuple[float, float, float],
        color: str = "gray",
        *,
        on: int | None = None,
        inside: int | None = None,
        z: float = 0.0,
        kind: str = "thing",
        existence: float = 0.95,
        status: Status = "confirmed",
        age_s: float = 5.0,
    ) -> None:
        """A box of ``extent`` whose foot is on something, in something, or at height ``z``."""
        if on is not None:
            below = self.things[on]
            z = float(below.center[2] + below.extent[2] / 2)
            self.relations.append(Relation(number, "on", on, 0.95))
        if inside is not None:
            holder = self.things[inside]
            z = float(holder.center[2] - holder.extent[2] / 2) + 0.02
            self.relations.append(Relation(number, "in", inside, 0.9))
        self.things[number] = Thing(
            number,
            {name: 0.92} if isinstance(name, str) else name,
            kind,
            existence,
            np.array([*at, z + extent[2] / 2]),
            np.array(extent, np.float64),
            np.eye(3),
            np.full(3, 0.02),
            np.zeros(0, np.int64),
            np.array(_RGB[color], np.uint8),
            {color: 0.9, "white" if color != "white" else "gray": 0.1},
            last_t_ns=NOW - int(age_s * 1e9),
            frames=20,
            views=(("monday", number),),
            sessions=("monday",),
            status=status,
        )

    def shell(self, first: int) -> None:
        """A floor and a wall at the back."""
        self.put(first, "floor", (0, 0), (8, 8, 0.02), z=-0.02, kind="support")
        self.put(first + 1, "wall", (0, 4), (8, 0.1, 2.5), "white", kind="wall")

    def beside(self, *pairs: tuple[int, int]) -> None:
        """Say that these are next to each other."""
        self.relations += [Relation(a, "next to", b, 0.8) for a, b in pairs]

    def scene(self) -> Scene:
        """The room as believed now."""
        things = tuple(self.things[k] for k in sorted(self.things))
        return Scene(things, tuple(self.relations), t_ns=NOW, sessions=("monday",))


LOST: dict[str, object] = {"existence": 0.08, "status": "missing", "age_s": 7200.0}
OLD: dict[str, object] = {"existence": 0.35, "status": "stale", "age_s": 900_000.0}
MUG = (0.09, 0.09, 0.1)


def kitchen() -> Scene:
    room = Room()
    room.shell(1)
    room.put(10, "table", (0, 0), (1.4, 0.9, 0.75), "brown", on=1)
    room.put(11, "sink counter", (2.5, 0), (0.6, 2.2, 0.9), "white", on=1)
    room.put(12, "refrigerator", (2.5, 2.2), (0.7, 0.7, 1.8), "white", on=1)
    room.put(13, "trash can", (1.4, -1.5), (0.3, 0.3, 0.5), "gray", on=1)
    room.put(14, "chair", (-1.1, 0), (0.45, 0.45, 0.9), "brown", on=1)
    room.put(15, "chair", (1.1, 0), (0.45, 0.45, 0.9), "brown", on=1)
    room.put(20, "mug", (-0.3, 0.2), MUG, "white", on=10)
    room.put(21, "bowl", (0.2, 0.1), (0.25, 0.25, 0.1), "blue", on=10)
    room.put(22, "apple", (0.18, 0.08), (0.07, 0.07, 0.07), "red", inside=21)
    room.put(23, "banana", (0.24, 0.13), (0.15, 0.04, 0.04), "yellow", inside=21)
    room.put(24, "plate", (0.45, -0.25), (0.25, 0.25, 0.02), "white", on=10)
    room.put(25, "mug", (2.5, -0.6), MUG, "blue", on=11)
    room.put(26, "kettle", (2.5, 0.3), (0.18, 0.18, 0.25), "black", on=11)
    room.put(27, "toaster", (2.45, 0.75), (0.2, 0.3, 0.2), "gray", on=11)
    room.put(28, "cutting board", (2.5, -0.15), (0.25, 0.35, 0.02), "brown", on=11)
    room.put(29, "knife", (2.5, -0.15), (0.03, 0.25, 0.02), "gray", on=28)
    room.put(30, "potted plant", (2.5, 1.0), (0.15, 0.15, 0.3), "green", on=11)
    room.put(31, "bottle", (2.5, 0.5), (0.08, 0.08, 0.3), "green", on=11)
    room.put(32, "bottle", (0.5, 0.3), (0.08, 0.08, 0.3), "red", on=10, **LOST)  # type: ignore[arg-type]
    room.put(33, "scissors", (2.4, -0.9), (0.06, 0.18, 0.02), "red", on=11, **OLD)  # type: ignore[arg-type]
    room.put(35, {"spoon": 0.5, "fork": 0.45}, (0.45, 0.0), (0.04, 0.2, 0.02), on=10)
    room.put(36, "jar", (2.65, -0.8), (0.08, 0.08, 0.12), "white", on=11)
    room.put(37, "jar", (2.65, -0.4), (0.08, 0.08, 0.12), "white", on=11)
    room.put(38, "milk carton", (2.5, 2.2), (0.1, 0.1, 0.25), "white", inside=12, **LOST)  # type: ignore[arg-type]
    room.put(39, "spatula", (2.3, -0.3), (0.06, 0.3, 0.02), "black", on=11, **LOST)  # type: ignore[arg-type]
    room.put(40, {"sponge": 0.2}, (2.4, 0.1), (0.1, 0.06, 0.04), "yellow", on=11)
    room.beside((26, 31), (26, 28), (27, 31), (20, 21))
    return room.scene()


def living_room() -> Scene:
    room = Room()
    room.shell(101)
    room.put(110, "sofa", (0, -0.5), (2.0, 0.9, 0.8), "gray", on=101)
    room.put(128, "rug", (0, 1.0), (2.0, 1.4, 0.01), "red", on=101, kind="flat")
    room.put(111, "table", (0, 1.0), (1.0, 0.6, 0.45), "brown", on=101)
    room.put(113, "cabinet", (0, 2.9), (1.6, 0.4, 0.5), "white", on=101)
    room.put(112, "television", (0, 2.9), (1.2, 0.1, 0.7), "black", on=113)
    room.put(114, "lamp", (1.3, -0.5), (0.35, 0.35, 1.6), "white", on=101)
    room.put(115, "lamp", (0.7, 2.9), (0.15, 0.15, 0.3), "white", on=113)
    for number, x, color in ((116, -0.7, "red"), (117, 0.0, "blue"), (118, 0.7, "blue")):
        room.put(number, "cushion", (x, -0.5), (0.4, 0.15, 0.4), color, on=110)
    room.put(119, "remote control", (-0.2, 1.0), (0.05, 0.17, 0.02), "black", on=111)
    room.put(120, "game controller", (0.2, 1.0), (0.15, 0.1, 0.06), "black", on=111)
    room.put(121, "game controller", (0.1, 1.1), (0.15, 0.1, 0.06), "white", on=128)
    room.put(125, "bookshelf", (-2.5, 2.0), (0.3, 1.0, 1.8), "brown", on=101)
    shelf = (
        ("green", (0.12, 0.02, 0.18)),
        ("red", (0.24, 0.05, 0.33)),
        ("blue", (0.13, 0.02, 0.2)),
    )
    for number, (color, extent) in zip((122, 123, 124), shelf, strict=True):
        room.put(number, "book", (-2.5, 1.7 + 0.2 * (number - 122)), extent, color, inside=125)
    room.put(126, "picture", (-1, 3.94), (0.6, 0.03, 0.4), "green", z=1.4)
    room.put(127, "clock", (1.5, 3.94), (0.3, 0.03, 0.3), "black", z=1.6)
    room.relations += [
        Relation(126, "attached to", 102, 0.9),
        Relation(127, "attached to", 102, 0.9),
    ]
    room.put(129, "potted plant", (1.1, 2.9), (0.3, 0.3, 0.9), "green", on=101)
    room.put(130, "teddy bear", (0.4, -0.5), (0.2, 0.2, 0.3), "brown", on=110, **LOST)  # type: ignore[arg-type]
    room.put(131, "headphones", (-0.3, -0.5), (0.18, 0.1, 0.2), "black", on=110, **OLD)  # type: ignore[arg-type]
    room.put(132, "shoe", (2.5, -2.0), (0.1, 0.28, 0.1), "white", on=101)
    room.put(133, "shoe", (2.65, -2.0), (0.1, 0.28, 0.1), "white", on=101)
    room.put(134, "backpack", (-0.3, 0.2), (0.35, 0.25, 0.45), "black", on=101)
    room.put(135, "phone", (0.0, 1.1), (0.07, 0.15, 0.01), "black", on=111, **LOST)  # type: ignore[arg-type]
    room.put(136, "candle", (-0.7, 2.9), (0.07, 0.07, 0.12), "yellow", on=113, **OLD)  # type: ignore[arg-type]
    room.beside((110, 114), (112, 115), (112, 136), (113, 129), (119, 120), (132, 133))
    return room.scene()


def workshop() -> Scene:
    room = Room()
    room.shell(201)
    room.put(210, "workbench", (-1.8, 1.0), (1.6, 0.7, 0.9), "brown", on=201)
    room.put(211, "workbench", (1.8, 1.5), (1.6, 0.7, 0.9), "brown", on=201)
    room.put(230, "table", (0, 3.4), (1.6, 0.8, 0.75), "white", on=201)
    room.put(212, "vise", (-2.4, 1.0), (0.2, 0.15, 0.2), "gray", on=210)
    room.put(213, "wrench", (-2.15, 1.0), (0.22, 0.05, 0.02), "blue", on=210)
    room.put(214, "wrench", (-1.2, 1.0), (0.22, 0.05, 0.02), "red", on=210)
    room.put(215, "wrench", (1.4, 1.5), (0.22, 0.05, 0.02), "blue", on=211)
    room.put(216, "hammer", (1.8, 1.5), (0.3, 0.1, 0.04), "gray", on=211)
    room.put(217, "drill", (2.2, 1.5), (0.2, 0.08, 0.2), "yellow", on=211)
    room.put(218, "drill", (2.5, 1.5), (0.2, 0.08, 0.2), "green", on=211, **LOST)  # type: ignore[arg-type]
    room.put(219, "toolbox", (1.8, 1.5), (0.5, 0.25, 0.25), "red", on=201)
    room.put(220, "toolbox", (-0.2, 0.0), (0.6, 0.3, 0.3), "blue", on=201)
    room.put(221, "screwdriver", (1.8, 1.5), (0.2, 0.03, 0.03), "yellow", inside=219)
    room.put(222, "crate", (3.0, -0.5), (0.5, 0.4, 0.3), "green", on=201)
    room.put(223, "crate", (3.0, -0.5), (0.5, 0.4, 0.3), "green", on=222)
    room.put(224, "monitor", (-0.4, 3.5), (0.55, 0.15, 0.45), "black", on=230)
    room.put(228, "monitor", (0.35, 3.5), (0.55, 0.15, 0.45), "black", on=230)
    room.put(225, "keyboard", (-0.2, 3.2), (0.44, 0.13, 0.03), "black", on=230)
    room.put(226, "computer mouse", (0.2, 3.2), (0.06, 0.1, 0.04), "black", on=230)
    room.put(229, "tape", (0.6, 3.15), (0.1, 0.1, 0.05), "gray", on=230, **OLD)  # type: ignore[arg-type]
    room.put(231, "trash can", (1.1, 3.4), (0.3, 0.3, 0.4), "black", on=201)
    room.put(232, "stool", (-0.2, 2.5), (0.35, 0.35, 0.6), "black", on=201)
    room.put(233, "scissors", (0.5, 3.3), (0.06, 0.18, 0.02), "orange", on=230, **LOST)  # type: ignore[arg-type]
    room.put(234, "stapler", (-0.55, 3.2), (0.15, 0.05, 0.06), "red", on=230, **LOST)  # type: ignore[arg-type]
    room.beside((212, 213), (230, 231), (225, 226), (225, 234), (226, 233))
    return room.scene()
