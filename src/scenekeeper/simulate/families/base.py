"""What a family of things is, and the paints they share."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from scenekeeper.simulate.mesh import Mesh

Rgb = tuple[float, float, float]
Where = Literal["floor", "wall", "surface", "shelf", "inside"]
Mobility = Literal["fixed", "heavy", "movable"]

ALL_ROOMS = frozenset({"kitchen", "living room", "office", "workshop"})
METAL: Rgb = (0.62, 0.63, 0.65)
BLACK: Rgb = (0.06, 0.06, 0.07)
WHITE: Rgb = (0.9, 0.9, 0.88)
_WOODS = np.array(
    [
        (0.55, 0.36, 0.2),
        (0.7, 0.5, 0.3),
        (0.35, 0.2, 0.11),
        (0.8, 0.65, 0.45),
        (0.25, 0.15, 0.1),
        (0.9, 0.85, 0.75),
    ]
)


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        rgb: linear base colour.
        texture: kind of texture that multiplies it; ``None`` = plain.
        specular: strength of highlights.
        shininess: their sharpness.
        emission: light of its own, in units of its colour.
        texture_scale: textures per unit of uv.
    """

    rgb: Rgb
    texture: str | None = None
    specular: float = 0.1
    shininess: float = 20
    emission: float = 0
    texture_scale: float = 1


@dataclass(frozen=True)
class Support:
    """A level place where other things may stand or lie, in the model's frame, metres.

    Attributes:
        z: its height.
        x0: left edge.
        x1: right edge.
        y0: front edge.
        y1: back edge.
        kind: ``top`` of something, a ``shelf``, or the ground ``inside`` a container.
        clearance: free height above it.
    """

    z: float
    x0: float
    x1: float
    y0: float
    y1: float
    kind: Literal["top", "shelf", "inside"] = "top"
    clearance: float = 1.0


@dataclass(frozen=True, eq=False)
class Model:
    """A shape with its materials, and where it can carry others."""

    mesh: Mesh
    materials: tuple[Material, ...]
    supports: tuple[Support, ...] = ()


@dataclass(frozen=True)
class Family:
    """A kind of thing.

    Attributes:
        name: unique.
        synonyms: other phrases for the same.
        build: makes one of them from a generator.
        where: where they are found.
        rooms: in which kinds of rooms.
        mobility: whether people move them.
        stackable: they are found on top of one another.
        tips: they may be found lying on their side.
        build_opened: makes the same thing opened, for what can be opened.
        noun: its class, where several families are one: a desk is a table.
    """

    name: str
    build: Callable[[np.random.Generator], Model]
    synonyms: tuple[str, ...] = ()
    where: frozenset[str] = frozenset({"surface"})
    rooms: frozenset[str] = ALL_ROOMS
    mobility: Mobility = "movable"
    stackable: bool = False
    tips: bool = False
    build_opened: Callable[[np.random.Generator], Model] | None = None
    noun: str = ""

    @property
    def phrase(self) -> str:
        """The class phrase that truth gives it."""
        return self.noun or self.name


def pick(rng: np.random.Generator, *choices: Any) -> Any:
    """One of the choices, each as likely."""
    return choices[int(rng.integers(len(choices)))]


def any_color(rng: np.random.Generator, low: float = 0.06, high: float = 0.9) -> Rgb:
    """Any colour at all."""
    r, g, b = rng.uniform(low, high, 3).tolist()
    return r, g, b


def paint(rng: np.random.Generator) -> Rgb:
    """A colour that people would buy: any hue, from pale to strong; sometimes white or black."""
    if rng.random() < 0.25:
        color: Rgb = pick(rng, WHITE, (0.8, 0.8, 0.8), BLACK, (0.3, 0.3, 0.32))
        return color
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.9), rng.uniform(0.25, 0.95))


def wood(rng: np.random.Generator) -> Rgb:
    """The colour of some wood."""
    r, g, b = (_WOODS[int(rng.integers(len(_WOODS)))] * rng.uniform(0.8, 1.15)).tolist()
    return r, g, b


def plastic(color: Rgb, texture: str | None = None, scale: float = 1) -> Material:
    """Satin plastic or paint."""
    return Material(color, texture, 0.2, 25, 0, scale)


def glazed(color: Rgb, texture: str | None = None) -> Material:
    """Glazed ceramics."""
    return Material(color, texture, 0.38, 60)


def metal(color: Rgb = METAL) -> Material:
    """Brushed metal."""
    return Material(color, None, 0.6, 60)


def cloth(color: Rgb, texture: str = "fabric", scale: float = 3) -> Material:
    """Woven cloth."""
    return Material(color, texture, 0.02, 5, 0, scale)


def wooden(color: Rgb, texture: str | None = "wood") -> Material:
    """Oiled wood."""
    return Material(color, texture, 0.12, 18)
